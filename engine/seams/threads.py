"""Blocking work beside the loop. Virtual time does not see threads: nothing that runs in the world may come here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")

_ONE = trio.lowlevel.RunVar[trio.CapacityLimiter]("one")
_SMALL = trio.lowlevel.RunVar[trio.CapacityLimiter]("small")
_LEFT_ALONE = trio.lowlevel.RunVar[trio.CapacityLimiter]("left alone")
"""Of each run its own: a thread that outlives its run gives nothing back."""


async def run_aside(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread and return what it returned, one at a time; what it raises is raised here.

    Cancelled, it waits for the end all the same: a thread cannot be stopped, and what it works on must not be closed.
    """
    return await trio.to_thread.run_sync(work, limiter=_of_this_run(_ONE))


async def run_left_alone(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread, one at a time; cancelled, it returns at once and the thread ends when it ends.

    For work that touches nothing of ours. A thread that never ends keeps the next call waiting, never the process.
    """
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=_of_this_run(_LEFT_ALONE))


async def run_small(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread beside the long ones, in the order of the calls; what it raises is raised here.

    Cancelled, nobody waits for it, and it still ends before the next begins: for what neither waits nor holds anything.
    """
    return await trio.to_thread.run_sync(work, limiter=_of_this_run(_SMALL), abandon_on_cancel=True)


def _of_this_run(variable: trio.lowlevel.RunVar[trio.CapacityLimiter]) -> trio.CapacityLimiter:
    """Return the limiter that lets one thread go at a time."""
    try:
        return variable.get()
    except LookupError:
        limiter = trio.CapacityLimiter(1)
        variable.set(limiter)
        return limiter
