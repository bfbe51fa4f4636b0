"""Threads beside the loop."""

from __future__ import annotations

import threading

import trio

from engine.seams.threads import run_left_alone, run_small


def test_thread_that_outlives_its_run_holds_up_no_other():
    """A run ends while a thread of its works on: the next run in this process waits for nobody."""
    release = threading.Event()

    async def leave() -> None:
        with trio.move_on_after(0.01):
            await run_small(lambda: release.wait(30))
        with trio.move_on_after(0.01):
            await run_left_alone(lambda: release.wait(30))

    async def again() -> None:
        with trio.fail_after(20):
            assert await run_small(lambda: "small") == "small"
            assert await run_left_alone(lambda: "alone") == "alone"

    trio.run(leave)
    release.set()
    trio.run(again)
