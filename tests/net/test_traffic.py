"""Counting over a sliding window."""

from engine.net.traffic import Tally, Traffic, Window


def test_window_forgets_what_is_old():
    """Sums hold for about their span, to a twelfth of it, and memory with them."""
    window = Window(60)
    for now in range(600):
        window.add(now)
        assert window.total(now) <= 60
        assert len(window._steps) <= 12
    assert 55 <= window.total(599) <= 60
    assert window.total(700) == 0


def test_tally_counts_for_ever_and_lately():
    """The total stays when the recent part has gone."""
    tally = Tally(60)
    tally.add(0)
    assert (tally.total, tally.recent(10), tally.recent(100)) == (1, 1, 0)


def test_share_of_nothing_is_nothing():
    """Without messages no share; never above one."""
    traffic = Traffic(60)
    traffic.errors.add(0)
    assert traffic.share(traffic.errors, 0) == 0
    traffic.messages_in.add(0)
    traffic.errors.add(0)
    assert traffic.share(traffic.errors, 0) == 1
