"""The verb ``report``: one day as a page that can be read, printed and kept."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, directory_of
from engine.cli.exits import Exit
from engine.cli.output import Output, talk
from engine.cli.report.day import DAY_NS, Day, gather, last_day
from engine.cli.report.page import page
from engine.errors import ConfigError, JournalCorrupt
from engine.journal.opening import read_journal
from engine.journal.reader import JournalReader
from engine.runtime.opening import JOURNAL_FILE
from engine.seams.clock import SystemClock
from engine.values.time import NS, rfc3339

FILE_MODE = 0o600
"""It tells what an account holds and earns."""


def report(
    *,
    out: Annotated[Path | None, Parameter(help="The file to write, such as day.html.")] = None,
    day: Annotated[str | None, Parameter(help="UTC day as YYYY-MM-DD; left out: that of the newest row.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Write a day as a page: profit, slippage, latency, fees, signals, fills, alarms, unknown outcomes, halts.

    It reads the journal alone, of a living engine or a dead one. The page needs no network and no script; --json gives
    the same as JSON instead.

    Example: python -m engine report --out day.html --day 2026-11-20
    """
    if out is None and not as_json:
        raise ConfigError("report needs --out FILE.html, or --json")
    path = directory_of(data_dir, config) / JOURNAL_FILE
    begin_ns = None if day is None else _begin_ns(day)
    with read_journal(path) as journal:
        if begin_ns is None:
            begin_ns = last_day(journal) // DAY_NS * DAY_NS
        told = gather(journal, rfc3339(begin_ns, 0)[:10], begin_ns)
        proof, code = _proof(journal)
        whose = f"{journal.identity.venue} account {journal.identity.account}, {journal.identity.mode}"
    output = Output()
    if as_json:
        output.json({"account": whose, "proof": proof, "day": told})
    if out is not None:
        _write(out, page(told, whose, proof, SystemClock().now_ns()))
        _say(output, out, told, as_json=as_json)
    return code


def _begin_ns(text: str) -> int:
    try:
        chosen = date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--day is a date such as 2026-11-20, not {text!r}") from None
    return int(datetime(chosen.year, chosen.month, chosen.day, tzinfo=UTC).timestamp()) * NS


def _proof(journal: JournalReader) -> tuple[str, Exit]:
    try:
        found = journal.verify()
    except JournalCorrupt as error:
        return f"The journal is broken: {error}", Exit.JOURNAL
    return f"The journal's {found.rows} rows hold together, head {found.head_hash[:16]}.", Exit.DONE


def _write(out: Path, text: str) -> None:
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}; choose another --out") from error


def _say(output: Output, out: Path, told: Day, *, as_json: bool) -> None:
    said = f"{out}: {told.name}, {len(told.signals)} signals, {len(told.fills)} fills, {len(told.incidents)} incidents"
    if as_json:
        talk(said)
    else:
        output.text(f"{said}\n")
