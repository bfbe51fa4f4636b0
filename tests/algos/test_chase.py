"""Stories of a chase: one passive entry after the best price, every lot of it protected while it moves."""

from __future__ import annotations

import pytest

from engine.algos import Budget, Chase, ChaseTerms, ParentFault
from engine.sim import ScriptedFaults, lose_answer, refuse_with
from tests.algos.working import Work, dying, hands, parent, within_parent, working
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import Story, d


def chase(
    story: Story, budget: Budget | None = None, members: dict[str, object] | None = None, **terms: object
) -> Chase:
    """Buy 0.06 passively, no dearer than 50100."""
    chosen = ChaseTerms(**{"over_s": 300} | terms)  # type: ignore[arg-type]
    return Chase(hands(story), parent(**{"limit_price": "50100"} | (members or {})), chosen, budget)


async def at(story: Story, work: Work, price: str, within_s: float = 15) -> None:
    """Wait until the one entry rests at this price, and the algorithm knows it."""
    await story.until(
        lambda: [o.limit_price for o in work.resting()] == [d(price)] and work.algorithm.course.state == "resting",
        within_s,
    )


def hit(story: Story, price: str, qty: str) -> None:
    """Let somebody trade with our entry; the house's own quotes step back behind it."""
    story.house.clear("BTC/USD")
    story.ask(price, qty)
    story.market(str(d(price) - 10), str(d(price) + 20))


def amends(story: Story) -> list[int]:
    """When each amend of the entry arrived (venue time, nanoseconds)."""
    return [one[0] for one in story.truth.requests if one[2] in ("amend_order", "AmendOrder")]


async def test_it_follows_the_best_bid_and_fills_there(open_story, autojump_clock):
    """The market rises twice: the same order follows, no oftener than agreed, and is filled as a maker."""
    async with open_story() as story:
        story.market("49990", "50010")
        async with working(story, chase(story)) as work:
            await at(story, work, "49990")
            for bid, ask in (("50020", "50040"), ("50050", "50070")):
                story.market(bid, ask)
                await at(story, work, bid)
            hit(story, "50050", "0.06")
            await story.until(lambda: work.covered("0.06"))
            result = await work.ended()
        assert (result.state, result.cum_qty, result.avg_px, result.reprices) == ("complete", d("0.06"), d("50050"), 2)
        moments = amends(story)
        assert moments[1] - moments[0] >= 4_900_000_000
        (entry,) = work.entries()
        assert {trade.liquidity for trade in story.truth.trades if trade.order_id == entry.order_id} == {"m"}
        within_parent(work)


async def test_partial_fill_is_covered_while_the_rest_goes_on(open_story, autojump_clock):
    """What has filled has its stop; the remainder follows the price, and never more than the parent in all."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story)) as work:
            await at(story, work, "49990")
            hit(story, "49990", "0.02")
            await story.until(lambda: work.covered("0.02"))
            story.market("50020", "50040")
            await at(story, work, "50020")
            assert work.resting()[0].leaves_qty == d("0.04")
            hit(story, "50020", "0.04")
            await story.until(lambda: work.covered("0.06"))
            result = await work.ended()
        assert (result.state, result.cum_qty) == ("complete", d("0.06"))


async def test_a_sell_follows_the_best_ask_down(open_story, autojump_clock):
    """The mirror: never below its worst price."""
    async with open_story() as story:
        story.market("50090", "50110")
        members = {"side": "sell", "limit_price": "50000", "stop_loss": {"trigger_price": "51000"}}
        async with working(story, chase(story, members=members)) as work:
            await at(story, work, "50110")
            story.market("50020", "50040")
            await at(story, work, "50040")
            story.market("49900", "49920")
            await at(story, work, "50000")
            story.house.clear("BTC/USD")
            story.bid("50000", "0.06")
            result = await work.ended()
        assert (result.state, result.avg_px) == ("complete", d("50000"))
        assert all(order.limit_price >= d("50000") for order in work.entries())


async def test_price_that_runs_away_is_followed_to_the_worst_and_no_further(open_story, autojump_clock):
    """It rests at the worst price until its time is over, and ends short."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story, over_s=60)) as work:
            await at(story, work, "49990")
            story.market("50400", "50420")
            await at(story, work, "50100")
            result = await work.ended(70)
        assert (result.state, result.reason, result.cum_qty) == ("short", "time is over", 0)
        within_parent(work)


