"""One bracket's life on virtual time, told with faults, and what both sides know of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import trio

from engine.chaos.world import World
from engine.journal.row import Row
from engine.orders.signal import parse_signal
from engine.sim import ScriptedFaults, kill_after, kill_before, lose_answer, lose_request, refuse_with
from engine.testing import run_world

SIGNAL_ID = "12345678-1234-4678-8234-567812345678"
SIGNAL = (
    f'{{"signal_id":"{SIGNAL_ID}","symbol":"BTC/USD","side":"buy","order_type":"limit","order_qty":"0.02",'
    '"limit_price":"50000.0","stop_loss":{"trigger_price":"49000.0"},"take_profit":{"price":"51000.0"}}'
)
BAD = SIGNAL.replace("49000.0", "50500.0").replace("12345678-1234-4", "99999999-1234-4")

FAULTS = {
    "none": ("add_order", 99, lose_answer()),
    "entry answer lost": ("add_order", 1, lose_answer()),
    "entry request lost": ("add_order", 1, lose_request()),
    "entry refused": ("add_order", 1, refuse_with("EOrder:Insufficient funds")),
    "link dies before the entry": ("add_order", 1, kill_before()),
    "link dies after the entry": ("add_order", 1, kill_after()),
    "stop answer lost": ("add_order", 2, lose_answer()),
    "stop request lost": ("add_order", 2, lose_request()),
    "link dies before the stop": ("add_order", 2, kill_before()),
    "link dies after the stop": ("add_order", 2, kill_after()),
    "amend answer lost": ("amend_order", 1, lose_answer()),
    "cancel answer lost": ("cancel_order", 1, lose_answer()),
}


@dataclass(frozen=True)
class Told:
    """The journal's rows, and what the exchange saw: (ts_ns, cl_ord_id) of every order placed, and every order id."""

    rows: tuple[Row, ...]
    placed: tuple[tuple[int, str], ...]
    order_ids: dict[str, str]


@lru_cache
def told(fault: str = "none") -> Told:
    """Tell the life of one bracket (and of a denied one) with one fault in it."""
    scripted = ScriptedFaults().at(*FAULTS[fault])

    async def body(world: World) -> Told:
        world.exchange.faults = scripted
        await live_through(world)
        requests = world.exchange.truth.requests
        return Told(
            tuple(world.journal.rows()),
            tuple((ts, name) for ts, _, method, name in requests if name and "add" in method.lower()),
            {o.cl_ord_id: o.order_id for o in world.exchange.truth.orders.values() if o.cl_ord_id},
        )

    return run_world(body, seed=1, limit_s=3600)


async def live_through(world: World) -> None:
    """Let a signal be denied, another be filled in three parts, covered, and closed at its target in two."""
    house = world.exchange.house
    for step in range(5):
        house.quote("BTC/USD", "buy", Decimal(49990) - step, Decimal("0.5"))
        house.quote("BTC/USD", "sell", Decimal(50010) + step, Decimal("0.5"))
    await world.engine.submit(parse_signal(BAD))
    await world.engine.submit(parse_signal(SIGNAL))
    await trio.sleep(1)
    for part in ("0.005", "0.010", "0.005"):
        house.quote("BTC/USD", "sell", Decimal(50000), Decimal(part))
        await trio.sleep(1)
    house.clear("BTC/USD")
    house.quote("BTC/USD", "sell", Decimal(51100), Decimal(5))
    house.quote("BTC/USD", "buy", Decimal(51000), Decimal("0.012"))
    await trio.sleep(1)
    house.quote("BTC/USD", "buy", Decimal(51001), Decimal("0.1"))
    await trio.sleep(120)
