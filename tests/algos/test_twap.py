"""Stories of a TWAP: slices over time, each protected, never more than the parent."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio

from engine.algos import Budget, Parent, ParentFault, Twap, TwapTerms
from engine.seams.chance import SeededChance
from engine.sim import ScriptedFaults, lose_answer, refuse_with
from tests.algos.working import dying, hands, parent, within_parent, working
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import Story, d

SIX = TwapTerms(slices=6, over_s=60)


def twap(story: Story, terms: TwapTerms = SIX, budget: Budget | None = None, of: Parent | None = None) -> Twap:
    """A TWAP of immediate-or-cancel slices."""
    return Twap(hands(story), of or parent(time_in_force="ioc"), terms, budget, SeededChance(1))


async def test_slices_trade_at_their_times_and_each_has_its_stop(open_story, autojump_clock):
    """Six slices, ten seconds apart; what has filled is covered before the next one goes."""
    async with open_story() as story:
        story.market()
        began = trio.current_time()
        async with working(story, twap(story)) as work:
            for number in range(1, 7):
                await story.until(lambda: work.covered(f"{Decimal('0.01') * number}"), 12)  # noqa: B023
                assert trio.current_time() - began == pytest.approx(10 * (number - 1), abs=1)
            result = await work.ended()
        assert (result.state, result.cum_qty, len(result.children)) == ("complete", d("0.06"), 6)
        assert result.avg_px == d("50010")
        within_parent(work)


async def test_missed_slice_is_caught_up_within_the_bound(open_story, autojump_clock):
    """Two slots find no price; the third takes one slice more and no further, the rest follows in the same way."""
    async with open_story() as story:
        story.market("50090", "50110")
        async with working(story, twap(story)) as work:
            await story.wait(15)
            story.market()
            await story.until(lambda: work.covered("0.02"), 12)
            await story.until(lambda: work.covered("0.04"), 12)
            result = await work.ended(60)
        assert [child.cum_qty for child in result.children] == [0, 0, d("0.02"), d("0.02"), d("0.01"), d("0.01")]
        assert result.state == "complete"


async def test_partial_slices_are_covered_and_what_is_beyond_reach_is_told(open_story, autojump_clock):
    """Each slice finds half of its size: all of that has its stop, and the rest is reported as short."""
    async with open_story() as story:
        story.house.clear("BTC/USD")
        story.bid("49990", "1")
        terms = TwapTerms(slices=3, over_s=30, catch_up=Decimal(0))
        async with working(story, twap(story, terms)) as work:
            for number in range(3):
                story.ask("50010", "0.01")
                await story.until(lambda: work.covered(f"{Decimal('0.01') * (number + 1)}"), 12)  # noqa: B023
                await story.wait(9)
            result = await work.ended()
        assert (result.state, result.reason, result.cum_qty) == ("short", "time is over", d("0.03"))
        within_parent(work)


async def test_resting_slices_end_with_their_slot(open_story, autojump_clock):
    """A gtc parent's slice rests for its slot, and would expire on the venue soon after if nobody canceled it."""
    async with open_story() as story:
        story.market()
        resting = parent(limit_price="49990", order_qty="0.03")
        async with working(story, twap(story, TwapTerms(slices=3, over_s=30), of=resting)) as work:
            await story.until(lambda: len(work.resting()) == 1)
            (first,) = work.resting()
            assert 0 < first.expire_ns - story.world.clock.now_ns() <= 16_000_000_000
            story.market("49980", "49990")
            await story.until(lambda: work.covered("0.01"), 5)
            story.market("50000", "50010")
            result = await work.ended(40)
        assert (result.state, result.cum_qty) == ("short", d("0.01"))
        within_parent(work)