async def test_with_take_the_rest_is_taken_at_the_end_within_the_worst_price(open_story, autojump_clock):
    """The passive part is canceled and settled first; then one immediate order, covered as all else."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story, over_s=60, take=True)) as work:
            await at(story, work, "49990")
            hit(story, "49990", "0.01")
            await story.until(lambda: work.covered("0.01"))
            result = await work.ended(70)
            await story.until(lambda: work.covered("0.06"))
        assert (result.state, len(result.children)) == ("complete", 2)
        assert work.entries()[1].time_in_force == "ioc"
        assert work.entries()[1].limit_price == d("50100")
        assert work.entries()[1].order_qty == d("0.05")


async def test_without_take_the_market_is_never_crossed(open_story, autojump_clock):
    """Time over: it gives up, whatever could be had at the ask."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story, over_s=30)) as work:
            result = await work.ended(40)
        assert (result.state, result.cum_qty) == ("short", 0)
        assert all(order.post_only for order in work.entries())


async def test_reprices_are_a_hard_bound(open_story, autojump_clock):
    """Two are allowed: the third move of the market is not followed."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story, reprices=2)) as work:
            for bid in ("49990", "50020", "50030"):
                story.market(bid, "50090")
                await at(story, work, bid)
            story.market("50060", "50090")
            await story.wait(20)
            assert [order.limit_price for order in work.resting()] == [d("50030")]
            work.algorithm.stop()
            assert (await work.ended()).reprices == 2


async def test_points_are_a_hard_bound(open_story, autojump_clock):
    """An entry and one young amend are five points: the next one would be too many."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story, budget=Budget(points=5), every_s=1)) as work:
            await at(story, work, "49990")
            await story.wait(1)
            story.market("50020", "50040")
            await at(story, work, "50020")
            story.market("50050", "50070")
            await story.wait(20)
            assert [order.limit_price for order in work.resting()] == [d("50020")]
            work.algorithm.stop()
            assert (await work.ended()).points == 5


async def test_entry_the_venue_does_not_take_is_placed_anew(open_story, autojump_clock):
    """Refused as post-only once: a second later it goes at the price of then."""
    async with open_story() as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, refuse_with("EOrder:Post only order"))
        async with working(story, chase(story)) as work:
            await at(story, work, "49990")
            assert [child.cum_qty for child in work.algorithm.result().children] == [0, 0]
            hit(story, "49990", "0.06")
            assert (await work.ended()).state == "complete"


async def test_refused_amends_are_not_repeated_for_ever(open_story, autojump_clock):
    """Three in a row: it rests where it is."""
    async with open_story() as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().always("amend_order", refuse_with("EOrder:Invalid price"))
        async with working(story, chase(story, every_s=1)) as work:
            await at(story, work, "49990")
            story.market("50020", "50040")
            await story.wait(60)
            assert [order.limit_price for order in work.resting()] == [d("49990")]
            assert len(amends(story)) == 3
            work.algorithm.stop()
            await work.ended()


