"""A bound on how often."""

import random

import trio

from engine.net.budget import RollingBudget


async def test_no_window_holds_more_than_the_budget(autojump_clock):
    """Whoever asks, and however, any ten seconds hold at most three."""
    budget, times, rng = RollingBudget(3, 10), [], random.Random(1)

    async def greedy():
        for _ in range(20):
            await budget.take()
            times.append(trio.current_time())
            await trio.sleep(rng.random() * 5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(greedy)
        nursery.start_soon(greedy)
    assert all(later - first >= 10 - 1e-9 for first, later in zip(times, times[3:], strict=False))
    assert times[-1] < 40 / 3 * 10 + 10


async def test_unused_budget_waits_for_nobody(autojump_clock):
    """Below the bound there is no wait; spending counts for those who wait."""
    budget = RollingBudget(2, 10)
    await budget.take()
    budget.spend(trio.current_time())
    assert (budget.wait_s(trio.current_time()), budget.wait_s(trio.current_time() + 10)) == (10, 0)


async def test_share_leaves_the_rest_to_others(autojump_clock):
    """One who must leave two spends the rest, waits, and holds nobody up; together they keep to the whole."""
    budget, times = RollingBudget(5, 10), []
    share = budget.leaving(2)

    async def greedy():
        while True:
            await share.take()
            times.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(greedy)
        await trio.sleep(15)
        for _ in range(2):
            with trio.fail_after(0.001):
                await budget.take()
            times.append(trio.current_time())
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert all(late - early >= 10 - 1e-9 for early, late in zip(times, times[5:], strict=False))
    assert times.count(times[0]) == 3
