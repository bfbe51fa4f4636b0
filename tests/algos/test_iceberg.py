"""Stories of an iceberg: a part rests at a time, each with its stop, refilled as it fills."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.algos import Budget, Iceberg, IcebergTerms, ParentFault
from engine.sim import ScriptedFaults, lose_answer, lose_request, refuse_with
from tests.algos.working import dying, hands, parent, within_parent, working
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import Story, d


def iceberg(
    story: Story, display: str = "0.02", over_s: float = 600, budget: Budget | None = None, **members: object
) -> Iceberg:
    """Buy at 49990, below the market, a part at a time."""
    terms = IcebergTerms(display_qty=d(display), over_s=over_s)
    return Iceberg(hands(story), parent(**{"limit_price": "49990"} | members), terms, budget)


async def shown(story, work, qty: str, number: int) -> None:
    """Wait until the n-th part rests, of this size and alone."""
    await story.until(lambda: [o.leaves_qty for o in work.resting()] == [d(qty)] and len(work.entries()) == number)


async def test_it_shows_a_part_and_refills_as_it_fills(open_story, autojump_clock):
    """Three parts of 0.02: never more in sight, each covered, and it ends complete."""
    async with open_story() as story:
        story.market("49980", "50010")
        async with working(story, iceberg(story)) as work:
            for number, total in ((1, "0.02"), (2, "0.04"), (3, "0.06")):
                await shown(story, work, "0.02", number)
                story.ask("49990", "0.02")
                await story.until(lambda: work.covered(total))  # noqa: B023
            result = await work.ended()
        assert (result.state, result.cum_qty, result.avg_px) == ("complete", d("0.06"), d("49990"))
        within_parent(work)


async def test_partial_fill_is_covered_while_the_part_goes_on(open_story, autojump_clock):
    """A quarter of the part trades: it has its stop, the part rests on and no further one is shown."""
    async with open_story() as story:
        story.market("49980", "50010")
        async with working(story, iceberg(story)) as work:
            await shown(story, work, "0.02", 1)
            story.ask("49990", "0.005")
            await story.until(lambda: work.covered("0.005"))
            await story.wait(5)
            assert [order.leaves_qty for order in work.resting()] == [d("0.015")]
            work.algorithm.stop()
            result = await work.ended()
        assert (result.state, result.cum_qty) == ("stopped", d("0.005"))
        within_parent(work)


async def test_last_part_takes_what_would_be_too_small_alone(open_story, autojump_clock):
    """0.02 and 0.04003: the 0.00003 that nobody could order goes along."""
    async with open_story() as story:
        story.market("49980", "50010")
        async with working(story, iceberg(story, order_qty="0.04003")) as work:
            await shown(story, work, "0.02", 1)
            story.ask("49990", "0.02")
            await shown(story, work, "0.02003", 2)
            story.ask("49990", "0.02003")
            result = await work.ended()
        assert (result.state, result.cum_qty) == ("complete", d("0.04003"))


async def test_halt_takes_the_part_away(open_story, autojump_clock):
    """Halted: the part is canceled, nothing new is shown, and it ends."""
    async with open_story() as story:
        story.market("49980", "50010")
        async with working(story, iceberg(story)) as work:
            await shown(story, work, "0.02", 1)
            story.ask("49990", "0.02")
            await shown(story, work, "0.02", 2)
            story.engine.halt("enough", strategy_id="algo")
            result = await work.ended(10)
            await story.wait(5)
        assert (result.state, result.reason, result.cum_qty) == ("stopped", "TRADING_HALTED", d("0.02"))
        within_parent(work)


async def test_part_canceled_by_a_person_is_not_put_back(open_story, autojump_clock):
    """Somebody cancels it by the engine's own verb: that is a word to the algorithm too."""
    async with open_story() as story:
        story.market("49980", "50010")
        async with working(story, iceberg(story)) as work:
            await shown(story, work, "0.02", 1)
            story.engine.cancel(work.case(0).signal_id, "not now")
            result = await work.ended(10)
        assert (result.state, result.reason) == ("stopped", "its part was canceled")


