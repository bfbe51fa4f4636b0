"""What the venue tells of balances, held against our fills as it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

import trio

from engine.accounts.ledger import Fact
from engine.accounts.movement import SPOT, Movement
from engine.accounts.reconciliation import REMEMBERED, Reconciliation
from engine.orders.reports import Fill
from engine.runtime.money_events import BalanceChanged
from engine.seams.clock import Clock
from engine.values.money import ZERO, sign
from engine.venue.protocol import Balance


def _nobody(event: BalanceChanged) -> None:
    """Stand in until somebody listens."""


class BalanceDesk:
    """``spot`` is what orders are paid from, ``elsewhere`` what lies in other wallets, by (asset, wallet).

    ``on_change`` is called with every balance the venue tells.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reconciliation = Reconciliation()
        self.spot: dict[str, Balance] = {}
        self.elsewhere: dict[tuple[str, str], Balance] = {}
        self.on_change: Callable[[BalanceChanged], object] = _nobody
        self._foreign: deque[Movement] = deque(maxlen=REMEMBERED)
        self._told = trio.Event()

    @property
    def told(self) -> bool:
        """Tell whether the venue has told its balances since the start."""
        return self._told.is_set()

    async def wait_told(self) -> None:
        """Return once the venue has told its balances. The caller owns the deadline."""
        await self._told.wait()

    def opened(self, balances: Sequence[Balance]) -> None:
        """Take an opening state: what it does not name is empty."""
        now_ns = self._clock.now_ns()
        told = {one.asset for one in balances if one.wallet == SPOT}
        gone = [Balance(asset, ZERO) for asset in self.spot if asset not in told]
        self.elsewhere.clear()
        for balance in (*balances, *gone):
            self._keep(balance, now_ns)
        self.reconciliation.opened({one.asset: one.total for one in self.spot.values()}, now_ns)
        self._told.set()

    def moved(self, balance: Balance) -> None:
        """Take one change."""
        now_ns = self._clock.now_ns()
        self._keep(balance, now_ns)
        movement = balance.movement
        if movement is None:
            return
        if balance.wallet != SPOT:
            self.reconciliation.moved_elsewhere(movement)
            self._foreign.append(movement)
        elif self.reconciliation.moved(movement, balance.total, now_ns):
            self._foreign.append(movement)

    def booked(self, fact: Fact, fill: Fill) -> None:
        """Take a fill of ours, once."""
        if fact.margin:
            self.reconciliation.filled_on_margin(fill.exec_id)
            return
        self.reconciliation.filled(fill.exec_id, changes_of(fact), fill.ts_ns, self._clock.now_ns())

    def foreign(self) -> list[Movement]:
        """Return what others have moved since the last call, as far as it is certain that it was others."""
        found = [*self._foreign, *self.reconciliation.look(self._clock.now_ns())]
        self._foreign.clear()
        return found

    def explain(self, movements: list[Movement], opened_ns: int) -> None:
        """Take the venue's ledger since the stream was away, see Reconciliation."""
        self._foreign.extend(self.reconciliation.explained(movements, opened_ns))

    def mismatch(self) -> dict[str, Decimal] | None:
        """Return what nothing explains, by asset; None while the balances are too young to say."""
        if not self.reconciliation.steady(self._clock.now_ns()):
            return None
        return self.reconciliation.unexplained()

    def _keep(self, balance: Balance, now_ns: int) -> None:
        if balance.wallet == SPOT:
            self.spot[balance.asset] = balance
        else:
            self.elsewhere[balance.asset, balance.wallet] = balance
        kind = balance.movement.kind if balance.movement is not None else ""
        self.on_change(BalanceChanged(now_ns, balance.asset, balance.wallet, balance.total, kind))


def changes_of(fact: Fact) -> dict[str, Decimal]:
    """Return what a fill in coins moves on the account, by asset."""
    side = sign(fact.side)
    changes = {fact.base: side * fact.qty, fact.quote: -side * fact.cost}
    for fee in fact.fees:
        changes[fee.asset] = changes.get(fee.asset, ZERO) - fee.qty
    return changes
