"""Pin what is global to the process, so that one seed gives one run, to the byte.

The only module that touches trio's private scheduler and clock; the trio version is pinned for it (pyproject.toml).
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator

import trio._core._run as trio_run
from trio.testing import MockClock


def virtual_clock() -> MockClock:
    """Return a clock that stands still while anybody can run, and then jumps to the next deadline.

    It is asked for the time more often than anything else of a run is done, and it need not ask the real one for that:
    a clock that only jumps is where it last jumped to.
    """
    clock = MockClock(autojump_threshold=0)
    clock.current_time = lambda: clock._virtual_base  # type: ignore[method-assign]
    return clock


@contextlib.contextmanager
def deterministic(seed: int | str) -> Iterator[None]:
    """Make everything run inside depend on ``seed`` alone.

    trio's run queue is sorted by task number and shuffled by a seeded generator; ``os.urandom`` (WebSocket mask keys,
    handshake keys) and the global ``random`` (ping payloads) are seeded. Everything is put back on leaving.
    """
    keep_flag, keep_urandom, keep_state = (
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING,
        os.urandom,
        trio_run._r.getstate(),
    )
    keep_random = random.getstate()
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # trio marks it Final; this is its seam
    trio_run._r.seed(f"{seed}/trio")
    random.seed(f"{seed}/random")
    os.urandom = random.Random(f"{seed}/os").randbytes
    try:
        yield
    finally:
        os.urandom = keep_urandom
        random.setstate(keep_random)
        trio_run._r.setstate(keep_state)
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = keep_flag  # type: ignore[misc]
