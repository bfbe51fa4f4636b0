"""Sequence numbers of a subscription."""

import pytest

from engine.errors import VenueProtocolError
from engine.kraken.sequence import SequenceBroken, SequenceTracker


def test_rising_numbers_pass():
    """Numbers that rise by one are silent, wherever they begin."""
    tracker = SequenceTracker("executions")
    for number in (1, 2, 3, 4):
        tracker.check(number)
    assert tracker.last == 4
    SequenceTracker("balances").check(7)


@pytest.mark.parametrize(
    ("numbers", "kind"), [((1, 2, 4), "gap"), ((1, 2, 2), "repeat"), ((5, 1), "repeat"), ((1, None), "without")]
)
def test_anything_else_is_a_loss(numbers, kind):
    """A gap, a repeat, a step back and a missing number all raise, and say which."""
    tracker = SequenceTracker("executions")
    for number in numbers[:-1]:
        tracker.check(number)
    with pytest.raises(VenueProtocolError, match=kind):
        tracker.check(numbers[-1])


@pytest.mark.parametrize(("number", "kind", "first", "last"), [(9, "gap", 3, 8), (1, "repeat", 1, 1)])
def test_a_break_names_the_range(number, kind, first, last):
    """The error says which numbers did not come, or which came twice."""
    tracker = SequenceTracker("balances")
    tracker.check(1)
    tracker.check(2)
    with pytest.raises(SequenceBroken) as caught:
        tracker.check(number)
    broken = caught.value
    assert (broken.channel, broken.kind, broken.first, broken.last) == ("balances", kind, first, last)
    assert tracker.last == 2
