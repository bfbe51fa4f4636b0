"""A story told from the journal: by any name, cause by cause, at any cut."""

from __future__ import annotations

import msgspec
import pytest

from engine.runtime.story import Finder, Subject, find, tell_story
from tests.runtime.worlds import FAULTS, SIGNAL_ID, told


class _Journal:
    """Rows in a list, selected as a journal selects them."""

    def __init__(self, rows):
        self._rows = list(rows)

    def rows(self, *, after=0, signal_id=None, cl_ord_id=None, kind=None):
        for row in self._rows:
            wanted = signal_id in (None, row.signal_id) and cl_ord_id in (None, row.cl_ord_id)
            if wanted and row.seq > after and kind in (None, row.kind):
                yield row


def _entry(tale) -> str:
    return next(row.cl_ord_id for row in tale.rows if row.kind == "intent")


def test_a_thing_is_found_by_every_name_it_has():
    """cl_ord_id, its beginning, the venue's id, the signal's id and its beginning."""
    tale = told()
    journal, entry = _Journal(tale.rows), _entry(tale)
    order = Subject(SIGNAL_ID, entry)
    assert find(journal, entry) == [order]
    assert find(journal, entry.upper()) == [order]
    assert find(journal, entry[:8]) == [order]
    assert find(journal, tale.order_ids[entry]) == [order]
    assert find(journal, SIGNAL_ID) == [Subject(SIGNAL_ID)]
    assert find(journal, SIGNAL_ID[:5]) == [Subject(SIGNAL_ID)]
    assert find(journal, "no such thing") == []


def test_a_beginning_that_several_share_finds_them_all():
    """Nothing is picked by chance."""
    finder = Finder("")
    for row in told().rows:
        finder.take(row)
    assert len(finder.found()) == 2 + len(told().order_ids)  # two signals, one of them denied, and their orders


def test_an_orders_story_begins_with_its_signal_and_follows_the_causes():
    """Every step names a cause that was told before; the first is the signal with its checks."""
    tale = told()
    for cl_ord_id in tale.order_ids:
        story = tell_story(_Journal(tale.rows), Subject(SIGNAL_ID, cl_ord_id))
        kinds = [step.kind for step in story.steps]
        assert kinds[0] == "signal"
        assert {"intent", "request", "answer", "transition"} <= set(kinds)
        told_rows = {step.row for step in story.steps}
        assert all(step.cause in told_rows for step in story.steps[1:])
        assert {step.cl_ord_id for step in story.steps} <= {"", cl_ord_id}
        (walk,) = story.walks
        assert (walk.order_id, walk.state) == (tale.order_ids[cl_ord_id], "settled")


def test_the_entrys_story_in_words():
    """A person can follow it: wish and checks, decision, request, answer, fills with fees, the walked path."""
    tale = told()
    lines = "\n".join(tell_story(_Journal(tale.rows), Subject(SIGNAL_ID, _entry(tale))).lines())
    for words in (
        "buy 0.02 BTC/USD limit at 50000 by default, stop 49000 target 51000; every check passed: BTC/USD online",
        "entry: buy 0.02 BTC/USD limit at 50000 gtc cancel_newest (signal accepted)",
        "new order let go over ws, deadline 2026-01-01T00:00:05",
        "to new over ws: accepted, order_id O",
        "open -trade-> partial: filled 0.005 at 50000 (maker, fee 0.625 USD, T",
        "new -dispatch-> pending -accept-> open -trade-> partial -trade-> partial -trade-> filled -settle-> settled",
    ):
        assert words in lines


def test_a_denied_signal_has_a_story_with_its_reason():
    """A denial is told with its code and numbers, though no order came of it."""
    (subject,) = find(_Journal(told().rows), "99999999")
    story = tell_story(_Journal(told().rows), subject)
    assert [step.kind for step in story.steps] == ["denied"]
    assert "denied PRICE_ORDER" in story.steps[0].text or "denied " in story.steps[0].text
    assert story.walks == ()


def test_an_unknown_outcome_is_told_with_its_alarm():
    """A lost answer shows as an answer unknown, whatever came of the order."""
    lines = "\n".join(tell_story(_Journal(told("entry request lost").rows), Subject(SIGNAL_ID)).lines())
    assert "to new over ws: unknown" in lines
    assert "ALARM ORDER_UNKNOWN" in lines


@pytest.mark.parametrize("fault", FAULTS)
def test_a_story_can_be_told_of_any_prefix(fault):
    """A journal cut after any row still tells what it holds, as text and as JSON."""
    tale = told(fault)
    for cut in range(3, len(tale.rows) + 1, 3):
        journal = _Journal(tale.rows[:cut])
        for subject in (Subject(SIGNAL_ID), Subject(SIGNAL_ID, _entry(tale))):
            story = tell_story(journal, subject)
            assert len(story.lines()) >= len(story.steps)
            assert len(msgspec.json.decode(msgspec.json.encode(story))["steps"]) == len(story.steps)
