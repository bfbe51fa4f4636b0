"""Disks that fill up, fail and lose power: what the journal says then, and what is left."""

from __future__ import annotations

import contextlib
import random

import pytest
import trio

from engine.errors import JournalCorrupt, JournalError
from engine.journal import Journal, seeded_journal
from engine.seams.disk import Disk
from tests.journal.conftest import IDENTITY, StillClock


@pytest.fixture
def journal(disk: Disk) -> Journal:
    return seeded_journal(disk, IDENTITY, StillClock())


async def _expect_refusal(journal: Journal) -> None:
    with pytest.raises(JournalError):
        journal.append("intent", {}, ts_ns=1)
    with pytest.raises(JournalError):
        await journal.sync()
    with pytest.raises(JournalError):
        journal.checkpoint()


async def test_failed_sync_latches(journal: Journal, disk: Disk) -> None:
    """After one failed sync nothing is written any more, even when the disk is well again."""
    journal.append("intent", {}, ts_ns=1)
    disk.sync_fails = True
    with pytest.raises(JournalError, match="cannot sync"):
        await journal.sync()
    disk.sync_fails = False
    size = disk.used
    assert journal.failed is not None
    assert journal.durable == 1
    await _expect_refusal(journal)
    journal.close()
    assert disk.used == size


async def test_failed_sync_reaches_every_waiter(journal: Journal, disk: Disk) -> None:
    """Nobody goes on as if the rows were durable."""
    disk.sync_fails = True
    failures: list[JournalError] = []

    async def work(number: int) -> None:
        journal.append("intent", {"n": number}, ts_ns=number)
        try:
            await journal.sync()
        except JournalError as error:
            failures.append(error)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(work, number)
    assert len(failures) == 8


async def test_full_disk_latches(journal: Journal, disk: Disk) -> None:
    """A row that finds no room fails the journal and is not counted."""
    disk.capacity = disk.used + 10
    head = journal.head
    with pytest.raises(JournalError, match="no space left"):
        journal.append("intent", {}, ts_ns=1)
    assert journal.head == head
    disk.capacity = None
    await _expect_refusal(journal)
    assert journal.verify().rows == 1


def test_full_or_failing_disk_makes_no_journal(disk: Disk) -> None:
    """A journal that could not be created is not there afterwards."""
    disk.capacity = 10
    with pytest.raises(JournalError, match="no space left"):
        seeded_journal(disk, IDENTITY, StillClock(), name="second")
    disk.capacity = None
    disk.sync_fails = True
    with pytest.raises(JournalError, match="sync failed"):
        seeded_journal(disk, IDENTITY, StillClock(), name="second")
    assert not disk.exists("second")


@pytest.mark.parametrize(("took_s", "slow", "stalled"), [(0.2, [], []), (0.3, [0.3], []), (2.5, [], [2.5])])
async def test_slow_syncs_are_told(
    journal: Journal, disk: Disk, took_s: float, slow: list[float], stalled: list[float]
) -> None:
    """Above 250 ms one alarm, above 2 s the other; whoever hears it may append."""
    heard: dict[str, list[float]] = {"slow": [], "stalled": []}

    def hear(name: str, seconds: float) -> None:
        heard[name].append(seconds)
        journal.append("alarm", {"name": name}, ts_ns=2)

    journal.on_slow = lambda seconds: hear("slow", seconds)
    journal.on_stalled = lambda seconds: hear("stalled", seconds)
    disk.sync_takes_s = took_s
    seq = journal.append("intent", {}, ts_ns=1)
    await journal.sync()
    assert heard == {"slow": slow, "stalled": stalled}
    assert journal.durable == seq
    assert journal.head[0] == seq + len(slow) + len(stalled)
    assert journal.statistics().last_sync_s == took_s
    disk.sync_takes_s = 0.0
    await journal.sync()
    assert journal.statistics().slowest_sync_s == took_s


@pytest.mark.parametrize("seed", range(30))
async def test_power_loss_keeps_what_was_synced_and_a_prefix(disk: Disk, seed: int) -> None:
    """Everything synced is there; what follows it is a prefix of what was appended, torn lines cut off."""
    rng = random.Random(seed)
    journal = seeded_journal(disk, IDENTITY, StillClock())
    for number in range(rng.randrange(12)):
        journal.append("intent", {"n": number}, ts_ns=number)
        if rng.random() < 0.3:
            await journal.sync()
    before = list(journal.rows())
    durable = journal.durable
    disk.power_loss(rng)
    after = seeded_journal(disk, IDENTITY, StillClock())
    kept = list(after.rows())
    assert kept == before[: len(kept)]
    assert len(kept) >= durable
    assert after.verify().rows == len(kept)


async def test_process_durability_survives_a_kill_but_not_the_power(disk: Disk) -> None:
    """The weaker setting promises what it says and no more."""
    lost = 0
    for seed in range(20):
        disk = Disk()
        journal = seeded_journal(disk, IDENTITY, StillClock(), durability="process")
        journal.append("intent", {}, ts_ns=1)
        await journal.sync()
        disk.process_kill()
        assert seeded_journal(disk, IDENTITY, StillClock(), durability="process").head[0] == 2
        disk.power_loss(random.Random(seed))
        lost += seeded_journal(disk, IDENTITY, StillClock()).head[0] == 1
    assert lost > 0


async def test_a_killed_process_writes_nothing_more(journal: Journal, disk: Disk) -> None:
    """Clean-up code that still runs in a simulated dead process cannot reach the disk."""
    journal.append("intent", {}, ts_ns=1)
    disk.process_kill()
    size = disk.used
    successor = seeded_journal(disk, IDENTITY, StillClock())
    with pytest.raises(JournalError):
        journal.append("late", {}, ts_ns=2)
    with contextlib.suppress(JournalError):
        journal.close()
    assert disk.used == size
    assert successor.verify().rows == 2
    successor.append("intent", {}, ts_ns=3)


def test_damage_under_an_open_journal_is_found(journal: Journal, disk: Disk) -> None:
    """verify() reads the disk, not a memory of it."""
    journal.append("intent", {"n": 1}, ts_ns=1)
    disk.flip("journal", 8 * (disk.used - 4))
    with pytest.raises(JournalCorrupt) as caught:
        journal.verify()
    assert caught.value.row == 2


def test_a_corrupt_middle_does_not_keep_the_journal_shut(journal: Journal, disk: Disk) -> None:
    """A halted engine must be able to journal its exits: opening and appending work, verifying tells."""
    journal.append("intent", {"n": 1}, ts_ns=1)
    spoiled = disk.used - 4
    journal.append("intent", {"n": 2}, ts_ns=2)
    journal.close()
    disk.flip("journal", 8 * spoiled + 7)
    reopened = seeded_journal(disk, IDENTITY, StillClock())
    assert reopened.append("halt", {}, ts_ns=3) == 4
    with pytest.raises(JournalCorrupt) as caught:
        reopened.verify()
    assert caught.value.row == 2
    assert [row.seq for row in reopened.rows(after=2)] == [3, 4]
