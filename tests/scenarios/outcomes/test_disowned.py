"""A stop is gone, and REST, which lags, believes it there: snapshot and refused cancel are the better word."""

from __future__ import annotations

import pytest

from engine.sim import ScriptedFaults
from engine.sim.faults import http_error, lose_request, stall_before
from tests.scenarios.honesty import come, said
from tests.scenarios.restart.lives import at_market, kill
from tests.scenarios.story import Case, Story, d
from tests.scenarios.test_edges_order import expiring, resting


async def gone_behind_our_back(story: Story, lag_s: float, **members: object) -> Case:
    """A stop that was taken back while the stream was away; REST tells so only much later."""
    story.market()
    case = await story.bought("0.02", **members)
    story.world.exchange.lag_rest(lag_s)
    (stop,) = case.resting("stop")
    story.connection("executions").reset()
    story.house.cancel_client(stop.order_id)
    await story.wait(3)
    return case


async def test_stop_that_snapshot_and_cancel_deny_holds_up_no_close(open_story, autojump_clock):
    """Lag 300426: the time barrier comes; the venue knows nothing to cancel, and the market takes the coins at once."""
    async with open_story() as story:
        case = await gone_behind_our_back(story, 300, take_profit=None, exit_after_s=8)
        assert case.phase == "covered"
        await come(story, lambda: case.outcome, within_s=10)
    assert [order.cum_qty for order in case.sent("close")] == [d("0.02")]
    assert case.outcome == "flattened"


async def test_stop_whose_end_no_frame_has_told_is_held_against_a_fresh_snapshot(open_story, autojump_clock):
    """Lag 1600010: the frame of its cancel is lost, no other shows the gap, and REST has the stop for minutes yet."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02", take_profit=None, exit_after_s=8)
        story.world.exchange.lag_rest(300)
        story.world.exchange.faults = ScriptedFaults().at_frame("executions", 1, "drop")
        await come(story, lambda: case.outcome, within_s=35)
    assert case.outcome == "flattened"
    assert len(story.of(case, "ask_cancel", "stop")) < 10


async def test_stop_that_snapshot_and_cancel_deny_waits_for_no_list_about_another_order(open_story, autojump_clock):
    """Storm 1700136: an order of another bracket was in doubt, and the list about it came 20 s later."""
    async with open_story() as story:
        case = await gone_behind_our_back(story, 300, take_profit=None, exit_after_s=16)
        story.world.exchange.faults = (
            ScriptedFaults().at("add_order", 1, lose_request()).during("OpenOrders", 0, 120, stall_before())
        )
        await story.submit(qty="0.01", limit="40000", stop="39000", target=None)
        await come(story, lambda: case.outcome, within_s=16)
    assert case.outcome == "flattened"


async def gone_behind_sixty_trades(story: Story) -> Case:
    """A stop that was taken back while the engine was dead, and more trades of a person than a snapshot holds."""
    story.market()
    case = await story.bought("0.02", take_profit=None, exit_after_s=45)
    (stop,) = case.resting("stop")
    kill(story)
    for _ in range(60):
        at_market(story, "buy", "0.001")
    await story.wait(40)
    story.world.exchange.lag_rest(30)
    story.house.cancel_client(stop.order_id)
    return case


async def test_stop_that_snapshot_and_cancel_deny_is_closed_once_its_fills_are_listed(open_story, autojump_clock):
    """REST knows the old trades, and not yet that the stop is gone."""
    async with open_story() as story:
        case = await gone_behind_sixty_trades(story)
        await story.boot()
        await come(story, lambda: case.outcome, within_s=20)
    assert [order.cum_qty for order in case.sent("close")] == [d("0.02")]


async def test_stop_that_snapshot_and_cancel_deny_is_no_cover_while_fills_are_not_known(open_story, autojump_clock):
    """It may have sold, behind the fifty trades of a snapshot: nothing is sold beside it, and the alarm stands."""
    async with open_story() as story:
        case = await gone_behind_sixty_trades(story)
        story.world.exchange.lag_rest(300)
        story.world.exchange.faults = ScriptedFaults().during("TradesHistory", 0, 120, http_error(502))
        await story.boot()
        await come(story, lambda: case.phase == "naked", within_s=30)
        for _ in range(20):
            await story.wait(1)
            assert case.phase == "naked"
        assert case.sent("close") == []
        story.world.exchange.lag_rest(0)
        await come(story, lambda: case.outcome, within_s=60)
    assert [order.cum_qty for order in case.sent("close")] == [d("0.02")]


@pytest.mark.parametrize("lag_s", [8, 20])
async def test_what_rest_tells_against_a_snapshot_is_asked_for_until_it_agrees(open_story, autojump_clock, lag_s):
    """Lag 300037: the stop's end is known, and the stop is back, seconds after REST has caught up."""
    async with open_story() as story:
        case = await gone_behind_our_back(story, lag_s)
        await come(story, lambda: case.covered("0.02"), within_s=lag_s + 3)
        assert len(case.sent("stop")) == 2
    assert case.longest_bare_s() < lag_s + 5


async def test_stop_that_a_snapshot_lacks_by_mistake_is_left_where_it_rests(open_story, autojump_clock):
    """One snapshot hides it: it is asked for a while, its cancel is not refused, and it stays the cover."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        (stop,) = case.resting("stop")
        story.world.exchange.lag_rest(300)
        story.world.exchange.hide_in_snapshots(stop.order_id)
        story.world.exchange.kick(private=True)
        await story.wait(10)
        assert case.covered("0.02")
        asked: list[str] = []
        story.world.wire.observers.append(lambda _, data: asked.append("") if b"/private/QueryOrders" in data else None)
        await story.wait(55)
        assert 10 < len(asked) < 30
        asked.clear()
        await story.wait(60)
        assert len(asked) <= 3
        assert case.resting("stop") == [stop]
        story.world.exchange.lag_rest(0)
        report = await story.engine.close(everything=True)
    assert report.flat


async def test_entry_with_a_time_to_live_ends_as_the_list_of_closed_orders_says(open_story, autojump_clock):
    """Storm 1200050: its cancel was not applied, its time ran out while the engine was dead, and REST lags."""
    async with open_story() as story:
        case = await resting(story, **expiring(story, 20))
        doubt = said("EGeneral:Something else").action(applied=False)
        story.world.exchange.faults = ScriptedFaults().during("cancel_order", 0, 3600, doubt)
        story.engine.cancel(case.signal_id, "nobody wants it")
        await story.wait(0.1)
        await story.until(lambda: case.entry_is("open"))  # REST has shown it
        kill(story)
        story.world.exchange.faults = ScriptedFaults()
        story.world.exchange.lag_rest(4)
        await story.wait(20)
        await story.boot()
        await come(story, lambda: case.outcome, within_s=10)
        assert case.entry().states()[-2:] == ("expired", "settled"), story.tale()
