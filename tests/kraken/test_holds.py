"""Who holds what, counted by name."""

from __future__ import annotations

import math

from engine.kraken.holds import LINGER_S, Holds
from engine.market.topics import Topic

BOOK, DEEP, TRADES = Topic("book", "BTC/USD", 10), Topic("book", "BTC/USD", 100), Topic("trade", "BTC/USD")


def test_a_topic_ends_a_little_after_its_last_hold():
    """Two names hold it: the first to leave ends nothing; the last leaves it lingering, then it is gone."""
    holds = Holds()
    holds.hold(BOOK, "bracket/1")
    holds.hold(BOOK, "user")
    assert holds.release(BOOK, "user", 1)
    assert (holds.holders(BOOK), holds.next_s) == (("bracket/1",), math.inf)
    assert holds.release(BOOK, "bracket/1", 2)
    assert (holds.topics, holds.next_s) == ((BOOK,), 2 + LINGER_S)
    assert holds.expire(2) == []
    assert holds.expire(2 + LINGER_S) == [BOOK]
    assert holds.topics == ()


def test_nobody_takes_away_what_another_holds():
    """A name without a hold releases nothing; the same name twice counts twice."""
    holds = Holds()
    holds.hold(TRADES, "bracket/1")
    holds.hold(TRADES, "bracket/1")
    assert not holds.release(TRADES, "user", 0)
    assert holds.release(TRADES, "bracket/1", 0)
    assert holds.holders(TRADES) == ("bracket/1",)
    assert holds.expire(100) == []


def test_a_new_hold_takes_a_lingering_topic_over():
    """Taken again in time, it never ends."""
    holds = Holds()
    holds.hold(DEEP, "signal/1")
    holds.release(DEEP, "signal/1", 0)
    holds.hold(DEEP, "bracket/1")
    assert holds.expire(100) == []
    assert (holds.of("book", "BTC/USD"), holds.of("trade", "BTC/USD")) == ((DEEP,), ())
