"""Kraken's counters against its own examples, and against a venue that counts for itself."""

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kraken.limits import TIERS, Counter, EngineCounters, batch_add_cost, batch_cancel_cost, cost
from engine.orders.commands import AmendOrder, CancelOrder
from engine.orders.reports import OrderReport, ReportType

from .conftest import dec


@pytest.mark.parametrize(
    ("transaction", "costs"),
    [
        ("add", [1, 1, 1, 1, 1, 1, 1]),
        ("amend", [4, 3, 2, 1, 1, 1, 1]),
        ("edit", [7, 6, 5, 3, 2, 1, 1]),
        ("cancel", [8, 6, 5, 4, 2, 1, 0]),
    ],
)
def test_costs_by_age_are_the_documented_table(transaction, costs):
    """Every column of the table, at its lower edge."""
    assert [cost(transaction, age) for age in (0, 5, 10, 15, 45, 90, 300)] == costs


@pytest.mark.parametrize(
    ("tier", "threshold", "decay", "orders", "rest_max", "rest_decay"),
    [("starter", 60, 1, 60, 15, 0.33), ("intermediate", 125, 2.34, 80, 20, 0.5), ("pro", 180, 3.75, 225, 20, 1)],
)
def test_tiers_are_the_documented_ones(tier, threshold, decay, orders, rest_max, rest_decay):
    """Both tables of limits (§5.1, §5.2)."""
    assert TIERS[tier] == (threshold, decay, orders, rest_max, rest_decay)


def test_costs_change_at_the_very_second():
    """Below five seconds is young, five seconds is the next column."""
    assert [cost("cancel", age) for age in (4.999, 5, 9.999, 14.999, 44.999, 89.999, 299.999)] == [8, 6, 6, 5, 4, 2, 1]


def test_batches_cost_by_member():
    """n/2 for new orders, the single cancels' points for cancels."""
    assert [batch_add_cost(n) for n in (2, 3, 15)] == [1, 1.5, 7.5]
    assert batch_cancel_cost([0, 0, 7, 12, 30, 60, 100, 1000]) == 8 + 8 + 6 + 5 + 4 + 2 + 1 + 0


def test_krakens_example_adds_up_to_eight():
    """Add, amend after 7 s, cancel 36 s after the amend: 1 + 3 + 4."""
    counters = EngineCounters("pro")
    points = counters.points("add", "", 0)
    counters.touch("O", 0)
    points += counters.points("amend", "O", 7)
    counters.touch("O", 7)
    points += counters.points("cancel", "O", 43)
    assert points == 8


def test_fifty_adds_decay_to_26_6():
    """Fifty adds, then ten seconds on Intermediate."""
    counter = EngineCounters("intermediate").of("BTC/USD")
    for _ in range(50):
        counter.charge(1, 100)
    assert counter.level(110) == pytest.approx(26.6)
    assert counter.level(1000) == 0


def test_wait_is_until_there_is_room():
    """Above the threshold the wait is what decay needs; below it there is none; a reserve counts as used."""
    counter = Counter(60, 1)
    counter.charge(58, 0)
    assert counter.wait_s(2, 0) == 0
    assert counter.wait_s(3, 0) == pytest.approx(1)
    assert counter.wait_s(1, 0, reserve=10) == pytest.approx(9)
    assert counter.wait_s(3, 1) == 0
    assert Counter(60, 1).wait_s(70, 0) == 0
    assert counter.wait_s(1, 0, reserve=60) == math.inf


def test_unanswered_requests_do_not_decay():
    """The venue counts a request when it arrives: until its answer its points stay whole, whatever count it tells."""
    counter = Counter(60, 1)
    held = counter.hold(10)
    assert counter.level(30) == 10
    counter.read(5, 0, 30)
    assert counter.level(30) == 15
    counter.settle(held, 30)
    assert counter.level(40) == 5
    unsent = counter.hold(10)
    counter.settle(unsent, 40, charged=False)
    assert counter.level(40) == 5
    counter.hold(60)
    assert counter.wait_s(1, 40) == math.inf


