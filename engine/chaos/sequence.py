"""What happened to some orders, drawn as a message sequence (Mermaid)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from engine.chaos.run import Result
from engine.chaos.trace import TraceRow

_MOST = 120
"""Messages of one drawing: more nobody reads, and renderers refuse more."""


def sequence(result: Result) -> str:
    """Draw the orders that the first violation of a run concerns; without one, all orders' last messages."""
    subjects = result.violations[0].subjects if result.violations else tuple(name for name, _ in result.roles)
    wanted = set(subjects)
    last_s = result.violations[0].at_s + 1 if result.violations else float("inf")
    rows = [row for row in result.trace if row.at_s <= last_s and _belongs(row, wanted)][-_MOST:]
    names = dict(result.roles)
    lines = [
        "sequenceDiagram",
        "  participant J as Journal",
        "  participant E as Engine",
        "  participant X as Exchange",
    ]
    lines += [f"  {line}" for row in rows for line in _drawn(row, names)]
    return "\n".join(lines) + "\n"


def _belongs(row: TraceRow, wanted: Iterable[str]) -> bool:
    if row.lane in ("weather", "operator"):
        return True
    return row.subject in wanted or (row.lane == "oracle" and not row.subject)


def _drawn(row: TraceRow, names: Mapping[str, str]) -> list[str]:
    at, who = f"{row.at_s:.3f}", names.get(row.subject, row.subject[:8])
    text = row.text.decode("utf-8", "replace") if isinstance(row.text, bytes) else row.text
    match row.lane:
        case "sent":
            method, _, params = text.partition(" ")
            return [f"E->>X: {at} {who}: {method} {_safe(_short(params))}"]
        case "venue":
            return [f"X-->>E: {at} {who}: {_safe(text)}"]
        case "journal":
            return [f"E->>J: {at} {who}: {_safe(_row(text))}"]
        case "weather":
            return [f"Note over X: {at} {_safe(text)}"]
        case "operator":
            return [f"Note over E: {at} {_safe(text)}"]
        case "oracle":
            return [f"Note over J,X: {at} {_safe(text)}"]
        case _:
            return []


def _row(text: str) -> str:
    """A row shortly: its kind, and its move or outcome."""
    head, _, body = text.partition("{")
    members = json.loads("{" + body) if body else {}
    told = [str(members[name]) for name in ("move", "to_state", "outcome", "code", "alarm") if members.get(name)]
    return " ".join([head.strip(), *told])


def _short(params: str) -> str:
    members = json.loads(params)
    names = ("order_type", "side", "order_qty", "volume", "limit_price", "price", "triggers", "deadline")
    return " ".join(str(members[name]) for name in names if name in members)


def _safe(text: str) -> str:
    """Without what Mermaid takes for its own."""
    return text.replace(";", ",").replace("#", "no ").replace(":", ".").replace("\n", " ")[:140]
