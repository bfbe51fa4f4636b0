"""The venue's clock."""

from engine.kraken.venue_time import VenueTime

S = 1_000_000_000


def test_good_clocks_give_no_skew():
    """An answer whose times fit our clock within the round trip moves nothing."""
    time = VenueTime()
    time.observe_answer(100 * S, 101 * S, 100 * S + 400, 100 * S + 900)
    time.observe_second(100 * S + 999, 101 * S, 100)
    assert time.skew_ns == 0


def test_skew_moves_only_as_far_as_proved():
    """A venue three seconds ahead, over a round trip of one: at least two and a half seconds are certain."""
    time = VenueTime()
    time.observe_answer(100 * S, 101 * S, 103 * S + S // 2, 103 * S + S // 2)
    assert time.skew_ns == 2 * S + S // 2
    assert time.now_ns(0) == time.skew_ns
    time.observe_answer(200 * S, 200 * S, 203 * S, 203 * S)
    assert time.skew_ns == 3 * S


def test_certainty_rests_on_the_venues_readings_alone():
    """A reading ages by the monotonic clock, a little slowly; an older one never takes time back."""
    time = VenueTime()
    assert time.certain_ns(1e6) < 10**16
    time.hear(1_000 * S, 50.0)
    assert time.certain_ns(50.0) == 1_000 * S
    assert 1_009 * S < time.certain_ns(60.0) < 1_010 * S
    time.hear(900 * S, 60.0)
    assert time.certain_ns(60.0) > 1_009 * S


def test_a_step_of_our_clock_is_no_measurement():
    """An exchange that seems to end before it began says nothing."""
    time = VenueTime()
    time.observe_answer(100 * S, 50 * S, 100 * S, 100 * S)
    assert time.skew_ns == 0
