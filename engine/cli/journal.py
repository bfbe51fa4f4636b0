"""The verbs ``journal verify`` and ``journal show``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from engine.cli.complaints import complain
from engine.cli.exits import Exit
from engine.cli.output import Output
from engine.cli.story import Story
from engine.errors import ConfigError, JournalError
from engine.journal.opening import read_journal
from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.orders.events import OrderEvent
from engine.runtime.opening import JOURNAL_FILE
from engine.values.time import rfc3339


def verify_journal(directory: Path, *, as_json: bool) -> Exit:
    """Walk the whole chain; print the number of rows and the head's hash, or the first bad row."""
    path, output = directory / JOURNAL_FILE, Output()
    said: dict[str, Any] = {"path": str(path), "rows": 0, "head": "", "verified": False}
    code = Exit.DONE
    try:
        with read_journal(path) as journal:
            said["rows"], _ = journal.head
            found = journal.verify()
            said.update(rows=found.rows, head=found.head_hash, verified=True)
    except JournalError as error:
        said["bad_row"] = getattr(error, "row", None)
        code = complain(error)
    if as_json:
        output.json(said)
    elif code is Exit.DONE:
        output.text(f"{path}: {said['rows']} rows, chain verified, head {said['head']}\n")
    return code


def show_journal(directory: Path, order: str | None, *, as_json: bool) -> Exit:
    """Print the rows, of one order or all."""
    path, output = directory / JOURNAL_FILE, Output()
    with read_journal(path) as journal:
        cl_ord_id = None if order is None else find_order(journal, order)
        if as_json:
            rows = [_plain_row(row) for row in journal.rows(cl_ord_id=cl_ord_id)]
            output.json({"path": str(path), "rows": rows})
        elif output.is_terminal:
            output.show(rows_table(journal.rows(), only=cl_ord_id))
        else:
            for line in _lines(journal.rows(), cl_ord_id):
                output.text(line)
    return Exit.DONE


def find_order(journal: JournalReader, name: str) -> str:
    """Return the cl_ord_id that ``name`` means: it, a unique beginning of it, or the venue's id. Raises ConfigError."""
    known = [row.cl_ord_id for row in journal.rows(kind="intent")]
    found = [cl_ord_id for cl_ord_id in known if cl_ord_id.startswith(name.lower())] if name else []
    if not found:
        found = sorted({row.cl_ord_id for row in journal.rows(kind="order") if _venue_id(row) == name.upper()})
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{name} begins the ids of {len(found)} orders; give more of it: {', '.join(found[:4])}")
    raise ConfigError(f"the journal knows no order {name}; see python -m engine journal show")


def _venue_id(row: Row) -> str | None:
    return row.decode(OrderEvent).order_id


def _plain_row(row: Row) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "ts": rfc3339(row.ts_ns),
        "kind": row.kind,
        "signal_id": row.signal_id,
        "cl_ord_id": row.cl_ord_id,
        "causation_id": row.causation_id,
        "body": msgspec.Raw(row.body),
        "hash": row.hash,
    }


def _told(rows: Iterable[Row], only: str | None) -> Iterator[tuple[Row, str, str]]:
    """Put rows into words; all are read, for each is named by those before it."""
    story = Story()
    for row in rows:
        step = story.tell(row)
        if only is None or row.cl_ord_id == only:
            way = f"{step.from_state} → {step.to_state}: " if step.from_state and step.to_state else ""
            yield row, step.who, f"{way}{step.why}"


def rows_table(rows: Iterable[Row], only: str | None = None, *, fold: bool = True) -> Table:
    """Lay rows out for a terminal; ``fold`` keeps every word, without it a row is one line."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    for title, justify in (("row", "right"), ("time (UTC)", "left"), ("kind", "left"), ("who", "left")):
        table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # both are justify methods
    table.add_column("what", overflow="fold" if fold else "ellipsis", no_wrap=not fold)
    for row, who, what in _told(rows, only):
        tone = "" if row.kind in ("order", "bracket", "signal", "closed", "denied") else "dim"
        table.add_row(Text(str(row.seq), "dim"), Text(_clock(row), "dim"), Text(row.kind, tone), who, Text(what, tone))
    return table


def _lines(rows: Iterable[Row], only: str | None) -> Iterator[str]:
    for row, who, what in _told(rows, only):
        yield f"{row.seq}\t{rfc3339(row.ts_ns)}\t{row.kind}\t{who}\t{what}\n"


def _clock(row: Row) -> str:
    return rfc3339(row.ts_ns, 3)[11:23]
