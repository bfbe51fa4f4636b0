"""Both row stores behind one door: the contract suite runs on each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from engine.journal import Journal, open_journal, seeded_journal
from engine.seams.disk import Disk
from engine.venue.protocol import VenueIdentity

IDENTITY = VenueIdentity(venue="kraken", account="5f2b", mode="simulated")
CREATED_NS = 1_767_225_600_000_000_000


class StillClock:
    """A wall clock that needs no trio."""

    def now_ns(self) -> int:
        return CREATED_NS


Opener = Callable[[], AbstractContextManager[Journal]]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


@pytest.fixture(params=["sqlite", "seeded"])
def opener(request: pytest.FixtureRequest, journal_path: Path, disk: Disk) -> Opener:
    """Open the same journal again each time it is called, for any identity."""

    @contextlib.contextmanager
    def on_sqlite(identity: VenueIdentity = IDENTITY) -> Iterator[Journal]:
        with open_journal(journal_path, identity, StillClock()) as journal:
            yield journal

    @contextlib.contextmanager
    def on_disk(identity: VenueIdentity = IDENTITY) -> Iterator[Journal]:
        with contextlib.closing(seeded_journal(disk, identity, StillClock())) as journal:
            yield journal

    return on_sqlite if request.param == "sqlite" else on_disk


@pytest.fixture
def journal(opener: Opener) -> Iterator[Journal]:
    with opener() as journal:
        yield journal
