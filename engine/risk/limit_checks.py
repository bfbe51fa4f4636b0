"""The limits, each a check of its own: what may still come counts as if it had been filled.

Pure. Entries are denied by the first that fails; for exits the same checks only warn (engine.risk.exit_checks denies).
An order that does not enlarge a position, an exposure or a count passes the limit on it, however far it is passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from engine.orders.events import Numbers
from engine.risk.denials import Denial, over
from engine.risk.limits import NO_LEVERAGE, Limits, SymbolLimits
from engine.risk.situation import Candidate, Situation, Standing
from engine.values.money import ZERO, other_side, sign, trimmed
from engine.values.time import NS

BPS: Final = Decimal(10_000)


Check = Callable[[Candidate, Situation, Limits], Denial | None]


def _allowed(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    if limits.symbols is None or order.symbol in limits.symbols:
        return None
    return Denial("SYMBOL_NOT_ALLOWED", f"{order.symbol} is not among {', '.join(limits.symbols) or 'none'}")


def _valued(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    if not limits.judges_value or now.rate is not None:
        return None
    quote = now.instrument.quote
    return Denial("QUOTE_NOT_VALUED", f"limits.rates does not say what a {quote} is worth in {limits.currency}")


def _signal_age(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most = limits.signal_age_most_s
    age_s = Decimal(now.now_ns - order.born_ns) / NS
    if most is None or age_s <= Decimal(str(most)):
        return None
    return over("SIGNAL_STALE", "age of the signal", Decimal(str(most)), age_s, unit="s")


def _market_age(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most = limits.market_data_age_most_s
    age_s = Decimal(now.now_ns - now.book.ts_ns) / NS
    if most is None or age_s <= Decimal(str(most)):
        return None
    return over("MARKET_DATA_STALE", f"age of the book of {order.symbol}", Decimal(str(most)), age_s, unit="s")


def _size(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most = limits.of_symbol(order.symbol).order_qty_most
    if most is None or order.qty <= most:
        return None
    return over("ORDER_QTY_LIMIT", "quantity of the order", most, order.qty, unit=now.instrument.base)


def _notional(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most, value = limits.order_value_most, order.qty * order.price * (now.rate or ZERO)
    if most is None or value <= most:
        return None
    return over("ORDER_VALUE_LIMIT", "value of the order", most, value, unit=limits.currency)


def _collar(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    """Judge the aggressive side only: a buy far above the asks, a sell far below the bids.

    A market order is judged by what it takes.
    """
    if limits.collar_bps is None:
        return None
    facing = now.book.best(other_side(order.side))
    reference = facing if facing is not None else now.book.best(order.side)
    if reference is None:
        return Denial("PRICE_COLLAR", f"the book of {order.symbol} is empty: no price can be judged")
    edge = reference * (1 + sign(order.side) * limits.collar_bps / BPS)
    if order.limit_price is None:
        return _depth(order, now, limits.collar_bps, edge)
    beyond = (order.limit_price - edge) * sign(order.side)
    if beyond <= 0:
        return None
    observed = (order.limit_price / reference - 1) * sign(order.side) * BPS
    return over(
        "PRICE_COLLAR",
        f"{order.side} at {trimmed(order.limit_price)} against {trimmed(reference)}",
        limits.collar_bps,
        observed.quantize(Decimal("0.01")),
        unit="bps",
    )


def _depth(order: Candidate, now: Situation, collar_bps: Decimal, edge: Decimal) -> Denial | None:
    there = now.book.executable(order.side, edge)
    if there >= order.qty:
        return None
    reason = f"quantity within {trimmed(collar_bps)} bps of the best price"
    return over("PRICE_COLLAR", reason, there, order.qty, unit=now.instrument.base)


def _position(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most, standing = limits.of_symbol(order.symbol).position_qty_most, now.standings[order.symbol]
    worst = standing.worst(order.side, order.qty, margin=order.margin)
    if most is None or worst <= most:
        return None
    flying = standing.flow.at_most(order.side) + standing.lent_flow.at_most(order.side) + order.qty
    return over(
        "POSITION_LIMIT", f"position in {order.symbol}", most, worst, in_flight=flying, unit=now.instrument.base
    )


def _symbol_exposure(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    own: SymbolLimits = limits.of_symbol(order.symbol)
    here = {order.symbol: now.standings[order.symbol]}
    return _exposure("SYMBOL_EXPOSURE", f"exposure in {order.symbol}", own.exposure_most, order, here, limits)


def _strategy_exposure(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most = limits.of_strategy(order.strategy_id).exposure_most
    return _exposure("STRATEGY_EXPOSURE", f"exposure of {order.strategy_id}", most, order, now.own, limits)


def _total_exposure(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    return _exposure("TOTAL_EXPOSURE", "exposure in total", limits.exposure_most, order, now.standings, limits)


def _exposure(
    code: str, what: str, most: Decimal | None, order: Candidate, standings: dict[str, Standing], limits: Limits
) -> Denial | None:
    if most is None:
        return None
    unpriced = [symbol for symbol, one in standings.items() if one.value is None and one.exposure_qty]
    if unpriced:
        return Denial(code, f"{what}: no price is known of {', '.join(sorted(unpriced))}")
    before = sum((one.exposure() for one in standings.values()), ZERO)
    here = standings[order.symbol]
    after = before - here.exposure() + here.exposure(order.side, order.qty, margin=order.margin)
    if after <= most or after <= before:
        return None
    held = sum((one.held * (one.value or ZERO) for one in standings.values()), ZERO)
    return over(code, what, most, after, in_flight=max(ZERO, after - held), unit=limits.currency)


def _open_orders(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most = limits.open_orders_most
    if most is None or now.orders < most:
        return None
    return over(
        "OPEN_ORDERS_LIMIT", "orders that live or are due, with this one", Decimal(most), Decimal(now.orders + 1)
    )


def _strategy_orders(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most = limits.of_strategy(order.strategy_id).open_orders_most
    if most is None or now.own_orders < most:
        return None
    what = f"orders of {order.strategy_id} that live or are due, with this one"
    return over("STRATEGY_ORDERS_LIMIT", what, Decimal(most), Decimal(now.own_orders + 1))


def _pace(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most = limits.orders_per_second
    if most is None or now.sent_lately < most:
        return None
    return over(
        "ORDER_RATE_LIMIT", "entries within a second, with this one", Decimal(most), Decimal(now.sent_lately + 1)
    )


def _daily_realized(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    return _loss(
        "DAILY_REALIZED_LOSS", "realised loss today", limits.daily_realized_loss_most, now.realized_loss, limits
    )


def _daily(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    return _loss("DAILY_LOSS", "loss today, unrealised included", limits.daily_loss_most, now.loss, limits)


def _strategy_daily_realized(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most = limits.of_strategy(order.strategy_id).daily_realized_loss_most
    what = f"realised loss of {order.strategy_id} today"
    return _loss("STRATEGY_REALIZED_LOSS", what, most, now.own_realized_loss, limits)


def _strategy_daily(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most = limits.of_strategy(order.strategy_id).daily_loss_most
    what = f"loss of {order.strategy_id} today, unrealised included"
    return _loss("STRATEGY_LOSS", what, most, now.own_loss, limits)


def _drawdown(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    return _loss("DRAWDOWN", "drawdown from the highest equity", limits.drawdown_most, now.drawdown, limits)


def _loss(code: str, what: str, most: Decimal | None, observed: Decimal, limits: Limits) -> Denial | None:
    """A loss that has reached its limit is a breach: there is nothing left to lose."""
    if most is None or observed < most:
        return None
    return over(code, what, most, observed, unit=limits.currency)


def _balance(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    if not limits.check_balance or order.margin:
        return None
    instrument = now.instrument
    asset = instrument.quote if order.side == "buy" else instrument.base
    if now.free is None:
        return Denial("BALANCE_UNKNOWN", f"the venue has not told the balance of {asset}")
    need = order.qty
    if order.side == "buy":
        need = order.qty * order.price * (1 + limits.fee_reserve_bps / BPS)
    return None if need <= now.free else over("BALANCE_SHORT", f"needed of {asset}", now.free, need, unit=asset)


def _leverage(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    """Deny what is to borrow more than is allowed: nothing at all, unless somebody has said so."""
    if order.leverage is None or order.reduces or order.leverage <= limits.leverage_most:
        return None
    most, asked = Decimal(limits.leverage_most), Decimal(order.leverage)
    if limits.leverage_most <= NO_LEVERAGE:
        said = f"leverage {order.leverage} is asked for, and entries with leverage are off (limits.leverage_most)"
        return Denial("LEVERAGE_OFF", said, Numbers(most, asked))
    return over("LEVERAGE_LIMIT", "leverage of the entry", most, asked)


def _margin_known(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    """An order that would close a position instead of opening one, or whose margin nobody can tell, is no entry."""
    if not order.margin or order.reduces:
        return None
    if now.margin is None or now.rate is None:
        return Denial("MARGIN_UNKNOWN", "the venue has not told margin and positions since our last fill on margin")
    if now.margin.opposed:
        said = f"on margin a {order.side} closes what is held the other way: {now.margin.opposed}"
        return Denial("MARGIN_OPPOSED", said)
    if now.margin.mismatch:
        said = f"the venue's margin position in {order.symbol} differs from our books by {trimmed(now.margin.mismatch)}"
        return Denial("MARGIN_MISMATCH", said)
    return None


def _margin_use(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    most, margin = limits.margin_use_most_pct, now.margin
    if most is None or margin is None or order.leverage is None or order.reduces:
        return None
    coming = margin.coming + _initial_margin(order, now)
    used, allowed = margin.used + coming, margin.equity * most / 100
    if used <= allowed:
        return None
    what = f"margin used, at most {trimmed(most)} % of an equity of {trimmed(margin.equity)}"
    return over("MARGIN_USE_LIMIT", what, allowed, used, in_flight=coming, unit=limits.currency)


def _margin_free(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    """Initial margin and the fees of entry and exit must be free: exits themselves need no margin."""
    margin = now.margin
    if margin is None or order.leverage is None or order.reduces or now.rate is None:
        return None
    fees = order.qty * order.price * now.rate * limits.fee_reserve_bps / BPS * 2
    needed = _initial_margin(order, now) + fees + margin.coming
    if needed <= margin.free:
        return None
    what = f"margin at leverage {order.leverage}, with fees"
    return over("MARGIN_SHORT", what, margin.free, needed, in_flight=margin.coming, unit=limits.currency)


def _initial_margin(order: Candidate, now: Situation) -> Decimal:
    return order.qty * order.price * (now.rate or ZERO) / (order.leverage or 1)


CHECKS: Final[tuple[Check, ...]] = (
    _allowed,
    _leverage,
    _valued,
    _signal_age,
    _market_age,
    _size,
    _notional,
    _collar,
    _position,
    _symbol_exposure,
    _strategy_exposure,
    _total_exposure,
    _open_orders,
    _strategy_orders,
    _pace,
    _daily_realized,
    _daily,
    _strategy_daily_realized,
    _strategy_daily,
    _drawdown,
    _balance,
    _margin_known,
    _margin_use,
    _margin_free,
)
"""In the order in which an entry meets them."""


def breaches(order: Candidate, now: Situation, limits: Limits) -> Iterator[Denial]:
    """Yield every limit that the order would break, in the order of CHECKS."""
    for check in CHECKS:
        denial = check(order, now, limits)
        if denial is not None:
            yield denial


def check_limits(order: Candidate, now: Situation, limits: Limits) -> Denial | None:
    """Return the first limit that the order would break."""
    return next(breaches(order, now, limits), None)
