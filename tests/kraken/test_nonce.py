"""Nonces rise for ever."""

import stat

import pytest

from engine.errors import ConfigError
from engine.kraken.nonce import RESERVE_NS, MemoryNonceStore, Nonces
from engine.kraken.nonce_file import FileNonceStore


class CountingStore(MemoryNonceStore):
    """Counts the writes."""

    writes = 0

    def store(self, mark):
        self.writes += 1
        super().store(mark)


def test_nonces_rise_while_the_clock_stands_or_steps_back():
    """Equal and earlier clock readings still give higher nonces."""
    nonces = Nonces(MemoryNonceStore())
    drawn = [nonces.draw(now) for now in (1000, 1000, 400, 5000, 4999)]
    assert drawn == [1000, 1001, 1002, 5000, 5001]


def test_restart_starts_above_everything_drawn_before():
    """A new process with the same store and a clock set back draws above all nonces of the old one."""
    for last in (10**18, 10**18 + RESERVE_NS // 2, 10**18 + 5 * RESERVE_NS):  # within what was reserved, and beyond
        store = MemoryNonceStore()
        before = Nonces(store)
        highest = max(before.draw(now) for now in (10**18, last))
        assert Nonces(store).draw(0) > highest


def test_mark_is_stored_before_the_first_nonce_and_once_per_step():
    """The store is written ahead of use, and not on every call."""
    store = CountingStore()
    nonces = Nonces(store)
    for step in range(1000):
        assert nonces.draw(10**18 + step * 1000) < store.mark
    assert store.writes == 1
    nonces.draw(10**18 + RESERVE_NS)
    assert store.writes == 2


def test_file_store_keeps_the_mark_privately(tmp_path):
    """The mark survives in a file that only its owner may read."""
    path = tmp_path / "nonce"
    assert FileNonceStore(path).load() == 0
    FileNonceStore(path).store(12345)
    FileNonceStore(path).store(23456)
    assert FileNonceStore(path).load() == 23456
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["nonce"]


def test_unreadable_mark_is_refused_with_advice(tmp_path):
    """A file that holds no number stops the start and says what to do."""
    path = tmp_path / "nonce"
    path.write_text("oops")
    with pytest.raises(ConfigError, match="highest nonce"):
        FileNonceStore(path).load()
