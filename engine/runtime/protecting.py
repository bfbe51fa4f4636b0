"""Protecting coins that are there already: a bracket without an entry, checked against what no other bracket holds."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import msgspec
import structlog
import trio

from engine.accounts.movement import SPOT
from engine.errors import VenueError
from engine.market.book import Book
from engine.orders.signal import Signal, StopLoss, TakeProfit, protecting
from engine.risk.denials import Denial
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.services import Services
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Price, Qty, Side, limit_not_worse, other_side, trigger_not_later, trimmed

log = structlog.get_logger()

COVERED_BOUND_S = 5.0
"""How long the stop may take to rest before the answer says that it is on the way."""
PROTECT = "protect"
"""Strategy of brackets that a person's word has made."""


class Protected(msgspec.Struct, frozen=True):
    """What became of a wish to protect. ``covered``: the stop rests. ``refused``: ``code`` and ``reason`` say why."""

    status: Literal["covered", "on_the_way", "refused"]
    signal_id: str = ""
    symbol: str = ""
    order_qty: Qty = Qty(ZERO)
    code: str = ""
    reason: str = ""


class Protecting:
    """Opens brackets for coins. ``scopes`` are those that live, ``hold`` opens another one."""

    def __init__(
        self, services: Services, scopes: Callable[[], list[BracketScope]], hold: Callable[[Signal], BracketScope]
    ) -> None:
        self._services, self._scopes, self._hold = services, scopes, hold
        self._over = False
        self._one = trio.Lock()  # two wishes at once must not both find the same coins free

    def end(self) -> None:
        """Open no more: the engine ends, and its brackets with it."""
        self._over = True

    async def protect(self, symbol: str, qty: Qty, side: Side, stop: Price, target: Price | None) -> Protected:
        """Open a bracket for ``qty`` base units that ``side`` has brought; its exits go the other way."""
        instrument = self._services.link.instrument(symbol)
        if instrument is None:
            return _refused("SYMBOL_UNKNOWN", f"the venue lists no {symbol!r}; write it as BTC/USD")
        if qty % instrument.qty_increment:
            return _refused("OFF_LOT", f"{trimmed(qty)} is no multiple of the lot {trimmed(instrument.qty_increment)}")
        if not instrument.orderable(qty, stop):
            least = (
                f"{trimmed(instrument.qty_min)} {instrument.base} and {trimmed(instrument.cost_min)} {instrument.quote}"
            )
            return _refused("BELOW_MINIMUM", f"{trimmed(qty)} is below what an order must be: {least}")
        async with self._one:
            worth = await self._judge(instrument, qty, side, stop, target)
            if isinstance(worth, Protected):
                return worth
            if self._over:
                return _refused("ENGINE_CLOSING", "the engine is shutting down")
            out, tick = other_side(side), instrument.price_increment
            profit = None if target is None else TakeProfit(limit_not_worse(out, target, tick))
            loss = StopLoss(trigger_not_later(out, stop, tick))
            name = self._services.new_cl_ord_id()
            scope = self._hold(protecting(name, PROTECT, instrument.symbol, side, qty, loss, profit, worth))
        log.info("protect.begun", signal_id=name, symbol=instrument.symbol, qty=str(qty))
        await self._services.journal.sync()
        with trio.move_on_after(COVERED_BOUND_S) as bound:
            await scope.wait_covered()
        status: Literal["covered", "on_the_way"] = "on_the_way" if bound.cancelled_caught else "covered"
        return Protected(status, name, instrument.symbol, qty)

    async def _judge(
        self, instrument: Instrument, qty: Qty, side: Side, stop: Price, target: Price | None
    ) -> Price | Protected:
        """Return what one unit is worth now, or why this cannot be protected so."""
        try:
            with trio.fail_after(self._services.settings.book_wait_s):
                async with self._services.link.watch(instrument.symbol, PROTECT) as book:
                    balances = await self._services.link.balances()
                    best = book.best(side)
        except (trio.TooSlowError, VenueError) as error:
            return _refused("CANNOT_JUDGE", f"no verified book or no balance of {instrument.symbol}: {error}")
        if best is None:
            return _refused("CANNOT_JUDGE", f"nobody stands in the book of {instrument.symbol} to trade with")
        if wrong := _wrong_prices(best, side, stop, target):
            return _refused("WRONG_SIDE", wrong)
        if side == "sell" and (denial := self._as_entry(instrument, book, qty, stop)) is not None:
            return _refused(denial.code, denial.reason)
        totals = {one.asset: one.total for one in balances if one.wallet == SPOT}
        asset = instrument.base if side == "buy" else instrument.quote
        needed = qty if side == "buy" else qty * stop
        free = totals.get(asset, ZERO) - self._held(asset)
        if needed > free:
            said = f"{trimmed(needed)} {asset} wanted, {trimmed(max(free, ZERO))} there that no bracket of ours holds"
            return _refused("NOT_THERE", said)
        return best

    def _as_entry(self, instrument: Instrument, book: Book, qty: Qty, stop: Price) -> Denial | None:
        """Judge what buys coins back as the entry it is, unless fills of ours have sold them.

        Coins that somebody else owes are not in our books: nothing proves that buying them reduces anything.
        """
        services, symbol = self._services, instrument.symbol
        brackets = (one.bracket for one in self._scopes() if one.bracket.instrument.symbol == symbol)
        sold = (one for one in brackets if one.signal.side == "sell" and not one.signal.margin)
        busy = sum((max(one.exposure, ZERO) for one in sold), ZERO)
        if qty <= -services.accounts.ledger.qty(symbol) - busy:
            return None
        buying = Signal(
            signal_id=services.new_cl_ord_id(),
            symbol=symbol,
            side="buy",
            order_type="stop-loss",
            order_qty=qty,
            stop_loss=None,
            strategy_id=PROTECT,
            trigger_price=stop,
        )
        return services.risk.entry(buying, instrument, book)

    def _held(self, asset: str) -> Decimal:
        """Units of an asset that living brackets hold, or need to buy back what they have sold."""
        total = ZERO
        for scope in self._scopes():
            bracket = scope.bracket
            if bracket.signal.margin:
                continue  # it holds no coins
            if bracket.signal.side == "buy" and bracket.instrument.base == asset:
                total += max(bracket.exposure, ZERO)
            elif bracket.signal.side == "sell" and bracket.instrument.quote == asset:
                stop = bracket.terms.stop_loss
                total += max(bracket.exposure, ZERO) * (stop.trigger_price if stop is not None else ZERO)
        return total


def _wrong_prices(best: Price, side: Side, stop: Price, target: Price | None) -> str:
    if (stop >= best) == (side == "buy") or stop == best:
        return f"a stop at {trimmed(stop)} would fire at once: the market stands at {trimmed(best)}"
    if target is not None and ((target <= best) == (side == "buy") or target == best):
        return f"a target at {trimmed(target)} is reached already: the market stands at {trimmed(best)}"
    return ""


def _refused(code: str, reason: str) -> Protected:
    return Protected("refused", code=code, reason=reason)
