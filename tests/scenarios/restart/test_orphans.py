"""The journal has lost its tail: what rests on the venue and stands in no row goes back to its bracket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from engine.orders.replay import Intent
from engine.sim import ScriptedFaults
from engine.sim.faults import http_error
from tests.scenarios.honesty import come
from tests.scenarios.restart.lives import (
    at_market,
    forget,
    forget_after,
    judge_by_truth,
    kill,
    open_cut_story,
    rows_on_disk,
)
from tests.scenarios.story import Story, d

Tale = Callable[[Story], Awaitable[None]]


async def covered(story: Story) -> None:
    """Bought in two parts, the stop amended once."""
    await story.wait(0.4)
    story.ask("50000", "0.008")
    await story.wait(1)
    story.ask("50000", "0.012")
    await story.wait(6)


async def half_bought(story: Story) -> None:
    """Part of the entry rests, what has filled is covered."""
    await story.wait(0.4)
    story.ask("50000", "0.008")
    await story.wait(2)


async def half_sold(story: Story) -> None:
    """The target has taken a part, and the stop is back for the rest."""
    await covered(story)
    story.house.clear("BTC/USD")
    story.ask("51100", "5")
    story.bid("51000", "0.012")
    await story.wait(1)
    story.house.clear("BTC/USD")
    story.market("50500", "50510")
    await story.wait(3)


async def stopped_out(story: Story) -> None:
    """The stop fires into a thin market: a part of it has traded, or all."""
    await covered(story)
    story.house.clear("BTC/USD")
    story.bid("48990", "0.007")
    story.bid("48980", "1")
    story.ask("49010", "1")
    story.print("48990")
    await story.wait(1)


ROWS = 60
"""More than any of these lives has; a cut behind the last row forgets nothing."""


@pytest.mark.parametrize("tale", [half_bought, covered, half_sold, stopped_out], ids=lambda tale: tale.__name__)
@pytest.mark.parametrize("after", range(2, ROWS, 3))
async def test_tail_lost_after_any_row_of_a_life(seed, autojump_clock, tale, after):
    """Whatever is forgotten, exits never exceed the position, it ends covered or flat, and nothing is without owner."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await tale(story)
        kill(story, power_loss=True)
        forget_after(story, after)
        await story.wait(0.5)
        await story.boot()
        await story.wait(90)
        judge_by_truth(story)
        story.engine.cancel(case.signal_id, "the story is over")
        story.market("51000", "51010")
        await come(story, lambda: not story.engine.active(), within_s=150)
        judge_by_truth(story)
        assert story.truth.balances()["BTC"] == d("2")


async def test_forgotten_stop_goes_back_to_its_bracket(seed, autojump_clock):
    """The rows of the stop are gone, the stop is not: the bracket takes it for its own and adds none."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.bought("0.02")
        (stop,) = case.resting("stop")
        sent = len(story.truth.requests)
        kill(story)
        forget(story, "intent", nth=2)
        await story.boot()
        await come(story, lambda: case.covered("0.02"), within_s=10)
        await story.wait(30)
        assert [order.cl_ord_id for order in case.resting("stop")] == [stop.cl_ord_id]
        assert len(story.truth.requests) == sent
        denied = await story.submit()
        assert denied.submitted.code == "ORPHANED_ORDER"


async def test_forgotten_part_filled_entry_takes_its_stop_along(seed, autojump_clock):
    """Of entry and stop nothing is known: both are ended, and exactly what was bought is sold."""
    async with open_cut_story(seed) as story:
        story.market()
        await story.submit(qty="0.02")
        await half_bought(story)
        kill(story)
        forget(story, "signal")
        await story.boot()
        await come(story, lambda: story.truth.balances()["BTC"] == d("2"), within_s=10)
        await story.wait(60)
        assert [order for order in story.truth.orders.values() if order.is_open] == []
        judge_by_truth(story)


async def test_stop_of_another_forgotten_bracket_is_left_to_it(seed, autojump_clock):
    """A part-filled entry and a larger stop that cannot be its own: the entry is undone, the stop goes on guarding."""
    async with open_cut_story(seed) as story:
        story.market()
        other = await story.bought("0.05", stop="48000", target="52000")
        (stop,) = other.resting("stop")
        await story.submit(qty="0.02")
        await half_bought(story)
        kill(story)
        forget(story, "signal")
        await story.boot()
        await come(story, lambda: story.truth.balances()["BTC"] == d("2.05"), within_s=10)
        await story.wait(60)
        assert [order.order_id for order in story.truth.orders.values() if order.is_open] == [stop.order_id]
        (guard,) = story.engine.active()
        assert (guard.state, guard.signal.entered, guard.signal.order_qty) == ("covered", False, d("0.05"))
        kill(story)
        await story.boot()
        await story.wait(5)
        story.market("47990", "48010")
        story.print("48000")
        await come(story, lambda: story.truth.balances()["BTC"] == d("2"), within_s=10)
        await come(story, lambda: not story.engine.active(), within_s=10)
        assert not [order for order in story.truth.orders.values() if order.is_open]


async def test_forgotten_stop_whose_trigger_was_moved_goes_back_to_its_bracket(seed, autojump_clock):
    """The bracket knows the stop's first trigger alone and lacks all it held: it takes the moved one and adds none."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.bought("0.02")
        await story.engine.move_exits(case.signal_id, stop=d("49500"))
        await story.until(lambda: [o.trigger_price for o in case.resting("stop")] == [d("49500")])
        (stop,) = case.resting("stop")
        kill(story)
        forget(story, "intent", nth=2)
        await story.boot()
        await story.wait(30)
        resting = [order.order_id for order in story.truth.orders.values() if order.is_open]
        assert resting == [stop.order_id]