async def test_slices_below_the_minimum_go_along_with_the_next(open_story, autojump_clock):
    """Ten slices of a third of the minimum come as three or so of enough, and the last takes the remainder."""
    async with open_story() as story:
        story.market()
        small = parent(order_qty="0.0005", time_in_force="ioc")
        async with working(story, twap(story, TwapTerms(slices=10, over_s=50), of=small)) as work:
            result = await work.ended(60)
        assert (result.state, result.cum_qty) == ("complete", d("0.0005"))
        assert len(result.children) < 10
        assert all(order.order_qty >= d("0.00005") for order in work.entries())


async def test_halt_in_the_middle_ends_it_without_another_word(open_story, autojump_clock):
    """Nothing is sent any more, what was bought keeps its stops; resuming does not wake it."""
    async with open_story() as story:
        story.market()
        async with working(story, twap(story)) as work:
            await story.until(lambda: work.covered("0.02"), 15)
            story.engine.halt("enough")
            result = await work.ended(15)
            sent = len(story.truth.requests)
            story.engine.resume_trading("again")
            await story.wait(30)
        assert (result.state, result.reason, result.cum_qty) == ("stopped", "TRADING_HALTED", d("0.02"))
        assert len(story.truth.requests) == sent
        assert work.covered("0.02")


async def test_denied_slice_ends_it(open_story, autojump_clock):
    """A denial that does not pass by itself is not asked for again."""
    async with open_story() as story:
        story.market()
        wrong = parent(time_in_force="ioc", stop_loss={"trigger_price": "50500"})
        async with working(story, twap(story, of=wrong)) as work:
            result = await work.ended()
        assert (result.state, len(result.children)) == ("stopped", 1)
        assert result.reason == result.children[0].reason != ""


async def test_three_refusals_in_a_row_end_it(open_story, autojump_clock):
    """The venue says no thrice: that is enough, whatever the schedule still holds."""
    async with open_story() as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().always("add_order", refuse_with("EOrder:Insufficient funds"))
        async with working(story, twap(story)) as work:
            result = await work.ended(60)
        assert (result.state, result.cum_qty, len(result.children)) == ("stopped", 0, 3)
        assert "3 times in a row" in result.reason


async def test_killed_in_the_middle_the_next_life_goes_on(open_story, autojump_clock):
    """The next process finds the children by their ids, keeps to the end that was set, and buys the rest only."""
    async with open_story() as story:
        story.market()
        async with dying(story, twap(story)) as first:
            await story.until(lambda: first.covered("0.02"), 15)
            kill(story)
        await story.wait(7)
        await story.boot()
        end_ns = first.algorithm.end_ns
        async with working(story, twap(story)) as work:
            result = await work.ended(60)
        assert (result.state, result.cum_qty) == ("complete", d("0.06"))
        assert abs(work.algorithm.end_ns - end_ns) < 1000  # the journal's moments are microseconds
        assert len({order.cl_ord_id for order in work.entries()}) == len(work.cases())
        within_parent(work)


async def test_lost_answer_keeps_the_next_slice_back(open_story, autojump_clock):
    """Nobody knows whether the second slice rests: the third waits until it is settled, and nothing is sent twice."""
    async with open_story() as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().at("add_order", 3, lose_answer())  # the first brought a stop
        story.world.exchange.faults.frames_during("executions", 9, 16, "drop")
        async with working(story, twap(story)) as work:
            result = await work.ended(100)
        assert result.cum_qty == work.bought() == d("0.06")
        assert ("working", "doubt", "doubting") in result.walk
        within_parent(work)


async def test_slice_that_turns_out_to_rest_is_worked_on(open_story, autojump_clock):
    """Its answer and its frames are lost; REST shows it resting, and the schedule goes on."""
    async with open_story() as story:
        story.market("49980", "50030")
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_answer())
        story.world.exchange.faults.frames_during("executions", 0, 12, "drop")
        async with working(story, twap(story, of=parent())) as work:
            await story.until(lambda: work.algorithm.course.state == "doubting", 15)
            await story.until(lambda: ("doubting", "clear", "working") in work.algorithm.course.walk, 90)
            assert len(work.entries()) == 1
            work.algorithm.stop()
            await work.ended()
        within_parent(work)


