"""The two counters of section 5: a call counter per API key, and the engine's per account and pair."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from engine.sim import errors
from engine.sim.errors import Refused
from engine.sim.numbers import NS, ZERO
from engine.sim.orders import SimOrder
from engine.sim.tiers import TIERS, Tier

if TYPE_CHECKING:
    from engine.sim.accounts import Account
    from engine.sim.settings import SimSettings

Transaction = Literal["add", "amend", "edit", "cancel"]
FIXED_COST: dict[Transaction, int] = {"add": 1, "amend": 1, "edit": 1, "cancel": 0}
_STEPS_S = (5, 10, 15, 45, 90, 300)
_COST_BY_AGE: dict[Transaction, tuple[int, ...]] = {
    "add": (0, 0, 0, 0, 0, 0),
    "amend": (3, 2, 1, 0, 0, 0),
    "edit": (6, 5, 4, 2, 1, 0),
    "cancel": (8, 6, 5, 4, 2, 1),
}


def age_cost(kind: Transaction, age_ns: int) -> int:
    """Return what a transaction costs on top of its fixed part, for an order created or last amended so long ago."""
    steps = zip(_STEPS_S, _COST_BY_AGE[kind], strict=True)
    return next((cost for step, cost in steps if age_ns < step * NS), 0)


class Counter:
    """Points that decay steadily and never fall below zero; exact, whatever moments it is read at."""

    __slots__ = ("_at_ns", "_decay", "_level")

    def __init__(self, decay: Decimal) -> None:
        self._decay, self._level, self._at_ns = decay, ZERO, 0

    def level(self, now_ns: int) -> Decimal:
        """Return the points of this moment; a clock set back counts as no time."""
        elapsed = max(0, now_ns - self._at_ns)
        return max(ZERO, self._level - self._decay * elapsed / NS)

    def add(self, now_ns: int, cost: Decimal) -> None:
        """Add points."""
        self._level, self._at_ns = self.level(now_ns), max(self._at_ns, now_ns)
        self._level += cost


class EngineRates:
    """The engine's counters. Without a tier they count as Intermediate and refuse nothing."""

    def __init__(self, settings: SimSettings) -> None:
        self._settings = settings
        self._charge_refused = settings.rate_refusal_is_charged
        self._counters: dict[tuple[str, str], Counter] = {}

    def threshold_of(self, account: str) -> Decimal:
        """The most points a pair of an account may have: ``maxratecount``."""
        return self._tier_of(account).threshold

    def _tier_of(self, account: str) -> Tier:
        return TIERS[self._settings.tier_of(account) or "intermediate"]

    def _exceeds(self, account: Account, symbol: str, now_ns: int, cost: Decimal | int) -> bool:
        """Tell whether so many points more would pass a threshold that binds this account."""
        bound = None if self._settings.tier_of(account.name) is None else self.threshold_of(account.name)
        return bound is not None and self.level(account.name, symbol, now_ns) + cost > bound

    def level(self, account: str, symbol: str, now_ns: int) -> Decimal:
        """Return the points of an account on a pair."""
        counter = self._counters.get((account, symbol))
        return ZERO if counter is None else counter.level(now_ns)

    def charge(self, account: str, symbol: str, now_ns: int, cost: Decimal) -> None:
        """Add points, whatever the level: the fixed part of a request on its receipt, a batch of cancels."""
        counter = self._counters.get((account, symbol))
        if counter is None:
            counter = self._counters[account, symbol] = Counter(self._tier_of(account).decay)
        counter.add(now_ns, cost)

    def pay(self, account: Account, symbol: str, now_ns: int, cost: int = 0) -> None:
        """Check that ``cost`` more keeps within the threshold and charge it. Raises Refused and then charges nothing.

        Fixed parts are charged before: with cost 0 this judges a request by what its receipt has made of the level.
        """
        if account.unlimited:
            return
        if self._exceeds(account, symbol, now_ns, cost):
            raise Refused(errors.ORDER_RATE_LIMIT)
        if cost:
            self.charge(account.name, symbol, now_ns, Decimal(cost))

    def receive(self, account: Account, symbol: str, now_ns: int, cost: Decimal) -> None:
        """Charge a request's fixed part on receipt. With ``rate_refusal_is_charged`` off, one beyond the threshold
        is refused here, uncharged. Raises Refused.
        """
        if account.unlimited:
            return
        if not self._charge_refused and self._exceeds(account, symbol, now_ns, cost):
            raise Refused(errors.ORDER_RATE_LIMIT)
        self.charge(account.name, symbol, now_ns, cost)


def age_of(order: SimOrder, now_ns: int) -> int:
    """Return the nanoseconds since an order was created or last amended."""
    return now_ns - (order.amended_ns or order.opened_ns)


class CallCounter:
    """REST calls of one key. A refused call counts as well, up to twice the bound, so that hammering prolongs it."""

    def __init__(self, settings: SimSettings, account: str) -> None:
        tier_name = settings.tier_of(account)
        tier, self._binding = TIERS[tier_name or "intermediate"], tier_name is not None
        self._settings, self._max, self._counter = settings, tier.rest_max, Counter(tier.rest_decay)

    def level(self, now_ns: int) -> Decimal:
        """Return the points of this moment."""
        return self._counter.level(now_ns)

    def full(self, now_ns: int, points: int = 1) -> bool:
        """Tell whether there is no room for so many more."""
        return self._counter.level(now_ns) + points > self._max

    def take(self, method: str, now_ns: int) -> None:
        """Count one call. Raises Refused beyond the tier's bound."""
        if method in self._settings.rest_free_calls:
            return
        cost = self._settings.rest_history_cost if method in self._settings.rest_history_calls else 1
        level = self._counter.level(now_ns)
        over = level + cost > self._max
        if not over or (self._settings.rate_refusal_is_charged and level < 2 * self._max):
            self._counter.add(now_ns, Decimal(cost))
        if over and self._binding:
            raise Refused(errors.CALL_RATE_LIMIT)
