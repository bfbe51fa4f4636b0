"""What earlier processes' requests have left in Kraken's counters, against a venue that counts for itself."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kraken.earlier_points import earlier_levels
from engine.kraken.limits import TIERS, Counter, EngineCounters, TierLimits, Transaction, cost
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request, RequestKind, kind_of
from engine.orders.reports import Outcome
from engine.values.money import Qty
from engine.values.time import NS
from engine.venue.earlier import Earlier

BTC = "BTC/USD"
START_NS = 1_767_225_600 * NS
STARTER = TIERS["starter"]
NEW = NewOrder("c1", BTC, "buy", "market", Qty(Decimal("1")))
AMEND = AmendOrder("c1", "O1", BTC, Qty(Decimal("1")))
CANCEL = CancelOrder("c1", "O1", BTC)
KINDS: dict[RequestKind, Transaction] = {"new": "add", "amend": "amend", "cancel": "cancel"}
Charges = list[tuple[float, int]]


def at_ns(seconds: float) -> int:
    """A moment of the story."""
    return START_NS + round(seconds * 1000) * 1_000_000


def asked(
    request: Request, sent_s: float, *, counted_s: float | None = None, age_s: float = 0.0, **how: object
) -> Earlier:
    """A request that was sent then, counted at once unless told, on an order of that age."""
    how = {"outcome": Outcome.ACCEPTED} | how
    counted_ns = at_ns(sent_s if counted_s is None else counted_s)
    return Earlier(request, at_ns(sent_s), counted_ns, at_ns(sent_s - age_s), **how)  # type: ignore[arg-type]


def level(*earlier: Earlier, now_s: float) -> float:
    """The points left in the one pair, at the smallest tier."""
    return earlier_levels(earlier, STARTER, at_ns(now_s)).get(BTC, 0.0)


def test_points_by_age_decay_until_now() -> None:
    """A cancel after seven seconds, an amend after twelve, a new order; ten seconds later ten points are gone."""
    some = asked(CANCEL, 1, age_s=7), asked(AMEND, 1, age_s=12), asked(NEW, 1)
    assert level(*some, now_s=1) == pytest.approx(6 + 2 + 1)
    assert level(*some, now_s=6) == pytest.approx(4)
    assert level(*some, now_s=60) == 0


def test_pairs_are_counted_apart() -> None:
    """What was asked in one pair leaves the other empty."""
    other = CancelOrder("c2", "O2", "ETH/USD")
    levels = earlier_levels([asked(CANCEL, 1), asked(other, 1, age_s=50)], STARTER, at_ns(1))
    assert levels == {BTC: 8, "ETH/USD": 2}
    assert earlier_levels([], STARTER, at_ns(1)) == {}


def test_refused_requests_cost_their_fixed_part() -> None:
    """A refused cancel is free, however young its order; a refused amend or new order costs a point."""
    refused = [asked(one, 1, outcome=Outcome.REFUSED) for one in (CANCEL, AMEND, NEW)]
    assert [level(one, now_s=1) for one in refused] == [0, 1, 1]


def test_refusal_for_the_rate_says_that_the_counter_was_full() -> None:
    """Whatever filled it: the rows know of two points, the no tells of sixty, until a yes has told the count."""
    refused = asked(NEW, 1, outcome=Outcome.REFUSED, code="RATE_LIMIT")
    assert level(asked(NEW, 0), refused, now_s=11) == pytest.approx(50)
    assert level(refused, asked(CANCEL, 4), now_s=5) == pytest.approx(7)  # what was taken later came with its count


def test_answer_that_took_its_time_leaves_more() -> None:
    """The venue may have counted it as late as the answer came; without one, as late as the deadline, or now."""
    assert level(asked(CANCEL, 1, counted_s=5), now_s=7) == pytest.approx(6)
    lost = asked(CANCEL, 1, counted_s=11, outcome=Outcome.UNKNOWN)
    assert level(lost, now_s=7) == 8
    assert level(lost, now_s=13) == pytest.approx(6)


def test_clock_set_back_keeps_what_passed_between_the_rows() -> None:
    """All rows lie an hour ahead: the time between them counts, and none since the last of them."""
    rows = [asked(CANCEL, 3600 + second) for second in range(5)]
    assert level(*rows, now_s=0) == pytest.approx(5 * 8 - 4)


def test_venues_own_count_replaces_the_estimate() -> None:
    """Told before, the estimate is not taken; told after, it goes."""
    counters = EngineCounters("starter")
    counters.read("ETH/USD", Decimal("2"), 0.0, 10)
    counters.remember({BTC: 40.0, "ETH/USD": 40.0, "SOL/USD": 0.0}, 10)
    assert [counters.of(pair).level(10) for pair in (BTC, "ETH/USD")] == [40, 2]
    assert counters.symbols == ["ETH/USD", BTC]
    assert counters.of(BTC).wait_s(25, 10) == pytest.approx(5)
    counters.read(BTC, Decimal("3"), 0.0, 11)
    assert counters.of(BTC).level(11) == pytest.approx(3)


def test_remembering_wakes_who_waits() -> None:
    """The room of any pair may have changed."""
    told: list[str | None] = []
    counters = EngineCounters("starter")
    counters.changed = told.append
    counters.remember({BTC: 1.0}, 0)
    assert told == [None]


_sent = st.lists(
    st.tuples(
        st.sampled_from([NEW, AMEND, CANCEL]),
        st.floats(0, 4),  # pause before it
        st.floats(0, 2),  # until the venue counts it
        st.floats(0, 2),  # until the answer is here
        st.floats(0, 400),  # its order's age
        st.floats(0, 2),  # how much younger its rows let it look
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(_sent, st.floats(4, 200), st.sampled_from(sorted(TIERS)))
def test_estimate_is_never_below_the_venues_count(
    sent: list[tuple[Request, float, float, float, float, float]], dead_s: float, tier: str
) -> None:
    """Whatever the delays. And never above what stands when all was counted as late as it can have been."""
    limits, now_s = TIERS[tier], 0.0
    earlier: list[Earlier] = []
    arrivals: Charges = []
    latest: Charges = []
    for request, pause_s, there_s, back_s, age_s, younger_s in sent:
        now_s += pause_s
        kind = KINDS[kind_of(request)]
        age_told_s = max(0.0, age_s - younger_s)
        earlier.append(asked(request, now_s, counted_s=now_s + there_s + back_s, age_s=age_told_s))
        arrivals.append((now_s + there_s, cost(kind, age_s + there_s)))
        latest.append((now_s + there_s + back_s, cost(kind, max(0.0, age_told_s - 0.002))))
    now_s += dead_s
    estimate = earlier_levels(earlier, limits, at_ns(now_s)).get(BTC, 0.0)
    assert estimate >= _counted(arrivals, limits, now_s) - 0.1  # moments of the rows are rounded to milliseconds
    assert estimate <= _counted(latest, limits, now_s) + 0.1


def _counted(charges: Charges, limits: TierLimits, now_s: float) -> float:
    counter = Counter(limits.engine_threshold, limits.engine_decay)
    for at_s, points in sorted(charges):
        counter.charge(points, at_s)
    return counter.level(now_s)
