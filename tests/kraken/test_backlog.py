"""News that waits for older fills."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.kraken import backlog as module
from engine.kraken.backlog import Backlog
from engine.orders.reports import OrderReport, ReportType


def report(number):
    """Any report."""
    return OrderReport(ReportType.STATUS, "stream", f"O{number}", "new", number, order_qty=Decimal(1))


def told(recorder):
    """The orders of all reports told so far."""
    return [one.order_id for one in recorder.reports]


def test_held_news_is_told_in_its_order_on_release(recorder):
    """Snapshot first, then what came after it; later news goes straight through."""
    backlog = Backlog(recorder)
    backlog.hold()
    backlog.on_snapshot([report(1)], [])
    backlog.on_report(report(2))
    backlog.on_report(report(3))
    assert (recorder.snapshots, recorder.reports) == ([], [])
    backlog.release()
    assert (len(recorder.snapshots), told(recorder)) == (1, ["O2", "O3"])
    backlog.on_report(report(4))
    backlog.release()
    assert told(recorder) == ["O2", "O3", "O4"]


def test_too_much_news_is_told_at_once(recorder, monkeypatch):
    """Memory is bounded: then order counts for less than news."""
    monkeypatch.setattr(module, "MOST_HELD", 3)
    backlog = Backlog(recorder)
    backlog.hold()
    for number in range(5):
        backlog.on_report(report(number))
    assert told(recorder) == ["O0", "O1", "O2", "O3", "O4"]


@pytest.mark.parametrize("held", [True, False])
def test_nothing_is_lost_when_held_twice(recorder, held):
    """A second hold keeps what the first one kept."""
    backlog = Backlog(recorder)
    backlog.hold()
    backlog.on_report(report(1))
    if held:
        backlog.hold()
    backlog.on_report(report(2))
    backlog.release()
    assert told(recorder) == ["O1", "O2"]