@pytest.mark.parametrize("slippage", [None, d("20")], ids=["at market", "bounded"])
async def test_forgotten_close_is_not_done_twice(seed, autojump_clock, slippage):
    """The close was asked for and has sold, and the rows of its order are gone: the next engine sells nothing more."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.bought("0.02")
        assert (await story.engine.close(signal_id=case.signal_id, max_slippage_bps=slippage)).flat
        kill(story, power_loss=True)
        forget(story, "intent", nth=3)
        await story.boot()
        await come(story, lambda: not story.engine.active(), within_s=30)
        await story.wait(30)
        judge_by_truth(story)
        assert story.truth.balances()["BTC"] == d("2")


async def test_each_forgotten_stop_goes_to_the_bracket_that_lacks_one(seed, autojump_clock):
    """Two brackets with equal terms, one of whose stops is forgotten: it goes where quantity is bare."""
    async with open_cut_story(seed) as story:
        story.market()
        first = await story.bought("0.02")
        second = await story.bought("0.02")
        sent = len(story.truth.requests)
        kill(story)
        forget(story, "intent", nth=4)
        await story.boot()
        await come(story, lambda: first.covered("0.02") and second.covered("0.02"), within_s=10)
        assert len(story.truth.requests) == sent


@pytest.mark.parametrize("seconds", [0.05 + 0.02 * number for number in range(15)])
async def test_power_lost_while_orphans_are_adopted(seed, autojump_clock, seconds):
    """The second life dies with its machine while it takes them in: the third begins where the rows end."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await half_bought(story)
        kill(story)
        forget(story, "signal" if round(seconds * 100) % 4 == 1 else "intent")
        story.world._nursery.start_soon(story.world.boot)
        await story.wait(seconds)
        story.world.kill(power_loss=True)
        await story.boot()
        await story.wait(60)
        judge_by_truth(story)
        adopted = [row.cl_ord_id for row in story.journal.rows(kind="intent") if "adopted" in row.decode(Intent).why]
        assert len(adopted) == len(set(adopted))
        story.engine.cancel(case.signal_id)
        story.market("51000", "51010")
        await come(story, lambda: not story.engine.active(), within_s=150)
        assert story.truth.balances()["BTC"] == d("2")


async def test_stop_of_a_forgotten_bracket_is_not_claimed_by_one_that_holds_nothing(seed, autojump_clock):
    """Equal terms, nothing bought: the stop is not ended as useless, it goes on guarding what it guarded."""
    async with open_cut_story(seed) as story:
        story.market()
        one = await story.submit(limit="49990.5", target=None)
        await story.until(lambda: one.entry_is("open"))
        rows = len(rows_on_disk(story))
        two = await story.bought("0.02", target=None)
        (stop,) = two.resting("stop")
        kill(story)
        forget_after(story, rows)
        await story.boot()
        await story.wait(60)
        assert stop.is_open


@pytest.mark.parametrize("down_s", [3, 60])
async def test_forgotten_stop_is_kept_while_the_fills_cannot_be_read(seed, autojump_clock, down_s):
    """The entry's fill lies behind the snapshot's fifty and the history does not answer for a while."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.bought("0.02", target=None)
        (stop,) = case.resting("stop")
        kill(story)
        forget(story, "intent", nth=1)
        for _ in range(60):
            at_market(story, "buy", "0.001")
        story.world.exchange.faults = ScriptedFaults().during("TradesHistory", 0, down_s, http_error(502))
        await story.boot()
        await story.wait(120)
        assert stop.is_open
        assert [order.order_id for order in story.truth.orders.values() if order.is_open] == [stop.order_id]
