"""Stories of what a close may call flat: stops without a name of ours, and people who trade beside it."""

from __future__ import annotations

import trio

from engine.runtime.settings import EngineSettings
from engine.sim import SimSettings
from tests.scenarios.restart.lives import at_market, by_a_person, kill
from tests.scenarios.story import BTC, d
from tests.scenarios.test_contingents import entered


async def test_stop_of_the_venues_making_that_rests_is_not_flat(open_story, autojump_clock):
    """It carries no name of ours and names the entry that it came from: while it rests, nothing is flat."""
    async with open_story(settings=EngineSettings(close_bound_s=12)) as story:
        case = await entered(story, "buy", exits="conditional-close", take_profit=None)
        assert (await story.engine.close(BTC)).flat
        stray = by_a_person(story, "sell", "60000", "0.02")
        stray.ref_id = case.entry().order_id
        for report in (await story.engine.close(BTC), await story.engine.close(signal_id=case.signal_id)):
            assert [(one.code, one.qty) for one in report.not_flat] == [("RESTS_THERE", d("0.02"))]
        story.house.cancel_client(stray.order_id)
        assert (await story.engine.close(BTC)).flat


async def test_person_who_trades_the_same_coins_is_named_in_the_report(open_story, autojump_clock):
    """Ours is sold and nothing rests, and yet the balance is not what our fills say: not flat, with both numbers."""
    async with open_story(settings=EngineSettings(close_bound_s=12)) as story:
        story.market()
        case = await story.bought(target=None)

        async def meddle() -> None:
            await story.until(lambda: bool(case.closes()))
            at_market(story, "buy", "0.5")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(meddle)
            report = await story.engine.close(BTC)
        assert not report.flat
        (one,) = report.not_flat
        assert (one.symbol, one.qty, one.code) == ("BTC", d("0.5"), "BALANCE_UNEXPLAINED")
        assert "changed by 0.48 and our fills come to -0.02: somebody else trades" in one.reason
        assert (await story.engine.close(BTC)).flat


async def test_missing_stop_of_a_conditional_close_is_disproved_before_ours_takes_its_place(open_story, autojump_clock):
    """The venue makes none of a small fill: it may be there until stream and REST have said no, late enough."""
    async with open_story(sim=SimSettings(small_close="skip")) as story:
        story.market()
        case = await story.submit(qty="0.00008", exits="conditional-close")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.00005")
        await story.until(lambda: case.covered("0.00005"))
        story.ask("50000", "0.00005")
        await story.until(lambda: case.entry().cum_qty == d("0.00008"))
        began_s = trio.current_time()
        await story.until(lambda: case.covered("0.00008"))
        assert 5 <= trio.current_time() - began_s < 8
        assert case.alarms() == ["NAKED"]
        assert [o.cl_ord_id for o in case.resting("stop")] == [None]


async def test_restart_does_not_place_a_stop_beside_one_that_rest_does_not_show_yet(open_story, autojump_clock):
    """REST lags by three seconds after a kill in the tick of the fill: the snapshot shows the venue's stop."""
    sim = SimSettings(rest_lag_s=3, untriggered_stops_hold_funds=False)
    async with open_story(sim=sim) as story:
        story.market()
        case = await story.submit(qty="0.02", exits="conditional-close", take_profit=None)
        await story.until(lambda: case.entry_is("open"))
        story.ask("50000", "0.02")
        kill(story)
        await story.wait(0.2)
        await story.boot()
        await story.until(lambda: case.covered("0.02"), within_s=15)
        await story.wait(10)
        assert [o.cl_ord_id for o in case.resting("stop")] == [None]
