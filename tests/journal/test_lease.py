"""The lease: held by a lock, and lost where its file was replaced or a guardian has claimed it; the same in a world."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import JournalBusy
from engine.journal.lease import Claim, hold_lease, read_claim, read_holder, withdraw_claim, write_claim
from engine.seams.locks import Locks, SystemLocks, VirtualLocks
from engine.seams.processes import ProcessMark


@pytest.fixture(params=[SystemLocks, VirtualLocks], ids=["kernel", "world"])
def locks(request: pytest.FixtureRequest) -> Locks:
    """The lock files of this machine, and of a simulated one."""
    made: Locks = request.param()
    return made


def claim_of(mark: ProcessMark) -> Claim:
    return Claim(mark, "guardian 7", "it did not beat", "2026-01-01T00:00:00Z")


def test_holder_is_named_by_more_than_his_number(tmp_path: Path, locks: Locks) -> None:
    """A guardian finds out whom it may kill; whoever signs off leaves nothing behind."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock, locks=locks):
        holder = read_holder(lock, locks)
        assert holder is not None
        assert holder.mark == locks.mark()
    assert read_holder(lock, locks) is None


def test_lease_is_lost_when_its_file_was_replaced(tmp_path: Path, locks: Locks) -> None:
    """Removed and made anew by another opener: two hold a lock each, and the first one learns of it."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock, locks=locks) as first:
        assert first.lost() == ""
        locks.remove(lock)
        assert "is gone" in first.lost()
        with hold_lease(lock, locks=locks) as second:
            assert ("put there anew" in first.lost(), second.lost()) == (True, "")


def test_claim_ends_the_lease_of_whom_it_names(tmp_path: Path, locks: Locks) -> None:
    """Another process' claim binds nobody here; ours does, and withdrawn it is over."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock, locks=locks) as lease:
        write_claim(lock, claim_of(ProcessMark(0, 2, "3")), locks)
        assert lease.lost() == ""
        write_claim(lock, claim_of(locks.mark()), locks)
        assert "guardian 7 has claimed it" in lease.lost()
        withdraw_claim(lock, locks)
        assert (lease.lost(), read_claim(lock, locks)) == ("", None)


def test_claim_that_cannot_be_read_binds_nobody(tmp_path: Path, locks: Locks) -> None:
    """A torn file is no claim: the guardian that wrote it asks again."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock, locks=locks) as lease:
        locks.leave(tmp_path / "x.claim", b"{")
        assert lease.lost() == ""


def test_lock_and_not_its_text_counts(tmp_path: Path, locks: Locks) -> None:
    """A second opener is refused by the lock, and told by whom."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock, locks=locks):
        beside = locks.open(lock)
        beside.write(b"")
        beside.close()
        with pytest.raises(JournalBusy, match="the thing is held by"), hold_lease(lock, what="the thing", locks=locks):
            raise AssertionError("two hold it")


def test_lock_is_free_after_its_block(tmp_path: Path, locks: Locks) -> None:
    """Whoever comes next takes it, in the same process too."""
    lock = tmp_path / "x.lock"
    for _ in range(2):
        with hold_lease(lock, locks=locks) as lease:
            assert lease.lost() == ""


def test_killed_process_leaves_its_lock_and_can_do_nothing_to_the_next_holder(tmp_path: Path) -> None:
    """What still runs in its ruins neither writes into the file nor gives another's lock back."""
    lock, locks = tmp_path / "x.lock", VirtualLocks()
    ruins = hold_lease(lock, locks=locks)
    ruins.__enter__()
    locks.kill()
    with hold_lease(lock, locks=locks):
        ruins.__exit__(None, None, None)
        assert read_holder(lock, locks) is not None
        with pytest.raises(JournalBusy, match="process 2"), hold_lease(lock, locks=locks):
            raise AssertionError("two hold it")
