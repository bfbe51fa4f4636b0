"""What a reconnect may have hidden, judged from fills alone."""

from decimal import Decimal

import pytest

from engine.kraken import fill_memory
from engine.kraken.fill_memory import MARGIN_NS, OVERLAP, FillMemory, Hole
from engine.orders.reports import Fill, OrderReport, ReportType

S = 10**9


def fill(number, at_s=None):
    """The fill of one second."""
    at_ns = int((number if at_s is None else at_s) * S)
    return Fill(f"T{number}", Decimal(1), Decimal(1), Decimal(1), (), "maker", at_ns)


def shown(*numbers):
    """A snapshot's trades."""
    return [OrderReport(ReportType.TRADE, "snapshot", "O", "partially_filled", n * S, fill=fill(n)) for n in numbers]


@pytest.fixture
def memory():
    """Complete until 100 s, the last fill at 90 s."""
    one = FillMemory()
    one.complete()
    for number in (70, 80, 90):
        one.hear(fill(number))
    one.lose(100 * S)
    return one


def test_first_snapshot_has_no_hole():
    """What was before us is not missing."""
    assert FillMemory().hole(shown(*range(50))) is None


def test_last_known_fill_in_the_snapshot_closes_the_hole(memory):
    """Everything after it is in the snapshot as well."""
    assert memory.hole(shown(90, 105, 106)) is None


def test_hole_lies_between_the_last_known_and_the_oldest_shown(memory):
    """A list of fills bridges it when it holds both ends."""
    hole = memory.hole(shown(*range(110, 160)))
    assert hole == Hole(90 * S - MARGIN_NS, "T90", "T110", until="T114")
    assert (hole.bridged_from({"T90"}), hole.bridged_to({"T90"})) == (True, False)
    assert (hole.bridged_from({"T110"}), hole.bridged_to({"T110"})) == (False, True)


def test_without_any_known_fill_a_short_snapshot_is_all_there_is():
    """Fifty may be cut off, fewer are not; fifty that reach back beyond the loss are enough."""
    one = FillMemory()
    one.complete()
    one.lose(100 * S)
    assert one.hole(shown(*range(101, 150))) is None
    assert one.hole(shown(*range(101, 151))) == Hole(100 * S - MARGIN_NS, None, "T101", until="T105")
    assert one.hole(shown(*range(90, 140))) is None
    assert one.hole([]) is None


def test_anchor_stays_until_the_stream_is_complete_again(memory):
    """Fills heard while something is missing do not move it; completeness does."""
    for number in range(110, 160):
        memory.hear(fill(number))
    memory.lose(170 * S)
    assert memory.hole(shown(*range(120, 170))).older == "T90"
    memory.complete()
    memory.lose(180 * S)
    assert memory.hole(shown(*range(110, 160))) is None
    assert memory.hole(shown(*range(181, 231))).older == "T159"


def test_late_fill_of_an_old_moment_does_not_move_the_anchor_back(memory):
    """The anchor is the newest by the venue's time."""
    memory.complete()
    memory.hear(fill(95))
    memory.hear(fill(60, at_s=60))
    memory.lose(200 * S)
    assert memory.hole(shown(*range(201, 251))).older == "T95"


def test_memory_is_bounded(monkeypatch):
    """The oldest fills are forgotten: telling them again is harmless, they are counted by exec_id."""
    monkeypatch.setattr(fill_memory, "KEPT", 2)
    one = FillMemory()
    assert [one.hear(fill(n)) for n in (1, 2, 1, 3, 2)] == [True, True, False, True, True]
    assert one.knows(fill(2))
    assert not one.knows(fill(1))


def test_list_joins_when_it_begins_with_twenty_known_fills(memory):
    """The last known alone is not enough: fills told late may lie before it."""
    hole = memory.hole(shown(*range(110, 160)))
    for number in range(40, 70):
        memory.hear(fill(number))
    early = range(50, 50 + OVERLAP - 2)
    assert memory.joins(hole, shown(*range(50, 70), 90, 100, 110))
    assert not memory.joins(hole, shown(*range(50, 70), 100, 110))
    assert not memory.joins(hole, shown(*early, 90, 100, 110))
    assert not memory.joins(hole, shown(*range(20, 40), 90, 100, 110))
