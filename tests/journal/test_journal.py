"""The contract of the journal, on SQLite and on the simulated disk alike."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
import trio

from engine.errors import JournalBusy, JournalCorrupt, JournalError
from engine.journal import Journal
from engine.venue.protocol import VenueIdentity
from tests.journal.conftest import CREATED_NS, IDENTITY, Opener


class Placed(msgspec.Struct, frozen=True):
    symbol: str
    order_qty: Decimal


def test_first_row_names_schema_and_owner(journal: Journal) -> None:
    """A new journal holds its header and nothing else."""
    (header,) = journal.rows()
    assert header.kind == "header"
    assert header.ts_ns == CREATED_NS
    assert header.decode(dict) == {
        "schema": 1,
        "venue": "kraken",
        "account": "5f2b",
        "mode": "simulated",
        "created": "2026-01-01T00:00:00.000000Z",
    }
    assert journal.identity == IDENTITY
    assert journal.head == (1, header.hash)
    assert journal.durable == 1


def test_append_is_seen_before_it_is_durable(journal: Journal) -> None:
    """Rows are readable at once; durable only moves with a sync."""
    seq = journal.append("intent", {"b": 1, "a": 2}, ts_ns=7, signal_id="s", cl_ord_id="o", causation_id=1)
    (row,) = journal.rows(after=1)
    assert (row.seq, row.ts_ns, row.kind, row.signal_id, row.cl_ord_id, row.causation_id) == (
        seq,
        7,
        "intent",
        "s",
        "o",
        1,
    )
    assert row.body == b'{"a":2,"b":1}'
    assert journal.head == (2, row.hash)
    assert journal.durable == 1


def test_decimals_keep_every_digit(journal: Journal) -> None:
    """Trailing zeros and exponents come back as they went in."""
    for text in ("0.02000000", "1E-8", "0E-8", "50000.0", "123456789012345678.123456789"):
        journal.append("intent", Placed("BTC/USD", Decimal(text)), ts_ns=1)
        row = list(journal.rows(kind="intent"))[-1]
        assert str(row.decode(Placed).order_qty) == text


def test_body_without_json_form_changes_nothing(journal: Journal) -> None:
    """A programming error is raised to its author and does not spoil the journal."""
    head = journal.head
    with pytest.raises(TypeError):
        journal.append("intent", {"what": object()}, ts_ns=1)
    assert journal.head == head
    assert journal.failed is None
    journal.append("intent", {}, ts_ns=1)
    assert journal.verify().rows == 2


def test_rows_select_by_signal_order_and_kind(journal: Journal) -> None:
    """Every selection can be combined with every other and with a start."""
    for number in range(1200):  # more than two of SQLite's pages
        journal.append(
            "fill" if number % 2 else "report",
            {"n": number},
            ts_ns=number,
            signal_id=f"s{number % 3}",
            cl_ord_id=f"o{number % 5}",
        )
    assert [row.seq for row in journal.rows()] == list(range(1, 1202))
    assert [row.decode(dict)["n"] for row in journal.rows(signal_id="s1")] == list(range(1, 1200, 3))
    assert [row.decode(dict)["n"] for row in journal.rows(cl_ord_id="o4")] == list(range(4, 1200, 5))
    wanted = journal.rows(after=101, signal_id="s1", cl_ord_id="o4", kind="fill")
    assert [row.decode(dict)["n"] for row in wanted] == list(range(109, 1200, 30))


def test_reading_while_appending_ends(journal: Journal) -> None:
    """rows() stops at the head it started from, so a reader may journal what it concludes."""
    for row in journal.rows():
        journal.append("seen", {"row": row.seq}, ts_ns=1)
    assert journal.head[0] == 2


async def test_reopening_continues_the_chain(opener: Opener) -> None:
    """Rows survive a close, synced or not, and the next writer goes on from them."""
    with opener() as journal:
        journal.append("intent", {"n": 1}, ts_ns=1)
        await journal.sync()
        journal.append("intent", {"n": 2}, ts_ns=2)
        head = journal.head
    with opener() as journal:
        assert journal.head == head
        assert journal.durable == 3
        journal.append("intent", {"n": 3}, ts_ns=3)
        assert journal.verify().rows == 4


def test_closed_journal_takes_nothing(opener: Opener) -> None:
    """Closing is final and may be repeated."""
    with opener() as journal:
        pass
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append("intent", {}, ts_ns=1)


@pytest.mark.parametrize(
    "other",
    [
        VenueIdentity(venue="bourse", account="5f2b", mode="simulated"),
        VenueIdentity(venue="kraken", account="ffff", mode="simulated"),
        VenueIdentity(venue="kraken", account="5f2b", mode="live"),
    ],
)
def test_another_identity_is_refused(opener: Opener, other: VenueIdentity) -> None:
    """Venue, account and mode must all agree; the message names both owners."""
    with opener():
        pass
    with pytest.raises(JournalError) as caught, opener(other):
        pass
    assert "kraken account 5f2b (simulated)" in str(caught.value)
    assert f"{other.venue} account {other.account} ({other.mode})" in str(caught.value)
    with opener() as journal:  # the refusal let go of the lease
        assert journal.head[0] == 1


def test_second_writer_is_refused(opener: Opener) -> None:
    """One writer at a time, also within one process."""
    with opener(), pytest.raises(JournalBusy), opener():
        pass
    with opener():
        pass


def test_verify_returns_count_and_head(journal: Journal) -> None:
    """Verification covers the header and rows not yet committed."""
    journal.append("intent", {}, ts_ns=1)
    verification = journal.verify()
    assert (verification.rows, verification.head_hash) == journal.head


async def test_fifty_tasks_of_one_tick_share_one_commit(journal: Journal) -> None:
    """All return after that one commit, and none before."""
    done: list[int] = []

    async def work(number: int) -> None:
        seq = journal.append("intent", {"n": number}, ts_ns=number)
        await journal.sync()
        assert journal.durable >= seq
        done.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(work, number)
    assert len(done) == 50
    assert journal.statistics().commits == 1
    assert journal.durable == 51


async def test_sync_with_nothing_open_commits_nothing(journal: Journal) -> None:
    """A second sync costs a checkpoint of the scheduler, not of the disk."""
    journal.append("intent", {}, ts_ns=1)
    await journal.sync()
    await journal.sync()
    assert journal.statistics().commits == 1


async def test_row_appended_after_the_call_is_not_waited_for_but_taken_along(journal: Journal) -> None:
    """What other tasks append in the same tick is in the same commit."""

    async def later() -> None:
        journal.append("report", {}, ts_ns=2)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(later)
        journal.append("intent", {}, ts_ns=1)
        await journal.sync()
        await journal.sync()
    await journal.sync()
    assert journal.durable == 3
    assert journal.statistics().commits <= 2


@pytest.mark.parametrize("cancelled", [range(1), range(5), range(9), range(10)])
async def test_cancelled_waiters_take_no_commit_from_others(journal: Journal, cancelled: range) -> None:
    """Whichever waiters are cancelled, the rest come back with their rows durable."""
    scopes = [trio.CancelScope() for _ in range(10)]
    came_back: set[int] = set()

    async def work(number: int) -> None:
        with scopes[number]:
            seq = journal.append("intent", {"n": number}, ts_ns=number)
            await journal.sync()
            assert journal.durable >= seq
            came_back.add(number)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            if number in cancelled:
                scopes[number].cancel()
            nursery.start_soon(work, number)
    assert came_back == set(range(10)) - set(cancelled)
    await journal.sync()
    assert journal.durable == 11


def test_checkpoint_commits_first(journal: Journal) -> None:
    """Housekeeping leaves nothing open behind."""
    journal.append("intent", {}, ts_ns=1)
    assert journal.statistics().since_checkpoint == 0
    journal.checkpoint()
    assert journal.durable == 2
    assert journal.statistics().since_checkpoint == 0
    assert journal.verify().rows == 2


def test_same_rows_same_chain_on_both_stores(opener: Opener) -> None:
    """The chain is the journal's, not the store's: this head is pinned."""
    with opener() as journal:
        journal.append("intent", Placed("BTC/USD", Decimal("0.0200")), ts_ns=1, signal_id="s", cl_ord_id="ö")
        journal.append("report", {"z": None, "a": [1, Decimal("1E-8")]}, ts_ns=2, causation_id=2)
        assert journal.head == (3, "320bfc91a07710a005315af2354ef47f3fa8aed3052e54bbb82051325d6c5791")


def test_corrupt_error_names_the_row() -> None:
    """Callers route on the number, people read the message."""
    error = JournalCorrupt("journal row 3 does not fit its hash", 3)
    assert error.row == 3
