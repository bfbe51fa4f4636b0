"""The verb ``diagram``: a machine as text or picture, with the way of one order lit."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from statemachine import StateMachine

from engine.algos import ChaseMachine, IcebergMachine, TwapMachine
from engine.cli.exits import Exit
from engine.cli.journal import find_order
from engine.cli.output import Output
from engine.errors import ConfigError
from engine.journal.opening import read_journal
from engine.net.link import LinkMachine
from engine.orders.bracket_events import Policy
from engine.orders.bracket_machine import BracketMachine
from engine.orders.diagram import Walk, diagram_of, dot, mermaid, table
from engine.orders.machine import OrderMachine
from engine.orders.replay import rebuild_bracket, rebuild_orders
from engine.risk.breaker import BreakerMachine
from engine.risk.trading_state import TradingMachine
from engine.runtime.history import facts_of, signal_of
from engine.runtime.opening import JOURNAL_FILE

Machine = Literal["order", "bracket", "link", "breaker", "trading", "chase", "twap", "iceberg"]
Format = Literal["mermaid", "dot", "svg", "png", "md"]

MACHINES: dict[Machine, type[StateMachine]] = {
    "order": OrderMachine,
    "bracket": BracketMachine,
    "link": LinkMachine,
    "breaker": BreakerMachine,
    "trading": TradingMachine,
    "chase": ChaseMachine,
    "twap": TwapMachine,
    "iceberg": IcebergMachine,
}
WALKED = ("order", "bracket")
"""Those whose steps stand in the journal."""
_TEXTS = {"mermaid": mermaid, "dot": dot, "md": table}
DOT_LIMIT_S = 60.0


def diagram(machine: Machine, form: Format, walk: Walk | None, out: Path | None) -> Exit:
    """Draw to ``out`` or standard output. Raises ConfigError when Graphviz is needed and not there."""
    drawn = diagram_of(MACHINES[machine], walk)
    text = _TEXTS[form](drawn) if form in _TEXTS else dot(drawn)
    content = text.encode() if form in _TEXTS else _picture(text, form)
    output = Output()
    if out is not None:
        _write(out, content)
    elif form == "png" and output.is_terminal:
        raise ConfigError("a PNG picture is no text for a terminal: name a file with --out")
    else:
        output.raw(content)
    return Exit.DONE


def walk_of(directory: Path, machine: Machine, order: str) -> Walk:
    """Return the way of an order, or of the bracket it belongs to, from the journal. Raises ConfigError."""
    if machine not in WALKED:
        raise ConfigError(f"--order goes with --machine {' or '.join(WALKED)}: no order walks the {machine} machine")
    with read_journal(directory / JOURNAL_FILE) as journal:
        cl_ord_id = find_order(journal, order)
        if machine == "order":
            return rebuild_orders(facts_of(journal, cl_ord_id=cl_ord_id))[cl_ord_id].walk
        bracket = rebuild_bracket(facts_of(journal, signal_id=signal_of(journal, cl_ord_id)), Policy())
        return bracket.walk if bracket is not None else []


def _picture(text: str, form: Format) -> bytes:
    program = shutil.which("dot")
    if program is None:
        raise ConfigError(
            f"--format {form} needs Graphviz (the program dot), which is not installed;"
            " install it, or use --format mermaid, dot or md"
        )
    try:
        drawn = subprocess.run([program, f"-T{form}"], input=text.encode(), capture_output=True, timeout=DOT_LIMIT_S)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"Graphviz could not draw: {error}") from error
    if drawn.returncode:
        raise ConfigError(f"Graphviz could not draw: {drawn.stderr.decode(errors='replace').strip()}")
    return drawn.stdout


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror or os.strerror(error.errno or 0)}") from error
