"""An exit's answer fails to come: the position ends covered or flat, sold once, and no exit waits for an entry."""

from __future__ import annotations

import pytest

from engine.sim import ScriptedFaults
from tests.scenarios.honesty import METHODS, SOME_DOUBTS, WS_DOUBTS, come, covered_or_flat, safe, was
from tests.scenarios.story import d

BOTH = pytest.mark.parametrize("applied", [True, False], ids=["taken", "not_taken"])


@BOTH
@pytest.mark.parametrize(("way", "doubt"), SOME_DOUBTS, ids=str)
async def test_stop_with_a_doubtful_answer_ends_covered_or_flat(open_story, autojump_clock, way, doubt, applied):
    """The stop may rest or not: what is held ends under one stop, or sold once."""
    async with open_story(orders_via=way) as story:
        story.world.exchange.faults = ScriptedFaults().at(METHODS[way]["new"], 2, doubt.action(applied=applied))
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: bool(case.resting("entry")))
        story.ask("50000", "0.02")
        await story.wait(1)
        await come(story, lambda: safe(story, case), within_s=150)
        await story.wait(90)
        assert safe(story, case)
    assert len(case.resting("stop")) <= 1


@BOTH
@pytest.mark.parametrize("doubt", WS_DOUBTS, ids=str)
async def test_target_with_a_doubtful_answer_sells_once(open_story, autojump_clock, doubt, applied):
    """The target may have traded or not: within the swap's bound the stop is back, or all is sold; never more."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, doubt.action(applied=applied))
        story.market("51000", "51010")
        await come(story, lambda: bool(case.targets()))
        await come(story, lambda: case.outcome, within_s=120)
        assert covered_or_flat(story, case)
    assert case.outcome == "target"
    assert sum(order.cum_qty for order in (*case.sent("target"), *case.sent("stop"))) == d("0.02")
    assert case.longest_bare_s() < 2 + 2 + 1


@BOTH
@pytest.mark.parametrize(("way", "doubt"), SOME_DOUBTS, ids=str)
async def test_close_with_a_doubtful_answer_sells_once(open_story, autojump_clock, way, doubt, applied):
    """The market close may have traded or not: everything is sold, and only once."""
    async with open_story(orders_via=way) as story:
        story.market()
        case = await story.bought("0.02")
        story.world.exchange.faults = ScriptedFaults().at(METHODS[way]["new"], 1, doubt.action(applied=applied))
        story.market("48900", "48910")  # the book is through the stop, and no trade has fired it
        await story.wait(0.5)
        story.house.cancel_client(case.resting("stop")[0].order_id)
        await come(story, lambda: case.outcome, within_s=150)
    assert sum(order.cum_qty for order in case.sent("close")) == d("0.02")
    assert story.truth.balances()["BTC"] == d("2")


async def test_unknown_entry_does_not_hold_up_exits_of_its_symbol(open_story, autojump_clock):
    """While one bracket's entry is in doubt, another's stop is put back and its target is taken at once."""
    async with open_story() as story:
        story.market()
        held = await story.bought("0.02")
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, WS_DOUBTS[2].action(applied=False))
        doubtful = await story.submit(limit="49980", target="53000")
        await story.until(lambda: doubtful.entry_is("unknown"))
        story.house.cancel_client(held.resting("stop")[0].order_id)
        await story.until(lambda: held.covered("0.02"), within_s=2)
        story.market("51000", "51010")
        await story.until(lambda: held.outcome, within_s=5)
        assert doubtful.entry_is("unknown")
    assert held.outcome == "target"


async def test_unknown_entry_blocks_entries_of_its_symbol_alone(open_story, autojump_clock):
    """In doubt on BTC/USD: a signal there is denied, one on ETH/USD is taken."""
    async with open_story() as story:
        story.market()
        story.market("2990", "3010", symbol="ETH/USD")
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, WS_DOUBTS[2].action(applied=False))
        case = await story.submit()
        await story.until(lambda: case.entry_is("unknown"))
        denied = await story.submit(limit="49980")
        other = await story.submit(symbol="ETH/USD", limit="3000", stop="2900", target="3100")
        await story.until(lambda: bool(other.resting("entry")), within_s=2)
        assert case.entry_is("unknown")
        await come(story, lambda: bool(case.resting("entry")))
        later = await story.submit(limit="49980")
        assert later.submitted.status == "accepted"
    assert denied.submitted.code == "SYMBOL_IN_DOUBT"
    assert was(case, "unknown")
