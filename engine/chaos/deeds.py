"""What a person does at a set moment of a told scenario, with the very prices: asked again until an engine answers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

import trio

from engine.chaos.trace import Trace
from engine.chaos.world import World
from engine.errors import EngineError
from engine.runtime.engine import Engine
from engine.values.money import Price, Qty

ANSWER_S = 20.0
"""An engine that was killed never answers; the next one is asked then."""
REPEATS = 8

DeedKind = Literal["cancel", "close", "amend", "move_exits", "protect", "halt", "resume"]


@dataclass(frozen=True)
class Deed:
    """One act at ``at_s`` seconds. ``signal_id`` names whom it concerns, or all; prices in quote, ``qty`` in base."""

    at_s: float
    kind: DeedKind
    signal_id: str = ""
    symbol: str = "BTC/USD"
    price: Decimal | None = None
    target: Decimal | None = None
    qty: Decimal | None = None


class Uptime(Protocol):
    """Who knows when an engine stands."""

    async def wait_up(self) -> None:
        """Return when an engine accepts words."""
        ...


async def do(deed: Deed, world: World, uptime: Uptime, trace: Trace) -> None:
    """Do it at its time. A refusal is an answer; an engine that dies under it gives none."""
    await trio.sleep(deed.at_s)
    for _ in range(REPEATS):
        await uptime.wait_up()
        with trio.move_on_after(ANSWER_S):
            try:
                said = await _ask(deed, world.engine)
            except EngineError as error:
                said = ""
                trace.note("operator", deed.signal_id, f"{deed.kind} failed: {error}")
                await trio.sleep(1.0)
            if said:
                trace.note("operator", deed.signal_id, f"{deed.kind}: {said}")
                return


async def _ask(deed: Deed, engine: Engine) -> str:
    match deed.kind:
        case "cancel":
            return f"cancelled {engine.cancel(deed.signal_id)}"
        case "halt":
            return f"halted {engine.halt('drill')}"
        case "resume":
            return f"resumed {engine.resume_trading('drill is over').status}"
        case "close":
            named = deed.signal_id or None
            return f"flat {(await engine.close(signal_id=named, everything=named is None)).flat}"
        case "protect" if deed.qty is not None and deed.price is not None:
            target = None if deed.target is None else Price(deed.target)
            done = await engine.protect(deed.symbol, Qty(deed.qty), stop=Price(deed.price), target=target)
            return done.status
        case "move_exits":
            stop = None if deed.price is None else Price(deed.price)
            target = None if deed.target is None else Price(deed.target)
            return (await engine.move_exits(deed.signal_id, stop=stop, target=target)).status
        case _:
            return await _amend(deed, engine)


async def _amend(deed: Deed, engine: Engine) -> str:
    view = next((one for one in engine.active() if one.signal.signal_id == deed.signal_id), None)
    entry = next((order for order in view.orders if order.role == "entry"), None) if view is not None else None
    if entry is None or deed.price is None:
        return "no entry rests"
    qty = None if deed.qty is None else Qty(deed.qty)
    return (await engine.amend(entry.cl_ord_id, Price(deed.price), qty)).status
