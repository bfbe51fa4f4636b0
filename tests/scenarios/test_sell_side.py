"""Stories told the other way round: the entry sells, the exits buy back."""

from __future__ import annotations

from typing import Any

from tests.scenarios.story import d

SHORT: dict[str, Any] = {"side": "sell", "limit": "50000", "stop": "51000", "target": "49000"}


async def test_sell_side_bracket_is_covered_in_parts(open_story, autojump_clock):
    """Every part sold gets a buying stop above it."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", **SHORT)
        await story.until(lambda: case.resting("entry"))
        for part, held in (("0.012", "0.012"), ("0.008", "0.020")):
            story.bid("50000", part)
            await story.until(lambda held=held: case.covered(held), within_s=1)
            await story.wait(1)
    assert {(s.side, s.trigger_price) for s in case.sent("stop")} == {("buy", d("51000"))}


async def test_sell_side_stop_buys_back(open_story, autojump_clock):
    """The price rises through the stop: everything is bought back at a loss."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02", **SHORT)
        story.market("50990", "51010")
        story.print("51010")
        await story.ended(case)
    assert case.outcome == "stop"
    assert case.sent("stop")[0].avg_price == d("51010")
    assert story.truth.balances()["BTC"] == d("2")


async def test_sell_side_target_is_touched_by_the_ask(open_story, autojump_clock):
    """The ask reaches the target: stop out, target in, flat with the profit."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02", **SHORT)
        story.market("48950", "49000.1")
        await story.wait(5)
        assert case.targets() == []
        story.ask("49000", "1")
        await story.ended(case)
    assert case.outcome == "target"
    assert case.sent("target")[0].avg_price == d("49000")
    assert story.truth.balances()["BTC"] == d("2")


async def test_sell_side_fill_told_after_the_market_rose_is_bought_back(open_story, autojump_clock):
    """The ask is above the stop when the fill is told: what was sold is bought back at market."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", **SHORT)
        await story.until(lambda: case.entry_is("open"))
        story.connection("executions").stall(1)
        story.bid("50000", "0.02")
        story.market("51500", "51510")
        await story.ended(case)
    assert case.sent("stop") == []
    assert [(c.side, c.cum_qty) for c in case.sent("close")] == [("buy", d("0.02"))]
