"""SIGINT and SIGTERM: the first ends in order, the second ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.cli.exits import FORCED
from engine.cli.output import talk


@asynccontextmanager
async def open_interrupts() -> AsyncIterator[trio.CancelScope]:
    """Give a scope, not yet entered, that the first signal cancels.

    Enter it around what shall end in order; what that needs for its ending (the embedded exchange) stands outside.
    """
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as numbers:
        async with trio.open_nursery() as nursery:
            stop = trio.CancelScope()
            nursery.start_soon(_listen, numbers, stop, name="interrupts")
            yield stop
            nursery.cancel_scope.cancel()


async def _listen(numbers: AsyncIterator[int], stop: trio.CancelScope) -> None:
    async for number in numbers:
        if stop.cancel_called:
            talk("forced to end: what was under way is left as it is")
            os._exit(FORCED + number)  # a cleanup that hangs is what a second signal is for
        talk("ending in order; once more to force")
        stop.cancel(f"signal {number}")
