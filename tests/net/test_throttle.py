"""Turns within a rate, the most urgent first."""

from __future__ import annotations

import trio

from engine.net.throttle import Throttle


async def take(throttle, rank, told):
    """Take one turn; note who and when."""
    if await throttle.turn(rank):
        told.append((rank, trio.current_time()))


async def test_no_window_holds_more_turns_than_allowed(autojump_clock):
    """A hundred at once: five in any second, and none is wasted."""
    throttle, told = Throttle(5, 1), []
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(take, throttle, 3, told)
    times = [at_s for _, at_s in told]
    assert len(times) == 100
    assert all(late - early >= 1 for early, late in zip(times, times[5:], strict=False))
    assert times[-1] - times[0] < 19.1


async def test_urgent_ones_pass_those_who_wait(autojump_clock):
    """The smallest rank goes first, then the first that came."""
    throttle, told = Throttle(1, 1), []
    async with trio.open_nursery() as nursery:
        for rank in (3, 3, 2, 0, 1, 0):
            nursery.start_soon(take, throttle, rank, told)
            await trio.sleep(0.001)
    assert [rank for rank, _ in told] == [3, 0, 0, 1, 2, 3]


async def test_reserve_is_left_to_urgent_ones(autojump_clock):
    """A flood of others leaves two turns of five: an urgent one never waits for them."""
    throttle, told = Throttle(5, 1, reserved=2, urgent=1), []
    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(take, throttle, 3, told)
        await trio.sleep(2.5)
        with trio.fail_after(0.001):
            await throttle.turn(1)
            await throttle.turn(0)
        nursery.cancel_scope.cancel()
    assert len(told) == 9


async def test_cancelled_waiter_takes_no_turn(autojump_clock):
    """Who stops waiting leaves the row as if it had never come."""
    throttle = Throttle(1, 1)
    assert await throttle.turn(0)
    with trio.move_on_after(0.5):
        await throttle.turn(0)
    assert await throttle.turn(3)
    assert 1 <= trio.current_time() < 1.001


async def test_closing_lets_everyone_go_without_a_turn(autojump_clock):
    """The connection has gone: nobody waits for it."""
    throttle, told, went = Throttle(1, 100), [], []

    async def wait():
        await take(throttle, 0, told)
        went.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        await trio.sleep(1)
        throttle.close()
    assert (len(told), went[1:]) == (1, [went[0] + 1] * 2)
    assert not await throttle.turn(0)
