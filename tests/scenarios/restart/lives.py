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
from tests.scenarios.story import Case, Moment, Story, d, plainly

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


def forget(story: Story, since: str, nth: int = 1) -> None:
    """Cut the dead engine's journal before its nth row of this kind: a clean prefix, as after a restored backup."""
    found = [n for n, row in enumerate(rows_on_disk(story)) if f'"{since}"'.encode() in row[:140]]
    forget_after(story, found[nth - 1])


def forget_after(story: Story, rows: int) -> None:
    """Keep so many rows of the dead engine's journal."""
    content = story.world.disk.content("journal")
    kept = rows_on_disk(story)[:rows]
    content.durable, content.cache = bytearray(b"".join(row + b"\n" for row in kept)), bytearray()


def damage(story: Story, row: int) -> bytes:
    """Turn one bit over in the middle of a row of the dead engine's journal; returns the file as it is then."""
    content = story.world.disk.content("journal")
    before = sum(len(one) + 1 for one in rows_on_disk(story)[: row - 1])
    story.world.disk.flip("journal", 8 * (before + 100))
    return bytes(content.durable + content.cache)


def rows_on_disk(story: Story) -> list[bytes]:
    content = story.world.disk.content("journal")
    return bytes(content.durable + content.cache).split(b"\n")[:-1]


def judge_by_truth(story: Story) -> None:
    """By the exchange alone: exits never exceeded what was bought, all is covered or flat, nothing lacks an owner.

    For stories of buys in one market whose journal has forgotten things.
    """
    last: dict[str, Moment] = {}
    held = exits = d("0")
    for moment in story.witness.moments:
        last[moment.order_id] = moment
        held = sum((m.cum if m.side == "buy" else -m.cum for m in last.values()), d("0"))
        exits = sum((m.leaves for m in last.values() if m.side == "sell"), d("0"))
        assert exits <= held, f"exits {exits} above {held} at {moment}\n{story.tale()}"
    assert held - exits < d("0.00005"), f"{held - exits} is bare\n{story.tale()}"
    roles = story.roles()
    alive = {view.signal.signal_id for view in story.engine.active()}
    for order in story.truth.orders.values():
        if order.is_open and order.cl_ord_id is not None:
            assert order.cl_ord_id in roles, f"rests without an owner: {order}\n{story.tale()}"
            assert roles[order.cl_ord_id][0] in alive, f"rests although its bracket has ended: {order}\n{story.tale()}"


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
