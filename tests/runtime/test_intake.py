"""The intake under concurrency: one id is one order, however many ask at once."""

from __future__ import annotations

import trio

from engine.runtime.intake import Submitted
from tests.scenarios.story import Story, open_story


async def _all_at_once(story: Story, *quantities: str) -> list[Submitted]:
    answers: list[Submitted] = []
    one_id = "00000000-0000-4000-8000-0000000000aa"

    async def submit(qty: str) -> None:
        answers.append((await story.submit(qty=qty, signal_id=one_id)).submitted)

    async with trio.open_nursery() as nursery:
        for qty in quantities:
            nursery.start_soon(submit, qty)
    return answers


async def test_same_signal_many_times_at_once_is_one_order(autojump_clock):
    """Ten tasks submit the same signal in one tick: one is accepted, nine are repeats, one order exists."""
    async with open_story() as story:
        story.market()
        answers = await _all_at_once(story, *["0.02"] * 10)
        assert sorted(answer.status for answer in answers) == ["accepted"] + ["repeat"] * 9
        await story.wait(1)
    assert len(story.truth.orders) == 1


async def test_two_contents_under_one_id_at_once_are_one_order_and_one_conflict(autojump_clock):
    """Whoever comes first wins; the other is denied."""
    async with open_story() as story:
        story.market()
        answers = await _all_at_once(story, "0.02", "0.03")
        assert sorted((answer.status, answer.code) for answer in answers) == [
            ("accepted", ""),
            ("denied", "SIGNAL_CONFLICT"),
        ]
        await story.wait(1)
    assert len(story.truth.orders) == 1


async def test_denied_signal_many_times_at_once_is_one_row(autojump_clock):
    """The first denial is written, the others read it."""
    async with open_story() as story:
        story.market()
        answers = await _all_at_once(story, *["0.00001"] * 5)
        assert {answer.code for answer in answers} == {"BELOW_MINIMUM_QTY"}
    assert len(list(story.journal.rows(kind="denied"))) == 1


async def test_submitter_that_gives_up_leaves_no_lock_behind(autojump_clock):
    """A submit cancelled while it waits for the book does not block the id for the next one."""
    async with open_story() as story:
        story.market()
        story.world.wire.refuse(2)
        story.connection("instrument").reset()
        signal = story.signal()
        with trio.move_on_after(0.5) as impatient:
            await story.hand_in(signal)
        assert impatient.cancelled_caught
        assert (await story.hand_in(signal)).submitted.status == "accepted"
        await story.wait(1)
    assert len(story.truth.orders) == 1


async def test_accepted_means_durable(autojump_clock):
    """When submit returns, the signal's row has been synced."""
    async with open_story() as story:
        story.market()
        case = await story.submit()
        (row,) = story.journal.rows(signal_id=case.signal_id, kind="signal")
        assert story.world.journal.durable >= row.seq