async def test_halt_ends_it(open_story, autojump_clock):
    """The entry goes, what has filled keeps its stop."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story)) as work:
            await at(story, work, "49990")
            hit(story, "49990", "0.02")
            await story.until(lambda: work.covered("0.02"))
            story.engine.halt("enough")
            result = await work.ended(10)
        assert (result.state, result.reason, result.cum_qty) == ("stopped", "TRADING_HALTED", d("0.02"))
        within_parent(work)


async def test_entry_canceled_by_a_person_is_not_put_back(open_story, autojump_clock):
    """No tug-of-war."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story)) as work:
            await at(story, work, "49990")
            story.engine.cancel(work.case(0).signal_id, "not now")
            result = await work.ended(10)
        assert (result.state, result.reason) == ("stopped", "its entry was canceled")


async def test_killed_in_the_middle_the_entry_is_taken_up_again(open_story, autojump_clock):
    """The next life finds it resting and goes on with it: one order, no second one."""
    async with open_story() as story:
        story.market()
        async with dying(story, chase(story)) as first:
            await at(story, first, "49990")
            hit(story, "49990", "0.02")
            await story.until(lambda: first.covered("0.02"))
            kill(story)
        story.market("50020", "50040")
        await story.boot()
        async with working(story, chase(story)) as work:
            await at(story, work, "50020", 30)
            assert len(work.entries()) == 1
            hit(story, "50020", "0.04")
            result = await work.ended()
        assert (result.state, result.cum_qty, len(result.children)) == ("complete", d("0.06"), 1)
        within_parent(work)


async def test_lost_answer_of_the_entry_keeps_all_else_back(open_story, autojump_clock):
    """While nobody knows whether it rests it is neither moved nor placed again."""
    async with open_story() as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_answer())
        story.world.exchange.faults.frames_during("executions", 0, 12, "drop")
        async with working(story, chase(story)) as work:
            await story.until(lambda: work.algorithm.course.state == "doubting", 15)
            story.market("50020", "50040")
            await at(story, work, "50020", 90)
            assert len(work.entries()) == 1
            work.algorithm.stop()
            await work.ended()
        within_parent(work)


async def test_lost_answer_of_an_amend_is_waited_for(open_story, autojump_clock):
    """Unknown: no second amend goes before the first is settled."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story, every_s=1)) as work:
            await at(story, work, "49990")
            story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, lose_answer())
            story.world.exchange.faults.frames_during("executions", 0, 25, "drop")
            story.world.exchange.faults.during("*", 0, 25, refuse_with("EService:Unavailable"), transport="rest")
            await story.wait(1)
            story.market("50020", "50040")
            await story.until(lambda: work.algorithm.course.state == "doubting", 25)
            story.market("50050", "50070")
            await story.wait(1)
            assert len(amends(story)) == 1
            await at(story, work, "50050", 90)
            work.algorithm.stop()
            await work.ended()
        assert ("repricing", "doubt", "doubting") in work.algorithm.course.walk
        within_parent(work)


async def test_cancelled_task_leaves_no_entry_resting(open_story, autojump_clock):
    """Cancelled while an amend is under way: the entry goes all the same, what has filled stays protected."""
    async with open_story() as story:
        story.market()
        async with working(story, chase(story, every_s=1)) as work:
            await at(story, work, "49990")
            hit(story, "49990", "0.02")
            await story.until(lambda: work.covered("0.02"))
            story.market("50020", "50040")
            await story.until(lambda: work.algorithm.course.state == "repricing")
            await work.cancel()
            await story.until(lambda: not work.resting(), 3)
            assert work.covered("0.02")


@pytest.mark.parametrize(
    ("members", "terms", "word"),
    [
        ({"time_in_force": "ioc"}, {}, "gtc"),
        ({"exits": "conditional-close"}, {}, "conditional close"),
        ({}, {"every_s": 0.01}, "every_s"),
        ({}, {"take": True, "over_s": 15}, "take"),
    ],
)
def test_what_cannot_be_chased_is_refused(members, terms, word):
    """In words, before anything is sent."""
    with pytest.raises(ParentFault, match=word):
        Chase(None, parent(**members), ChaseTerms(**{"over_s": 60} | terms))  # type: ignore[arg-type]
