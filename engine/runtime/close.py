"""One close under way: from the latched brackets to the questions at its end, and what it came to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import trio

from engine.orders.brackets import Bracket
from engine.orders.replay import Opened, rebuild_bracket
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal, protecting
from engine.orders.slices import CloseWish
from engine.orders.standing import reference_price
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.close_margin import ASK_BOUND_S, MarginProof, not_flat
from engine.runtime.close_proof import AskedBy, CloseProof, Wallets
from engine.runtime.close_report import BalanceProof, CloseAsked, CloseReport, NotFlat, PositionProof
from engine.runtime.close_words import bracket_close, why_not_flat
from engine.runtime.history import facts_of, signal_of
from engine.runtime.services import Services
from engine.values.money import ZERO, Qty, trimmed
from engine.values.time import NS, rfc3339

FIRST_LOOK_S = 1.0
"""What the balances before the close may cost; entries are being cancelled meanwhile."""
LAST_LOOK_S = 8.0
"""Kept of the bound for the questions at the end: REST shows our last fills only after a while."""
LOOK_AGAIN_S, LOOK_SELDOM_S = 0.5, 4.0
"""Between two looks, each time twice as long: one costs two points, three on margin, of a REST counter of fifteen."""
HOLDINGS = "holdings"
"""Strategy of brackets for coins that no bracket of ours brought."""
NOTHING: AskedBy = "nothing"


class Brackets(Protocol):
    """What a close needs of the engine."""

    def scopes(self) -> list[BracketScope]:
        """Return the brackets that have not ended, oldest first."""
        ...

    def living_entries(self, strategy_id: str = "") -> tuple[str, ...]:
        """Return the signals whose entry lives or is still to be sent."""
        ...

    def reopen_to_close(self, bracket: Bracket) -> BracketScope:
        """Give an ended bracket that still holds something a scope again."""
        ...

    def hold(self, signal: Signal) -> BracketScope:
        """Open a bracket without an entry for coins that are there."""
        ...

    async def wait_progress(self) -> None:
        """Return when any bracket has planned or ended."""
        ...


class Close:
    """One close under way. ``report`` is set with ``done``; None then: the engine ended first."""

    def __init__(self, services: Services, brackets: Brackets, asked: CloseAsked) -> None:
        self._services, self._brackets, self.asked = services, brackets, asked
        self._proof, self._lent = CloseProof(services), MarginProof(services)
        self._began_s = trio.current_time()
        self._closed: dict[str, Bracket] = {}  # by signal, also once they have ended
        self._latched: set[str] = set()
        self._reopened: set[str] = set()
        self._entries: list[str] = []
        self._notes: list[str] = []
        self._trading, self._waiting = trio.CancelScope(), trio.CancelScope()
        self._abandoned = ""
        self._held_done = not asked.include_holdings
        self.report: CloseReport | None = None
        self.done = trio.Event()

    def end_entries(self) -> None:
        """Take every entry back at once; what fills meanwhile is closed with the rest."""
        living = set(self._brackets.living_entries())
        for scope in self._chosen():
            if scope.signal_id in living:
                self._entries.append(scope.signal_id)
            self._closed[scope.signal_id] = scope.bracket
            scope.end_entry(self._why, urgent=True, again=True)

    async def run(self) -> CloseReport:
        """Trade everything away, then ask the venue; return what it came to, within the bound."""
        left_s = (self.asked.until_ns - self._services.clock.now_ns()) / NS
        before = await self._proof.wallets(FIRST_LOOK_S)
        self._trading.deadline = self._began_s + max(left_s - LAST_LOOK_S, 0)
        with self._trading:
            await self._trade()
        if self._abandoned:
            await self._let_go()
        return await self._conclude(before, self._began_s + left_s)

    def abandon(self, why: str) -> None:
        """Trade no further, and let the brackets protect what they hold again."""
        self._abandoned = why
        self._trading.cancel(why)
        self._waiting.cancel(why)
        for scope in self._chosen():
            scope.stay()

    # --- trading ----------------------------------------------------------------------------------------------------

    @property
    def _why(self) -> str:
        return f"close of {self.asked.words}: {self.asked.reason}"

    def _wish(self) -> CloseWish | None:
        asked = self.asked
        return None if asked.max_slippage_bps is None else CloseWish(asked.max_slippage_bps, asked.wish_ns)

    def _covers(self, signal: Signal) -> bool:
        match self.asked.scope:
            case "symbol":
                return signal.symbol == self.asked.name
            case "signal":
                return signal.signal_id == self.asked.name
            case "all":
                return True

    def _chosen(self) -> list[BracketScope]:
        return [scope for scope in self._brackets.scopes() if self._covers(scope.bracket.signal)]

    async def _trade(self) -> None:
        """Latch every bracket there is, also those that appear meanwhile; return once all have ended."""
        while True:
            living = self._chosen()
            for scope in living:
                if scope.signal_id not in self._latched:
                    self._latched.add(scope.signal_id)
                    self._closed[scope.signal_id] = scope.bracket
                    scope.close(self._why, self._wish())
            if living:
                await self._brackets.wait_progress()
            elif not self._reopen_left() and not await self._sell_holdings():
                return

    async def _let_go(self) -> None:
        """Return once every bracket has noted that it is not closed any more."""
        with trio.move_on_after(LOOK_AGAIN_S):
            while any(scope.bracket.untold for scope in self._chosen()):
                await self._brackets.wait_progress()

    def _reopen_left(self) -> bool:
        """Open ended brackets again that still hold what can be ordered; False when there is none."""
        found = [one for one in self._left_over() if one.signal.signal_id not in self._reopened]
        for bracket in found:
            self._reopened.add(bracket.signal.signal_id)
            self._latched.discard(bracket.signal.signal_id)
            self._brackets.reopen_to_close(bracket)
        return bool(found)

    def _left_over(self) -> Iterator[Bracket]:
        journal = self._services.journal
        living = {scope.signal_id for scope in self._brackets.scopes()}
        for signal_id, end in list(self._services.leftovers.ends.items()):
            if signal_id in living:
                continue
            signal = next(journal.rows(signal_id=signal_id, kind="signal")).decode(Opened).signal
            if not self._covers(signal):
                continue
            if (
                end.outcome == "taken_over"
                and (signal.stop_loss or signal.take_profit)
                and self.asked.scope != "signal"
            ):
                said = f"signal {signal_id[:8]} was taken over by a person, what it held is theirs; --signal closes it"
                if said not in self._notes:
                    self._notes.append(said)
                continue
            bracket = rebuild_bracket(facts_of(journal, signal_id=signal_id), self._services.settings.policy)
            if bracket is not None and can_order(bracket):
                yield bracket

    async def _sell_holdings(self) -> bool:
        """Open a bracket for coins that are there and no bracket's, once ours are gone; False when there are none."""
        if self._held_done:
            return False
        self._held_done = True
        wallets = await self._proof.wallets()
        opened = False
        for symbol in self._symbols():
            instrument = self._services.link.instrument(symbol)
            if instrument is None:
                continue
            coins = (s.bracket for s in self._brackets.scopes() if not s.bracket.signal.margin)
            others = sum((one.exposure for one in coins if one.instrument.symbol == instrument.symbol), ZERO)
            qty = instrument.lots(max(ZERO, wallets.spot.get(instrument.base, ZERO) - others))
            if qty < instrument.qty_min:
                continue
            book = self._services.link.book(symbol)
            worth = book.best("buy") if book is not None else None
            name = self._services.new_cl_ord_id()
            self._brackets.hold(protecting(name, HOLDINGS, instrument.symbol, "buy", Qty(qty), None, None, worth))
            opened = True  # it is latched with the others, in the same tick
        return opened

    def _symbols(self) -> list[str]:
        """Markets this close is about: the one it names, and those of its brackets."""
        named = {self.asked.name: None} if self.asked.scope == "symbol" else {}
        return list(named | {bracket.instrument.symbol: None for bracket in self._closed.values()})

    def _margin_symbols(self) -> list[str]:
        """Markets of it in which anything was ever traded on margin; of a signal, those where it did."""
        if self.asked.scope == "signal":
            lent = [one for one in self._closed.values() if one.signal.margin]
            return self._lent.symbols([one.instrument.symbol for one in lent], everywhere=False)
        return self._lent.symbols(self._symbols(), everywhere=self.asked.scope == "all")

    # --- what it came to --------------------------------------------------------------------------------------------

    async def _conclude(self, before: Wallets, until_s: float) -> CloseReport:
        """Ask until the answers agree with our books, at most until the bound; then tell what stands."""
        if self._margin_symbols():  # asked earlier it would prove nothing
            with self._waiting:
                await trio.sleep_until(min(self._lent.shows_s, until_s - ASK_BOUND_S))
        report = await self._look(before)
        pause_s = LOOK_AGAIN_S
        with trio.move_on_at(until_s):
            while not (report.flat or self._abandoned or self._still_trading()):
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, LOOK_SELDOM_S)
                report = await self._look(before)
        return report

    def _still_trading(self) -> bool:
        return any(scope.signal_id in self._closed for scope in self._brackets.scopes())

    async def _look(self, before: Wallets) -> CloseReport:
        """Ask the venue once and put everything together; the questions go side by side, within ASK_BOUND_S."""
        asked, services = self.asked, self._services
        after, asked_by, rest = before, NOTHING, list[OrderReport]()
        positions, untold = tuple[PositionProof, ...](), ""

        async def ask_orders() -> None:
            nonlocal rest, asked_by
            rest, asked_by = await self._proof.resting(self._is_its, self._is_our_entry)

        async def ask_wallets() -> None:
            nonlocal after
            after = await self._proof.wallets()

        async def ask_positions() -> None:
            nonlocal positions, untold
            positions, untold = await self._lent.positions(self._margin_symbols())

        if not self._abandoned:  # whoever broke it off waits for nobody
            async with trio.open_nursery() as look_nursery:
                for question in (ask_orders, ask_wallets, ask_positions):
                    look_nursery.start_soon(question, name=f"close/{question.__name__}")
        living = {scope.signal_id for scope in self._brackets.scopes()}
        assets = {i.base: None for s in self._symbols() if (i := services.link.instrument(s)) is not None}
        balances = tuple(self._proof.balance(asset, before, after) for asset in assets)
        left = [
            why_not_flat(one, services.link.instrument(one.signal.symbol), services.settings.close_bound_s)
            for signal_id, one in self._closed.items()
            if signal_id in living or can_order(one)
        ]
        left += [
            NotFlat(one.symbol or "", "", one.order_qty or ZERO, "RESTS_THERE", f"order {one.order_id} is open there")
            for one in rest
            if not any(one.cl_ord_id in bracket.orders for bracket in self._closed.values())
            or all(one.cl_ord_id not in self._closed[s].orders for s in living & self._closed.keys())
        ]
        left += [
            NotFlat(one.asset, "", one.change - one.fills, "BALANCE_UNEXPLAINED", _unexplained(one))
            for one in balances
            if one.explained is False and one.change is not None
        ]
        left += not_flat(positions, untold)
        if self._abandoned:
            left.append(NotFlat(asked.name, "", ZERO, "ABANDONED", self._abandoned))
        elif asked_by == "nothing":
            left.append(NotFlat(asked.name, "", ZERO, "CANNOT_ASK", "the venue does not answer, and no stream stands"))
        now_ns = services.clock.now_ns()
        return CloseReport(
            close_id=asked.close_id,
            scope=asked.scope,
            name=asked.name,
            reason=asked.reason,
            drill=False,
            asked_at=rfc3339(asked.asked_ns),
            ended_at=rfc3339(now_ns),
            took_s=round((now_ns - asked.asked_ns) / NS, 3),
            entries_canceled=tuple(self._entries),
            brackets=tuple(bracket_close(one) for one in self._closed.values()),
            balances=balances,
            open_orders=len(rest),
            asked_by=asked_by,
            not_flat=tuple(left),
            notes=(*self._notes, *self._doubts(balances)),
            flat=not left,
            positions=positions,
        )

    def _doubts(self, balances: tuple[BalanceProof, ...]) -> Iterator[str]:
        if any(one.change is None for one in balances):
            yield "the balance before the close could not be read: our fills and orders are the proof"
        for one in balances:
            if one.change is not None and one.explained is None:
                said = f"{one.asset} also takes what positions on margin have made, by the venue's reckoning"
                yield f"{said}: our fills and orders are the proof"
        if self._still_trading() and not self._abandoned:
            yield "what is not flat goes on being closed: status and why tell more"

    def _is_our_entry(self, order_id: str) -> bool:
        """Tell whether an order is an entry of ours with a conditional close, that of an ended bracket too."""
        if any(_entered_by(bracket, order_id) for bracket in self._closed.values()):
            return True
        name = self._services.desk.name_of(order_id)
        return name is not None and self._services.is_ours(name)

    def _is_its(self, order: OrderReport) -> bool:
        match self.asked.scope:
            case "symbol":
                return order.symbol == self.asked.name
            case "signal":
                name = order.cl_ord_id or self._services.desk.name_of(order.ord_ref_id or "")
                return name is not None and signal_of(self._services.journal, name) == self.asked.name
            case "all":
                return True


def _unexplained(one: BalanceProof) -> str:
    return (
        f"the balance changed by {trimmed(one.change or ZERO)} and our fills come to {trimmed(one.fills)}: somebody "
        "else trades, deposits or withdraws this asset, or a fill of ours has not been told; close again proves it anew"
    )


def _entered_by(bracket: Bracket, order_id: str | None) -> bool:
    return any(one.role == "entry" and order_id and one.order_id == order_id for one in bracket.orders.values())


def can_order(bracket: Bracket) -> bool:
    """Tell whether what a bracket holds, or has traded too much, is more than dust.

    On margin too much is not traded back.
    """
    if bracket.signal.margin and bracket.exposure < 0:
        return False
    price = reference_price(bracket.signal, tuple(bracket.orders.values()))
    return bool(bracket.exposure) and bracket.instrument.orderable(abs(bracket.exposure), price)
