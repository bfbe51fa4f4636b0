"""The verb ``recover``: what a dead engine's journal proves about every attempt, and what the venue says of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, columns, directory_of
from engine.cli.complaints import complain
from engine.cli.exchanges import open_venue
from engine.cli.exits import Exit
from engine.cli.output import Output, talk
from engine.cli.silent_sink import SilentSink
from engine.cli.story import order_name
from engine.config import Settings, load_settings
from engine.errors import ConfigError, JournalCorrupt
from engine.journal.lease import hold_lease
from engine.journal.opening import read_journal
from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.runtime.attempts import Attempt, AttemptReader, Attempts, Change, Finding, ask
from engine.runtime.logs import Logs, configure_logs
from engine.runtime.opening import JOURNAL_FILE
from engine.seams.clock import SystemClock


class JournalFound(msgspec.Struct, frozen=True):
    """What was read: ``rows`` that hold together, and what stands behind them, "" when that is nothing."""

    path: str
    rows: int
    fault: str


class Recovered(msgspec.Struct, frozen=True):
    """Every attempt of the journal, classified; ``venue`` only where it was asked."""

    journal: JournalFound
    not_sent: int
    maybe_sent: int
    sent: int
    attempts: tuple[Attempt, ...]
    changes: tuple[Change, ...]
    venue: tuple[Finding, ...] | None = None


def recover(
    *,
    ask_venue: Annotated[bool, Parameter(name="--ask", help="Ask the venue what became of each.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Say of every order of a dead engine whether it was certainly not sent, may have been sent, or was sent.

    The journal alone decides; --ask then asks the venue what became of each.

    Example: python -m engine recover --data-dir ./data --ask
    """
    path = directory_of(data_dir, config) / JOURNAL_FILE
    with read_journal(path) as journal:
        found, attempts = read_classified(journal, path)
    code = Exit.DONE
    findings: tuple[Finding, ...] | None = None
    if ask_venue:
        settings = load_settings(config, {} if data_dir is None else {"data_dir": data_dir})
        logs = configure_logs(sys.stderr, level="warning")
        try:
            findings = tuple(trio.run(partial(ask_configured_venue, settings, logs, attempts.attempts)))
        except Exception as error:  # nurseries wrap it; what the journal proves was asked for first and stands
            code = complain(error, logs)
    recovered = Recovered(
        journal=found,
        not_sent=attempts.count("not_sent"),
        maybe_sent=attempts.count("maybe_sent"),
        sent=attempts.count("sent"),
        attempts=attempts.attempts,
        changes=attempts.changes,
        venue=findings,
    )
    output = Output()
    if as_json:
        output.json(recovered)
    else:
        output.text("".join(f"{line}\n" for line in _lines(recovered)))
    if found.fault:
        talk(f"error: {found.fault}; what stands behind that row is not known here")
    return Exit.JOURNAL if found.fault else code


def read_classified(journal: JournalReader, path: Path) -> tuple[JournalFound, Attempts]:
    """Classify the rows that hold together: all of them, or those before the first that does not."""
    reader, fault, rows = AttemptReader(), "", 0
    try:
        for row in _sound_rows(journal):
            reader.take(row)
            rows = row.seq
    except JournalCorrupt as error:
        fault = str(error)
    return JournalFound(str(path), rows, fault), reader.attempts()


def _sound_rows(journal: JournalReader) -> Iterator[Row]:
    """Yield the rows up to the first that does not fit the chain. Raises JournalCorrupt behind the last of them."""
    try:
        journal.verify()
    except JournalCorrupt as error:
        for row in journal.rows():
            if error.row and row.seq >= error.row:
                break
            yield row
        raise
    yield from journal.rows()


async def ask_configured_venue(settings: Settings, logs: Logs, attempts: Sequence[Attempt]) -> list[Finding]:
    """Ask the venue of the settings about every attempt that may have reached it.

    Raises JournalBusy while an engine runs there (it asks by itself), ConfigError when the journal is another
    account's, and the venue's errors.
    """
    path = settings.directory / JOURNAL_FILE
    lock, now_ns = path.with_name(path.name + ".lock"), SystemClock().now_ns()
    lease = hold_lease(lock, what=f"the journal {path}", data_dir=path.parent, now_ns=now_ns)
    with lease, read_journal(path) as journal:
        async with open_venue(settings, settings.directory, logs.hide) as venue:
            if venue.identity != journal.identity:
                raise ConfigError(f"{path} belongs to account {journal.identity.account}, the settings name another")
            async with venue.open(SilentSink()) as link:
                return await ask([attempt for attempt in attempts if attempt.sent != "not_sent"], link)


def _lines(recovered: Recovered) -> Iterator[str]:
    venue = {finding.cl_ord_id: finding for finding in recovered.venue or ()}
    head = ("order", "symbol", "side", "qty", "sent", "state", "deadline (venue time)", "row", "why")
    rows = [
        (
            order_name(one.role, one.cl_ord_id),
            one.symbol,
            one.side,
            f"{one.order_qty:f}",
            one.sent,
            one.state,
            one.deadline,
            str(one.row),
            one.why,
        )
        for one in recovered.attempts
    ]
    if rows:
        yield from columns(head, rows)
    yield f"{recovered.not_sent} not_sent, {recovered.maybe_sent} maybe_sent, {recovered.sent} sent"
    for change in recovered.changes:
        if change.sent != "sent":
            yield f"{change.request} of {change.cl_ord_id[:8]}: {change.sent} (row {change.row}: {change.why})"
    for name, finding in venue.items():
        yield f"the venue on {name[:8]}: {finding.found}{_numbers(finding)}"


def _numbers(finding: Finding) -> str:
    filled = "" if finding.cum_qty is None else f", {finding.cum_qty:f} filled"
    return "" if finding.order_id is None else f", {finding.ord_status}{filled}, order_id {finding.order_id}"
