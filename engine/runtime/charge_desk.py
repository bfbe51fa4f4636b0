"""Opening fees and rollovers of a running engine: booked as losses once their entries are told, asked for where missed.

The stream tells them as they come; what it may have missed (the engine was off, the stream was away) the venue's ledger
tells. While nothing was ever traded on margin nothing is asked.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import structlog
import trio

from engine.accounts.charges import CUT_NS, MARGIN, ROLLOVER, UNATTRIBUTED, Lot
from engine.accounts.ledger import DAY_NS
from engine.accounts.movement import SPOT, Movement
from engine.errors import VenueError
from engine.journal.journal import Journal
from engine.orders.replay import Opened
from engine.runtime.account_desk import AccountDesk
from engine.runtime.balance_desk import BalanceDesk
from engine.runtime.history import signal_of
from engine.runtime.margin_desk import Lags, MarginDesk
from engine.runtime.money_bus import MoneyBus
from engine.runtime.money_events import MarginCharged
from engine.seams.clock import Clock
from engine.values.time import NS, rfc3339
from engine.venue.protocol import VenueLink

log = structlog.get_logger()

LOOK_EVERY_S: Final = 1.0
HISTORY_BOUND_S: Final = 120.0
"""It comes in pages of fifty, for which the REST counter must have points to spare: some hundreds of entries."""
KINDS: Final = (MARGIN, ROLLOVER)
ANY_KIND: Final = "all"
SHORT_NS: Final = 3600 * NS
"""So far back one question for all entries costs less than one for each kind: trades in coins fill few pages."""
OWNER_BOUND_S: Final = 10.0
ASK_AGAIN_S, ASK_SELDOM_S = 60.0, 900.0
"""Between two questions that fail, each time twice as long: a key may lack the permission for the ledger, and every one
of them costs others their points. The profit says what may be missing."""
OWNERS_AT_ONCE: Final = 5
"""Questions for the owner of a rollover cost REST points that others need too."""
UNOWNED_MOST: Final = 1000
"""More positions than an account has open at once."""
HELD_BACK_NS: Final = DAY_NS
"""So long the entries after a rollover without an owner stay to be asked for again: a start finds that one too."""


class ChargeDesk:
    """``name_of`` is what we call an order of the venue's.

    An entry belongs to the signal whose fill it names. Where nothing of ours is named, and yet every open position is
    ours, it is ours and nobody's in particular: it is booked as unattributed. Everything else is another's.
    """

    def __init__(
        self,
        journal: Journal,
        link: VenueLink,
        clock: Clock,
        accounts: AccountDesk,
        balances: BalanceDesk,
        margin: MarginDesk,
        bus: MoneyBus,
        lags: Lags,
        name_of: Callable[[str], str | None],
        stream_up: Callable[[], bool],
    ) -> None:
        self._journal, self._link, self._clock = journal, link, clock
        self._accounts, self._margin, self._bus = accounts, margin, bus
        self._lags, self._name_of, self._stream_up = lags, name_of, stream_up
        self._why = ""
        self._charges, self._told = accounts.ledger.charges, balances.reconciliation
        for exec_id in self._charges.lots:
            self._told.filled_on_margin(exec_id)
        self._since_ns = self._charges.known_ns
        self._ask_at_s = -math.inf  # when what a gap may have held is to be asked for; infinite: there is no gap
        self._shown_s = math.inf  # from when on REST shows all of it
        self._was_up = self._whole = False  # whole: the stream has told every entry since it was last opened
        self._opened_ns = self._lost_ns = 0  # opening states of balances: the last, and the last of a lost stream
        self._pause_s = ASK_AGAIN_S
        self._owners_s = -math.inf
        self._owners_why = ""
        self._owner_asked_s: dict[str, float] = {}
        self._foreign: OrderedDict[str, None] = OrderedDict()  # what rollovers of others refer to
        self._unowned: OrderedDict[str, list[Movement]] = OrderedDict()  # rollovers that the ledger has told, by ref

    @property
    def why(self) -> str:
        """Say why charges may be missing from the profit, "" where none is."""
        if not self._charges.known_ns:
            return ""
        if self._gap:
            return f"entries since {rfc3339(self._from_ns)} are still to be asked for{self._why}"
        return f"rollovers wait for the venue to tell whose they are: {self._owners_why}" if self._owners_why else ""

    @property
    def _gap(self) -> bool:
        return self._ask_at_s < math.inf

    @property
    def _from_ns(self) -> int:
        return max(self._since_ns, self._charges.known_ns)

    async def run(self) -> None:
        """Ask and book until cancelled."""
        while True:
            self._notice()
            if self._was_up:
                await self._ask_ledger()
                await self._ask_owners()
            self.look()
            await trio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Book what has been told."""
        while self._told.lent:
            movement = self._told.lent.popleft()
            if movement.kind == ROLLOVER:  # of a fill that may be older than those known by their names
                self._take(movement)
            else:
                self._book(movement)
        self._notice()
        if self._whole and not self._gap:
            now_ns, lag_ns = self._clock.now_ns(), round(self._lags.broken_s * NS)
            waiting = (one.ts_ns - CUT_NS for one in self._ownerless.values())
            self._since_ns = min(now_ns - lag_ns, max(min(waiting, default=now_ns), now_ns - HELD_BACK_NS))
            self._charges.know(self._since_ns)

    # --- what was missed --------------------------------------------------------------------------------------------

    def _notice(self) -> None:
        """Learn of a gap. What happened in it REST may show only after a while: it is asked for then, and once."""
        up, opened_ns = self._stream_up(), self._told.opened_ns
        if self._was_up and not up:
            self._lost_ns = self._opened_ns
        if (up and not self._was_up) or opened_ns != self._opened_ns:
            self._shown_s = trio.current_time() + self._lags.broken_s
            if math.isinf(self._ask_at_s):  # a stream that flaps puts nothing off
                self._ask_at_s = self._shown_s
        self._whole = up and opened_ns != self._lost_ns  # it may tell its balances before its fills are complete
        self._was_up, self._opened_ns = up, opened_ns

    async def _ask_ledger(self) -> None:
        if trio.current_time() < self._ask_at_s:
            return
        if not self._charges.known_ns:
            self._ask_at_s = math.inf
            return
        asked_s, opened_ns = trio.current_time(), self._opened_ns
        self._ask_at_s = asked_s + self._pause_s
        why = f"the venue did not answer within {HISTORY_BOUND_S:g} s"
        with trio.move_on_after(HISTORY_BOUND_S):
            try:
                since_ns = self._from_ns
                for kind in KINDS if self._clock.now_ns() - since_ns > SHORT_NS else (ANY_KIND,):
                    for movement in await self._link.movements_since(since_ns, kind, patient=True):
                        self._take(movement)
                why = ""
            except VenueError as error:
                why = str(error)
        self._why = f": {why}" if why else ""
        self._pause_s = min(2 * self._pause_s, ASK_SELDOM_S) if why else ASK_AGAIN_S
        if why:
            log.warning("charges.not_told", why=why)
        elif opened_ns == self._told.opened_ns:
            self._ask_at_s = math.inf if asked_s >= self._shown_s else self._shown_s

    def _take(self, movement: Movement) -> None:
        if movement.wallet != SPOT or movement.kind not in KINDS:
            return
        if movement.ref_id in self._charges.lots:
            self._book(movement)
        elif movement.kind == ROLLOVER and movement.ref_id not in self._foreign:
            self._unowned.setdefault(movement.ref_id, []).append(movement)
            if len(self._unowned) > UNOWNED_MOST:
                self._unowned.popitem(last=False)

    # --- whose it is ------------------------------------------------------------------------------------------------

    @property
    def _ownerless(self) -> dict[str, Movement]:
        """Rollovers, the first of each reference, of which nobody has told yet whose they are."""
        return {ref_id: told[0] for ref_id, told in self._unowned.items()} | self._told.nameless

    async def _ask_owners(self) -> None:
        self._leave_foreign()
        waiting = self._ownerless
        asked_s = self._owner_asked_s = {name: at_s for name, at_s in self._owner_asked_s.items() if name in waiting}
        self._owners_why = self._owners_why if waiting else ""
        # one that cannot be told keeps no other waiting
        for ref_id in sorted(waiting, key=lambda name: asked_s.get(name, -math.inf))[:OWNERS_AT_ONCE]:
            if trio.current_time() < self._owners_s:
                return
            asked_s[ref_id] = trio.current_time()
            self._owners_s = trio.current_time() + ASK_AGAIN_S
            self._owners_why = f"the venue did not answer within {OWNER_BOUND_S:g} s"
            with trio.move_on_after(OWNER_BOUND_S):
                try:
                    self._settle(ref_id, await self._owner(waiting[ref_id]))
                    self._owners_s, self._owners_why = -math.inf, ""
                except VenueError as error:
                    self._owners_why = str(error)
            if self._owners_why:
                log.warning("charges.owner_not_told", ref_id=ref_id, why=self._owners_why)

    def _leave_foreign(self) -> None:
        """Leave the rollovers of others to them: none is ours before we have traded on margin."""
        ours = self._charges.known_ns or any(margin for _, _, margin in self._accounts.ledger.results)
        for ref_id in [name for name in self._told.nameless if not ours or name in self._foreign]:
            del self._told.nameless[ref_id]

    def _settle(self, ref_id: str, lot: Lot | None) -> None:
        first, told = self._told.nameless.pop(ref_id, None), self._unowned.pop(ref_id, [])
        if lot is None:
            self._foreign[ref_id] = None
            if len(self._foreign) > UNOWNED_MOST:
                self._foreign.popitem(last=False)
            return
        self._charges.note(ref_id, lot, (first or told[0]).ts_ns)
        self._told.filled_on_margin(ref_id)
        for movement in told:
            self._book(movement)

    async def _owner(self, movement: Movement) -> Lot | None:
        """Return whose fill, or order, an entry names; nobody's in particular where it must be ours; None: another's.

        Raises VenueError.
        """
        ref_id = movement.ref_id
        if ref_id in self._charges.lots:  # its fill was told meanwhile
            return self._charges.lots[ref_id]
        named = next((one.order_id for one in self._margin.positions if one.position_id == ref_id), ref_id)
        lot = await self._lot_of(named)
        if lot is not None:
            return lot
        positions = await self._link.margin_positions()
        for one in positions:
            if one.position_id not in self._charges.lots and await self._lot_of(one.order_id) is None:
                return None
        return Lot("", UNATTRIBUTED, UNATTRIBUTED, "", movement.asset) if positions else None

    async def _lot_of(self, ref_id: str) -> Lot | None:
        name = self._name_of(ref_id)
        if name is None:
            order = await self._link.order_of(ref_id)
            name = order.cl_ord_id or self._name_of(order.order_id) if order is not None else None
        signal_id = signal_of(self._journal, name) if name else None
        if signal_id is None:
            return None
        opened = next(self._journal.rows(signal_id=signal_id, kind="signal")).decode(Opened)
        market = opened.instrument
        return Lot(signal_id, opened.signal.strategy_id, market.symbol, market.base, market.quote)

    # --- booking ----------------------------------------------------------------------------------------------------

    def _book(self, movement: Movement) -> None:
        charge = self._charges.charge(movement, self._clock.now_ns(), self._since_ns)
        if charge is None:
            return
        self._accounts.charge(charge)
        if charge.qty:
            self._tell(charge.lot, movement, charge.qty)

    def _tell(self, lot: Lot, movement: Movement, qty: Decimal) -> None:
        now_ns = self._clock.now_ns()
        self._bus.post(MarginCharged(now_ns, lot.strategy_id, lot.symbol, movement.ref_id, movement.asset, qty))
