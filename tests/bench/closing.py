"""The red button in virtual seconds: halt to the last cancel confirmed, close to flat, within Kraken's limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import trio
from trio.testing import MockClock

from engine.chaos.world import World, open_world
from engine.orders.signal import parse_signal
from engine.orders.view import OrderView
from engine.seams.determinism import deterministic
from engine.sim import SimOrder
from engine.sim.tiers import TIERS, TierName
from tests.bench.figures import Figure, Section
from tests.bench.peer import LEVELS, PRICE, settings_of, symbol
from tests.bench.rig import signal_line

ORDERS, PAIRS, HELD = 200, 10, 20
LATENCY_S = 0.05
"""One way, as from the same continent."""
HALT_LIMIT_S, CLOSE_LIMIT_S = 2.0, 15.0
AT_ONCE = 20
"""Orders that are submitted together: as the counters let them through."""
LEVEL, THIN = Decimal(1000), Decimal(2)
"""Units at each level of a book; orders are for a hundred."""
REQUOTE_S = 1.0
PLAYED_WITHIN_S = 4 * 3600
TICK_S = 0.005

LONE = (
    "a lone cancel behind the batch waits for the counter, which batches alone may exceed: Kraken takes no batch of one"
)

Act = Callable[[World], Awaitable[float]]


def in_virtual_time(tier: TierName, act: Act) -> float:
    """Play one act in a world of its own, whose exchange enforces a tier's limits; return the seconds it tells."""

    async def play() -> float:
        sim = replace(settings_of(PAIRS, ["client"]), tier=tier, max_open_orders=TIERS[tier].open_orders)
        with trio.fail_after(PLAYED_WITHIN_S):
            async with open_world(1, sim=sim, tier=tier, latency_s=LATENCY_S) as world:
                for number in range(PAIRS):
                    _quote(world, number, LEVEL)
                return await act(world)

    with deterministic(1):
        return trio.run(play, clock=MockClock(autojump_threshold=0))


async def halt_resting(world: World, *, answered: bool) -> float:
    """Rest entries on every pair, press halt, and wait until the exchange has none of them open.

    Not ``answered``: the last of them has been taken, and its answer is still on the way.
    """
    await _submit(world, [signal_line(number % PAIRS) for number in range(ORDERS)])
    await _until(lambda: sum(one.is_open for one in _own(world)) == ORDERS)
    if answered:
        await _until(lambda: not any(order.busy for one in world.engine.active() for order in one.orders))
    began_s = trio.current_time()
    world.engine.halt("bench")
    await _until(lambda: not any(one.is_open for one in _own(world)) and not world.engine.active())
    return trio.current_time() - began_s


async def close_held(world: World, held: int, depth: Decimal) -> float:
    """Hold so many brackets under their stops, thin the books out, and close everything."""
    lines = [_at_market(signal_line(number % PAIRS)) for number in range(held)]
    await _submit(world, lines)
    await _until(lambda: [one.state for one in world.engine.active()] == ["covered"] * held)
    for number in range(PAIRS):
        _quote(world, number, depth)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_requote, world, depth)
        report = await world.engine.close(everything=True, reason="bench")
        nursery.cancel_scope.cancel("closed")
    if not report.flat:
        raise RuntimeError("\n".join(report.lines()))
    return report.took_s


async def _requote(world: World, depth: Decimal) -> None:
    """Fill the books up again, as others do."""
    while True:
        await trio.sleep(REQUOTE_S)
        for number in range(PAIRS):
            _quote(world, number, depth)


def _at_market(line: str) -> str:
    return line.replace('"order_type":"limit"', '"order_type":"market"').replace(f'"limit_price":"{PRICE}",', "")


async def _submit(world: World, lines: list[str]) -> None:
    """Submit as fast as the counters admit: entries without room would give up after their wait."""
    for start in range(0, len(lines), AT_ONCE):
        for line in lines[start : start + AT_ONCE]:
            submitted = await world.engine.submit(parse_signal(line))
            if submitted.status != "accepted":
                raise RuntimeError(f"{submitted.code}: {submitted.reason}")
        await _until(lambda: all(one.orders and not _waits(one.orders) for one in world.engine.active()))


def _waits(orders: tuple[OrderView, ...]) -> bool:
    return any(one.state in ("new", "pending") for one in orders)


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the exchange has no event for each of them
        await trio.sleep(TICK_S)


def _own(world: World) -> list[SimOrder]:
    return [one for one in world.exchange.truth.orders.values() if one.cl_ord_id]


def _quote(world: World, number: int, qty: Decimal) -> None:
    """Replace a pair's book: bids above our entries' price, asks above those."""
    world.exchange.house.clear(symbol(number))
    for level in range(LEVELS):
        world.exchange.house.quote(symbol(number), "buy", PRICE + 2 - level * Decimal("0.01"), qty)
        world.exchange.house.quote(symbol(number), "sell", PRICE + 3 + level * Decimal("0.01"), qty)


async def measure(directory: Path) -> list[Section]:
    """Press both buttons in worlds of their own, on virtual time, in threads that share nothing with this loop."""
    halts, closes = [], []
    for tier in TIERS:
        resting = partial(halt_resting, answered=True)
        halts.append(await _played(f"all resting, {tier}", tier, resting, HALT_LIMIT_S))
        halts.append(await _played(f"one not answered yet, {tier}", tier, partial(halt_resting, answered=False), None))
    for tier in TIERS:
        one = partial(close_held, held=1, depth=LEVEL)
        sliced = partial(close_held, held=1, depth=THIN)
        many = partial(close_held, held=HELD, depth=LEVEL)
        closes += [
            await _played(f"one position, {tier}", tier, one, CLOSE_LIMIT_S),
            await _played(f"one position in slices, {tier}", tier, sliced, CLOSE_LIMIT_S),
            await _played(f"{HELD} positions on {PAIRS} pairs, {tier}", tier, many, CLOSE_LIMIT_S),
        ]
    note = f"virtual time, {LATENCY_S * 1000:g} ms each way; the exchange enforces the tier's counters and slots"
    return [
        Section(f"Halt: to the last of {ORDERS} cancels confirmed", halts, [note, LONE]),
        Section("Close: from the word to the proof that all is flat", closes, [note]),
    ]


async def _played(name: str, tier: TierName, act: Act, limit_s: float | None) -> Figure:
    took_s = await trio.to_thread.run_sync(in_virtual_time, tier, act)
    return Figure(name, "s", 1, took_s, limit=limit_s)
