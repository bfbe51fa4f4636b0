"""What the field has met on the private stream and in REST's lag behind it (kraken-protocol §12)."""

from __future__ import annotations

import pytest
import trio

from engine.sim import ScriptedFaults, SimSettings
from engine.sim.faults import Action, Verdict, http_error
from tests.scenarios.honesty import come, safe
from tests.scenarios.story import Story, d


async def test_fill_whose_frames_never_come(open_story, autojump_clock):
    """Trade and filled events are absent: the poll finds the fill, and it is covered (Kraken.Net #115)."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        faults = ScriptedFaults()
        for number in range(1, 4):
            faults.at_frame("executions", number, "drop")
        story.world.exchange.faults = faults
        story.ask("50000", "0.02")
        await come(story, lambda: case.covered("0.02"), within_s=40)
    assert len(story.of(case, "trade", "entry")) == 1


async def test_market_orders_end_that_never_comes_is_asked_for_soon(open_story, autojump_clock):
    """An order that should end in moments is asked about after two seconds of silence."""
    async with open_story() as story:
        faults = ScriptedFaults()
        for number in range(3, 8):
            faults.at_frame("executions", number, "drop")
        story.world.exchange.faults = faults
        story.market()
        case = await story.submit(limit=None)
        await come(story, lambda: case.covered("0.02"), within_s=8)
    assert len(story.of(case, "trade", "entry")) == 1


async def test_executions_without_their_first_frame(open_story, autojump_clock):
    """The frame that names symbol and side is lost; the deltas after it still find their order (nautilus #4051)."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at_frame("executions", 1, "drop")
        story.market()
        case = await story.submit(qty="0.02")
        await come(story, lambda: case.entry_is("open"), within_s=10)
        story.ask("50000", "0.02")
        await come(story, lambda: case.covered("0.02"), within_s=10)
    assert "rejected" not in case.entry().states()


async def test_snapshots_repeat_every_old_trade(open_story, autojump_clock):
    """Five reconnects tell the same fills five times: each is booked once (xchange-stream #498)."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        for _ in range(5):
            story.ask("50000", "0.003")
            await story.wait(1.5)
            story.connection("executions").reset()
            await story.wait(3)
        await story.until(lambda: case.covered("0.015"), within_s=10)
    assert len(story.of(case, "trade", "entry")) == 5


async def test_more_fills_while_away_than_a_snapshot_holds(open_story, autojump_clock):
    """Seventy fills during an outage, fifty in the snapshot: all seventy are booked and covered."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.07")
        await story.until(lambda: case.entry_is("open"))
        story.world.wire.refuse(5)
        story.connection("executions").reset()
        for _ in range(70):
            story.ask("50000", "0.001")
        await come(story, lambda: case.covered("0.07"), within_s=30)
    assert len(story.of(case, "trade", "entry")) == 70


@pytest.mark.parametrize("lag_s", [5, 60])
async def test_rest_lags_behind_the_stream(open_story, autojump_clock, lag_s):
    """REST does not know orders that are younger: nothing is taken for gone, a whole bracket runs on the stream."""
    async with open_story(sim=SimSettings(rest_lag_s=lag_s)) as story:
        story.market()
        case = await story.bought("0.02")
        story.connection("executions").reset()
        await story.wait(20)
        assert case.covered("0.02")
        story.market("51000", "51010")
        await come(story, lambda: case.outcome, within_s=30)
    assert case.outcome == "target"


async def test_kick_between_fill_and_cover(open_story, autojump_clock):
    """The connection breaks while the stop is on its way, at every point of that way."""
    for pause_s in (0.0, 0.005, 0.012, 0.02):
        async with open_story() as story:
            story.market()
            case = await story.submit(qty="0.02")
            await story.until(lambda case=case: case.entry_is("open"))
            story.ask("50000", "0.02")
            await story.until(lambda case=case: case.entry_is("settled"))
            await story.wait(pause_s)
            story.connection("executions").reset()
            await come(story, lambda story=story, case=case: safe(story, case), within_s=90)
        assert len(case.resting("stop")) <= 1


