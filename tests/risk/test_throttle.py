"""The throttle for repeated executions: it trips at the edge, and only a person re-arms it."""

from __future__ import annotations

from engine.risk.throttle import Throttle, ThrottleEvent
from engine.values.time import NS

BUY = ("momentum", "BTC/USD", "buy")


def tripped(most: int = 3) -> Throttle:
    """A throttle that has just tripped for BUY."""
    throttle = Throttle(most, 60)
    events = [throttle.executed(*BUY, second * NS) for second in range(most + 1)]
    assert [event is None for event in events] == [True] * most + [False]
    return throttle


def test_one_execution_more_than_allowed_trips_it():
    """The allowed number passes, the next is the last."""
    throttle = tripped()
    denial = throttle.check(*BUY)
    assert denial is not None
    assert (denial.code, denial.numbers.limit, denial.numbers.observed) == ("REPEATED_EXECUTIONS", 3, 4)


def test_other_sides_markets_and_strategies_go_on():
    """It trips where it was too much, nowhere else."""
    throttle = tripped()
    for other in (("momentum", "BTC/USD", "sell"), ("momentum", "ETH/USD", "buy"), ("other", "BTC/USD", "buy")):
        assert throttle.check(*other) is None


def test_window_is_kept_to_its_edge():
    """As many spread over more than the window are allowed; over exactly the window they are not."""
    for last_s, trips in ((60, True), (60.001, False)):
        throttle = Throttle(2, 60)
        times_s = (0, 30, last_s)
        events = [throttle.executed(*BUY, round(at * NS)) for at in times_s]
        assert (events[-1] is not None) == trips


def test_rearm_is_for_all_of_a_strategy_and_counts_anew():
    """After it the full number is allowed again."""
    throttle = tripped()
    assert throttle.rearm("other", "x", 9) is None
    event = throttle.rearm("momentum", "looked", 9 * NS)
    assert event == ThrottleEvent("rearm", 9 * NS, "momentum", "looked")
    assert throttle.check(*BUY) is None
    assert [throttle.executed(*BUY, (10 + s) * NS) is None for s in range(4)] == [True, True, True, False]


def test_trip_outlives_the_process():
    """Folded from the journal it stands, also under a limit that was raised meanwhile or taken away."""
    trip = tripped().tripped()
    for most in (3, 100, None):
        throttle = Throttle(most, 60)
        throttle.replay(trip)
        assert throttle.check(*BUY) is not None
        throttle.replay([ThrottleEvent("rearm", 9, "momentum", "looked")])
        assert throttle.check(*BUY) is None


def test_no_limit_counts_nothing():
    """However often it executes."""
    throttle = Throttle(None, 60)
    assert all(throttle.executed(*BUY, 1) is None for _ in range(100))
