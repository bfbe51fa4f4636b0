"""Restart with 1 000 journalled orders, 80 of them open: replay, ask the venue, resume every bracket."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from engine.orders.signal import parse_signal
from engine.runtime.engine import Engine
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange
from tests.bench.figures import Figure, Section
from tests.bench.peer import LEVELS, PRICE, QTY, settings_of, symbol
from tests.bench.rig import ROUND_BOUND_S, signal_line
from tests.bench.start import opened

PAIRS, BRACKETS, ORDERS = 20, 80, 1_000
PASSING = ORDERS - 2 * BRACKETS
"""Orders that have ended; each open bracket has two: a filled entry, and the stop that rests."""
AT_ONCE = 40
LIMIT_S = 2.0


@asynccontextmanager
async def _exchange() -> AsyncIterator[tuple[Exchange, int]]:
    exchange = Exchange(settings_of(PAIRS, ["a"]), SystemClock(), SystemChance())
    for number in range(PAIRS):
        for level in range(LEVELS):
            exchange.house.quote(symbol(number), "buy", PRICE + 1 - level, 100 * QTY)
            exchange.house.quote(symbol(number), "sell", PRICE + 2 + level, 100 * QTY)
    async with exchange.running(), trio.open_nursery() as nursery:
        yield exchange, await nursery.start(exchange.serve_tcp)
        nursery.cancel_scope.cancel()


async def _fill_journal(engine: Engine) -> None:
    """Open brackets that hold something under its stop, then let all other orders pass unfilled."""
    passing = [signal_line(turn % PAIRS).replace('"limit_price"', '"time_in_force":"ioc","limit_price"')
               for turn in range(PASSING)]  # fmt: skip
    held = [
        signal_line(turn % PAIRS).replace('"limit"', '"market"').replace(f'"limit_price":"{PRICE}",', "")
        for turn in range(BRACKETS)
    ]
    for line in held:
        await _submit(engine, line)
    await _until(lambda: [one.state for one in engine.active()] == ["covered"] * BRACKETS)
    for start in range(0, PASSING, AT_ONCE):
        for line in passing[start : start + AT_ONCE]:
            await _submit(engine, line)
        await _until(lambda: len(engine.active()) == BRACKETS)


async def _submit(engine: Engine, line: str) -> None:
    submitted = await engine.submit(parse_signal(line))
    if submitted.status != "accepted":
        raise RuntimeError(f"{submitted.code}: {submitted.reason}")


async def _until(condition: object) -> None:
    with trio.fail_after(ROUND_BOUND_S):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - conditions have no event
            await trio.sleep(0.01)


async def measure(directory: Path) -> list[Section]:
    """Fill a journal, end the engine (its stops stay), and time the next one."""
    async with _exchange() as (exchange, port):
        async with opened(exchange, port, directory) as engine:
            await _fill_journal(engine)
        wall_s, own_s = time.perf_counter(), time.process_time()
        async with opened(exchange, port, directory) as engine:
            wall_s, own_s = time.perf_counter() - wall_s, time.process_time() - own_s
            rows, brackets = engine.journal.head[0], len(engine.active())
            orders = sum(1 for _ in engine.journal.rows(kind="intent"))
        if (orders, brackets) != (ORDERS, BRACKETS):
            raise RuntimeError(f"{orders} orders journalled, {brackets} brackets resumed")
    return [
        Section(
            f"Recovery: {ORDERS:,} journalled orders, {BRACKETS} of them open",
            [
                Figure("processor time up to an open engine", "s", 1, own_s, limit=LIMIT_S),
                Figure("the same by the clock, venue's answers included", "s", 1, wall_s),
            ],
            [f"{rows:,} rows verified and replayed; the exchange's own work in this process is in both figures"],
        )
    ]
