"""Execution reports as lines that a person can follow."""

from __future__ import annotations

from rich.text import Text

from engine.cli.story import order_name
from engine.orders.events import ExecutionReport
from engine.runtime.summary import BracketSummary, RunSummary
from engine.values.money import trimmed
from engine.values.time import rfc3339

HEAD = f"{'time (UTC)':12} {'symbol':8} {'order':15} {'report':15} {'filled':19} what"
_TONES = {
    "trade": "green",
    "filled": "green",
    "denied": "red",
    "rejected": "red",
    "cancel_reject": "red",
    "unknown": "yellow",
    "settled": "dim",
    "pending_new": "dim",
    "pending_replace": "dim",
    "pending_cancel": "dim",
}


def head_line() -> Text:
    """Return the titles of the columns."""
    return Text(HEAD, "bold")


def report_line(report: ExecutionReport) -> Text:
    """Return one report as one line."""
    filled = f"{trimmed(report.cum_qty)}/{trimmed(report.order_qty)}"
    line = (
        f"{rfc3339(report.ts_ns, 3)[11:23]} {report.symbol:8} {order_name(report.role, report.cl_ord_id):15} "
        f"{report.exec_type:15} {filled:19} {_what(report)}"
    )
    return Text(line.rstrip(), _TONES.get(report.exec_type, ""))


def _what(report: ExecutionReport) -> str:
    if report.last_qty is not None and report.last_px is not None:
        said = f"{report.side} {trimmed(report.last_qty)} at {trimmed(report.last_px)}"
    else:
        said = report.reason
    return f"{said} [{report.alarm}]" if report.alarm else said


def closing_lines(summary: RunSummary) -> list[Text]:
    """Return what a run came to: a line for each bracket and fault, and the proof."""
    lines = [_bracket_line(bracket) for bracket in summary.brackets]
    lines += [Text(f"line {fault.line} is no signal: {'; '.join(fault.errors)}", "red") for fault in summary.faults]
    lines += [Text(f"what to do: python -m engine errors {code}") for code in _denials(summary)]
    for close in summary.closes:
        lines += [Text(line, "" if close.flat else "red") for line in close.lines()]
    kept = summary.journal
    proof = "chain verified" if kept.verified else "NOT verified"
    said = f"{summary.reports} reports; journal {kept.path}: {kept.rows} rows, {proof}"
    return [*lines, Text(said, "" if kept.verified else "red")]


def _denials(summary: RunSummary) -> list[str]:
    """Return the codes of what was denied, each once."""
    codes = [one.reason.partition(":")[0] for one in summary.brackets if one.outcome == "denied"]
    return [code for code in dict.fromkeys(codes) if code.isupper()]


def _bracket_line(bracket: BracketSummary) -> Text:
    said = f"signal {bracket.signal_id[:8]}: {bracket.outcome}"
    if bracket.orders:
        said += (
            f", {len(bracket.orders)} orders, net {bracket.net_qty}, pnl {bracket.realized_pnl}, fees {bracket.fees}"
        )
    if bracket.reason:
        said += f" ({bracket.reason})"
    return Text(said, "red" if bracket.outcome == "denied" else "bold")
