"""Stories of coins that were there before: a bracket without an entry, from the word to its end."""

from __future__ import annotations

from decimal import Decimal

import trio

from engine.runtime.protecting import Protected
from engine.sim import ScriptedFaults, SimOrder, accept_late
from tests.scenarios.restart.lives import at_market, kill
from tests.scenarios.story import BTC, Story, d


async def protect(story: Story, qty: str = "0.05", stop: str = "49000", target: str | None = "51000") -> Protected:
    """Ask for it."""
    return await story.engine.protect(BTC, d(qty), stop=d(stop), target=None if target is None else d(target))


def stops(story: Story) -> list[SimOrder]:
    """Our stops that rest."""
    return [o for o in story.truth.orders.values() if o.is_open and o.cl_ord_id and o.order_type == "stop-loss"]


def sold(story: Story) -> Decimal:
    """What was sold of ours."""
    return sum((o.cum_qty for o in story.truth.orders.values() if o.cl_ord_id and o.side == "sell"), Decimal(0))


async def test_coins_that_are_there_get_a_stop_and_a_target(open_story, autojump_clock):
    """No entry is sent; the stop rests at once, and the target sells them when it is touched."""
    async with open_story() as story:
        story.market()
        at_market(story, "buy", "0.05")
        done = await protect(story)
        assert (done.status, [o.leaves_qty for o in stops(story)]) == ("covered", [d("0.05")])
        story.market("51000", "51010")
        await story.until(lambda: sold(story) == d("0.05") and not story.engine.active())
        assert story.engine.services.accounts.ledger.qty(BTC) == 0, "they were never a position of ours"


async def test_protection_survives_a_restart(open_story, autojump_clock):
    """The next engine knows the bracket, keeps its stop, and lets it fire."""
    async with open_story() as story:
        story.market()
        at_market(story, "buy", "0.05")
        done = await protect(story)
        await story.engine.journal.sync()
        kill(story)
        await story.boot()
        assert story.engine.resumed == (done.signal_id,)
        await story.until(lambda: [view.state for view in story.engine.active()] == ["covered"])
        story.market("48900", "48950")
        story.print("48950")
        await story.until(lambda: sold(story) == d("0.05") and not story.engine.active())


async def test_coins_of_other_brackets_are_not_protected_twice(open_story, autojump_clock):
    """More than is there, less what a bracket holds: refused with the numbers."""
    async with open_story() as story:
        story.market()
        there = story.world.exchange._venue.core.accounts["client"].balances["BTC"]
        await story.bought(target=None)
        done = await protect(story, qty=str(there + d("0.01")))
        assert (done.status, done.code) == ("refused", "NOT_THERE")
        assert (await protect(story, qty=str(there))).status == "covered"
        assert (await protect(story, qty="0.01")).code == "NOT_THERE"


async def test_coins_are_not_protected_by_an_engine_that_ends(open_story, autojump_clock):
    """Squall 28: asked while it still looked at book and balance; its brackets end, and nobody would hold a new one."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("cancel_order", 1, accept_late(3))
        story.market()
        resting = await story.submit(limit="49000", stop="48000")
        await story.until(lambda: resting.entry_is("open"))  # its cancel keeps the end waiting
        told: list[str] = []

        async def ask() -> None:
            done = await story.engine.protect(BTC, d("0.5"), stop=d("49000"))
            told.append(f"{done.status} {done.code}")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(story.world.stop)
            nursery.start_soon(ask)
    assert told == ["refused ENGINE_CLOSING"]


async def test_prices_on_the_wrong_side_are_refused(open_story, autojump_clock):
    """A stop that would fire, a target that is reached, dust, an unknown market: each with its code."""
    async with open_story() as story:
        story.market()
        assert (await protect(story, stop="50500")).code == "WRONG_SIDE"
        assert (await protect(story, target="49500")).code == "WRONG_SIDE"
        assert (await protect(story, qty="0.00001")).code == "BELOW_MINIMUM"
        refused = await story.engine.protect("NO/SUCH", d("1"), stop=d("1"))
        assert refused.code == "SYMBOL_UNKNOWN"
        assert stops(story) == []


async def test_protected_coins_are_closed_as_others(open_story, autojump_clock):
    """Close knows the bracket and ends flat, with the balance change to prove it."""
    async with open_story() as story:
        story.market()
        await protect(story, target=None)
        report = await story.engine.close(BTC)
        assert report.flat, list(report.lines())
        assert report.balances[0].change == d("-0.05")
        assert not story.engine.active()


async def test_older_holdings_are_sold_only_when_asked_for(open_story, autojump_clock):
    """The account's own coins stay by default; with the option all of the market's base goes."""
    async with open_story() as story:
        story.market(qty="100")
        await story.bought("0.02", target=None)
        there = story.world.exchange._venue.core.accounts["client"].balances["BTC"]
        report = await story.engine.close(BTC)
        assert (report.flat, report.balances[0].after) == (True, there - d("0.02"))
        report = await story.engine.close(BTC, include_holdings=True)
        assert report.flat, list(report.lines())
        assert report.balances[0].after < d("0.00005")
