"""How long the loop is busy, and how long the collector stops everything: two hooks that cost next to nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import trio

from engine.runtime.metrics import Metrics
from engine.seams.stopwatch import Stopwatch


class LoopWatch(trio.abc.Instrument):
    """Times each round of the loop: from the end of one wait for events to the beginning of the next.

    Only these two of trio's hooks are used: those for single task steps would be called thousands of times a second.
    """

    def __init__(self, metrics: Metrics, stopwatch: Stopwatch) -> None:
        self._metrics, self._stopwatch = metrics, stopwatch
        self._woke_ns: int | None = None
        self._began_ns: int | None = None

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - trio's signature
        """A round begins."""
        self._woke_ns = self._stopwatch.monotonic_ns()

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - trio's signature
        """A round has ended."""
        if self._woke_ns is not None:
            self._metrics.busy.observe((self._stopwatch.monotonic_ns() - self._woke_ns) / 1e9)

    def collected(self, phase: str, info: dict[str, Any]) -> None:
        """Hear of the garbage collector, which stops every thread of this process."""
        if phase == "start":
            self._began_ns = self._stopwatch.monotonic_ns()
        elif self._began_ns is not None:
            pause_s = (self._stopwatch.monotonic_ns() - self._began_ns) / 1e9
            self._metrics.gc_pause.observe(str(info["generation"]), pause_s)


@contextmanager
def watching_loop(metrics: Metrics, stopwatch: Stopwatch) -> Iterator[None]:
    """Watch this run's loop and the process' collector while the block stands."""
    watch = LoopWatch(metrics, stopwatch)
    trio.lowlevel.add_instrument(watch)
    gc.callbacks.append(watch.collected)
    try:
        yield
    finally:
        gc.callbacks.remove(watch.collected)
        with suppress(KeyError):  # trio has removed one that raised
            trio.lowlevel.remove_instrument(watch)
