"""The verb ``demo``: one bracket from signal to flat, told as it happens, on an exchange in this very process."""

from __future__ import annotations

import tempfile
from importlib import resources
from pathlib import Path

import msgspec
import trio
from rich.table import Table
from rich.text import Text

from engine.cli.complaints import complain
from engine.cli.exchanges import open_venue
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.journal import rows_table
from engine.cli.lane import lane, stations
from engine.cli.output import Output
from engine.cli.story import BRACKET, Step, Story, order_name, short_id, signal_words
from engine.config import Settings
from engine.journal.opening import read_journal
from engine.journal.reader import JournalReader
from engine.orders.brackets import Bracket, BracketMachine, Policy
from engine.orders.diagram import Diagram, Walk, diagram_of, outline
from engine.orders.machine import OrderMachine
from engine.orders.order import Order
from engine.orders.replay import rebuild_bracket, rebuild_orders
from engine.orders.signal import Signal, parse_signal
from engine.runtime.engine import Engine
from engine.runtime.history import facts_of
from engine.runtime.logs import Logs
from engine.runtime.opening import JOURNAL_FILE, open_engine
from engine.runtime.summary import RunSummary, summarize
from engine.sim import parse_script

LOOK_EVERY_S = 0.05
"""How often the journal is looked at for new rows: quicker than an eye, slower than a burden."""
LIMIT_S = 55.0
"""The demo ends by itself well before; a machine this slow is told so instead of waiting on."""

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


async def demo(logs: Logs, *, as_json: bool) -> Exit:
    """Run the demo in a new temporary directory, which stays for the commands it ends with."""
    directory = Path(tempfile.mkdtemp(prefix="kraken-demo-"))
    signal = parse_signal(_data("demo_signal.jsonl"))
    show = DemoShow(Output(), directory, quiet=as_json)
    code = Exit.DONE
    try:
        async with open_interrupts() as stop:
            await _play(show, signal, logs, stop)
    except Exception as error:  # whatever it was, what the journal holds is still to be told
        code = complain(error, logs)
    return show.conclude(signal, code)


def _data(name: str) -> str:
    return resources.files("engine.cli").joinpath(name).read_text(encoding="utf-8")


async def _play(show: DemoShow, signal: Signal, logs: Logs, stop: trio.CancelScope) -> None:
    settings = Settings.model_construct(data_dir=show.directory)  # built in: nobody's file or environment counts here
    script = parse_script(_data("demo_market.toml"))
    show.open(signal)
    async with open_venue(settings, show.directory, logs.hide, synthetic=(), script=script) as venue:
        with stop, trio.fail_after(LIMIT_S):
            async with open_engine(settings.engine_settings(), venue) as engine, trio.open_nursery() as nursery:
                nursery.start_soon(show.follow, engine, name="show")
                await engine.submit(signal)
                await engine.wait_idle()
                nursery.cancel_scope.cancel("the bracket has ended")


class DemoShow:
    """Everything the demo prints. ``quiet`` keeps all of it back but the JSON object at the end."""

    def __init__(self, output: Output, directory: Path, *, quiet: bool) -> None:
        self.directory = directory
        self._output, self._quiet = output, quiet
        self._story = Story()
        self._seen = self._start_ns = 0

    # --- while it runs

    def open(self, signal: Signal) -> None:
        """Say what is about to happen."""
        if self._quiet:
            return
        self._output.show(
            Text("A simulated Kraken listens on a loopback port; the engine talks to it as to the real one.", "dim"),
            Text(f"The signal: {signal_words(signal)}.", "dim"),
        )
        self._heading("What happens")

    async def follow(self, engine: Engine) -> None:
        """Tell every new row until cancelled."""
        while True:
            self._tell(engine.journal, engine.journal.durable)
            await trio.sleep(LOOK_EVERY_S)

    def _tell(self, journal: JournalReader, upto: int) -> None:
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

    def _heading(self, title: str) -> None:
        rest = max(0, min(self._output.width, 100) - len(title) - 4)
        self._output.show("", Text.assemble(("── ", "dim"), (title, "bold"), (f" {'─' * rest}", "dim")))

    # --- at the end

    def conclude(self, signal: Signal, code: Exit) -> Exit:
        """Print the end and return the exit code."""
        path = self.directory / JOURNAL_FILE
        summary = summarize(path, [(signal.signal_id, None)])
        if code is Exit.DONE and not summary.journal.verified:
            code = Exit.JOURNAL
        if code is Exit.DONE and not summary.clean:
            code = Exit.REFUSED
        if self._quiet:
            self._output.json(msgspec.structs.replace(summary, ok=code is Exit.DONE))
        elif summary.journal.verified:
            with read_journal(path) as journal:
                self._tell(journal, journal.head[0])
                self._close(journal, signal, summary)
        return code

    def _close(self, journal: JournalReader, signal: Signal, summary: RunSummary) -> None:
        facts = facts_of(journal, signal_id=signal.signal_id)
        bracket = rebuild_bracket(facts, Policy())
        entry = next((order for order in rebuild_orders(facts).values() if order.role == "entry"), None)
        if bracket is None or entry is None:
            return
        self._show_lanes(entry, bracket)
        self._heading("The journal: what a restart or an auditor reads")
        self._output.show(rows_table(journal.rows(), fold=False))
        self._show_diagram(f"The order machine, and the way of {_name(entry)}", OrderMachine, entry.walk)
        self._show_diagram("The bracket machine, and its way", BracketMachine, bracket.walk)
        self._show_next(entry, summary)

    def _show_lanes(self, entry: Order, bracket: Bracket) -> None:
        self._heading("The way of the entry order, and of its bracket")
        width = min(self._output.width, 120)
        for walk, initial in ((entry.walk, "new"), (bracket.walk, "entering")):
            self._output.show(*lane(stations(walk, initial), width))

    def _show_diagram(self, title: str, machine: type[OrderMachine | BracketMachine], walk: Walk) -> None:
        self._heading(title)
        self._output.show(*outline_lines(diagram_of(machine, walk)))

    def _show_next(self, entry: Order, summary: RunSummary) -> None:
        (bracket,) = summary.brackets
        kept, place = summary.journal, f"--data-dir {self.directory}"
        self._heading("What it came to")
        self._output.show(
            f"ended by {bracket.outcome}: profit {bracket.realized_pnl} USD after {bracket.fees} USD of fees;"
            f" {summary.reports} execution reports;\nthe journal's chain of {kept.rows} rows holds."
        )
        self._heading("Where to go next")
        for what, command in (
            (
                "the same diagram as a picture",
                f"diagram --machine order --order {short_id(entry.cl_ord_id)} {place} --format svg --out way.svg",
            ),
            ("the journal again, and its proof", f"journal verify {place}"),
            ("an engine of your own, simulated", "run --signals signals.jsonl"),
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
