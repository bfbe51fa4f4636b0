"""Words for stories of killed engines: end a life, let the world go on without it, begin the next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from engine.chaos.world import open_world
from engine.sim import SimOrder
from engine.sim.orders import NewOrder
from tests.scenarios.honesty import come, covered_or_flat
from tests.scenarios.story import Case, Story, d, plainly

BACK_WITHIN_S = 10.0
"""Protection is back this soon after the restart."""

Act = Callable[[Story, Case], Awaitable[None]]


def kill(story: Story, *, power_loss: bool = False) -> None:
    """Kill the engine's process, or its machine; whoever listened to it hears no more."""
    story.world.kill(power_loss=power_loss)
    story.engine.services.bus.close()


async def back(story: Story, *cases: Case) -> None:
    """Start the next engine; what is held rests under stops, or is gone, within the bound."""
    began_s = trio.current_time()
    await story.boot()
    await come(story, lambda: all(covered_or_flat(story, case) for case in cases), BACK_WITHIN_S, every_s=0.05)
    assert trio.current_time() - began_s <= BACK_WITHIN_S, story.tale()


async def to_the_end(story: Story, *cases: Case, within_s: float = 150) -> None:
    """Let the price reach every target, and wait until all has ended."""
    await story.wait(1)
    for case in cases:
        if case.outcome == "":
            story.engine.cancel(case.signal_id, "the story is over")
    await story.wait(0.2)
    story.market("51000", "51010")
    await come(story, lambda: all(case.outcome for case in cases), within_s)


@asynccontextmanager
async def open_cut_story(seed: int, **how: Any) -> AsyncIterator[Story]:
    """Tell a story without the judgement at its end: of one whose journal forgets, the journal cannot bear witness."""
    with plainly(), trio.fail_after(3600):
        async with trio.open_nursery() as reader_nursery, open_world(seed, **how) as world:
            yield Story(world, reader_nursery)
            await world.stop()
            reader_nursery.cancel_scope.cancel()


def forget(story: Story, since: str) -> None:
    """Cut the dead engine's journal before its first row of this kind: a clean prefix, as after a restored backup."""
    content = story.world.disk.content("journal")
    rows = bytes(content.durable + content.cache).split(b"\n")
    at = next(number for number, row in enumerate(rows) if f'"{since}"'.encode() in row[:140])
    content.durable, content.cache = bytearray(b"\n".join(rows[:at]) + b"\n"), bytearray()


def by_a_person(story: Story, side: str, price: str, qty: str, cl_ord_id: str | None = None) -> SimOrder:
    """Somebody with access to our account rests an order of their own."""
    core = story.world.exchange._venue.core
    new = NewOrder(
        symbol="BTC/USD", side=side, order_type="limit", order_qty=d(qty), limit_price=d(price), cl_ord_id=cl_ord_id
    )  # fmt: skip
    return core.add(core.accounts["client"], new)


def at_market(story: Story, side: str, qty: str) -> SimOrder:
    """Somebody with access to our account trades at market."""
    core = story.world.exchange._venue.core
    new = NewOrder(symbol="BTC/USD", side=side, order_type="market", order_qty=d(qty))
    return core.add(core.accounts["client"], new)
