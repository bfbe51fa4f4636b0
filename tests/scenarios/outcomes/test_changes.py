"""Amends and cancels without an answer: the order keeps its state until evidence, and only then is it asked again."""

from __future__ import annotations

import pytest

from engine.orders.reports import Answer, Outcome
from engine.sim import ScriptedFaults, SimSettings
from engine.sim.faults import refuse_with
from tests.scenarios.honesty import METHODS, REST_DOUBTS, SILENCE, SOME_DOUBTS, WS_DOUBTS, come, safe
from tests.scenarios.story import Case, Story, d

BOTH = pytest.mark.parametrize("applied", [True, False], ids=["done", "not_done"])
ONE_OF_EACH = [("ws", doubt) for doubt in WS_DOUBTS[:4]] + [("rest", doubt) for doubt in (SILENCE, *REST_DOUBTS[7:9])]


async def half_filled(story: Story) -> Case:
    """An entry of 0.02 of which half has filled and rests under a stop old enough to be amended cheaply."""
    story.market()
    case = await story.submit(qty="0.02")
    await story.until(lambda: bool(case.resting("entry")))
    story.ask("50000", "0.01")
    await story.until(lambda: case.covered("0.01"))
    await story.wait(20)
    return case


@BOTH
@pytest.mark.parametrize(("way", "doubt"), ONE_OF_EACH, ids=str)
async def test_cancel_with_a_doubtful_answer_ends_canceled(open_story, autojump_clock, way, doubt, applied):
    """Pending until the venue shows what became of it; not done, it is asked again; the end is canceled."""
    async with open_story(orders_via=way) as story:
        story.world.exchange.faults = ScriptedFaults().at(METHODS[way]["cancel"], 1, doubt.action(applied=applied))
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        story.engine.cancel(case.signal_id, "changed my mind")
        await come(story, lambda: case.outcome, within_s=40 if doubt.name != "reset" else 100)
    assert case.outcome == "abandoned"
    assert case.sent("entry")[0].status == "canceled"
    assert case.entry().states().count("pending_cancel") == (1 if applied else 2)


@BOTH
@pytest.mark.parametrize(("way", "doubt"), SOME_DOUBTS, ids=str)
async def test_amend_with_a_doubtful_answer_ends_covered(open_story, autojump_clock, way, doubt, applied):
    """The stop counts as the least of both totals until evidence; in the end all that is held rests under stops."""
    async with open_story(orders_via=way) as story:
        case = await half_filled(story)
        story.world.exchange.faults = ScriptedFaults().at(METHODS[way]["amend"], 1, doubt.action(applied=applied))
        story.ask("50000", "0.01")
        await story.wait(1)
        await come(story, lambda: safe(story, case), within_s=100)
        await story.wait(30)
        assert safe(story, case)
    if applied:
        assert case.entry().cum_qty == sum(order.leaves_qty for order in case.resting("stop"))


async def test_amend_done_without_an_answer_is_seen_in_the_stream(open_story, autojump_clock):
    """The amended frame is enough: covered at once, with one amend."""
    async with open_story() as story:
        case = await half_filled(story)
        story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, SILENCE.action(applied=True))
        story.ask("50000", "0.01")
        await story.until(lambda: case.covered("0.02"), within_s=1)
    assert len(case.sent("stop")) == 1


async def test_refused_cancel_is_looked_into_and_asked_again(open_story, autojump_clock):
    """An entry once unwanted stays unwanted: the refusal is retried until it is gone."""
    async with open_story() as story:
        faults = ScriptedFaults()
        for number in (1, 2):
            faults.at("cancel_order", number, refuse_with("EOrder:Rate limit exceeded"))
        story.world.exchange.faults = faults
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        story.engine.cancel(case.signal_id)
        await come(story, lambda: case.outcome, within_s=20)
    assert case.sent("entry")[0].status == "canceled"


@pytest.mark.parametrize("applied", [True, False], ids=["taken", "not_taken"])
async def test_cancel_asked_for_while_the_add_is_unanswered_is_remembered(open_story, autojump_clock, applied):
    """The wish waits for evidence: a live order is canceled then, a dead one is not sent again."""
    async with open_story() as story:
        faults = ScriptedFaults().at("add_order", 1, SILENCE.action(applied=applied))
        for number in range(1, 4):
            faults.at_frame("executions", number, "drop")
        story.world.exchange.faults = faults
        story.market()
        case = await story.submit()
        await story.wait(1)
        assert case.entry_is("pending")
        story.engine.cancel(case.signal_id, "changed my mind")
        await story.wait(1)
        assert [method for _, _, method, _ in story.truth.requests] == ["add_order"]
        await come(story, lambda: case.outcome, within_s=40)
    assert case.outcome == "abandoned"
    assert [order.status for order in case.sent()] == (["canceled"] if applied else [])
    assert len(case.orders("entry")) == 1


