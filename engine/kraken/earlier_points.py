"""What stands in Kraken's counters of earlier processes' requests (§5.2). Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from engine.kraken.limits import Counter, TierLimits, cost
from engine.orders.commands import AmendOrder, NewOrder
from engine.orders.reports import Outcome
from engine.values.time import NS
from engine.venue.earlier import Earlier


def earlier_levels(earlier: Iterable[Earlier], limits: TierLimits, now_ns: int) -> dict[str, float]:
    """Return by pair the most points that these requests can have left at ``now_ns`` (venue time).

    Each is counted as late and its order taken as young as its rows allow. A refusal for the rate says that the counter
    was full; once another request has been accepted, the venue's count came with it, and the refusal says no more.
    Where the rows lie in the future one of two clocks was wrong: then no time is taken to have passed since the last
    of them was sent.
    """
    told = sorted(earlier, key=lambda one: one.counted_ns)
    if not told:
        return {}
    first_ns, now_ns = min(one.sent_ns for one in told), max(now_ns, *(one.sent_ns for one in told))
    accepted = {one.request.symbol: n for n, one in enumerate(told) if one.outcome is Outcome.ACCEPTED}  # the last
    counters: dict[str, Counter] = {}
    for n, one in enumerate(told):
        counter = counters.setdefault(one.request.symbol, Counter(limits.engine_threshold, limits.engine_decay))
        at_s = (min(one.counted_ns, now_ns) - first_ns) / NS
        counter.charge(_points(one), at_s)
        if one.code == "RATE_LIMIT" and n > accepted.get(one.request.symbol, -1):
            counter.refuse(at_s)
    return {symbol: counter.level((now_ns - first_ns) / NS) for symbol, counter in counters.items()}


def _points(one: Earlier) -> int:
    """Return what it cost. Of a refused one that is the fixed part alone, as of one for an old order."""
    age_s = math.inf if one.outcome is Outcome.REFUSED else (one.sent_ns - one.born_ns) / NS
    match one.request:
        case NewOrder():
            return cost("add", age_s)
        case AmendOrder():
            return cost("amend", age_s)
        case _:
            return cost("cancel", age_s)