async def test_price_that_runs_away_is_not_followed(open_story, autojump_clock):
    """Beyond the worst price nothing trades; time over, it says so."""
    async with open_story() as story:
        story.market()
        async with working(story, twap(story)) as work:
            await story.until(lambda: work.covered("0.01"))
            story.market("50400", "50420")
            result = await work.ended(70)
        assert (result.state, result.cum_qty) == ("short", d("0.01"))
        assert all(order.limit_price == d("50010") for order in work.entries())


async def test_cancelled_task_leaves_no_entry_resting(open_story, autojump_clock):
    """Cancelled while a slice rests: the entry goes, what has filled stays protected."""
    async with open_story() as story:
        story.market()
        resting = parent(limit_price="49990")
        async with working(story, twap(story, of=resting)) as work:
            await story.until(lambda: len(work.resting()) == 1)
            story.market("49985", "49990", qty="0.002")
            await story.until(lambda: work.bought() > 0)
            await work.cancel()
            await story.until(lambda: not work.resting(), 3)
            await story.until(lambda: work.stops() == work.bought())
        assert work.result is None


async def test_stop_waits_until_all_is_settled(open_story, autojump_clock):
    """Asked to stop, it sends nothing more and tells what it came to."""
    async with open_story() as story:
        story.market()
        async with working(story, twap(story)) as work:
            await story.until(lambda: work.covered("0.01"))
            work.algorithm.stop("lunch")
            result = await work.ended(3)
        assert (result.state, result.reason, result.cum_qty) == ("stopped", "lunch", d("0.01"))
        assert all(child.settled for child in result.children)


async def test_points_and_children_are_hard_bounds(open_story, autojump_clock):
    """Three points buy three slices."""
    async with open_story() as story:
        story.market()
        async with working(story, twap(story, budget=Budget(points=3))) as work:
            result = await work.ended(60)
        assert (result.state, result.cum_qty, result.points) == ("stopped", d("0.03"), 3)


async def test_what_is_complete_is_not_begun_again(open_story, autojump_clock):
    """The same parent once more: its children are found, and nothing is sent."""
    async with open_story() as story:
        story.market()
        async with working(story, twap(story)) as work:
            await work.ended(70)
        sent = len(story.truth.requests)
        result = await twap(story).run()
        assert (result.state, result.cum_qty, len(result.children)) == ("complete", d("0.06"), 6)
        assert len(story.truth.requests) == sent


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"order_type": "market", "limit_price": None}, "worst price"),
        ({"time_in_force": "fok"}, "time_in_force"),
        ({"entry_timeout_s": 30}, "entry_timeout_s"),
        ({"side": "up"}, "no signal"),
    ],
)
def test_parent_that_cannot_be_worked_says_why(members, word):
    """Each fault in words, before anything is sent."""
    with pytest.raises(ParentFault, match=word):
        parent(**members)


async def test_parent_that_was_itself_sent_is_refused(open_story, autojump_clock):
    """Its own id stands in the journal: working it too would buy twice."""
    async with open_story() as story:
        story.market()
        of = parent(time_in_force="ioc")
        await story.hand_in(of.signal)
        with pytest.raises(ParentFault, match="handed to the engine"):
            await twap(story, of=of).run()


def test_jitter_is_a_matter_of_the_seed():
    """Equal seeds give equal moments, others give others; none before its slot and none beyond its share."""
    terms = TwapTerms(slices=6, over_s=60, jitter=0.5)
    lags = [Twap(None, parent(), terms, chance=SeededChance(seed))._lags for seed in (1, 1, 2)]  # type: ignore[arg-type]
    assert lags[0] == lags[1] != lags[2]
    assert all(0 <= lag <= 0.5 for lag in lags[0])
