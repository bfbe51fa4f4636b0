"""The simulated disk keeps its promises, above all the unpleasant ones."""

from __future__ import annotations

import random

import pytest

from engine.seams.disk import Disk


@pytest.fixture
def disk() -> Disk:
    disk = Disk()
    disk.create("a", b"12")
    return disk


def _after_power_loss(disk: Disk, seed: int) -> bytes:
    disk.power_loss(random.Random(seed))
    return disk.open("a").read()


def test_synced_bytes_survive_power_loss_and_any_prefix_of_the_rest_may(disk: Disk) -> None:
    """Over many chances every prefix is seen, and nothing else."""
    seen = set()
    for seed in range(200):
        disk = Disk()
        disk.create("a", b"12")
        file = disk.open("a")
        file.append(b"34")
        file.sync()
        file.append(b"56")
        file.append(b"7")
        seen.add(_after_power_loss(disk, seed))
    assert seen == {b"1234", b"12345", b"123456", b"1234567"}


def test_same_chance_same_loss(disk: Disk) -> None:
    """A seed decides."""
    disk.open("a").append(bytes(1000))
    twin = Disk()
    twin.create("a", b"12")
    twin.open("a").append(bytes(1000))
    assert _after_power_loss(disk, 7) == _after_power_loss(twin, 7)


def test_process_kill_keeps_what_was_written(disk: Disk) -> None:
    """Written bytes are the machine's; the handle is dead and the file free."""
    file = disk.open("a")
    file.append(b"3")
    disk.process_kill()
    for use in (file.read, file.sync, lambda: file.append(b"4"), lambda: file.truncate(0)):
        with pytest.raises(OSError, match="killed"):
            use()
    file.close()
    assert disk.open("a").read() == b"123"


def test_every_opener_is_let_in_and_dies_with_the_process(disk: Disk) -> None:
    """As in a kernel: who may write is the business of a lock file. A dead handle's close frees nothing."""
    first, beside = disk.open("a"), disk.open("a")
    first.append(b"3")
    assert beside.read() == b"123"
    disk.process_kill()
    for dead in (first, beside):
        with pytest.raises(OSError, match="killed"):
            dead.read()
    second = disk.open("a")
    first.close()
    assert second.read() == b"123"


def test_full_disk_writes_nothing_of_it(disk: Disk) -> None:
    """Capacity counts all files."""
    disk.capacity = 5
    file = disk.open("a")
    file.append(b"345")
    with pytest.raises(OSError, match="no space"):
        file.append(b"6")
    with pytest.raises(OSError, match="no space"):
        disk.create("b", b"6")
    assert file.read() == b"12345"


def test_failed_sync_makes_nothing_durable(disk: Disk) -> None:
    """The bytes stay written and unsure."""
    file = disk.open("a")
    file.append(b"3")
    disk.sync_fails = True
    with pytest.raises(OSError, match="sync failed"):
        file.sync()
    assert file.read() == b"123"


def test_slow_sync_moves_the_stopwatch_alone(disk: Disk) -> None:
    """The time a sync takes can be measured and is otherwise none."""
    disk.sync_takes_s = 0.5
    disk.open("a").sync()
    assert disk.stopwatch.monotonic_ns() == 500_000_000


def test_truncate_and_flip(disk: Disk) -> None:
    """The tools of damage count bytes and bits from the start, over the sync line."""
    file = disk.open("a")
    file.append(b"34")
    disk.flip("a", 8 * 3)
    assert file.read() == b"1235"
    disk.flip("a", 8 * 1 + 1)
    assert file.read() == b"1035"
    file.truncate(3)
    assert _after_power_loss(disk, 1) == b"103"


def test_lost_tail_is_gone_for_good(disk: Disk) -> None:
    """Synced or not, what stood behind it is not there for the next opener."""
    file = disk.open("a")
    file.append(b"34")
    file.sync()
    file.append(b"56")
    disk.lose_tail("a", 3)
    assert file.read() == b"123"
    assert _after_power_loss(disk, 1) == b"123"


def test_unknown_and_existing_names(disk: Disk) -> None:
    """Files are neither made by opening nor overwritten by creating."""
    with pytest.raises(FileNotFoundError):
        disk.open("b")
    with pytest.raises(OSError, match="exists"):
        disk.create("a", b"")
