"""The desk: a full inbox loses nothing for good, and strangers' reports disturb nobody."""

from __future__ import annotations

from engine.runtime import order_desk, strays
from engine.runtime.settings import EngineSettings
from engine.sim.orders import NewOrder
from tests.scenarios.story import BTC, d, open_story


async def test_full_inbox_is_healed_by_rest(autojump_clock):
    """A snapshot with eight fills overflows an inbox of two: the order is suspect, REST tells the rest, once each."""
    async with open_story(settings=EngineSettings(order_inbox=2)) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.connection("executions").reset()
        for _ in range(8):
            story.ask("50000", "0.0025")
        await story.until(lambda: case.covered("0.02"), within_s=10)
        assert story.engine._services.desk.counts["inbox_full"] > 0
    assert len(case.entry().fills.by_exec_id) == 8


async def test_order_that_lost_a_report_is_not_proved_ended_by_what_the_link_has_heard(autojump_clock):
    """It filled while the stream was away; its snapshot overflows the inbox, REST lags and its cancel is refused."""
    async with open_story(settings=EngineSettings(order_inbox=2)) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.world.exchange.lag_rest(4)
        story.connection("executions").reset()
        for _ in range(8):
            story.ask("50000", "0.0025")
        await story.until(lambda: story.engine._services.desk.counts["inbox_full"] > 0)
        story.engine.cancel(case.signal_id, urgent=True)
        await story.until(lambda: case.covered("0.02"), within_s=15)
    assert case.entry().states()[-2:] == ("filled", "settled")


async def test_full_inbox_of_a_bracket_slows_its_orders_and_loses_nothing(autojump_clock):
    """A bracket's inbox of one makes its orders wait; all is told in the end."""
    async with open_story(settings=EngineSettings(bracket_inbox=1, order_inbox=4)) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        for _ in range(10):
            story.ask("50000", "0.002")
            await story.wait(0.003)
        await story.until(lambda: case.covered("0.02"), within_s=10)
        story.market("51000", "51010")
        await story.ended(case)
    assert case.outcome == "target"


async def test_orders_of_a_person_are_not_ours(autojump_clock):
    """An order somebody else places on the account, and its fill, are counted as foreign and disturb nobody."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02", target=None)
        core = story.world.exchange._venue.core
        by_hand = NewOrder(symbol=BTC, side="sell", order_type="limit", order_qty=d("0.5"), limit_price=d("60000"))
        foreign = core.add(core.accounts["client"], by_hand)
        story.house.clear(BTC)
        story.bid("60000", "0.2")
        await story.wait(60)
        assert story.engine._services.desk.counts["foreign"] > 0
        assert foreign.leaves_qty == d("0.3")
        assert case.covered("0.02")


async def test_last_frame_of_a_settled_order_is_not_looked_up(autojump_clock, monkeypatch):
    """The closing frame that follows the last fill says nothing new: no row of the journal is read for it."""
    read: list[str] = []
    monkeypatch.setattr(strays, "signal_of", lambda journal, cl_ord_id: read.append(cl_ord_id))
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("51000", "51010")
        await story.ended(case)
        counts = story.engine.services.desk.counts
        assert counts["old_news"] >= 2
        assert read == []


async def test_views_of_settled_orders_are_bounded(autojump_clock, monkeypatch):
    """Beyond the bound the oldest is forgotten, and its late frame is looked up in the journal as before."""
    monkeypatch.setattr(order_desk, "MAX_SETTLED", 1)
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("51000", "51010")
        await story.ended(case)
        assert len(story.engine.services.desk._settled) == 1
