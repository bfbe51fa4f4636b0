"""Words for stories on margin: who may borrow, what the venue holds, what it closes by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from engine.risk.limits import Limits
from engine.runtime.settings import EngineSettings
from engine.sim.orders import NewOrder, SimOrder
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import BTC, Case, Story, d

LENT = EngineSettings(limits=Limits(leverage_most=5))
"""Nothing is limited but what may be borrowed."""
SETTLED_S = 20.0
"""So long after a fill every question about margin has been answered with it."""


def lending(**how: Any) -> dict[str, Any]:
    """Open a story in which entries may borrow."""
    return {"settings": LENT, **how}


def at_venue(story: Story, symbol: str = BTC) -> Decimal:
    """Signed base units that the venue holds on margin for us."""
    positions = story.world.exchange._venue.core.accounts["client"].positions.values()
    return sum(
        (p.open_qty if p.side == "buy" else -p.open_qty for p in positions if p.symbol == symbol), Decimal(0)
    )  # fmt: skip


def never_opened(story: Story) -> None:
    """No exit of ours has opened a position: each trade on margin opened one for an entry, or closed one."""
    lent_ids = {case.signal_id for case in story.cases if case.signal.margin}
    roles = {cl: role for cl, (signal_id, role) in story.roles().items() if signal_id in lent_ids}
    for trade in story.truth.trades:
        if trade.cl_ord_id in roles and trade.leverage is not None:
            opened = trade.position_status == "opened"
            assert opened == (roles[trade.cl_ord_id] == "entry"), f"{trade}\n{story.tale()}"
    for order in story.truth.orders.values():
        if order.cl_ord_id in roles and roles[order.cl_ord_id] != "entry":
            assert order.reduce_only, f"an exit that could open: {order}"
            assert order.leverage is not None


async def lent(story: Story, qty: str = "0.02", **members: Any) -> Case:
    """Fill a margin entry at 50000 and wait for its stop."""
    story.market()
    return await story.bought(qty, **({"leverage": "5"} | members))


def by_hand(story: Story, side: str, qty: str, leverage: int = 5) -> SimOrder:
    """Somebody with access to our account trades on margin at market."""
    core = story.world.exchange._venue.core
    new = NewOrder(symbol=BTC, side=side, order_type="market", order_qty=d(qty), leverage=leverage)
    return core.add(core.accounts["client"], new)


def lend(story: Story, leverages: tuple[int, ...], symbol: str = BTC) -> None:
    """Let the venue list other leverages for a pair, on both sides."""
    market = story.world.exchange._venue.core.markets[symbol]
    market.pair = replace(market.pair, leverage_buy=leverages, leverage_sell=leverages)


async def accepted_unsent(story: Story) -> Case:
    """Hand in a margin signal whose entry waits for the private stream."""
    await story.engine.services.margin.wait_known()
    first = await story.submit(qty="0.001", limit="40000", stop="39000")
    await story.until(lambda: bool(first.resting("entry")))
    story.engine.cancel(first.signal_id)
    await story.ended(first)
    story.world.exchange.refuse(300)
    story.connection("executions").reset()
    await story.until(lambda: not story.engine.services.stream_up())
    case = await story.submit(leverage="5")
    assert case.submitted.status == "accepted", case.submitted
    return case


async def during(story: Story, dead: bool, act: Callable[[], object]) -> None:
    """Let it happen while the engine runs, or between its death and the next start."""
    if dead:
        kill(story)
    act()
    if dead:
        await story.wait(2)
        await story.boot()
