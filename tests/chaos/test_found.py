"""What seeds have found, each as a story of its own (see found.md): seeds rot when code changes, stories do not."""

from __future__ import annotations

import pytest
import trio

from engine.chaos.crash_points import CrashPlan
from engine.chaos.oracle import Oracle
from engine.chaos.sky import Sky
from engine.chaos.supervisor import only
from engine.chaos.sweep import crash_at
from engine.chaos.trace import Trace
from engine.chaos.weather import WEATHERS
from engine.chaos.world import open_world
from engine.errors import JournalError
from engine.sim import Refused, SimSettings
from tests.scenarios.conftest import open_story, seed
from tests.scenarios.story import Story, d

__all__ = ["open_story", "seed"]


def take_slots(story: Story) -> list[str]:
    """Let somebody else rest orders until the exchange takes no more; return their ids."""
    placed: list[str] = []
    for _ in range(200):
        try:
            placed.append(story.house.place_client("BTC/USD", "buy", d("0.001"), d("10000")))
        except Refused:
            return placed
    raise AssertionError("the exchange has no bound")


async def test_exit_refused_for_the_open_order_bound_is_sent_again(open_story, autojump_clock):
    """Other people's orders take every slot, then give them back: the bare quantity gets its stop, or is closed."""
    async with open_story(sim=SimSettings(tier="intermediate")) as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: bool(case.resting("entry")))
        placed = take_slots(story)
        story.ask("50000", "0.02")
        placed += take_slots(story)  # the one that the entry's fill has set free
        await story.wait(6)
        assert not case.resting("stop")
        for order_id in placed:
            story.house.cancel_client(order_id)
        await story.until(lambda: case.outcome or case.covered("0.02"), within_s=20)


@pytest.mark.parametrize("name", ["conditional-close", "conditional-parts"])
def test_stop_of_a_conditional_close_taken_in_by_half_is_taken_in_anew(name: str):
    """Killed between the rows that give the venue's own stop a name and say which order it is: no doubt is left.

    Nor does the name that was never finished count as one of the stops that the venue has made.
    """
    for point in range(24, 34):
        for power_loss in (False, True):
            plan = CrashPlan(point, power_loss=power_loss)
            result = crash_at(name, plan)
            assert not result.failed, f"{plan.name}: {result.violations[0].text}"


async def test_slots_taken_in_maintenance_are_given_back_after_it(autojump_clock):
    """Storm 70003: in maintenance nobody cancels; the sky waits for its end instead of dying of the refusal."""
    async with open_world(1) as world, trio.open_nursery() as nursery:
        trace = Trace()
        ledger = Oracle(world, trace).ledger
        for pair in world.exchange.settings.pairs:
            world.exchange.house.quote(pair.symbol, "buy", d("100"), d("5"))
        sky = Sky(world, WEATHERS["storm"], ledger, trace, nursery)
        nursery.start_soon(sky._slots_taken, 2.0)
        await trio.sleep(1)
        world.exchange.set_status("maintenance")
        await trio.sleep(3)
        taken = [order for order in world.exchange.truth.orders.values() if order.account == "client"]
        assert taken
        assert all(order.is_open for order in taken)
        world.exchange.set_status("online")
        await trio.sleep(1)
        assert not any(order.is_open for order in taken)
        world.kill()


async def test_journal_failure_that_only_a_caller_has_met_ends_the_engine(autojump_clock):
    """The disk is full when a person halts: the wish is refused, and the engine does not live on without a journal."""
    async with open_world(1) as world:
        world.forgives = lambda error: only(error, JournalError)
        await trio.sleep(1)
        world.disk.capacity = world.disk.used
        with pytest.raises(JournalError):
            world.engine.halt("drill")
        await trio.sleep(3)
        assert not world.running


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("halt-and-resume", CrashPlan(14, power_loss=True, again=14)),
        ("two-markets", CrashPlan(15, again=12)),
    ],
)
def test_second_death_right_after_a_start(name: str, plan: CrashPlan):
    """A halt that was not durable goes with the power; who waited for an engine that died starting waits on."""
    assert not crash_at(name, plan).violations
