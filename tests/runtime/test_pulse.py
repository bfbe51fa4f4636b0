"""The pulse: whole or not at all, in order, and never more than the disk has taken."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from engine.runtime.fence import Fence
from engine.runtime.pulse import FileSlot, Heart, Pulse, PulseState, read_pulse
from engine.seams.uptime import VirtualUptime
from tests.guardian.test_sight import pulse


class Disk:
    """A slot whose disk may be full, or slow."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self.full = False
        self.takes_s = 0.0

    async def put(self, pulse: Pulse) -> None:
        await trio.sleep(self.takes_s)
        if self.full:
            raise OSError(28, "no space left")
        self.found.append((pulse.beat, pulse.state))


class Beating:
    """A heart over such a disk."""

    def __init__(self) -> None:
        self.uptime, self.disk, self.failed = VirtualUptime(), Disk(), []
        self.fence = Fence(self.uptime)
        self.stood: list[float] = []
        self.heart = Heart(self.disk, self.fence, self._tell, self.failed.append)

    def arm(self) -> None:
        self.fence.arm(str, 5, self.stood.append)

    def _tell(self, state: PulseState, beat: int, stamp_ns: int) -> Pulse:
        return pulse(beat, state=state, uptime_ns=stamp_ns)


async def test_heart_beats_once_a_second_and_says_how_it_ended(autojump_clock):
    """Every beat has its number; the last one has its word."""
    made = Beating()
    made.arm()
    with trio.move_on_after(2.5):
        await made.heart.run()
    await made.heart.last("ended")
    assert made.disk.found == [(1, "running"), (2, "running"), (3, "running"), (4, "ended")]


async def test_beats_that_the_disk_does_not_take_let_the_engine_stand_still(autojump_clock):
    """Told once; and to whoever asks, the engine's pulse is as old as others see it."""
    made = Beating()
    made.arm()
    made.disk.full = True
    with trio.move_on_after(8):
        await made.heart.run()
    assert (len(made.failed), len(made.stood)) == (1, 1)
    made.disk.full = False
    with trio.move_on_after(3):
        await made.heart.run()
    assert made.fence.lets_out()


async def test_standstill_is_seen_before_the_beat_that_would_hide_it(autojump_clock):
    """The heart is among the first to run after a stop: it looks before it beats."""
    made = Beating()
    made.arm()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.heart.run)
        await trio.sleep(1.5)
        made.uptime.stand_still(60)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [round(seconds) for seconds in made.stood] == [61]


async def test_standstill_in_the_middle_of_a_look_is_not_hidden_by_the_beat_behind_it(autojump_clock):
    """Stopped after the age was looked at, while the lease was: the beat that follows is from before the stop."""
    made = Beating()
    stops = iter([0, 60])

    def look() -> str:
        made.uptime.stand_still(next(stops, 0))
        return ""

    made.fence.arm(look, 5, made.stood.append)
    with trio.move_on_after(3.5):
        await made.heart.run()
    assert [round(seconds) for seconds in made.stood] == [61]


async def test_last_word_is_bounded_and_left_to_the_next_writer(autojump_clock):
    """A disk that hangs does not hold up the end; a robbed engine says nothing."""
    made = Beating()
    made.arm()
    made.disk.takes_s = 3600
    began_s = trio.current_time()
    await made.heart.last("ended")
    assert trio.current_time() - began_s == 1
    robbed = Beating()
    robbed.fence.arm(lambda: "taken", 5, robbed.stood.append)
    robbed.fence.check()
    await robbed.heart.last("ended")
    assert robbed.disk.found == []


async def test_file_is_whole_at_every_moment(tmp_path: Path) -> None:
    """A reader beside the writer finds the old or the new pulse, never a part."""
    path = tmp_path / "pulse"
    slot = FileSlot(path)
    assert read_pulse(path) is None
    for beat in range(1, 20):
        await slot.put(pulse(beat))
        found = read_pulse(path)
        assert found is not None
        assert found.beat == beat
    path.write_text("{")
    with pytest.raises(ValueError, match="is no pulse"):
        read_pulse(path)
