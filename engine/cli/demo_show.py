"""What the demo prints: the steps as they happen, then the ways, the journal and the machines."""

from __future__ import annotations

from pathlib import Path

import msgspec
import trio
from rich.table import Table
from rich.text import Text

from engine.cli.exits import Exit
from engine.cli.journal import rows_table
from engine.cli.lane import lane, stations
from engine.cli.output import Output
from engine.cli.story import BRACKET, Step, Story, order_name, short_id, signal_words
from engine.journal.opening import read_journal
from engine.journal.reader import JournalReader
from engine.orders.bracket_events import Policy
from engine.orders.bracket_machine import BracketMachine
from engine.orders.brackets import Bracket
from engine.orders.diagram import Diagram, Walk, diagram_of, outline
from engine.orders.machine import OrderMachine
from engine.orders.order import Order
from engine.orders.replay import rebuild_bracket, rebuild_orders
from engine.orders.signal import Signal
from engine.runtime.engine import Engine
from engine.runtime.history import facts_of
from engine.runtime.opening import JOURNAL_FILE
from engine.runtime.summary import RunSummary, summarize

LOOK_EVERY_S = 0.05
"""How often the journal is looked at for new rows: quicker than an eye, slower than a burden."""

_TONES = {
    "filled": "green",
    "partial": "green",
    "flat": "bold green",
    "covered": "bold cyan",
    "covering": "bold yellow",
    "exiting": "bold magenta",
    "entering": "bold",
    "naked": "bold red",
    "settled": "dim",
}


