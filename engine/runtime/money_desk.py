"""Money of a running engine, for programs: positions, profit, balances, execution quality, and what changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

import structlog
import trio

from engine.accounts.ledger import Fact
from engine.accounts.quality import SignalQuality
from engine.errors import VenueError
from engine.journal.journal import Journal
from engine.orders.reports import Fill
from engine.runtime.account_desk import AccountDesk
from engine.runtime.balance_desk import BalanceDesk
from engine.runtime.balance_views import BALANCES_ROW, MOVEMENT_ROW, BalanceList, balances_of
from engine.runtime.charge_desk import ChargeDesk
from engine.runtime.ledger_rows import read_days
from engine.runtime.margin_desk import MarginDesk
from engine.runtime.margin_showing import with_margin
from engine.runtime.money_bus import MoneyBus
from engine.runtime.money_events import (
    EVERY_KIND,
    BalanceMismatch,
    ForeignMovement,
    MoneyEvent,
    PositionChanged,
)
from engine.runtime.money_views import By, Pnl, PositionList, pnl_of, positions_of
from engine.runtime.pnl_curve import PnlCurve
from engine.runtime.quality_rows import last_signals, quality_of
from engine.runtime.readers import Every
from engine.seams.clock import Clock
from engine.values.money import ZERO, trimmed
from engine.values.time import NS
from engine.venue.protocol import Balance, VenueLink

log = structlog.get_logger()

LOOK_EVERY_S: Final = 1.0
HOLDS_BOUND_S: Final = 3.0
"""How long a question for holds may take; the stream's balances are shown without them then."""
LEDGER_BOUND_S: Final = 60.0
"""A full counter of calls makes a page of four points wait, and whoever gives up loses its place in the queue. What the
ledger could explain is alarmed after HOLDS_BOUND_S all the same."""
ASK_AGAIN_S: Final = 60.0
"""A key may lack the permission for the ledger: it is asked seldom, and what it could explain is alarmed meanwhile."""
BALANCES_EVERY_NS: Final = 3600 * NS
"""How old the balances may be that a killed engine leaves in its journal."""


