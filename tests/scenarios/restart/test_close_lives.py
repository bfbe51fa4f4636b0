"""Killed in the middle of a word: a close in slices, an entry's amend, moved exits, coins put under a stop."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import pytest
import trio

from engine.errors import EngineError
from engine.runtime.close_report import CLOSE_ROW, CLOSED_ROW, CloseReport
from engine.sim import ScriptedFaults, lose_answer
from tests.scenarios.honesty import come, covered_or_flat
from tests.scenarios.restart.lives import at_market, kill
from tests.scenarios.story import BTC, Case, Story, d

Word = Callable[[], Awaitable[object]]


async def said_and_killed(story: Story, word: Word, at_s: float, *, power_loss: bool) -> None:
    """Say it, kill the engine so much later, and start the next one half a second after that."""

    async def say() -> None:
        with contextlib.suppress(EngineError):  # the engine dies under it
            await word()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say)
        await story.wait(at_s)
        kill(story, power_loss=power_loss)
        nursery.cancel_scope.cancel()
    await story.wait(0.5)
    await story.boot()


def power(at_s: float) -> bool:
    """Every other moment loses what was not synced as well."""
    return round(at_s * 1000) % 2 == 1


CLOSING = (0.001, 0.012, 0.025, 0.034, 0.046, 0.059, 0.3, 0.511, 1.2, 4.001)
"""The word, the balances, the entry's cancel, the stop's amend, a slice, the wait for bids, the end."""


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("at_s", CLOSING)
async def test_close_in_slices_killed_in_any_phase(open_story, autojump_clock, side, at_s):
    """The book is thin and is filled again: the next engine sells the rest once, its stop beside it, and proves it."""
    async with open_story() as story, trio.open_nursery() as nursery:
        story.market()
        before = story.truth.balances()["BTC"]
        case = await story.bought("0.1", side=side, stop="40000" if side == "buy" else "60000", target=None)
        story.house.clear(BTC)
        there, other = (story.bid, story.ask) if side == "buy" else (story.ask, story.bid)
        there("49990" if side == "buy" else "50010", "0.03")
        other("50030" if side == "buy" else "49970", "1")

        async def feed() -> None:
            while True:
                await trio.sleep(0.5)
                there("49990" if side == "buy" else "50010", "0.03")

        nursery.start_soon(feed)
        await said_and_killed(
            story, lambda: story.engine.close(BTC, max_slippage_bps=d("20")), at_s, power_loss=power(at_s)
        )
        if not list(story.journal.rows(kind=CLOSE_ROW)):  # the word was lost with the machine
            await come(story, lambda: case.covered("0.1"), 10)
            await story.engine.close(BTC)
        await come(story, lambda: list(story.journal.rows(kind=CLOSED_ROW)), 90)
        report = next(story.journal.rows(kind=CLOSED_ROW)).decode(CloseReport)
        assert report.flat, "\n".join(report.lines())
        nursery.cancel_scope.cancel()
    assert case.closed is not None
    assert (case.closed.net_qty, story.truth.balances()["BTC"]) == (0, before)
    assert sum(o.cum_qty for o in (*case.sent("close"), *case.sent("stop"))) == d("0.1")


async def resting(story: Story) -> Case:
    """An entry that rests below the market."""
    story.market()
    case = await story.submit(limit="49900", target=None)
    await story.until(lambda: case.entry_is("open"))
    return case


AMENDING = (0.001, 0.006, 0.013, 0.018, 0.026, 0.041)
"""Decided, journalled, on the wire, taken there, answered, done."""


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "unanswered"])
@pytest.mark.parametrize("at_s", AMENDING)
async def test_amend_of_an_entry_killed_in_any_phase(open_story, autojump_clock, at_s, answered):
    """It stands where the venue has it, old price or new, and what fills is covered."""
    async with open_story() as story:
        case = await resting(story)
        if not answered:
            story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, lose_answer())
        name = case.entry().cl_ord_id
        await said_and_killed(
            story, lambda: story.engine.amend(name, d("49950"), d("0.01")), at_s, power_loss=power(at_s)
        )
        await come(story, lambda: case.entry_is("open"), 30)
        (there,) = case.resting("entry")
        entry = case.entry()
        assert (entry.limit_price, entry.order_qty) == (there.limit_price, there.order_qty)
        assert (there.limit_price, there.order_qty) in ((d("49900"), d("0.02")), (d("49950"), d("0.01")))
        qty = str(there.order_qty)
        story.house.clear(BTC)
        story.ask("49900", qty)
        await come(story, lambda: case.covered(qty), 10)


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("at_s", AMENDING)
async def test_moved_exits_killed_in_any_phase(open_story, autojump_clock, side, at_s):
    """The stop never leaves; it ends where the journal has it, and that is the old place or the new one."""
    old, new = ("49000", "49500") if side == "buy" else ("51000", "50500")
    async with open_story() as story:
        story.market()
        case = await story.bought(side=side, stop=old, target=None)
        since = len(story.standings(case.signal_id))
        await said_and_killed(
            story, lambda: story.engine.move_exits(case.signal_id, stop=d(new)), at_s, power_loss=power(at_s)
        )
        await come(story, lambda: case.covered("0.02"), 10)
        await story.wait(10)
        (stop,) = case.resting("stop")
        (bracket,) = [scope.bracket for scope in story.engine.brackets.scopes()]
        assert stop.trigger_price == bracket.terms.stop_loss.trigger_price
        assert stop.trigger_price in (d(old), d(new))
        assert all(standing.stops == d("0.02") for standing in story.standings(case.signal_id)[since:])


@pytest.mark.parametrize("at_s", [0.001, 0.012, 0.024, 0.031, 0.042, 0.061])
async def test_protect_killed_in_any_phase(open_story, autojump_clock, at_s):
    """Nothing was decided, or the coins rest under one stop that somebody owns; said again, never twice."""
    async with open_story() as story:
        story.market()
        at_market(story, "buy", "0.05")
        await said_and_killed(
            story, lambda: story.engine.protect(BTC, d("0.05"), stop=d("49000")), at_s, power_loss=power(at_s)
        )
        await story.wait(12)
        if not story.engine.active():
            assert (await story.engine.protect(BTC, d("0.05"), stop=d("49000"))).status == "covered"
        (view,) = story.engine.active()
        ours = [o for o in story.truth.orders.values() if o.is_open and o.cl_ord_id]
        assert (view.state, [o.leaves_qty for o in ours]) == ("covered", [d("0.05")])
        story.market("48900", "48950")
        story.print("48950")
        await come(story, lambda: not story.engine.active(), 30)
        assert sum(o.cum_qty for o in story.truth.orders.values() if o.cl_ord_id and o.side == "sell") == d("0.05")


async def test_flatten_killed_in_the_middle_leaves_all_covered_or_flat(open_story, autojump_clock):
    """The close of everything is taken up by the next engine."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.05", target=None)
        await said_and_killed(story, lambda: story.engine.close(everything=True), 0.04, power_loss=False)
        await come(story, lambda: case.outcome, 60)
        assert covered_or_flat(story, case)
    assert case.closed is not None
    assert case.closed.net_qty == 0