class DemoShow:
    """Everything the demo prints. ``quiet`` keeps all of it back but the JSON object at the end."""

    def __init__(self, output: Output, directory: Path, *, quiet: bool) -> None:
        self.directory = directory
        self._output, self._quiet = output, quiet
        self._story = Story()
        self._seen = self._start_ns = 0

    # --- while it runs

    def open(self, signal: Signal, before: str = "") -> None:
        """Say what is about to happen, and what will go wrong."""
        if self._quiet:
            return
        self._output.show(
            Text("A simulated Kraken listens on a loopback port; the engine talks to it as to the real one.", "dim"),
            Text(f"The signal: {signal_words(signal)}.", "dim"),
        )
        if before:
            self._output.show("", Text(f"What will go wrong: {before}.", "bold yellow"))
        self.heading("What happens")

    async def follow(self, engine: Engine) -> None:
        """Tell every new row until cancelled."""
        while True:
            self.tell(engine.journal, engine.journal.durable)
            await trio.sleep(LOOK_EVERY_S)

    def tell(self, journal: JournalReader, upto: int) -> None:
        """Tell every row that was not told yet, up to one."""
        for row in journal.rows(after=self._seen):
            if row.seq > upto:
                return
            self._seen = row.seq
            self._start_ns = self._start_ns or row.ts_ns
            step = self._story.tell(row)
            if step.to_state and not self._quiet:
                self._output.show(self._step_line(step))

    def _step_line(self, step: Step) -> Table:
        line = Table.grid(padding=(0, 1))
        for width in (8, 16, 26):
            line.add_column(width=width, no_wrap=True)
        line.add_column(overflow="fold")
        tone = _TONES.get(step.to_state, "")
        way = f"{step.from_state} → {step.to_state}" if step.from_state else f"→ {step.to_state}"
        since = f"{(step.row.ts_ns - self._start_ns) / 1e9:6.2f} s"
        who = "bold" if step.who.startswith(BRACKET) else "dim" if tone == "dim" else ""
        why = f"{step.why} [{step.alarm}]" if step.alarm else step.why
        line.add_row(
            Text(since, "dim"), Text(step.who, who), Text(way, tone), Text(why, "dim" if tone == "dim" else "")
        )
        return line

    def heading(self, title: str) -> None:
        """Begin a part."""
        if self._quiet:
            return
        rest = max(0, min(self._output.width, 100) - len(title) - 4)
        self._output.show("", Text.assemble(("── ", "dim"), (title, "bold"), (f" {'─' * rest}", "dim")))

    def text(self, text: str) -> None:
        """Print text as it is."""
        if not self._quiet:
            self._output.text(text)

    # --- at the end

    def conclude(self, signal: Signal, code: Exit, after: str = "", *, strict: bool = True) -> Exit:
        """Print the end and return the exit code; ``after`` says how it was proved.

        Unless ``strict``, an order that was certainly not sent, or proved dead, is part of the story.
        """
        path = self.directory / JOURNAL_FILE
        summary = summarize(path, [(signal.signal_id, None)])
        if code is Exit.DONE and not summary.journal.verified:
            code = Exit.JOURNAL
        if code is Exit.DONE and strict and not summary.clean:
            code = Exit.REFUSED
        if self._quiet:
            self._output.json(msgspec.structs.replace(summary, ok=code is Exit.DONE))
        elif summary.journal.verified:
            with read_journal(path) as journal:
                self.tell(journal, journal.head[0])
                if after:
                    self._output.show("", Text(f"How it was proved: {after}.", "bold green"))
                self._close(journal, signal, summary)
        return code

    def _close(self, journal: JournalReader, signal: Signal, summary: RunSummary) -> None:
        facts = facts_of(journal, signal_id=signal.signal_id)
        bracket = rebuild_bracket(facts, Policy())
        entry = next((order for order in rebuild_orders(facts).values() if order.role == "entry"), None)
        if bracket is None or entry is None:
            return
        self._show_lanes(entry, bracket)
        self.heading("The journal: what a restart or an auditor reads")
        self._output.show(rows_table(journal.rows(), fold=False))
        self._show_diagram(f"The order machine, and the way of {_name(entry)}", OrderMachine, entry.walk)
        self._show_diagram("The bracket machine, and its way", BracketMachine, bracket.walk)
        self._show_next(entry, summary)

    def _show_lanes(self, entry: Order, bracket: Bracket) -> None:
        self.heading("The way of the entry order, and of its bracket")
        width = min(self._output.width, 120)
        for walk, initial in ((entry.walk, "new"), (bracket.walk, "entering")):
            self._output.show(*lane(stations(walk, initial), width))

    def _show_diagram(self, title: str, machine: type[OrderMachine | BracketMachine], walk: Walk) -> None:
        self.heading(title)
        self._output.show(*outline_lines(diagram_of(machine, walk)))

    def _show_next(self, entry: Order, summary: RunSummary) -> None:
        (bracket,) = summary.brackets
        kept, place = summary.journal, f"--data-dir {self.directory}"
        self.heading("What it came to")
        self._output.show(
            f"ended by {bracket.outcome}: profit {bracket.realized_pnl} USD after {bracket.fees} USD of fees;"
            f" {summary.reports} execution reports;\nthe journal's chain of {kept.rows} rows holds."
        )
        self.heading("Where to go next")
        for what, command in (
            ("why that order went as it did", f"why {short_id(entry.cl_ord_id)} {place}"),
            (
                "the same diagram as DOT (--format svg draws it where Graphviz is there)",
                f"diagram --machine order --order {short_id(entry.cl_ord_id)} {place} --format dot",
            ),
            ("the journal's proof", f"journal verify {place}"),
            ("the same with the engine killed in the middle", "demo --fault kill"),
            ("an engine of your own, simulated: type signals as the README has them", "run --signals -"),
            ("every verb", "--help"),
        ):
            self._output.line(Text(f"  {what}", "dim"))
            self._output.line(Text(f"    python -m engine {command}"))


def _name(order: Order) -> str:
    return order_name(order.role, order.cl_ord_id)


def outline_lines(diagram: Diagram) -> list[Text]:
    """Draw a machine for a terminal: every state, the walked ones lit, with the numbered steps that left them."""
    return [
        Text(f" {mark} {text}", ("bold green" if mark == "◉" else "green") if lit else "dim")
        for mark, text, lit in outline(diagram)
    ]