class MoneyDesk:
    """Watches that our books and the venue's balances agree. A mismatch is an alarm and stays until it is explained."""

    def __init__(
        self,
        journal: Journal,
        link: VenueLink,
        clock: Clock,
        accounts: AccountDesk,
        balances: BalanceDesk,
        bus: MoneyBus,
        stream_up: Callable[[], bool],
        margin: MarginDesk,
        charges: ChargeDesk,
    ) -> None:
        self._margin, self._charges = margin, charges
        self._journal, self._link, self._clock, self._stream_up = journal, link, clock, stream_up
        self._accounts, self._balances, self._bus = accounts, balances, bus
        self._mismatch: dict[str, Decimal] = {}
        self._kept_ns = clock.now_ns()
        self._ask_s = 0.0
        self.curve = PnlCurve()
        accounts.on_fact = self._booked
        balances.on_change = bus.post

    # --- for programs -----------------------------------------------------------------------------------------------

    @property
    def mismatch(self) -> Mapping[str, Decimal]:
        """What nothing explains, by asset; empty while books and balances agree."""
        return self._mismatch

    def positions(self) -> PositionList:
        """Return what is held, valued by the books of its markets as of now."""
        self._accounts.look([])
        return with_margin(positions_of(self._accounts.ledger, self._accounts.marks), self._margin)

    def pnl(self, by: By | None = None) -> Pnl:
        """Return realised and unrealised profit by strategy, symbol or day; None: a sum for each quote currency."""
        accounts = self._accounts
        accounts.look([])
        ended = read_days(self._journal) if by == "day" else []
        return pnl_of(accounts.ledger, ended, by, accounts.marks, accounts.worth, self._charges.why)

    async def balances(self) -> BalanceList:
        """Return balances with holds, which only a query tells: it waits for that, at most HOLDS_BOUND_S."""
        asked: list[Balance] = []
        why = f"the venue did not answer within {HOLDS_BOUND_S:g} s"
        with trio.move_on_after(HOLDS_BOUND_S):
            try:
                asked, why = await self._link.balances(), ""
            except VenueError as error:
                why = str(error)
        return balances_of(self._balances, asked, self._clock.now_ns(), why, self._margin.view())

    async def quality(self, signal_id: str) -> SignalQuality | None:
        """Return how one signal was executed; None when it was never accepted."""
        return quality_of(self._journal, signal_id)

    async def qualities(self, limit: int) -> list[SignalQuality]:
        """Return how the last signals were executed, oldest first."""
        found = []
        for signal_id in await last_signals(self._journal, limit):
            one = quality_of(self._journal, signal_id)
            if one is not None:
                found.append(one)
            await trio.lowlevel.checkpoint()
        return found

    @contextmanager
    def read(
        self, kinds: tuple[type[MoneyEvent], ...] = EVERY_KIND, capacity: int | None = None
    ) -> Iterator[Every[MoneyEvent]]:
        """Receive every event of some kinds from now on; one that falls behind is cut off, and looks at the whole."""
        with self._bus.read(kinds, capacity) as reader:
            yield reader

    # --- inside -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if self._unexplained():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._look_meanwhile)
                    await self._explain()
                    nursery.cancel_scope.cancel("the ledger was asked")
            self.look()
            await trio.sleep(LOOK_EVERY_S)

    async def _look_meanwhile(self) -> None:
        await trio.sleep(HOLDS_BOUND_S)
        while True:
            self.look()
            await trio.sleep(LOOK_EVERY_S)

    def _unexplained(self) -> bool:
        """Tell whether our own fills leave open what happened while the stream was away, and it may be asked for."""
        since_ns, now_s = self._balances.reconciliation.gap_ns, trio.current_time()
        return bool(since_ns and now_s >= self._ask_s and self._stream_up() and self._balances.mismatch())

    async def _explain(self) -> None:
        """Ask the venue's ledger what happened while the stream was away."""
        gap = self._balances.reconciliation
        since_ns, opened_ns = gap.gap_ns, gap.opened_ns
        why = f"the venue did not answer within {LEDGER_BOUND_S:g} s"
        with trio.move_on_after(LEDGER_BOUND_S):
            try:
                self._balances.explain(await self._link.movements_since(since_ns), opened_ns)
                why = ""
            except VenueError as error:
                why = str(error)
        self._ask_s = trio.current_time() + ASK_AGAIN_S
        if why:
            log.warning("balance.ledger_not_told", why=why)

    def look(self) -> None:
        """Tell what others have moved, and whether the books and the balances agree."""
        now_ns = self._clock.now_ns()
        if self.curve.due(now_ns):
            self.curve.take(self.pnl(), now_ns)
        for movement in self._balances.foreign():
            log.warning("balance.foreign", asset=movement.asset, kind=movement.kind, change=trimmed(movement.change))
            self._journal.append(MOVEMENT_ROW, movement, ts_ns=now_ns)
            self._bus.post(ForeignMovement(now_ns, movement))
        mismatch = self._balances.mismatch() if self._stream_up() else None
        if mismatch is not None and mismatch != self._mismatch:
            self._tell(mismatch, now_ns)
        elif now_ns - self._kept_ns >= BALANCES_EVERY_NS:
            self.keep()

    def keep(self) -> None:
        """Journal the balances as they stand, for whoever looks when nobody runs."""
        now_ns = self._clock.now_ns()
        self._kept_ns = now_ns
        self._charges.look()
        if self._balances.reconciliation.started_ns:
            kept = balances_of(self._balances, (), now_ns, "not told: the engine had ended", self._margin.view())
            self._journal.append(BALANCES_ROW, kept, ts_ns=now_ns)

    def _tell(self, mismatch: dict[str, Decimal], now_ns: int) -> None:
        self._mismatch = mismatch
        said = {asset: trimmed(qty) for asset, qty in mismatch.items()}
        if mismatch:
            log.error("balance.mismatch", alarm="BALANCE_MISMATCH", unexplained=said)
        else:
            log.warning("balance.explained")
        self.keep()
        self._bus.post(BalanceMismatch(now_ns, mismatch))

    def _booked(self, fact: Fact, fill: Fill, realized: Decimal) -> None:
        self._balances.booked(fact, fill)
        held = self._accounts.ledger.positions.get((fact.strategy_id, fact.symbol, fact.margin))
        self._bus.post(
            PositionChanged(
                ts_ns=fact.ts_ns,
                strategy_id=fact.strategy_id,
                symbol=fact.symbol,
                exec_id=fill.exec_id,
                side=fact.side,
                last_qty=fact.qty,
                qty=held.qty if held is not None else ZERO,
                cost=held.cost if held is not None else ZERO,
                realized=realized,
            )
        )
