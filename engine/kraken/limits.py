"""Kraken's two counters, modelled: the engine's per pair (§5.2) and REST's per key (§5.1). Pure; times in seconds.

Any clock that never runs backwards will do, as long as one object sees only one.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from engine.kraken.open_orders import OpenOrders
from engine.orders.commands import AmendOrder, CancelOrder
from engine.orders.reports import OrderReport, ReportType
from engine.values.time import NS

Transaction = Literal["add", "amend", "edit", "cancel"]


class TierLimits(NamedTuple):
    """What one verification tier may do. Decays are points per second, ``open_orders`` is per pair."""

    engine_threshold: float
    engine_decay: float
    open_orders: int
    rest_max: float
    rest_decay: float


TIERS: dict[str, TierLimits] = {
    "starter": TierLimits(60, 1.0, 60, 15, 0.33),
    "intermediate": TierLimits(125, 2.34, 80, 20, 0.5),
    "pro": TierLimits(180, 3.75, 225, 20, 1.0),
}

_AGE_STEPS = (5, 10, 15, 45, 90, 300)
_FIXED: dict[Transaction, int] = {"add": 1, "amend": 1, "edit": 1, "cancel": 0}
_BY_AGE: dict[Transaction, tuple[int, ...]] = {
    "add": (0, 0, 0, 0, 0, 0, 0),
    "amend": (3, 2, 1, 0, 0, 0, 0),
    "edit": (6, 5, 4, 2, 1, 0, 0),
    "cancel": (8, 6, 5, 4, 2, 1, 0),
}

NO_CHANGES: Sequence[tuple[AmendOrder | CancelOrder, float]] = ()
_ORDERS_KEPT = 10_000
_SAME_S = 1e-3
"""An answer that comes in the moment of a count may be for what that count does not hold yet."""
_CHARGES_KEPT = 1_000
"""Of one pair: more than any tier lets go while a report is on its way."""
_ROUNDING = 1e-9
_BORN = frozenset((ReportType.PENDING_NEW, ReportType.NEW))
_ENDED = frozenset(("filled", "canceled", "expired"))


def cost(transaction: Transaction, age_s: float) -> int:
    """Return the points of one transaction on an order ``age_s`` after its creation or last amend."""
    step = next((i for i, bound in enumerate(_AGE_STEPS) if age_s < bound), len(_AGE_STEPS))
    return _FIXED[transaction] + _BY_AGE[transaction][step]


def amend_points(age_s: float) -> int:
    """Return the points of an amend on an order ``age_s`` after it was created or last amended: young ones are dear."""
    return cost("amend", age_s)


def batch_add_cost(orders: int) -> float:
    """Return the points of one batch of new orders: half a point each."""
    return orders / 2


def batch_cancel_cost(ages_s: Iterable[float]) -> int:
    """Return the points of one batch cancel: what the single cancels would cost."""
    return sum(cost("cancel", age_s) for age_s in ages_s)


class _Change(NamedTuple):
    """An amend or cancel without an answer: the pair and the hold that its points belong to."""

    symbol: str
    number: int
    request: AmendOrder | CancelOrder
    points: float

    def is_proved_by(self, report: OrderReport) -> bool:
        """Whether the venue has counted it when it tells this. The frame of the amend before it may come late."""
        if report.ord_status in _ENDED:
            return True
        if report.report_type is not ReportType.AMENDED or isinstance(self.request, CancelOrder):
            return False
        told = (report.order_qty, report.limit_price, report.trigger_price)
        asked = (self.request.order_qty, self.request.limit_price, self.request.trigger_price)
        return all(want is None or have == want for have, want in zip(told, asked, strict=True))


class Counter:
    """A counter that decays towards zero; above ``threshold`` the venue refuses.

    What is held belongs to a request without an answer. It does not decay: the venue counts it later than we do, and
    from then on. So the venue's count of our own requests never lies above this one.
    """

    def __init__(self, threshold: float, decay_per_s: float) -> None:
        self.threshold, self.decay_per_s = threshold, decay_per_s
        self._level, self._at = 0.0, 0.0
        self._held: dict[int, float] = {}
        self._numbers = itertools.count(1)
        self._refusals = 0  # in a row
        self.told = False
        """Whether the venue has told its own count."""
        self._charges: deque[tuple[float, float]] = deque(maxlen=_CHARGES_KEPT)

    def level(self, now_s: float) -> float:
        """Return the points that count now, those of unanswered requests included."""
        return self._settled(now_s) + sum(self._held.values())

    def _settled(self, now_s: float) -> float:
        return max(0.0, self._level - (now_s - self._at) * self.decay_per_s)

    def charge(self, points: float, now_s: float) -> None:
        """Add points."""
        self._level, self._at = self._settled(now_s) + points, now_s
        self._charges.append((now_s, points))

    def hold(self, points: float) -> int:
        """Add the points of a request that goes now; returns the number to settle them by."""
        number = next(self._numbers)
        self._held[number] = points
        return number

    def settle(self, number: int, now_s: float, *, charged: bool = True) -> None:
        """Let held points decay from now on, or give them back when the request certainly was not sent."""
        points = self._held.pop(number, 0.0)
        if charged:
            self.charge(points, now_s)

    def settle_part(self, number: int, points: float, now_s: float) -> None:
        """Let some of the held points decay from now on: the venue has told of that part of the request."""
        part = min(points, self._held.get(number, 0.0))
        if part:
            self._held[number] -= part
            self.charge(part, now_s)

    def correct(self, level: float, now_s: float) -> None:
        """Set what is settled. Unanswered requests stay on top of it: the venue may not know them yet."""
        self._level, self._at = level, now_s

    def read(self, level: float, age_s: float, now_s: float) -> None:
        """Take the venue's own count of ``age_s`` ago. What we have settled since then stands beside it.

        A batch tells a count with each of its orders, and the first of them is long past when it is read.
        """
        self.told = True
        told = max(0.0, level - age_s * self.decay_per_s)
        since = sum(points for at_s, points in self._charges if at_s >= now_s - age_s - _SAME_S)
        own = self._settled(now_s)
        self.correct(told if told >= own else min(own, told + since), now_s)

    def refuse(self, now_s: float) -> None:
        """Learn that the venue counts more than we do: by how much, nobody says.

        A refusal is charged as well, so whoever tries again with every point that decays may keep it full for ever.
        Each refusal in a row doubles what is taken to stand above the threshold, up to as much again.
        """
        above = min(2.0 ** (self._refusals - 1), self.threshold) if self._refusals else 0.0
        self._refusals += 1
        self.correct(max(self._settled(now_s), self.threshold + above), now_s)

    def accept(self) -> None:
        """Learn that the venue has room: the row of refusals has ended."""
        self._refusals = 0

    def wait_s(self, points: float, now_s: float, reserve: float = 0) -> float:
        """Return how long to wait until ``points`` more leave ``reserve`` below the threshold; 0 when they do now.

        Infinite when decay alone will never do it. What is dearer than the whole threshold passes at zero.
        """
        settled = self._settled(now_s)
        excess = self.level(now_s) + points - (max(self.threshold, points) - reserve)
        if excess <= _ROUNDING:
            return 0.0
        return excess / self.decay_per_s if excess <= settled + _ROUNDING else math.inf


class EngineCounters:
    """One engine counter per pair, the age of every order whose amend or cancel may be charged, and what rests.

    ``changed`` is called with a pair whose room may have grown, None for all pairs.
    """

    def __init__(self, tier: str) -> None:
        self._limits = TIERS[tier]
        self._counters: dict[str, Counter] = {}
        self._born_s: OrderedDict[str, float] = OrderedDict()
        self._amended_s: OrderedDict[str, float] = OrderedDict()
        self._symbols: OrderedDict[str, str] = OrderedDict()
        self._adds: dict[str, tuple[str, int]] = {}
        self._changes: dict[str, _Change] = {}  # by order id
        self.open_orders = OpenOrders()
        self.changed: Callable[[str | None], None] = _nobody

    @property
    def limits(self) -> TierLimits:
        """What the account's tier allows, as configured or as the venue has stated it."""
        return self._limits

    @property
    def most_open_orders(self) -> int:
        """How many orders may rest on one pair."""
        return self._limits.open_orders

    @property
    def symbols(self) -> list[str]:
        """The pairs counted so far."""
        return list(self._counters)

    def of(self, symbol: str) -> Counter:
        """Return the counter of a pair."""
        if symbol not in self._counters:
            self._counters[symbol] = Counter(self._limits.engine_threshold, self._limits.engine_decay)
        return self._counters[symbol]

    def hold(
        self,
        symbol: str,
        points: float,
        cl_ord_ids: Iterable[str],
        changes: Sequence[tuple[AmendOrder | CancelOrder, float]] = NO_CHANGES,
    ) -> int:
        """Hold the points of a request on a pair; ``cl_ord_ids`` are those of its new orders.

        The first report on one of them proves that the venue has counted the request. ``changes`` are its amends and
        cancels with their points: a report of the very values, or of the order's end, proves that these were counted.
        """
        number = self.of(symbol).hold(points)
        self._adds.update((name, (symbol, number)) for name in cl_ord_ids)
        self._changes.update((one.order_id, _Change(symbol, number, one, part)) for one, part in changes)
        return number

    def settle(self, symbol: str, number: int, now_s: float, *, charged: bool) -> None:
        """End a hold: its answer is here, or it certainly was not sent."""
        self._adds = {name: held for name, held in self._adds.items() if held != (symbol, number)}
        self._changes = {name: one for name, one in self._changes.items() if one[:2] != (symbol, number)}
        self.of(symbol).settle(number, now_s, charged=charged)

    def read(self, symbol: str, level: Decimal, age_s: float, now_s: float) -> None:
        """Take the count that the venue wrote into a report ``age_s`` ago."""
        self.of(symbol).read(float(level), age_s, now_s)
        self.changed(symbol)

    def remember(self, levels: Mapping[str, float], now_s: float) -> None:
        """Take what earlier processes can have left, by pair. The venue's own count is better, before and after."""
        for symbol, level in levels.items():
            if level > 0 and not self.of(symbol).told:
                self.of(symbol).correct(level, now_s)
        self.changed(None)

    def allow(self, threshold: Decimal) -> None:
        """Take the threshold the venue states (``maxratecount``); its tier outranks the configured one."""
        stated = next((tier for tier in TIERS.values() if tier.engine_threshold == threshold), self._limits)
        self._limits = stated._replace(engine_threshold=float(threshold))
        for counter in self._counters.values():
            counter.threshold, counter.decay_per_s = self._limits.engine_threshold, self._limits.engine_decay
        self.changed(None)

    def snapshot(self, open_orders: Sequence[OrderReport], venue_now_ns: int, now_s: float) -> None:
        """Take the private stream's opening state: what rests, and since when."""
        self.open_orders.snapshot(open_orders)
        for report in open_orders:
            self._name(report)
            self.touch(report.order_id, now_s - max(0.0, (venue_now_ns - report.ts_ns) / NS))
        self.changed(None)

    def note(self, report: OrderReport, now_s: float, age_s: float = 0.0) -> None:
        """Take one report of the private stream, which the venue wrote ``age_s`` ago at least."""
        self._name(report)
        self.open_orders.report(report)
        held = self._adds.get(report.cl_ord_id or "")
        if held is not None:
            self.settle(*held, now_s, charged=True)
        change = self._changes.get(report.order_id)
        if change is not None and change.is_proved_by(report):
            del self._changes[report.order_id]
            self.of(change.symbol).settle_part(change.number, change.points, now_s)
        if report.report_type in _BORN:
            self.born(report.order_id, now_s - age_s)
        elif report.report_type is ReportType.AMENDED:
            self.touch(report.order_id, now_s)
        elif report.ord_status in _ENDED:
            self.forget(report.order_id)
            self.changed(report.symbol)

    def symbol_of(self, order_id: str) -> str | None:
        """Return the pair of an order the stream has named: later frames leave it out."""
        return self._symbols.get(order_id)

    def born(self, order_id: str, at_s: float) -> None:
        """Note that an order was there by then. The earliest holds: an answer may come seconds after its order."""
        self._put(self._born_s, order_id, min(at_s, self._born_s.get(order_id, at_s)))

    def touch(self, order_id: str, now_s: float) -> None:
        """Note that an order was amended: its age starts again."""
        self._put(self._amended_s, order_id, now_s)

    def _put(self, times_s: OrderedDict[str, float], order_id: str, at_s: float) -> None:
        times_s[order_id] = at_s
        times_s.move_to_end(order_id)
        if len(times_s) > _ORDERS_KEPT:
            times_s.popitem(last=False)

    def forget(self, order_id: str) -> None:
        """Drop an order that has ended."""
        self._born_s.pop(order_id, None)
        self._amended_s.pop(order_id, None)

    def age_s(self, order_id: str, now_s: float) -> float:
        """Return an order's age for the table of costs. One of unknown age is taken for a young one, the dearest."""
        known_s = [times_s[order_id] for times_s in (self._born_s, self._amended_s) if order_id in times_s]
        return now_s - max(known_s, default=now_s)

    def points(self, transaction: Transaction, order_id: str, now_s: float) -> int:
        """Return what a transaction costs now."""
        return cost(transaction, self.age_s(order_id, now_s))

    def _name(self, report: OrderReport) -> None:
        if report.symbol is None:
            return
        self._symbols[report.order_id] = report.symbol
        self._symbols.move_to_end(report.order_id)
        if len(self._symbols) > _ORDERS_KEPT:
            self._symbols.popitem(last=False)


def _nobody(_symbol: str | None) -> None:
    """Tell nobody."""
