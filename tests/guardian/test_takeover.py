"""Taking over on virtual time: whose lease, by which means, with which key, and what the journal says of it."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import msgspec
import pytest
import trio

from engine.errors import ConfigError, VenueUnavailable
from engine.guardian.takeover import GUARDIAN, GUARDIAN_ROW, StoodDown, TakenOver
from engine.journal.lease import hold_lease, read_claim
from engine.journal.opening import read_journal
from engine.risk.trading_state import TRADING_ROW, TradingEvent
from engine.runtime.opening import JOURNAL_FILE
from engine.seams.processes import ProcessMark
from tests.guardian.rooms import Room, open_room


def leaves(error: BaseException) -> list[BaseException]:
    """The errors inside nested groups."""
    return [x for one in error.exceptions for x in leaves(one)] if isinstance(error, BaseExceptionGroup) else [error]


async def refused(room: Room, take) -> BaseException:
    """Return why a try failed; nothing was sold by it, and the stop rests."""
    with pytest.raises((Exception, ExceptionGroup)) as caught:
        await take()
    assert (room.sells(), room.stops()) == (0, 1)
    assert read_claim(room.lock) is None
    (leaf,) = leaves(caught.value)
    return leaf


async def test_stopped_engine_is_killed_for_its_lease_and_closed(tmp_path, autojump_clock):
    """Claimed first, then killed, and it alone; flat with the proof; the journal halts whoever starts next."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        with room.stalled() as processes:
            report = await room.takeover(processes).run(room.sight(pulse))
            assert (processes.killed, processes.claimed) == ([pulse.mark], True)
        assert (report.flat, room.stops(), room.exchange.truth.balances()["BTC"]) == (True, 0, Decimal(2))
        with read_journal(tmp_path / JOURNAL_FILE) as journal:
            journal.verify()
            (taken,) = [row.decode(TakenOver) for row in journal.rows(kind=GUARDIAN_ROW)]
            halts = [row.decode(TradingEvent) for row in journal.rows(kind=TRADING_ROW)]
        assert (taken.of, taken.killed, [one.code for one in halts]) == (pulse.mark, True, [GUARDIAN])
        assert room.slot.pulse is not None
        assert room.slot.pulse.state == "ended"


async def test_lease_that_is_free_is_taken_without_a_kill(tmp_path, autojump_clock):
    """The engine was killed by somebody else: its lock went with it."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        with room.stalled() as processes:
            processes.let_go()
            report = await room.takeover(processes).run(room.sight(pulse))
            assert (report.flat, processes.killed) == (True, [])


async def test_engine_that_beats_again_is_left_alone(tmp_path, autojump_clock):
    """Between the sight and the act it has woken up."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        with room.stalled() as processes:
            room.slot.pulse = msgspec.structs.replace(pulse, beat=pulse.beat + 1)
            why = await refused(room, partial(room.takeover(processes).run, room.sight(pulse)))
            assert (type(why), str(why), processes.killed) == (StoodDown, "an engine beats there again", [])


async def test_writer_that_is_not_the_one_that_went_silent_is_never_killed(tmp_path, autojump_clock):
    """The next engine has started and not yet beaten: the old one's pulse says nothing about it."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        old = msgspec.structs.replace(pulse, mark=ProcessMark(4, 5, "6"))
        room.slot.pulse = old
        sight = msgspec.structs.replace(room.sight(pulse), pulse=old)
        with room.stalled() as processes:
            why = await refused(room, partial(room.takeover(processes).run, sight))
            assert processes.killed == []
            assert "another process is the writer" in str(why)


async def test_process_that_cannot_be_killed_keeps_its_lease(tmp_path, autojump_clock):
    """Another user's, another container's: the guardian says so and does nothing."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        with room.stalled() as processes:
            processes.cannot = "not permitted"
            why = await refused(room, partial(room.takeover(processes).run, room.sight(pulse)))
            assert "not permitted" in str(why)


async def test_guardian_that_may_not_kill_waits_for_the_bound(tmp_path, autojump_clock):
    """The claim stands meanwhile; a process that stays stopped keeps its lease, and the wait ends."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        with room.stalled() as processes:
            began_s = trio.current_time()
            take = partial(room.takeover(processes, may_kill=False).run, room.sight(pulse))
            assert "did not come free in 10 s" in str(await refused(room, take))
            assert 10 <= trio.current_time() - began_s < 12
            assert processes.killed == []


async def test_process_that_runs_may_end_by_itself_first(tmp_path, autojump_clock):
    """Its disk hung, say: it sees the claim, ends in order of its own, and is not killed."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        with room.stalled("runs") as processes:

            async def obey() -> None:
                while not processes.lease.lost():  # noqa: ASYNC110 - a process can only look
                    await trio.sleep(0.5)
                processes.let_go()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(obey)
                report = await room.takeover(processes).run(room.sight(pulse))
            assert (report.flat, processes.killed) == (True, [])


async def test_key_of_another_account_sends_nothing(tmp_path, autojump_clock):
    """It cannot see the engine's newest order: the guardian would mistake everything for lost."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        with room.stalled() as processes:
            take = partial(room.takeover(processes, "stranger").run, room.sight(pulse))
            why = await refused(room, take)
            assert isinstance(why, ConfigError)
            assert "another account's key" in str(why)


async def test_venue_that_is_away_frees_the_lease_for_the_next_try(tmp_path, autojump_clock):
    """Nothing is held meanwhile: an engine may start instead, and a later try closes."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        with room.stalled() as processes:
            room.wire.refuse(60)
            take = partial(room.takeover(processes).run, room.sight(pulse))
            assert isinstance(await refused(room, take), VenueUnavailable)
            await trio.sleep(61)
            report = await take()
            assert report.flat


async def test_key_that_another_directory_holds_is_not_fought_for(tmp_path, autojump_clock):
    """Two data directories with one key: the lease of the key is another engine's, and that one lives."""
    async with open_room(tmp_path) as room:
        pulse = await room.live()
        leases = tmp_path / "leases"
        leases.mkdir()
        room.settings = msgspec.structs.replace(room.settings, lease_dir=leases)
        with room.stalled() as processes, hold_lease(leases / f"{pulse.account}.lock"):
            processes.let_go()
            why = await refused(room, partial(room.takeover(processes).run, room.sight(pulse)))
            assert f"API key {pulse.account} is held by" in str(why)
