"""The lease: held by a kernel lock, and lost where its file was replaced or a guardian has claimed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import JournalBusy
from engine.journal.lease import Claim, hold_lease, read_claim, read_holder, withdraw_claim, write_claim
from engine.seams.processes import ProcessMark, own_mark


def claim_of(mark: ProcessMark) -> Claim:
    return Claim(mark, "guardian 7", "it did not beat", "2026-01-01T00:00:00Z")


def test_holder_is_named_by_more_than_his_number(tmp_path: Path) -> None:
    """A guardian finds out whom it may kill; whoever signs off leaves nothing behind."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock):
        holder = read_holder(lock)
        assert holder is not None
        assert holder.mark == own_mark()
    assert read_holder(lock) is None


def test_lease_is_lost_when_its_file_was_replaced(tmp_path: Path) -> None:
    """Removed and made anew by another opener: two hold a lock each, and the first one learns of it."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock) as first:
        assert first.lost() == ""
        lock.unlink()
        assert "is gone" in first.lost()
        with hold_lease(lock) as second:
            assert ("put there anew" in first.lost(), second.lost()) == (True, "")


def test_claim_ends_the_lease_of_whom_it_names(tmp_path: Path) -> None:
    """Another process' claim binds nobody here; ours does, and withdrawn it is over."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock) as lease:
        write_claim(lock, claim_of(ProcessMark(1, 2, "3")))
        assert lease.lost() == ""
        write_claim(lock, claim_of(own_mark()))
        assert "guardian 7 has claimed it" in lease.lost()
        withdraw_claim(lock)
        assert (lease.lost(), read_claim(lock)) == ("", None)


def test_claim_that_cannot_be_read_binds_nobody(tmp_path: Path) -> None:
    """A torn file is no claim: the guardian that wrote it asks again."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock) as lease:
        (tmp_path / "x.claim").write_text("{")
        assert lease.lost() == ""


def test_lock_and_not_its_text_counts(tmp_path: Path) -> None:
    """A second opener is refused by the kernel, and told by whom."""
    lock = tmp_path / "x.lock"
    with hold_lease(lock):
        lock.write_text("")
        with pytest.raises(JournalBusy, match="the thing is held by"), hold_lease(lock, what="the thing"):
            raise AssertionError("two hold it")
