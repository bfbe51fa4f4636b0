"""The journal forgets, fails, or is slow; and orders on the account that it never knew."""

from __future__ import annotations

import random

import pytest
import trio

from engine.errors import JournalError
from engine.kraken.settings import Secret
from engine.runtime.settings import EngineSettings
from engine.values.ids import new_cl_ord_id
from tests.scenarios.honesty import come
from tests.scenarios.restart.lives import by_a_person, forget, kill, open_cut_story
from tests.scenarios.story import d

FOREIGN = "0f3e8f0a-2f4b-4c57-9d8e-6f1a2b3c4d5e"


async def test_forgotten_open_entry_is_ended(seed, autojump_clock):
    """Ours by its mark, in no row: taken back, and entries on its symbol stay halted until somebody has looked."""
    async with open_cut_story(seed) as story:
        story.market()
        story.market("2990", "3010", symbol="ETH/USD")
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        (order,) = story.truth.orders.values()
        kill(story)
        forget(story, "signal")
        await story.boot()
        await come(story, lambda: not order.is_open, within_s=10)
        denied = await story.submit(limit="49980")
        assert denied.submitted.code == "ORPHANED_ORDER"
        other = await story.submit(symbol="ETH/USD", limit="3000", stop="2900", target="3100")
        assert other.submitted.status == "accepted"
        await story.wait(60)
    assert order.cum_qty == 0


async def test_forgotten_entry_that_fills_is_undone(seed, autojump_clock):
    """What the forgotten entry has bought, before and after the restart, is sold again."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.submit(stop=None, target=None)
        await story.until(lambda: case.entry_is("open"))
        story.ask("50000", "0.008")
        await story.until(lambda: case.entry().cum_qty == d("0.008"))
        (order,) = story.truth.orders.values()
        kill(story)
        forget(story, "signal")
        await story.wait(1)
        story.ask("50000", "0.004")
        await story.boot()
        await come(story, lambda: not order.is_open, within_s=10)
        await come(story, lambda: story.truth.balances()["BTC"] == d("2"), within_s=10)
        await story.wait(60)
        assert story.truth.balances()["BTC"] == d("2")


async def test_forgotten_stop_is_left_resting(seed, autojump_clock):
    """It protects something we have forgotten: it stays, told and never touched."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.bought("0.02")
        (stop,) = case.resting("stop")
        kill(story)
        forget(story, "signal")
        await story.boot()
        await story.wait(60)
        assert stop.is_open
        assert stop.cl_ord_id in [row.cl_ord_id for row in story.journal.rows(kind="orphan")]
        denied = await story.submit()
        assert denied.submitted.code == "ORPHANED_ORDER"
    assert stop.is_open


async def test_order_of_a_former_key_is_ours(seed, autojump_clock):
    """The account has changed its key: with the secret of before, what that placed is known, and taken back."""
    async with open_cut_story(seed, former_secrets=(Secret("Zm9ybWVy"), Secret("ZWFybGllcg=="))) as story:
        story.market()
        services = story.engine.services
        assert services.mark_key not in services.former_mark_keys
        name = new_cl_ord_id(random.Random(1), services.former_mark_keys[1])
        order = by_a_person(story, "buy", "49000", "0.02", name)
        await come(story, lambda: not order.is_open, within_s=10)
        assert services.desk.counts["orphans"] > 0


async def test_orders_of_others_are_never_touched(open_story, autojump_clock):
    """A person's order on our account rests through a whole bracket, a kill, a restart and a shutdown."""
    async with open_story() as story:
        story.market()
        foreign = by_a_person(story, "sell", "60000", "0.1")
        case = await story.bought("0.02")
        kill(story)
        also = by_a_person(story, "buy", "40000", "0.1")
        await story.boot()
        await story.until(lambda: case.covered("0.02"))
        story.market("51000", "51010")
        await story.ended(case)
        assert story.engine.services.gate.reasons() == {}
        await story.world.stop()
    assert foreign.is_open
    assert also.is_open


async def test_uuid_of_another_program_is_not_ours(seed, autojump_clock):
    """A cl_ord_id without our mark is somebody else's, whatever its shape."""
    async with open_cut_story(seed) as story:
        story.market()
        foreign = by_a_person(story, "buy", "40000", "0.1", FOREIGN)
        await story.wait(1)
        kill(story)
        await story.boot()
        await story.wait(5)
        assert story.engine.services.gate.reasons() == {}
        assert story.engine.services.desk.counts["foreign"]
    assert foreign.is_open


@pytest.mark.parametrize("fault", ["full", "failing"])
async def test_failed_journal_ends_entries_and_leaves_stops(seed, autojump_clock, fault):
    """Nothing is tried again on that file: entries are taken back without it, stops stay, the engine ends."""
    story = None
    with pytest.raises(JournalError):  # noqa: PT012 - the engine dies under the story
        async with open_cut_story(seed) as story:
            story.market()
            covered = await story.bought("0.02")
            waiting = await story.submit(limit="49980")
            await story.until(lambda: waiting.entry_is("open"))
            (stop,), (entry,) = covered.resting("stop"), waiting.resting("entry")
            requests = len(story.truth.requests)
            if fault == "full":
                story.world.disk.capacity = story.world.disk.used
            else:
                story.world.disk.sync_fails = True
            story.market("49900")
            story.ask("49980", "0.004")
            with trio.move_on_after(30):
                await trio.sleep_forever()
    assert not entry.is_open
    assert stop.is_open
    assert [method for _, _, method, _ in story.truth.requests[requests:]] == ["cancel_order"]


async def test_stalled_sync_halts_entries_and_lets_exits_through(open_story, autojump_clock):
    """A sync of more than two seconds: no new risk on such a disk, protection as ever."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.world.disk.sync_takes_s = 2.5
        story.ask("50000", "0.01")
        await story.until(lambda: case.covered("0.01"), within_s=2)
        denied = await story.submit()
        assert denied.submitted.code == "JOURNAL_STALLED"
        story.world.disk.sync_takes_s = 0.0
        story.ask("50000", "0.01")
        await story.until(lambda: case.covered("0.02"), within_s=2)


@pytest.mark.parametrize("phase", ["resting", "asked", "swap"])
async def test_shutdown_against_a_half_open_venue_is_bounded(open_story, autojump_clock, phase):
    """Every connection hangs without an error: the engine has ended within its bound, whatever was under way."""
    async with open_story(settings=EngineSettings()) as story:
        story.leaves_entries = story.may_exceed = True
        story.market()
        case = await story.bought("0.02")
        entry = await story.submit(limit="49980")
        await story.until(lambda: entry.entry_is("open"))
        if phase == "swap":
            story.market("51000", "51010")
            await story.until(lambda: case.phase == "exiting")
        story.world.wire.refuse(3600)
        for connection in story.world.wire.connections:
            connection.stall(3600)
        if phase == "asked":
            story.engine.cancel(entry.signal_id)
            await story.wait(1)
        began_s = trio.current_time()
        await story.world.stop()
        assert trio.current_time() - began_s < 15 + 1, f"took {trio.current_time() - began_s:.1f} s"
