"""State from a snapshot and the rows behind it is the state from all rows; what was left out is proved afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.chaos.run import Run, play
from engine.chaos.scenario import draw_scenario
from engine.chaos.weather import WEATHERS
from engine.errors import JournalCorrupt
from engine.journal.journal import Journal
from engine.journal.opening import open_journal, open_sound_journal, seeded_journal, sound_seeded_journal
from engine.journal.reader import JournalReader
from engine.journal.snapshot import SNAPSHOT, SUSPECT, Footing
from engine.orders.bracket_events import BracketEvent, Policy
from engine.orders.replay import Closed, Opened
from engine.orders.signal import parse_signal
from engine.risk.trading_state import TRADING_ROW
from engine.runtime.close_report import CLOSE_ROW, CLOSED_ROW, CloseAsked, CloseReport
from engine.runtime.corruption import JOURNAL_CORRUPT, halt_if_corrupt
from engine.runtime.counting import Counting
from engine.runtime.recovery import load_unfinished
from engine.runtime.snapshots import SLICE_ROWS, Snapshots, believing
from engine.runtime.trading_desk import TradingDesk
from engine.runtime.views import bracket_view
from engine.seams.determinism import virtual_clock
from engine.seams.disk import Disk
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty
from tests.journal.conftest import IDENTITY, StillClock

ZERO = Decimal(0)
SCOPES = (("symbol", "BTC/USD"), ("symbol", "ETH/USD"), ("all", ""), ("signal", "b0"))
MOVES = ("open", "open", "work", "work", "close", "reopen", "ask", "report", "general", "look", "look", "kill", "power")


OPENED = Opened(
    parse_signal(
        '{"signal_id": "00000000-0000-4000-8000-000000000001", "symbol": "BTC/USD", "side": "buy",'
        ' "order_type": "market", "order_qty": "0.02", "stop_loss": null}'
    ),
    Instrument(
        "BTC/USD",
        "BTC",
        "USD",
        "online",
        1,
        Price(Decimal("0.1")),
        8,
        Qty(Decimal("1E-8")),
        Qty(Decimal("1E-4")),
        5,
        Decimal("0.5"),
    ),
)


def counted(journal: JournalReader) -> tuple[Any, ...]:
    """What a start takes from the rows that its footing leaves."""
    counting = Counting.of(journal)
    ends = list(counting.leftovers.ends.items())
    return counting.upto, list(counting.brackets.items()), list(counting.closes.items()), counting.not_flat, ends


def replayed(journal: JournalReader) -> list[tuple[Any, ...]]:
    """What a start rebuilds from them, down to every order and unanswered request."""
    return [
        (
            *(bracket_view(one.bracket), one.bracket.walk, one.opened_row, one.opened_ns),
            *((loose.order.view(), loose.request, loose.answers, loose.since_ns) for loose in one.loose),
        )
        for one in load_unfinished(journal, Policy())
    ]


def of_all_rows(journal: JournalReader, read: Callable[[JournalReader], Any]) -> Any:
    """Read the same without any snapshot."""
    footing = journal.footing
    journal.stand_on(Footing())
    found = read(journal)
    journal.stand_on(footing)
    return found


class Life:
    """A journal on a simulated disk, written by no engine but by the rules that an engine keeps."""

    def __init__(self, every_rows: int) -> None:
        self.disk, self.rng, self.stood = Disk(), Random(every_rows), 0
        self._every_rows, self._names = every_rows, 0
        self.journal = seeded_journal(self.disk, IDENTITY, StillClock())
        self._snapshots = self._begin()

    def _begin(self) -> Snapshots:
        return Snapshots(self.journal, Counting.of(self.journal), StillClock(), self._every_rows)

    def restart(self) -> None:
        """Start again, and compare."""
        self.journal = sound_seeded_journal(self.disk, IDENTITY, StillClock())
        assert not self.journal.footing.refused
        assert counted(self.journal) == of_all_rows(self.journal, counted)
        self.stood += self.journal.footing.snapshot is not None
        self._snapshots = self._begin()

    async def move(self, name: str, pick: int) -> None:
        """Do one thing, if there is something to do it to."""
        full = Counting(self.journal)
        for row in self.journal.rows():
            full.take(row)
        ended = sorted({row.signal_id for row in self.journal.rows(kind="signal")} - full.brackets.keys())
        living, asked = sorted(full.brackets), sorted(full.closes)
        match name:
            case "open":
                self._names += 1
                self._append("signal", OPENED, f"b{self._names}")
            case "work" if living:
                event = self._bracket_event("cover")
                self._append("bracket", event, living[pick % len(living)])
            case "close" if living:
                net = Qty(Decimal(("0", "0.00001", "0.02", "-0.02")[pick % 4]))
                self._append("closed", Closed("flat", net, ""), living[pick % len(living)])
            case "reopen" if ended:
                self._append("bracket", self._bracket_event("reopen"), ended[pick % len(ended)])
            case "ask":
                scope, target = SCOPES[pick % len(SCOPES)]
                self._names += 1
                self._append(CLOSE_ROW, CloseAsked(f"c{self._names}", scope, target, "", 1, 2), f"c{self._names}")
            case "report" if asked:
                self._append(CLOSED_ROW, self._report(flat=pick % 2 == 0), asked[pick % len(asked)])
            case "general":
                self._append("ledger", {"n": pick}, "")
            case "look":
                await self._snapshots.look()
            case "kill" | "power":
                self.disk.process_kill() if name == "kill" else self.disk.power_loss(self.rng)
                self.restart()

    def _append(self, kind: str, body: Any, signal_id: str) -> None:
        self.journal.append(kind, body, ts_ns=1, signal_id=signal_id)

    def _bracket_event(self, move: str) -> BracketEvent:
        return BracketEvent(move, "entering", "covered", 1, ZERO, Qty(ZERO))

    def _report(self, *, flat: bool) -> CloseReport:
        return CloseReport("c", "all", "", "", False, "", "", 0.0, (), (), (), 0, "rest", (), (), flat)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 12), st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 11)), max_size=70))
def test_state_from_snapshot_and_tail_is_state_from_all_rows(every_rows: int, moves: list[tuple[str, int]]) -> None:
    """Whatever was written, whenever a snapshot was taken, and wherever the process or the power went away."""

    async def live() -> None:
        life = Life(every_rows)
        for name, pick in moves:
            await life.move(name, pick)
        life.disk.process_kill()
        life.restart()

    trio.run(live, clock=virtual_clock())


def test_the_property_is_about_snapshots() -> None:
    """In a long random life most restarts stand on a snapshot, so that the equality says something."""

    async def live() -> None:
        life, rng = Life(5), Random(7)
        for _ in range(400):
            await life.move(rng.choice(MOVES), rng.randrange(12))
        assert life.stood > 20

    trio.run(live, clock=virtual_clock())


@pytest.mark.parametrize(("seed", "weather"), [(6, "mixed"), (2, "storm")])
def test_every_prefix_of_a_chaotic_life_replays_alike(seed: int, weather: str) -> None:
    """A journal of a seeded run, cut behind each of its rows: brackets, orders and closes are as in a full replay."""
    scenario = draw_scenario(seed)
    run = Run(
        replace(scenario, settings=msgspec.structs.replace(scenario.settings, snapshot_rows=9)), WEATHERS[weather], seed
    )
    play(run)
    assert not run.result().violations
    lines = bytes(run.world.disk.content("journal").durable).splitlines(keepends=True)
    stood = 0
    for count in range(1, len(lines) + 1):
        disk = Disk()
        disk.create("journal", b"".join(lines[:count]))
        identity = run.world.journal.identity
        with contextlib.closing(sound_seeded_journal(disk, identity, StillClock())) as journal:
            assert not journal.footing.refused
            stood += journal.footing.snapshot is not None
            assert counted(journal) == of_all_rows(journal, counted)
            if count % 5 == 0:
                assert replayed(journal) == of_all_rows(journal, replayed)
    assert stood > len(lines) / 2


async def _long(disk: Disk) -> Journal:
    """A journal of some slices with one living signal, whose snapshot leaves the others out."""
    journal = seeded_journal(disk, IDENTITY, StillClock())
    snapshots = Snapshots(journal, Counting.of(journal), StillClock(), 1)
    journal.append("signal", {}, ts_ns=1, signal_id="living")
    for number in range(3 * SLICE_ROWS):
        journal.append("signal", {}, ts_ns=1, signal_id=f"s{number}")
        journal.append("closed", Closed("flat", Qty(ZERO), "one"), ts_ns=1, signal_id=f"s{number}")
    await snapshots.look()
    return journal


def _changed(disk: Disk, old: bytes, new: bytes) -> None:
    disk.replace("journal", bytes(disk.content("journal").durable).replace(old, new, 1))


async def test_snapshot_is_taken_only_when_it_is_due(autojump_clock: object) -> None:
    """Not before so many rows have come, not again for the same rows, never where none are wanted."""
    journal = await _long(Disk())
    counting = Counting.of(journal)
    assert [len(row.decode(dict)["strands"]) for row in journal.rows(kind=SNAPSHOT)] == [2]
    for every_rows, expected in ((None, 1), (50, 1), (5, 2), (7, 2), (7, 3)):
        for _ in range(4):
            journal.append("order", {}, ts_ns=1, signal_id="living")
        journal.find_footing()
        snapshots = Snapshots(journal, counting, StillClock(), every_rows)
        await snapshots.look()
        await snapshots.look()
        assert len(list(journal.rows(kind=SNAPSHOT))) == expected


async def test_rows_that_come_while_a_snapshot_is_taken_are_not_lost(autojump_clock: object) -> None:
    """It speaks of the moment at which it was begun; what came meanwhile lies behind that and is replayed."""
    disk = Disk()
    journal = await _long(disk)
    snapshots = Snapshots(journal, Counting.of(journal), StillClock(), 1)
    async with trio.open_nursery() as nursery:
        for number in range(2 * SLICE_ROWS):
            journal.append("order", {}, ts_ns=1, signal_id=f"living{number % 3}")
        nursery.start_soon(snapshots.look)
        for number in range(20):
            await trio.sleep(0.001)
            journal.append("signal", {}, ts_ns=1, signal_id=f"late{number}")
    await journal.sync()
    disk.process_kill()
    again = sound_seeded_journal(disk, IDENTITY, StillClock())
    assert again.footing.snapshot is not None
    assert "late19" in Counting.of(again).brackets
    assert counted(again) == of_all_rows(again, counted)


async def test_proof_of_a_sound_journal_changes_nothing(autojump_clock: object) -> None:
    """Everything that was left out is walked, in pieces between which others run."""
    disk = Disk()
    (await _long(disk)).close()
    journal = sound_seeded_journal(disk, IDENTITY, StillClock())
    rows, _ = journal.head
    began_s = trio.current_time()
    await Snapshots(journal, Counting.of(journal), StillClock(), 1).prove(TradingDesk(journal, StillClock()))
    assert trio.current_time() > began_s
    assert journal.head[0] == rows


@pytest.mark.parametrize(
    "damage", [(b'"reason":"one"', b'"reason":"two"'), (b'"s300","",0,{"net', b'"s301","",0,{"net')]
)
async def test_damage_that_was_left_out_is_found_halts_and_is_set_aside(
    autojump_clock: object, damage: tuple[bytes, bytes]
) -> None:
    """The start stands on the snapshot; the proof halts trading; the next start walks the chain and salvages."""
    disk = Disk()
    (await _long(disk)).close()
    _changed(disk, *damage)
    journal = sound_seeded_journal(disk, IDENTITY, StillClock())
    assert journal.footing.snapshot is not None
    snapshots = Snapshots(journal, Counting.of(journal), StillClock(), 1)
    trading = TradingDesk(journal, StillClock())
    await snapshots.prove(trading)
    assert trading.stands(JOURNAL_CORRUPT)
    assert journal.newest(SUSPECT) is not None
    await snapshots.look()
    assert len(list(journal.rows(kind=SNAPSHOT))) == 1  # nothing is built on a damaged journal
    disk.process_kill()
    again = sound_seeded_journal(disk, IDENTITY, StillClock())
    halt_if_corrupt(again, StillClock())
    assert [row.kind for row in again.rows()][-2:] == ["corruption", TRADING_ROW]
    assert counted(again) == of_all_rows(again, counted)


async def test_signal_that_an_index_has_lost_is_found_by_the_proof(tmp_path: Path, autojump_clock: object) -> None:
    """The rows are sound and their chain holds; asked for by its name the signal would be a new one."""
    path = tmp_path / "journal.sqlite"
    with open_journal(path, IDENTITY, StillClock()) as journal:
        for name in ("s1", "s2", "s3"):
            journal.append("signal", {}, ts_ns=1, signal_id=name)
            journal.append("closed", Closed("flat", Qty(ZERO), ""), ts_ns=1, signal_id=name)
        await Snapshots(journal, Counting.of(journal), StillClock(), 1).look()
    _index_without(path, "s2")
    with open_sound_journal(path, IDENTITY, StillClock()) as journal:
        assert journal.footing.snapshot is not None
        assert list(journal.rows(signal_id="s2")) == []
        trading = TradingDesk(journal, StillClock())
        await Snapshots(journal, Counting.of(journal), StillClock(), 1).prove(trading)
        assert trading.stands(JOURNAL_CORRUPT)


def _index_without(path: Path, signal_id: str) -> None:
    """Damage the file as a torn page would: the index says that it is whole, and lacks one signal's rows."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as store:
        (told,) = store.execute("SELECT sql FROM sqlite_master WHERE name = 'rows_by_signal'").fetchone()
        store.execute("DROP INDEX rows_by_signal")
        store.execute(f"{told} AND signal_id != '{signal_id}'")
        store.execute("PRAGMA writable_schema = ON")
        store.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'rows_by_signal'", (told,))


async def test_engine_that_dies_of_a_damaged_row_believes_no_snapshot_next_time(autojump_clock: object) -> None:
    """Or it would start, meet the row and die again, for as long as the proof has not come so far."""
    disk = Disk()
    (await _long(disk)).close()
    journal = sound_seeded_journal(disk, IDENTITY, StillClock())
    with pytest.raises(ExceptionGroup), believing(journal, StillClock()):
        raise ExceptionGroup("a task", [ExceptionGroup("another", [JournalCorrupt("row 7 cannot be read", 7)])])
    disk.power_loss(Random(1))
    again = sound_seeded_journal(disk, IDENTITY, StillClock())
    assert again.footing.snapshot is None
    assert "damaged" in again.footing.refused
