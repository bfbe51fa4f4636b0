"""Turns the prices of a request into prices in quote currency (protocol sections 1.5, 8.1, 11.3)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.sim.errors import invalid
from engine.sim.instruments import PairSpec
from engine.sim.market_state import Market
from engine.sim.numbers import MOST_DIGITS
from engine.sim.offsets import Offset, Price, on_tick
from engine.sim.orders import TRAILING_TYPES, NewOrder, Side


@dataclass(frozen=True, slots=True)
class Prices:
    """What a request's prices are at this moment; ``peak`` is where a trailing order starts from."""

    limit: Decimal | None
    trigger: Decimal | None
    peak: Decimal | None


def priced(new: NewOrder, market: Market) -> Prices:
    """Return the prices of a new order as they are now. Raises Refused when there is no price to count from."""
    if new.order_type in TRAILING_TYPES:
        return _trailing(new, market)
    trigger_base, last = market.trigger_reference(new.trigger_reference), market.tape.last_price
    trigger = absolute(new.trigger_price, trigger_base, market.pair, _sign(new.order_type, new.side))
    return Prices(absolute(new.limit_price, last, market.pair, _sign(new.order_type, new.side)), trigger, None)


def absolute(price: Price | None, base: Decimal | None, pair: PairSpec, sign: int = 1) -> Decimal | None:
    """Return a price in quote currency, rounded to the tick where it was relative; ``sign`` is what ``#`` stands for.

    Raises Refused when it is relative to a price that is not there, or would be zero or less.
    """
    if not isinstance(price, Offset):
        return price
    if base is None:
        raise invalid("price")
    distance = price.distance(base)
    result = base + (sign * distance if price.by_side else distance)
    if result <= 0 or result.adjusted() >= MOST_DIGITS:
        raise invalid("price")
    return on_tick(result, pair.tick)


def _trailing(new: NewOrder, market: Market) -> Prices:
    peak, pair = market.trigger_reference(new.trigger_reference), market.pair
    distance = new.trigger_price
    if not isinstance(distance, Offset) or distance.value <= 0 or peak is None:
        raise invalid("price")
    behind = Offset(-distance.value if new.side == "sell" else distance.value, distance.percent)
    trigger = absolute(behind, peak, pair)
    return Prices(absolute(new.limit_price, trigger, pair, _sign(new.order_type, new.side)), trigger, peak)


def _sign(order_type: str, side: Side) -> int:
    """Return where ``#`` points: a limit and a take-profit to the better price for their side, a stop to the worse."""
    better = -1 if side == "buy" else 1
    return -better if order_type.startswith(("stop-loss", "trailing-stop")) else better
