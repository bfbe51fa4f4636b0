"""Fills that only REST can tell: asked for without spending the counter that reconnects and proofs need (§5.1)."""

from __future__ import annotations

from engine.sim import ScriptedFaults, SimSettings
from engine.sim.faults import Phase, Transport, Verdict, http_error
from tests.scenarios.honesty import come
from tests.scenarios.restart.lives import at_market
from tests.scenarios.story import Case, Story, d


class Counted(ScriptedFaults):
    """Faults by plan, and how often fills were asked for."""

    asked = 0

    async def on_request(self, transport: Transport, method: str, phase: Phase, number: int) -> Verdict:
        """Count, then judge."""
        self.asked += method == "TradesHistory" and phase == "before"
        return await super().on_request(transport, method, phase, number)


async def filled_unheard(story: Story) -> tuple[Case, Counted]:
    """An entry that has filled while no frame of the stream tells anything, not even that frames are missing."""
    case = await story.submit(qty="0.02")
    await story.until(lambda: case.entry_is("open"))
    faults = Counted()
    for number in range(1, 100):
        faults.at_frame("executions", number, "drop").at_frame("balances", number, "drop")
    story.world.exchange.faults = faults
    story.ask("50000", "0.02")
    return case, faults


async def test_fills_are_read_no_further_back_than_they_are_missing(open_story, autojump_clock):
    """An account busy with other trades: the newest page holds the missing fill, and no other is asked for."""
    async with open_story(sim=SimSettings(keep_closed=1000)) as story:
        story.market()
        for _ in range(130):
            at_market(story, "sell", "0.0001")
        case, faults = await filled_unheard(story)
        await come(story, lambda: case.entry_is("settled"), within_s=40)
        assert faults.asked == 1


async def test_token_that_does_not_come_leaves_room_for_fills(open_story, autojump_clock):
    """The token endpoint fails for good, at the smallest tier: fills told by REST alone are booked all the same."""
    async with open_story(sim=SimSettings(tier="starter"), tier="starter") as story:
        story.market()
        cases = [await story.submit(limit=limit) for limit in ("50000", "49995")]
        await story.until(lambda: all(case.resting("entry") for case in cases))
        story.world.exchange.faults = ScriptedFaults().always("GetWebSocketsToken", http_error(502))
        story.world.exchange.kick(private=True)
        for case in cases:
            await story.wait(12)
            story.house.quote("BTC/USD", "sell", case.signal.limit_price, d("0.02"))
            await story.until(lambda case=case: case.entry().cum_qty == d("0.02"), within_s=25)
        story.world.exchange.faults = ScriptedFaults()
        await story.wait(70)
        assert story.engine.services.stream_up()