def test_old_count_does_not_forget_what_was_charged_since():
    """A batch cancel tells a count with each of its orders; the first one is read when all are charged."""
    counter = Counter(125, 2)
    counter.settle(counter.hold(176), 10)
    counter.read(8, 0.05, 10)
    assert counter.level(10) == pytest.approx(176)
    counter.read(176, 0.05, 10)
    assert counter.level(10) == pytest.approx(176)
    counter.read(30, 0, 20)  # what the venue counts now, and nothing was charged since: it is less than we thought
    assert counter.level(20) == 30
    counter.read(60, 5, 20)  # somebody else's, some time ago
    assert counter.level(20) == 50


def test_count_that_holds_a_cancel_is_not_topped_by_its_points():
    """The order is over, so the venue has counted its cancel: the answer that comes later adds nothing."""
    counters = EngineCounters("intermediate")
    cancels = [(CancelOrder("c1", "O1", "BTC/USD"), 8), (CancelOrder("c2", "O2", "BTC/USD"), 6)]
    held = counters.hold("BTC/USD", 14, (), cancels)
    for order_id, level in (("O1", 8), ("O2", 14)):
        counters.note(OrderReport(ReportType.CANCELED, "stream", order_id, "canceled", 0), 10)
        counters.read("BTC/USD", Decimal(level), 0.02, 10)
    counters.settle("BTC/USD", held, 10, charged=True)
    assert counters.of("BTC/USD").level(10) == 14


@pytest.mark.parametrize(
    "after",
    [CancelOrder("c1", "O1", "BTC/USD"), AmendOrder("c1", "O1", "BTC/USD", dec("2"), trigger_price=dec("48000"))],
    ids=["cancel", "amend"],
)
def test_late_frame_of_an_amend_does_not_prove_the_change_after_it_counted(after):
    """REST answers before the stream tells: the next change is under way when the frame of the one before comes."""
    counters = EngineCounters("starter")
    first = AmendOrder("c1", "O1", "BTC/USD", dec("1"), trigger_price=dec("49000"))
    counters.settle("BTC/USD", counters.hold("BTC/USD", 4, (), [(first, 4)]), 10, charged=True)
    counters.hold("BTC/USD", 8, (), [(after, 8)])
    late = OrderReport(ReportType.AMENDED, "stream", "O1", "new", 0, order_qty=dec("1"), trigger_price=dec("49000"))
    counters.note(late, 10)
    counters.read("BTC/USD", Decimal(4), 0.05, 10.1)
    assert counters.of("BTC/USD").level(10.1) == pytest.approx(4 + 8, abs=0.2)


def test_pairs_are_counted_apart_and_unknown_age_is_dear():
    """One pair's load does not slow another; an order of unknown age costs as a young one."""
    counters = EngineCounters("starter")
    counters.of("BTC/USD").charge(60, 0)
    assert counters.of("ETH/USD").level(0) == 0
    assert counters.points("cancel", "never-seen", 1000) == 8


def test_the_venues_words_outrank_the_model():
    """A reported counter and threshold replace ours."""
    counters = EngineCounters("starter")
    counters.read("BTC/USD", Decimal("70.5"), 0, 0)
    counters.allow(Decimal(125))
    assert counters.of("BTC/USD").level(0) == 70.5
    assert counters.of("BTC/USD").wait_s(1, 0) == 0
    assert counters.of("ETH/USD").threshold == 125
    assert (counters.of("BTC/USD").decay_per_s, counters.most_open_orders) == (2.34, 80)