async def test_cancel_wanted_while_unknown_ends_a_fill_under_its_stop(open_story, autojump_clock):
    """The unknown entry had filled in part: the cancel ends the rest, and the part is protected."""
    async with open_story() as story:
        faults = ScriptedFaults().at("add_order", 1, SILENCE.action(applied=True))
        for number in range(1, 6):
            faults.at_frame("executions", number, "drop")
        story.world.exchange.faults = faults
        story.market()
        case = await story.submit(qty="0.02")
        await story.wait(1)
        story.ask("50000", "0.008")
        story.engine.cancel(case.signal_id)
        await come(story, lambda: case.covered("0.008"), within_s=20)
    assert case.sent("entry")[0].status == "canceled"
    assert case.entry().cum_qty == d("0.008")


async def test_cancel_that_could_not_be_sent_is_sent_when_there_is_a_way_again(open_story, autojump_clock):
    """The entry's time runs out while no way is open: once one is, it is canceled all the same."""
    async with open_story() as story:
        story.market()
        case = await story.submit(entry_timeout_s=3)
        await story.until(lambda: case.entry_is("open"))
        story.world.wire.refuse(8)
        for connection in story.world.wire.connections:
            connection.reset()
        await story.wait(6)
        assert case.sent("entry")[0].is_open
        await come(story, lambda: case.outcome, within_s=60)
    assert case.outcome == "abandoned"


async def test_cancel_asked_for_again_by_a_person_waits_for_no_pause(open_story, autojump_clock):
    """Storm 134: three refusals have made the pause four seconds long; who asks anew does not wait for its end."""
    async with open_story() as story:
        faults = ScriptedFaults()
        for number in (1, 2, 3):
            faults.at("cancel_order", number, refuse_with("EOrder:Domain rate limit exceeded"))
        story.world.exchange.faults = faults
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        story.engine.cancel(case.signal_id)
        await story.until(lambda: case.entry().states().count("pending_cancel") == 3)
        await story.wait(0.5)
        assert case.sent("entry")[0].is_open
        story.engine.cancel(case.signal_id)
        await story.until(lambda: case.outcome, within_s=1)


async def test_cancel_that_found_no_way_goes_as_soon_as_the_stream_is_back(open_story, autojump_clock):
    """Storm 134: tries that found no way have made the pause long; it ends with the outage."""
    async with open_story() as story:
        story.market()
        case = await story.submit(entry_timeout_s=3)
        await story.until(lambda: case.entry_is("open"))
        story.world.wire.refuse(22)
        for connection in story.world.wire.connections:
            connection.reset()
        await story.wait(21)
        await story.until(story.engine.services.stream_up)
        await story.until(lambda: case.outcome, within_s=1.5)
    assert case.outcome == "abandoned"


async def test_token_that_ends_leaves_no_other_request_unknown(open_story, autojump_clock):
    """Storm 200179: two cancels behind a token that has ended are both refused, and both sent anew by REST at once."""
    async with open_story() as story:
        story.market()
        cases = [await story.submit(limit=price) for price in ("49900", "49800")]
        await story.until(lambda: all(case.entry_is("open") for case in cases))
        story.world.exchange.expire_tokens(in_use=True)
        for case in cases:
            story.engine.cancel(case.signal_id)
        await story.until(lambda: all(case.outcome for case in cases), within_s=2)
        answers = [row.decode(Answer) for row in story.journal.rows(kind="answer")]
        assert [answer.outcome for answer in answers if answer.request == "cancel"][:2] == [Outcome.REFUSED] * 2
        assert not any(answer.outcome is Outcome.UNKNOWN for answer in answers)


async def test_cancel_by_a_person_overtakes_those_that_wait_for_room(open_story, autojump_clock):
    """Calm 400017: the counter is full, and entries' own time-outs wait in their lane; who cancels one is heard."""
    async with open_story(sim=SimSettings(tier="starter"), tier="starter") as story:
        story.market()
        cases = [await story.submit(limit=str(49_900 - n), entry_timeout_s=20) for n in range(2)]
        await story.until(lambda: all(case.entry_is("open") for case in cases))
        await story.wait(19)
        core = story.world.exchange._venue.core
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), d("58"))
        await story.wait(3)
        first, second = cases
        assert first.resting("entry")
        story.engine.cancel(second.signal_id, urgent=True)
        await story.until(lambda: second.outcome or first.outcome, within_s=60)
        assert (first.outcome, second.outcome) == ("", "abandoned")