@pytest.mark.parametrize("power_loss", [False, True])
async def test_killed_in_the_middle_the_part_is_taken_up_again(open_story, autojump_clock, power_loss):
    """The part that rests when its process dies is the next one's, and not shown a second time."""
    async with open_story() as story:
        story.market("49980", "50010")
        async with dying(story, iceberg(story)) as first:
            await shown(story, first, "0.02", 1)
            story.ask("49990", "0.005")
            await story.until(lambda: first.covered("0.005"))
            kill(story, power_loss=power_loss)
        await story.wait(3)
        await story.boot()
        async with working(story, iceberg(story)) as work:
            await story.wait(3)
            await shown(story, work, "0.015", 1)
            for number, part, total in ((1, "0.015", "0.02"), (2, "0.02", "0.04"), (3, "0.02", "0.06")):
                await shown(story, work, part, number)
                story.ask("49990", part)
                await story.until(lambda: work.covered(total))  # noqa: B023
            result = await work.ended()
        assert (result.state, result.cum_qty, len(result.children)) == ("complete", d("0.06"), 3)
        within_parent(work)


async def test_lost_answer_shows_nothing_twice(open_story, autojump_clock):
    """Of unknown fate: nothing further is shown until it is known, and then the same part rests on."""
    async with open_story() as story:
        story.market("49980", "50010")
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_answer())
        story.world.exchange.faults.frames_during("executions", 0, 12, "drop")
        async with working(story, iceberg(story)) as work:
            await story.until(lambda: work.algorithm.course.state == "doubting", 15)
            assert len(work.entries()) == 1
            await story.until(lambda: work.algorithm.course.state == "showing", 90)
            await shown(story, work, "0.02", 1)
            story.ask("49990", "0.02")
            await shown(story, work, "0.02", 2)
            work.algorithm.stop()
            result = await work.ended()
        assert result.cum_qty == d("0.02")
        within_parent(work)


async def test_part_that_is_proved_dead_ends_the_doubt(open_story, autojump_clock):
    """Its request was lost and its entry unwanted: its bracket ends with the proof, and nothing is in doubt then."""
    async with open_story() as story:
        story.market("49980", "50010")
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_request())
        async with working(story, iceberg(story)) as work:
            await story.until(lambda: work.algorithm.course.state == "doubting", 15)
            story.engine.cancel(work.case(0).signal_id, "not wanted")
            await story.until(lambda: ("doubting", "settle", "refilling") in work.algorithm.course.walk, 30)
            work.algorithm.stop()
            result = await work.ended()
        assert (result.state, result.cum_qty) == ("stopped", 0)
        within_parent(work)


async def test_time_over_ends_it_short(open_story, autojump_clock):
    """The price stays away: at the end the part goes, and what was bought is told."""
    async with open_story() as story:
        story.market("49980", "50010")
        async with working(story, iceberg(story, over_s=30)) as work:
            await shown(story, work, "0.02", 1)
            story.ask("49990", "0.02")
            await shown(story, work, "0.02", 2)
            story.market("50400", "50420")
            result = await work.ended(40)
        assert (result.state, result.reason, result.cum_qty) == ("short", "time is over", d("0.02"))
        within_parent(work)


async def test_refused_part_waits_and_is_given_up_after_three(open_story, autojump_clock):
    """No hammering: a second between tries, three at most."""
    async with open_story() as story:
        story.market("49980", "50010")
        story.world.exchange.faults = ScriptedFaults().always("add_order", refuse_with("EOrder:Insufficient funds"))
        async with working(story, iceberg(story)) as work:
            result = await work.ended(60)
        assert (result.state, len(result.children)) == ("stopped", 3)
        arrived = [one[0] for one in story.truth.requests if one[2] == "add_order"]
        assert all(later - earlier >= 900_000_000 for earlier, later in pairwise(arrived))


async def test_children_are_bounded(open_story, autojump_clock):
    """Two children are two parts."""
    async with open_story() as story:
        story.market("49980", "50010")
        async with working(story, iceberg(story, budget=Budget(children=2))) as work:
            for number in (1, 2):
                await shown(story, work, "0.02", number)
                story.ask("49990", "0.02")
            result = await work.ended()
        assert (result.state, result.cum_qty, result.reason) == ("stopped", d("0.04"), "all 2 children are sent")


async def test_cancelled_task_takes_its_part_away(open_story, autojump_clock):
    """Cancelled while it waits: the part goes at once."""
    async with open_story() as story:
        story.market("49980", "50010")
        async with working(story, iceberg(story)) as work:
            await shown(story, work, "0.02", 1)
            await work.cancel()
            await story.until(lambda: not work.resting(), 3)
        within_parent(work)


def test_terms_that_make_no_iceberg_are_refused():
    """More shown than there is, or a part that may not rest."""
    with pytest.raises(ParentFault, match="display_qty"):
        Iceberg(None, parent(), IcebergTerms(d("0.07"), 60))  # type: ignore[arg-type]
    with pytest.raises(ParentFault, match="gtc"):
        Iceberg(None, parent(time_in_force="ioc"), IcebergTerms(d("0.02"), 60))  # type: ignore[arg-type]