async def test_swap_by_rest_while_the_private_stream_stays_away(open_story, autojump_clock):
    """The stream cannot come back for an hour; the whole swap goes by REST within its bound, bare for moments."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        faults = ScriptedFaults()
        for number in range(1, 400):
            faults.at("GetWebSocketsToken", number, http_error(502))
        story.world.exchange.faults = faults
        story.connection("executions").reset()
        await story.wait(2)
        story.market("51000", "51010")
        await come(story, lambda: case.outcome, within_s=10)
    assert case.outcome == "target"
    assert case.longest_bare_s() < 2


async def test_fill_covered_by_rest_while_the_private_stream_stays_away(open_story, autojump_clock):
    """An entry fills while no stream tells: the poll takes over within two seconds, and the stop goes by REST."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        faults = ScriptedFaults()
        for number in range(1, 400):
            faults.at("GetWebSocketsToken", number, http_error(502))
        story.world.exchange.faults = faults
        story.connection("executions").reset()
        await story.wait(5)
        story.ask("50000", "0.02")
        await come(story, lambda: case.covered("0.02"), within_s=6)
        await come(story, lambda: case.entry_is("settled"), within_s=60)  # tokens go before the reading of its fill
    assert case.longest_bare_s() < 5


async def test_subscription_acknowledgement_that_never_comes(open_story, autojump_clock):
    """Connected and heartbeating, but executions is never acknowledged: given up and tried again."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.world.exchange.faults = ScriptedFaults().at("subscribe", 1, Action("before", Verdict(drop=True)))
        story.connection("executions").reset()
        await come(story, lambda: story.engine.services.stream_up(), within_s=60)
        assert case.covered("0.02")


SWITCHES = [
    {"snapshot_before_ack": True},
    {"trade_frame_completes_as": "filled"},
    {"trigger_exec_type": "restated"},
    {"snapshot_exec_type": "status"},
    {"untriggered_stops_hold_funds": False},
    {"executions_before_ack": False},
]
"""What Kraken's documents leave open."""


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: next(iter(switch)))
@pytest.mark.parametrize("end", ["target", "stop"])
async def test_whole_bracket_either_way_of_the_unconfirmed(open_story, autojump_clock, switch, end):
    """A bracket with a reconnect in its middle, whichever way the venue turns out to do it."""
    async with open_story(sim=SimSettings(**switch)) as story:
        story.market()
        case = await story.bought("0.02")
        story.connection("executions").reset()
        await story.wait(3)
        if end == "target":
            story.market("51000", "51010")
        else:
            story.market("48990", "49010")
            story.print("48990")
        await come(story, lambda: case.outcome, within_s=30)
    assert case.outcome == end
    assert story.truth.balances()["BTC"] == d("2")


async def test_orders_canceled_by_somebody_else_on_the_account(open_story, autojump_clock):
    """A stop taken away once is put back; the second time a person means it, and we let go with an alarm."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        for _ in range(2):
            await story.until(lambda: bool(case.resting("stop")))
            story.house.cancel_client(case.resting("stop")[0].order_id)
            await story.wait(2)
        await story.until(lambda: case.outcome, within_s=5)
    assert case.outcome == "taken_over"
    assert "TAKEN_OVER" in case.alarms()


async def test_last_frame_before_a_silence_lost(open_story, autojump_clock):
    """A person cancels the stop; the one frame that tells it is lost, and no later one shows the gap: REST is asked."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        await story.wait(1)
        (stop,) = case.resting("stop")
        story.world.exchange.faults = ScriptedFaults().at_frame("executions", 1, "drop")
        story.house.cancel_client(stop.order_id)
        await story.until(lambda: case.covered("0.02") and stop not in case.resting("stop"), within_s=8)


def private_state(story: Story) -> str:
    """Where the private link stands."""
    return next(view.state for view in story.engine.services.link.links() if view.name == "private")


async def test_engine_stops_while_a_subscription_is_unanswered(open_story, autojump_clock):
    """Connected and not authenticated: the end does not wait for an acknowledgement that never comes."""
    async with open_story() as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().always("subscribe", Action("before", Verdict(drop=True)))
        story.world.exchange.kick(private=True)
        await story.until(lambda: private_state(story) == "connected")
        began_s = trio.current_time()
        await story.world.stop()
        assert trio.current_time() - began_s <= 15
    assert private_state(story) == "disconnected"
