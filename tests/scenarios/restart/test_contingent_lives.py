"""Every kind of contingent order killed at moments spread over its life: covered again, flat, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from engine.sim import SimSettings
from tests.scenarios.honesty import come
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import Story, d
from tests.scenarios.test_contingents import at, mirrored, move

SHARES = ({"up": 500, "share": "0.5"}, {"up": 1000, "share": "0.5", "order_type": "take-profit"})
TRAIL = {"distance": "300", "activation_price": {"up": 400}}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shares": {"take_profit": SHARES},
    "break_even": {"break_even": {"at_price": {"up": 400}}},
    "trail": {"stop_loss": {"trigger_price": {"up": -1000}, "trail": TRAIL}, "take_profit": None},
    "venue_trail": {"stop_loss": {"trigger_price": {"up": -1000}, "trail": {"percent": "0.6"}}, "take_profit": None},
    "stop_limit": {"stop_loss": {"trigger_price": {"up": -1000}, "limit_price": {"up": -1050}}},
    "both_rest": {"exits": "both-rest"},
    "oco": {"contingency": "oco"},
    "conditional": {"exits": "conditional-close"},
    "barrier": {"exit_after_s": 3},
    "full_fill": {"protect_from": "full_fill"},
}
LOOSE = ("conditional", "both_rest")
"""Told with stops that hold no funds: the other setting is the rest's."""


def spelled(side: str, value: Any) -> Any:
    """Write ``{"up": n}`` as a price on this side, wherever it stands."""
    if isinstance(value, dict) and set(value) == {"up"}:
        return at(side, value["up"])
    if isinstance(value, dict):
        price = {"price": at(side, value["up"])} if "up" in value else {}
        return price | {name: spelled(side, one) for name, one in value.items() if name != "up"}
    return [spelled(side, one) for one in value] if isinstance(value, tuple) else value


async def live(story: Story, side: str) -> None:
    """Two fills, a move to the good that activates and takes a part, a fall through the stop."""
    part = story.ask if side == "buy" else story.bid
    await story.wait(0.4)
    part("50000", "0.012")
    await story.wait(0.8)
    part("50000", "0.008")
    await story.wait(0.8)
    move(story, side, 500)
    await story.wait(2)
    move(story, side, -1100)


MOMENTS = {"buy": (0.41, 0.7, 1.25, 2.02, 2.5, 4.04), "sell": (0.44, 1.21, 1.6, 2.06, 4.01, 4.5)}
"""In the fills, in their cover, in the move, in the swap, in the fall: every other one on either side."""


@pytest.mark.parametrize(("side", "at_s"), [(side, at_s) for side, times in MOMENTS.items() for at_s in times])
@pytest.mark.parametrize("kind", KINDS)
async def test_killed_in_any_phase(open_story, autojump_clock, kind, side, at_s):
    """Dead for half a second while the market goes on: the next engine takes everything on."""
    sim = SimSettings(untriggered_stops_hold_funds=False) if kind in LOOSE else None
    async with open_story(sim=sim) as story, trio.open_nursery() as nursery:
        story.may_exceed = kind in LOOSE  # two exits by design; a stop the venue makes while nobody looks
        story.market()
        before = story.truth.balances()["BTC"]
        case = await story.submit(qty="0.02", **mirrored(side, **spelled(side, KINDS[kind])))
        nursery.start_soon(live, story, side)
        await story.wait(at_s)
        kill(story, power_loss=round(at_s * 100) % 2 == 0)
        await story.wait(0.5)
        await story.boot()
        await story.wait(6)
        if not case.outcome:
            story.engine.cancel(case.signal_id)
            await story.wait(0.5)
        move(story, side, 1200)
        await come(story, lambda: case.outcome, within_s=150)
        nursery.cancel_scope.cancel()
    assert story.truth.balances()["BTC"] == before
    assert len(case.sent("entry")) <= 1
    assert case.closed.net_qty == d("0")
