"""The public door to the simulated world, for tests of the engine and of strategies that use it.

Inside pytest-trio (with the ``autojump_clock`` fixture)::

    async def test_target_is_reached(autojump_clock):
        async with open_world(seed=7) as world:
            world.exchange.house.quote("BTC/USD", "sell", Decimal("50000"), Decimal("1"))
            ...

``run_world`` runs a whole world in a ``trio.run`` of its own, pinned to the byte: equal seeds give equal
``world.fingerprint()``.

``run_seed`` sends signals through faults and crashes and returns what the oracle saw. A strategy's own test needs no
more than this, and may ask its own question of the reports besides::

    def test_my_book_survives_storms():
        for seed in range(1, 20):
            result = run_seed(seed, "storm", signals, whole=True)
            assert not result.failed, result.violations[0]
            assert my_book(result.reports).positions == result.held

``tests/examples/test_strategy_in_a_storm.py`` is such a test, with a mistake in it and without.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from engine.chaos.invariants.base import Violation
from engine.chaos.run import Result, run_seed
from engine.chaos.world import World, open_world
from engine.orders.events import ExecutionReport
from engine.orders.signal import Signal, parse_signal
from engine.runtime.settings import EngineSettings
from engine.seams.determinism import deterministic, virtual_clock
from engine.sim import SimSettings

T = TypeVar("T")


def run_world(
    body: Callable[[World], Awaitable[T]],
    *,
    seed: int | str = 0,
    sim: SimSettings | None = None,
    settings: EngineSettings | None = None,
    latency_s: float = 0.01,
    limit_s: float = 24 * 3600,
) -> T:
    """Run ``body`` in a fresh world on virtual time and return what it returns.

    ``limit_s`` bounds the virtual time: a world that waits for ever ends with trio.TooSlowError.
    """

    async def main() -> T:
        with trio.fail_after(limit_s):
            async with open_world(seed, sim=sim, settings=settings, latency_s=latency_s) as world:
                return await body(world)

    with deterministic(seed):
        return trio.run(main, clock=virtual_clock())


__all__ = [
    "EngineSettings",
    "ExecutionReport",
    "Result",
    "Signal",
    "SimSettings",
    "Violation",
    "World",
    "deterministic",
    "open_world",
    "parse_signal",
    "run_seed",
    "run_world",
]