def test_reports_teach_age_symbol_and_slots():
    """A later frame leaves the symbol out; its count still finds its pair. An end frees the slot and the age."""
    counters = EngineCounters("starter")
    told = []
    counters.changed = told.append
    born = OrderReport(ReportType.NEW, "stream", "O1", "new", 0, "c-1", "BTC/USD", order_type="stop-loss")
    counters.note(born, 10)
    assert counters.symbol_of("O1") == "BTC/USD"
    assert counters.points("cancel", "O1", 17) == 6
    assert counters.open_orders.taken("BTC/USD", 17) == (1, 1)
    counters.note(OrderReport(ReportType.CANCELED, "stream", "O1", "canceled", 0, "c-1", "BTC/USD"), 18)
    assert counters.open_orders.taken("BTC/USD", 18) == (0, 0)
    assert counters.symbol_of("O1") == "BTC/USD"
    assert told == ["BTC/USD"]
    old = OrderReport(ReportType.STATUS, "snapshot", "O2", "new", 1_000_000_000, symbol="BTC/USD")
    counters.snapshot([old], 101_000_000_000, 500)
    assert counters.points("cancel", "O2", 500) == 1


def test_age_counts_from_when_the_venue_wrote_whatever_comes_after_it():
    """Squall 1341330: news that came three seconds late made orders young, and a batch was taken for ten too dear."""
    counters = EngineCounters("starter")
    born = OrderReport(ReportType.NEW, "stream", "O1", "new", 0, "c-1", "BTC/USD")
    counters.born("O1", 12)
    counters.note(born, 13, 3)
    counters.born("O1", 14)
    assert counters.points("cancel", "O1", 15) == 6
    counters.touch("O1", 15)
    counters.note(born, 16, 6)
    assert counters.points("cancel", "O1", 16) == 8


class ReferenceVenue:
    """Kraken's counter by the book: charged at arrival, decaying always, refusing what would pass the threshold."""

    def __init__(self, threshold: float, decay: float) -> None:
        self.threshold, self.decay, self.level, self.at, self.refused = threshold, decay, 0.0, 0.0, 0

    def arrive(self, points: float, now_s: float) -> None:
        self.level = max(0.0, self.level - (now_s - self.at) * self.decay)
        self.at = now_s
        if self.level + points > self.threshold + 1e-6:
            self.refused += 1
        self.level += points


_requests = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, 4, 5, 6, 8]),
        st.floats(0, 3),  # pause before it
        st.floats(0, 2),  # until it arrives
        st.floats(0, 2),  # until its answer is here
        st.one_of(st.none(), st.floats(0, 4)),  # how long after its arrival reports tell the venue's count
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(_requests, st.sampled_from(sorted(TIERS)))
def test_what_the_model_lets_go_never_overruns_the_venue(requests, tier):
    """Whatever the latencies: no request that waited for the model is refused by a venue that counts for itself."""
    limits = TIERS[tier]
    venue = ReferenceVenue(limits.engine_threshold, limits.engine_decay)
    model = EngineCounters(tier).of("BTC/USD")
    now_s, events = 0.0, []  # (when, order, what)

    def happen(until_s: float) -> None:
        while events and min(events)[0] <= until_s:
            one = min(events)
            events.remove(one)
            at_s, number, kind, points, held, told_s = one
            if kind == "arrive":
                for part in range(1, points + 1):  # of a batch each order is counted, and told of, apart
                    venue.arrive(1, at_s)
                    if told_s is not None:
                        events.append((at_s + told_s, number + part / 10, "told", (venue.level, at_s), None, None))
            elif kind == "told":
                model.read(points[0], at_s - points[1], at_s)
            else:
                model.settle(held, at_s)

    for number, (points, pause_s, there_s, back_s, told_s) in enumerate(requests):
        now_s += pause_s
        happen(now_s)
        while (wait_s := model.wait_s(points, now_s)) > 0:
            now_s = min(events)[0] if wait_s == math.inf else now_s + max(wait_s, 1e-6)
            happen(now_s)
        held = model.hold(points)
        events.append((now_s + there_s, number, "arrive", points, held, told_s))
        events.append((now_s + there_s + back_s, number, "settle", points, held, told_s))
    happen(math.inf)
    assert venue.refused == 0
