"""SIGINT and SIGTERM: the first ends in order, the second breaks a flatten off, the last ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from engine.cli.exits import FORCED
from engine.cli.output import talk


@asynccontextmanager
async def open_interrupts(soften: Callable[[], bool] = lambda: False) -> AsyncIterator[trio.CancelScope]:
    """Give a scope, not yet entered, that the first signal cancels.

    ``soften`` is asked at each further one: True when it has shortened the ending, else the process ends at once.

    Enter it around what shall end in order; what that needs for its ending (the embedded exchange) stands outside.
    """
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as numbers:
        async with trio.open_nursery() as nursery:
            stop = trio.CancelScope()
            nursery.start_soon(_listen, numbers, stop, soften, name="interrupts")
            yield stop
            nursery.cancel_scope.cancel()


async def _listen(numbers: AsyncIterator[int], stop: trio.CancelScope, soften: Callable[[], bool]) -> None:
    async for number in numbers:
        if stop.cancel_called and soften():
            talk("no longer closing: stops stay on the venue; once more to force")
            continue
        if stop.cancel_called:
            talk("forced to end: what was under way is left as it is")
            os._exit(FORCED + number)  # a cleanup that hangs is what a second signal is for
        talk("ending in order; once more to force")
        stop.cancel(f"signal {number}")
