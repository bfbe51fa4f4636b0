"""FIX Appendix D as far as it needs an exchange (the rest: tests/orders/test_fix_states.py): groups D, E, H, K, L."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.scenarios.honesty import come, safe
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import d


async def test_d2_amends_in_quick_succession_are_asked_one_by_one(open_story, autojump_clock):
    """Fills come faster than amends are answered: never two changes out for one order, in the end all is covered."""
    async with open_story(latency_s=0.2) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.ask("50000", "0.005")
        await story.until(lambda: case.covered("0.005"))
        await story.wait(20)
        for _ in range(5):
            story.ask("50000", "0.003")
            await story.wait(0.25)
        await come(story, lambda: case.covered("0.02"), within_s=10)
    for stop in case.stops():
        states = list(stop.states())
        assert all(pair != ("pending_amend", "pending_amend") for pair in pairwise(states))


async def test_e_self_trade_prevention_ends_the_entry_and_not_the_stop(open_story, autojump_clock):
    """Our fired stop meets our own resting entry: the older one, the entry, is canceled unasked, and the stop sells."""
    async with open_story() as story:
        story.market()
        held = await story.bought("0.02")
        buyer = await story.submit(limit="48990", stop="48000", target="52000")
        await story.until(lambda: buyer.entry_is("open"))
        story.house.clear("BTC/USD")
        story.bid("48985", "1")
        story.ask("49010", "1")
        story.print("48995")
        await story.ended(held, buyer)
    assert (held.outcome, buyer.outcome) == ("stop", "abandoned")
    assert "Self trade" in buyer.entry().reason
    assert held.sent("stop")[0].cum_qty == d("0.02")


async def test_h_partial_fills_over_three_lives(open_story, autojump_clock):
    """Filled in part in each life, with a kill and two hours between: nothing counts twice."""
    async with open_story(limit_s=72 * 3600) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        for number in range(1, 4):
            story.ask("50000", "0.005")
            await story.until(lambda number=number: case.covered(str(d("0.005") * number)), within_s=10)
            if number < 3:
                kill(story)
                await story.wait(2 * 3600)
                await story.boot()
        assert case.entry().cum_qty == d("0.015")
        story.market("51000", "51010")
        await come(story, lambda: case.outcome)
    assert len(story.of(case, "trade", "entry")) == 3


async def test_k_orders_held_in_a_halted_market(open_story, autojump_clock):
    """Cancel-only: what rests keeps resting, entries are denied, a cancel goes through."""
    async with open_story() as story:
        story.market()
        covered = await story.bought("0.02")
        waiting = await story.submit(limit="49980")
        await story.until(lambda: waiting.entry_is("open"))
        story.world.exchange.set_status("cancel_only")
        await story.wait(60)
        assert covered.covered("0.02")
        assert (await story.submit()).submitted.code == "SYMBOL_NOT_ONLINE"
        story.engine.cancel(waiting.signal_id)
        await story.ended(waiting, within_s=5)
        story.world.exchange.set_status("online")
        await story.wait(1)
        story.market("51000", "51010")
        await story.ended(covered)
    assert covered.outcome == "target"


@pytest.mark.parametrize("mode", ["cancel_only", "maintenance"])
async def test_k_touch_in_a_halted_market_leaves_or_restores_the_stop(open_story, autojump_clock, mode):
    """The target cannot trade while the venue takes no orders: in the end all is sold at the target, once."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("51000", "51010")
        await story.wait(0.003)
        story.world.exchange.set_status(mode)
        await story.wait(30)
        story.world.exchange.set_status("online")
        await come(story, lambda: case.outcome, within_s=120)
    assert sum(order.cum_qty for order in case.sent() if order.side == "sell") == d("0.02")


@pytest.mark.parametrize("mode", ["maintenance", "cancel_only"])
async def test_k_fill_that_cannot_be_covered_in_a_halted_market(open_story, autojump_clock, mode):
    """The halt comes between fill and stop: the alarm sounds, and as soon as orders are taken the position is safe."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.ask("50000", "0.02")
        story.world.exchange.set_status(mode)
        await come(story, lambda: "NAKED" in case.alarms(), within_s=20)
        story.world.exchange.set_status("online")
        await come(story, lambda: safe(story, case), within_s=20)


async def test_l_everything_repeated_over_a_broken_session(open_story, autojump_clock):
    """The session breaks at each step of a bracket, and each time all is told again: one fill each, one end."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.connection("executions").reset()
        await story.wait(3)
        story.ask("50000", "0.02")
        await story.wait(0.012)
        story.connection("executions").reset()
        await come(story, lambda: safe(story, case), within_s=90)
        story.connection("executions").reset()
        await story.wait(3)
        story.market("51000", "51010")
        await come(story, lambda: case.outcome, within_s=90)
    assert len(story.of(case, "trade", "entry")) == 1
