"""Blocking work beside the loop. Virtual time does not see threads: nothing that runs in the world may come here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")

_ONE = trio.CapacityLimiter(1)


async def run_aside(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread and return what it returned, one at a time; what it raises is raised here.

    Cancelled, it waits for the end all the same: a thread cannot be stopped, and what it works on must not be closed.
    """
    return await trio.to_thread.run_sync(work, limiter=_ONE)
