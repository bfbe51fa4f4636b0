"""The fence: a process that stood still looks at its lease before anything leaves, and one that was robbed is shut."""

from __future__ import annotations

import pytest

from engine.errors import LeaseLost
from engine.runtime.fence import Fence
from engine.seams.uptime import VirtualUptime
from engine.values.time import NS


class Told:
    """An armed fence, its uptime, and what it told."""

    def __init__(self) -> None:
        self.uptime = VirtualUptime()
        self.fence = Fence(self.uptime)
        self.lost = ""
        self.stood: list[float] = []
        self.fence.arm(lambda: self.lost, 5, self.stood.append)


async def test_fresh_pulse_lets_everything_pass(autojump_clock):
    """As long as beats come nobody looks at the lease."""
    told = Told()
    told.lost = "taken"
    told.uptime.stand_still(4)
    assert (told.fence.passes(), told.fence.lets_out(), told.stood) == (True, True, [])


async def test_bytes_from_before_a_standstill_do_not_leave(autojump_clock):
    """The first write after it is refused, entries are halted once, and then it goes on: the lease is held."""
    told = Told()
    told.uptime.stand_still(60)
    assert (told.fence.lets_out(), told.fence.lets_out()) == (False, True)
    assert (told.stood, told.fence.standstills) == ([60.0], 1)


async def test_decision_after_a_standstill_passes_when_the_lease_is_held(autojump_clock):
    """Exits go on; that entries do not is the latch's business, which is told first."""
    told = Told()
    told.uptime.stand_still(60)
    assert (told.fence.passes(), told.stood) == (True, [60.0])


async def test_lost_lease_shuts_the_fence_for_good(autojump_clock):
    """Nothing passes any more, whatever beats come; who asks to write is told why."""
    told = Told()
    told.uptime.stand_still(60)
    told.lost = "claimed by a guardian"
    assert (told.fence.lets_out(), told.fence.passes(), told.stood) == (False, False, [])
    told.lost = ""
    told.fence.beaten(told.uptime.now_ns())
    assert told.fence.lost.is_set()
    with pytest.raises(LeaseLost, match="claimed by a guardian"):
        told.fence.require()
    with pytest.raises(LeaseLost):
        await told.fence.watch()


async def test_every_beat_looks_at_the_lease(autojump_clock):
    """A lock file that was taken away is noticed without any standstill."""
    told = Told()
    told.lost = "gone"
    told.fence.check()
    assert not told.fence.passes()


async def test_beat_counts_by_the_time_at_which_it_was_made(autojump_clock):
    """A disk that took ten seconds to take the beat: others saw an old one meanwhile, and so does the engine."""
    told = Told()
    made_ns = told.uptime.now_ns()
    told.uptime.stand_still(10)
    told.fence.beaten(made_ns)
    assert not told.fence.lets_out()
    told.fence.beaten(made_ns + 10 * NS)
    assert told.fence.lets_out()


async def test_fence_that_nobody_armed_is_open(autojump_clock):
    """Before the engine holds its journal, and in worlds without a pulse."""
    uptime = VirtualUptime()
    fence = Fence(uptime)
    uptime.stand_still(3600)
    fence.check()
    assert fence.lets_out()
