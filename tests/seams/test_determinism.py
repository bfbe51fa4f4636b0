"""What is global to the process is pinned inside deterministic() and given back after it."""

from __future__ import annotations

import os
import random

import trio
import trio.testing

from engine.seams.clock import NS, VirtualClock
from engine.seams.determinism import deterministic, virtual_clock


async def _order_of_twenty() -> list[int]:
    order: list[int] = []

    async def work(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(work, number)
    return order


def _run(seed: int) -> tuple[list[int], bytes, float]:
    with deterministic(seed):
        order = trio.run(_order_of_twenty, clock=trio.testing.MockClock(autojump_threshold=0))
        return order, os.urandom(8), random.random()


def test_one_seed_one_run() -> None:
    """Scheduling, mask keys and the global generator depend on the seed alone."""
    assert _run(1) == _run(1)
    assert all(one != other for one, other in zip(_run(1), _run(2), strict=True))


def test_everything_is_given_back() -> None:
    """Outside, chance is what it was."""
    urandom, state = os.urandom, random.getstate()
    _run(1)
    assert os.urandom is urandom
    assert random.getstate() == state


async def test_virtual_clock_follows_trio_and_can_step(autojump_clock: trio.testing.MockClock) -> None:
    """Wall time is epoch + trio's time + skew, in whole microseconds."""
    clock = VirtualClock()
    start_ns = clock.now_ns()
    await trio.sleep(1.5)
    assert clock.now_ns() - start_ns == 1_500_000_000
    clock.skew_ns = -3 * NS
    assert clock.now_ns() - start_ns == -1_500_000_000
    assert clock.now_ns() % 1000 == 0


def test_virtual_clock_stands_still_and_jumps() -> None:
    """No time passes while anybody runs; then it is the next deadline, to the nanosecond."""

    async def work() -> list[float]:
        times = [trio.current_time()]
        await trio.lowlevel.checkpoint()
        times.append(trio.current_time())
        await trio.sleep(3600)
        return [*times, trio.current_time()]

    first, second, third = trio.run(work, clock=virtual_clock())
    assert (second - first, third - first) == (0, 3600)
