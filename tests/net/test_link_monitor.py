"""The watcher of one link, on a clock of its own."""

import pytest
import structlog.testing

from engine.net.link_monitor import LinkMonitor
from engine.net.link_policy import LinkPolicy
from engine.net.link_view import Gap


@pytest.fixture
def monitor():
    """A link that is complete at 100 s."""
    one = LinkMonitor("private", LinkPolicy())
    one.dial(98)
    one.connected(99)
    one.authenticated(99.5)
    one.complete(100)
    return one


def test_traffic_is_counted_both_ways(monitor):
    """Messages, bytes and the shares of errors, invalid and duplicate ones over the last minute."""
    for second in range(50):
        monitor.received(100, 100 + second)
        monitor.beat(100 + second)
    monitor.sent(30)
    monitor.invalid(149)
    monitor.error(149)
    monitor.duplicate(149)
    view = monitor.view(150)
    assert (view.messages_in, view.messages_out, view.bytes_in, view.bytes_out) == (50, 1, 5000, 30)
    assert (view.errors, view.invalid, view.duplicates) == (2, 1, 1)
    assert (view.error_rate, view.invalid_rate, view.duplicate_rate) == (0.04, 0.02, 0.02)
    assert view.rate_in == pytest.approx(50 / 60)
    assert view.heartbeat_age_s == 1
    later = monitor.view(1000)
    assert (later.errors, later.error_rate, later.rate_in) == (2, 0, 0)


def test_uptime_is_the_share_of_complete_time(monitor):
    """Counted from the first try; time lost, reconnecting and unhealthy is not up."""
    assert monitor.view(108).uptime_share == pytest.approx(8 / 10)
    monitor.beat(110)
    assert monitor.look(110) == ""
    monitor.lost(110, "kicked")
    assert monitor.view(118).uptime_share == pytest.approx(10 / 20)
    assert (monitor.view(118).disconnects, monitor.view(118).attempts) == (1, 1)


def test_latency_and_unanswered_pings(monitor):
    """An answer gives the latency and settles older pings; a stranger's number says nothing."""
    monitor.pinged(1, 105)
    monitor.pinged(2, 110)
    monitor.ponged(7, 110.1)
    monitor.ponged(None, 110.1)
    assert monitor.view(110.1).latency_s is None
    monitor.ponged(2, 110.2)
    assert monitor.view(111).latency_s == pytest.approx(0.2)
    monitor.beat(125)
    assert monitor.look(125) == ""
    monitor.pinged(3, 125)
    monitor.beat(135)
    assert "no answer to a ping" in monitor.look(135)
    assert monitor.state == "unhealthy"


def test_improvement_must_hold(monitor):
    """Worse at once, better only after five steady seconds: a rate at its bound does not flutter."""
    with structlog.testing.capture_logs() as logs:
        monitor.look(116)
        monitor.beat(117)
        for now in (117, 121):
            monitor.look(now)
        assert monitor.state == "degraded"
        monitor.beat(122)
        monitor.look(122)
        assert (monitor.state, monitor.why) == ("healthy", "")
    assert [(e["state"], e["log_level"]) for e in logs if e["event"] == "link.state"] == [
        ("degraded", "warning"),
        ("healthy", "info"),
    ]


def test_unhealthy_may_get_better_by_steps(monitor):
    """Unhealthy by gaps, then degraded, then healthy as they grow old."""
    for at in (100, 101, 102, 400, 401):
        monitor.gap("executions", at, at, at)
    seen = []
    for now in range(402, 1100):
        monitor.beat(now)
        monitor.look(now)
        if not seen or seen[-1] != monitor.state:
            seen.append(monitor.state)
    assert seen == ["unhealthy", "degraded", "healthy"]


def test_gaps_are_ranges_until_they_are_healed(monitor):
    """The first open range of a channel stands; healing counts it, a channel without one changes nothing."""
    monitor.gap("executions", 5, 7, 101)
    monitor.away("executions", 8, None, 102)
    monitor.away("balances", 3, None, 102)
    assert monitor.view(103).gaps == (Gap("executions", 5, 7, 101), Gap("balances", 3, None, 102))
    monitor.heal("executions")
    monitor.heal("executions")
    view = monitor.view(104)
    assert (view.gaps, view.gaps_total, view.gaps_healed) == ((Gap("balances", 3, None, 102),), 1, 1)


def test_five_failures_sound_one_alarm():
    """The alarm comes with the fifth failure in a row, once, and goes with the next complete stream."""
    one = LinkMonitor("public", LinkPolicy())
    with structlog.testing.capture_logs() as logs:
        for number in range(8):
            one.dial(number)
            assert one.view(number).alarm == (number >= 5)
            one.lost(number + 0.5, "refused")
        one.dial(9)
        one.connected(9)
        one.complete(9)
    assert [(e["failures"], e["log_level"]) for e in logs if e["event"] == "link.alarm"] == [(5, "error")]
    assert (one.view(9).alarm, one.view(9).failures_in_a_row, one.view(9).attempts) == (False, 0, 9)


def test_open_link_without_heartbeats_is_given_up_before_it_is_complete():
    """A venue that takes the connection and then says nothing is left after the same bound, without a grade."""
    one = LinkMonitor("private", LinkPolicy())
    one.dial(0)
    assert one.look(50) == ""
    one.connected(50)
    assert one.look(79) == ""
    assert "no heartbeat" in one.look(80)
    assert one.state == "connected"
    one.stopped(81)
    one.stopped(82)
    assert (one.state, one.view(82).since_s) == ("disconnected", 81)
