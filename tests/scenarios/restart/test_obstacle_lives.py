"""Killed at moments around every obstacle that an exit can meet: the next engine ends it as the dead one would have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
import trio

from engine.sim import SimSettings
from tests.scenarios.honesty import come
from tests.scenarios.restart.lives import at_market, kill
from tests.scenarios.story import BTC, Case, Story, d
from tests.scenarios.test_contingents import at, mirrored, move

ONLY_CASH = SimSettings(accounts={"client": {"USD": d("100000")}})


async def filled(story: Story, side: str, *parts: str) -> None:
    """Somebody takes our entry, a part every half second."""
    await story.wait(0.4)
    for part in parts or ("0.02",):
        (story.ask if side == "buy" else story.bid)("50000", part)
        await story.wait(0.5)


async def gap(story: Story, side: str, case: Case) -> None:
    """From above the stop to far below it in one step."""
    await filled(story, side)
    await story.wait(0.5)
    move(story, side, -5000)


async def left_behind(story: Story, side: str, case: Case) -> None:
    """The market jumps over a stop's limit and stays there."""
    await filled(story, side)
    await story.wait(0.5)
    move(story, side, -1500)


async def target_reached(story: Story, side: str, case: Case) -> None:
    """Nothing but what the target waits for, after a while."""
    await filled(story, side)
    await story.wait(3)
    move(story, side, 1000)


async def market_takes_nothing(story: Story, side: str, case: Case) -> None:
    """The market stands at the target while it takes no orders, and opens again."""
    await filled(story, side)
    for status, until_s in (("cancel_only", 1), ("post_only", 1), ("maintenance", 2), ("online", 1)):
        story.world.exchange.set_status(status, BTC)
        await story.wait(0.2)
        price = int(at(side, 1000))
        story.market(*((str(price), str(price + 20)) if side == "buy" else (str(price - 20), str(price))))
        await story.wait(until_s)
    move(story, side, 1001)


async def filled_where_nothing_rests(story: Story, side: str, case: Case) -> None:
    """The entry fills in the moment in which the market closes to orders."""
    await story.wait(0.4)
    (story.ask if side == "buy" else story.bid)("50000", "0.02")
    story.world.exchange.set_status("cancel_only", BTC)
    await story.wait(4)
    story.world.exchange.set_status("online", BTC)
    move(story, side, 1001)


def take_stops(story: Story, case: Case) -> None:
    """A person cancels every stop there is."""
    for order in case.resting("stop"):
        story.house.cancel_client(order.order_id)


async def stop_taken_once(story: Story, side: str, case: Case) -> None:
    """A person takes the stop away, and it comes back; then the target is reached."""
    await filled(story, side)
    await story.wait(0.5)
    take_stops(story, case)
    await story.wait(13)
    move(story, side, 1000)


async def stop_taken_twice(story: Story, side: str, case: Case) -> None:
    """A person takes it away again."""
    await filled(story, side)
    await story.wait(0.5)
    take_stops(story, case)
    await story.wait(14)
    take_stops(story, case)


async def coins_sold(story: Story, side: str, case: Case) -> None:
    """A person takes the stop away and sells the coins."""
    await filled(story, side)
    await story.wait(0.5)
    take_stops(story, case)
    at_market(story, "sell", "0.02")


async def odd_parts(story: Story, side: str, case: Case) -> None:
    """Parts of odd sizes, the first eaten below the minimum by its fee: dust until there is enough."""
    await filled(story, side, "0.00005", "0.00123457", "0.00333331", "0.01538212")
    move(story, side, -1100)


class Obstacle(NamedTuple):
    """A tale, what its signal asks for, when the engine is killed in it, and how it may end."""

    tale: Callable[[Story, str, Case], Awaitable[None]]
    kills: tuple[float, ...]
    ends: tuple[str, ...]
    members: dict[str, Any] = {}  # noqa: RUF012 - never changed
    sim: SimSettings | None = None
    sides: tuple[str, ...] = ("buy", "sell")
    base_fees: bool = False


LIMITED = {"buy": {"trigger_price": at("buy", -1000), "limit_price": at("buy", -1100)},
           "sell": {"trigger_price": at("sell", -1000), "limit_price": at("sell", -1100)}}  # fmt: skip
OBSTACLES: dict[str, Obstacle] = {
    "gap": Obstacle(gap, (1.39, 1.41, 1.43, 1.6), ("stop",)),
    "left_behind": Obstacle(left_behind, (1.41, 1.5, 3.41, 3.44), ("stop",), {"limited": True}),
    "no_funds_for_the_second": Obstacle(
        target_reached, (0.65, 0.69, 1.5, 3.92), ("target", "stop"), {"exits": "both-rest"}, ONLY_CASH, ("buy",)
    ),
    "no_slot_for_the_second": Obstacle(
        target_reached, (0.65, 0.69, 1.5, 3.92), ("target",), {"exits": "both-rest"}, SimSettings(max_open_orders=1)
    ),
    "market_takes_nothing": Obstacle(market_takes_nothing, (0.95, 2.0, 3.5, 4.93), ("target",)),
    "filled_where_nothing_rests": Obstacle(
        filled_where_nothing_rests, (0.41, 0.7, 3.0, 4.43), ("target", "flattened", "stop")
    ),
    "stop_taken_once": Obstacle(stop_taken_once, (1.403, 1.43, 1.7), ("target",)),
    "stop_taken_twice": Obstacle(stop_taken_twice, (1.41, 8.0, 15.403, 15.43), ("taken_over",)),
    "coins_sold": Obstacle(coins_sold, (1.403, 1.43, 2.5, 3.7, 5.0), ("taken_over",), {}, ONLY_CASH, ("buy",)),
    "dust_and_fees_in_base": Obstacle(
        odd_parts, (0.45, 0.95, 1.45, 1.95, 2.42), ("stop", "flattened"), {}, ONLY_CASH, ("buy",), base_fees=True
    ),
}  # fmt: skip
LIVES = [
    (name, one.sides[place % len(one.sides)], at_s)
    for name, one in OBSTACLES.items()
    for place, at_s in enumerate(one.kills)
]


@pytest.mark.parametrize(("name", "side", "at_s"), LIVES, ids=lambda value: str(value))
async def test_obstacle_outlives_a_kill(open_story, autojump_clock, name, side, at_s):
    """Dead for half a second around it: nothing is sold twice, nothing is left bare, and it ends as it must."""
    one = OBSTACLES[name]
    members = {"stop_loss": LIMITED[side]} if one.members.get("limited") else one.members
    async with open_story(sim=one.sim) as story, trio.open_nursery() as nursery:
        story.may_exceed = "exits" in members or name == "coins_sold"
        if one.base_fees:
            story.take_fees_in_base()
        story.market()
        case = await story.submit(qty="0.02", **mirrored(side, **members))
        nursery.start_soon(one.tale, story, side, case)
        await story.wait(at_s)
        kill(story, power_loss=round(at_s * 100) % 2 == 1)
        await story.wait(0.5)
        await story.boot()
        await come(story, lambda: case.outcome, within_s=150)
        nursery.cancel_scope.cancel()
    assert case.outcome in one.ends
    assert len(case.sent("entry")) == 1
    assert case.resting() == []
