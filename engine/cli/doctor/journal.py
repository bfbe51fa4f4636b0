"""The journal, who holds it, and how the engine that runs on it is."""

from __future__ import annotations

from pathlib import Path

import trio

from engine.cli.doctor.finding import Finding, bad, doubtful, good
from engine.cli.exits import Exit
from engine.control.client import ControlClient
from engine.control.refusal import Refusal
from engine.control.status import Status
from engine.control.table import STATUS
from engine.errors import JournalBusy, JournalCorrupt, JournalError
from engine.journal.lease import hold_lease, read_holder
from engine.journal.opening import read_journal
from engine.runtime.opening import JOURNAL_FILE
from engine.seams.clock import SystemClock

ANSWER_S = 5.0


def look_at_journal(directory: Path) -> list[Finding]:
    """Walk the whole chain, and say who holds the lease."""
    path = directory / JOURNAL_FILE
    return [_chain(path), _lease(path)]


def _chain(path: Path) -> Finding:
    if not path.exists():
        return good("journal", "none yet")
    try:
        with read_journal(path) as journal:
            found, identity = journal.verify(), journal.identity
    except JournalCorrupt as error:
        text = f"broken at row {error.row}: {error}"
        return bad(
            "journal", text, "recover tells what the rows before it prove; the next start salvages", Exit.JOURNAL
        )
    except JournalError as error:
        return bad("journal", str(error), "name another --data-dir, or look at the file", Exit.JOURNAL)
    whose = f"{identity.venue} account {identity.account}, {identity.mode}"
    return good("journal", f"{found.rows} rows, chain verified, of {whose}")


def _lease(path: Path) -> Finding:
    lock = path.with_name(path.name + ".lock")
    if not lock.exists():
        return good("lease", "nobody holds it")
    holder = read_holder(lock)
    try:
        with hold_lease(lock, what=f"the journal {path}", data_dir=path.parent, now_ns=SystemClock().now_ns()):
            left = f"; the last one, {holder}, did not sign off" if holder is not None else ""
            return good("lease", f"nobody holds it{left}")
    except JournalBusy as error:
        return good("lease", str(error).partition("; stop")[0])
    except JournalError as error:
        return bad("lease", str(error), "look at the directory's owner and mode", Exit.JOURNAL)


async def look_at_engine(client: ControlClient) -> list[Finding]:
    """Ask a running engine how it is, and how its links are; empty when none answers."""
    try:
        with trio.fail_after(ANSWER_S):
            status: Status = await client.call(STATUS, {})
    except Refusal as refusal:
        if refusal.complaint.code == "NO_ENGINE":
            return []
        return [doubtful("engine", refusal.complaint.message, refusal.complaint.what_to_do)]
    except trio.TooSlowError:
        return [bad("engine", f"no answer within {ANSWER_S:g} s", "look at its log and at the machine's load")]
    return [_engine(status), *_links(status)]


def _engine(status: Status) -> Finding:
    text = (
        f"process {status.pid} runs version {status.version} on {status.venue} ({status.mode}),"
        f" {status.active_brackets} brackets, {status.active_orders} orders"
    )
    kept_back = [*status.halted, *([] if status.trading_state == "ACTIVE" else [f"trading {status.trading_state}"])]
    if kept_back:
        return doubtful("engine", f"{text}; {', '.join(kept_back)}", "status tells the reason; then resume")
    return good("engine", text)


def _links(status: Status) -> list[Finding]:
    found = []
    for link in status.links:
        late = "" if link.latency_s is None else f", latency {link.latency_s * 1000:.1f} ms"
        text = f"{link.state}{late}, {link.disconnects} times lost"
        name = f"WebSocket {link.name}"
        found.append(doubtful(name, f"{text}: {link.why}", "links tells more") if link.why else good(name, text))
    return found
