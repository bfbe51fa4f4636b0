"""How a recovery was proved: the journal's rows beside what the exchange keeps on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.cli.demo_scenes import FaultName
from engine.journal.row import Row
from engine.orders.events import OrderEvent
from engine.orders.replay import Intent
from engine.sim import open_exchange_store
from engine.values.time import NS

LATE_S = 0.5
"""A fill told this long after it was made was not heard of as it happened."""
EXCHANGE = "venue"
"""Where an exchange of its own process keeps its state, below the demo's directory."""


def made_fills(directory: Path) -> set[str]:
    """Return the ids of the fills the exchange made. Raises OSError and ValueError for a state that cannot be read."""
    place = directory / EXCHANGE
    with open_exchange_store((place if place.is_dir() else directory) / "exchange") as store:
        return {str(exec_id) for (exec_id,) in store.rows("SELECT exec_id FROM trades")}


def proof_of(fault: FaultName, rows: Sequence[Row], made: set[str]) -> str:
    """Say in one sentence what proves that nothing was lost and nothing was done twice."""
    entry = next(row.cl_ord_id for row in rows if row.kind == "intent" and row.decode(Intent).role == "entry")
    events = [(row.seq, row.cl_ord_id, row.decode(OrderEvent)) for row in rows if row.kind == "order"]
    counted = _counted(events, made)
    if fault == "ack-lost":
        doubt = next((seq for seq, name, event in events if name == entry and event.to_state == "unknown"), 0)
        found = next((seq for seq, name, event in events if name == entry and event.from_state == "unknown"), 0)
        sent = sum(row.kind == "request" and row.cl_ord_id == entry for row in rows)
        asked = f"row {doubt} calls the order unknown, not failed; row {found} has it from the venue's own list"
        return f"{asked}; it was requested {_times(sent)} and never sent again; {counted}"
    if fault == "late-fill":
        end = next((seq for seq, name, event in events if name == entry and event.to_state == "settled"), 0)
        late = next((seq for seq, name, event in events if name == entry and event.fill and seq > end), 0)
        return f"the entry was settled in row {end}, and row {late} still books its late fill and covers it; {counted}"
    return counted


def _counted(events: Sequence[tuple[int, str, OrderEvent]], made: set[str]) -> str:
    fills = [(event.ts_ns, event.fill) for _, _, event in events if event.fill is not None]
    ids = [fill.exec_id for _, fill in fills]
    late = sum(told_ns - fill.ts_ns > LATE_S * NS for told_ns, fill in fills)
    verdict = "each is in the journal once" if sorted(ids) == sorted(made) else f"the journal counts {len(ids)}"
    afterwards = f", {late} of them told only afterwards" if late else ""
    return f"the exchange made {len(made)} fills{afterwards}, and {verdict}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
