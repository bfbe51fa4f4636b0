"""The verb ``run``: engine and exchange in one process, signals in, execution reports out, in order to the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
import trio

from engine.cli.alarm_ways import alarm_sinks
from engine.cli.blotter import closing_lines, head_line, report_line
from engine.cli.complaints import complain
from engine.cli.exchanges import open_venue, prepare_directory
from engine.cli.exits import Exit, leaves
from engine.cli.interrupts import open_interrupts
from engine.cli.output import Output, talk
from engine.cli.service import Service, open_service
from engine.cli.signal_lines import SignalLines, open_signals
from engine.config import Settings
from engine.config.service import service_terms
from engine.config.source import SettingsFiles
from engine.control.server import Control, open_control
from engine.control.web_listener import WebSettings
from engine.errors import JournalBusy, JournalError
from engine.journal.opening import read_journal
from engine.runtime.bus import reports_from
from engine.runtime.engine import Engine
from engine.runtime.fence import Fence
from engine.runtime.logs import Logs
from engine.runtime.opening import JOURNAL_FILE, open_engine
from engine.runtime.summary import RunSummary, summarize
from engine.seams.service_manager import NoManager

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line asked for."""

    settings: Settings
    logs: Logs
    signals: str | None = None
    until_idle: bool = False
    as_json: bool = False
    load: Callable[[], Settings] | None = None
    """Reads the settings once more, as they were read for this run; None: they cannot be reloaded."""


async def run(options: RunOptions) -> Exit:
    """Run until idle or until told to end; say what it came to, however it ended."""
    session = RunSession(options)
    code = Exit.DONE
    try:
        async with open_interrupts(session.detach) as stop:
            await session.run(stop)
    except Exception as error:  # whatever it was, what the journal holds is still to be told
        code = complain(error, options.logs)
        if any(isinstance(leaf, JournalBusy) for leaf in leaves(error)):
            talk("to give a running engine a signal: python -m engine submit FILE")
    return session.conclude(code)


class RunSession:
    """One run, from its options to its summary."""

    def __init__(self, options: RunOptions) -> None:
        self._options, self._output = options, Output()
        self._journal = options.settings.directory / JOURNAL_FILE
        self._lines: SignalLines | None = None
        self._engine: Engine | None = None
        self._service = Service(NoManager())
        self._after = self._shown = 0  # journal rows before this run; the last row whose report was shown
        self._started = False
        self._resumed: tuple[str, ...] = ()  # left unfinished by an earlier run: told of with this one's

    def detach(self) -> bool:
        """Break the flatten at the end off; False when none is under way."""
        return self._engine is not None and self._engine.detach()

    async def run(self, stop: trio.CancelScope) -> None:
        """Open everything, feed signals, and leave in order when idle or when ``stop`` is cancelled."""
        settings = self._options.settings
        engine_settings = settings.engine_settings()  # first of all: a live venue without limits ends here
        descriptor = open_signals(self._options.signals) if self._options.signals else None
        directory = prepare_directory(settings.directory)
        fence, sinks = Fence(), alarm_sinks(settings, self._options.logs.hide)
        source = SettingsFiles(settings, self._options.load) if self._options.load is not None else None
        async with (
            open_service(service_terms()) as self._service,
            open_venue(settings, directory, self._options.logs.hide, fence=fence) as venue,
        ):
            with stop:  # around the engine alone: while it ends in order it needs its exchange
                # the door outlives the engine: its last reports still go out
                async with open_control(directory, web=_web(settings)) as control:
                    self._announce(control)
                    async with open_engine(
                        engine_settings, venue, fence=fence, alarm_sinks=sinks, source=source
                    ) as engine:
                        control.attach(engine)
                        self._engine = engine
                        self._after = self._shown = engine.journal.head[0]
                        self._started, self._resumed = True, engine.resumed
                        log.info("run.ready", venue=settings.venue, journal=str(self._journal))
                        await self._serve(engine, descriptor, stop)

    def _announce(self, control: Control) -> None:
        """Say where the dashboard is, alone on the first line; a token that was set is known, and not shown."""
        if control.access is None:
            return
        self._options.logs.hide(control.access.token)
        link = control.link if self._options.settings.control.token is None else f"{control.access.url}/"
        if self._options.as_json:
            talk(link)
        else:
            self._output.text(f"{link}\n")
        if control.port_taken:
            log.warning("control.port_taken", wanted=self._options.settings.control.port, now=control.access.url)

    async def _serve(self, engine: Engine, descriptor: int | None, stop: trio.CancelScope) -> None:
        self._lines = SignalLines(engine)
        async with trio.open_nursery() as nursery:
            await self._service.begin(nursery, engine)
            try:
                if not self._options.as_json:
                    nursery.start_soon(self._show, engine, stop, name="show")
                if descriptor is not None:
                    await self._lines.feed(descriptor)
                if not self._options.until_idle:
                    await trio.sleep_forever()
                await engine.wait_idle()
            finally:
                self._service.stopping()
            nursery.cancel_scope.cancel("idle")

    async def _show(self, engine: Engine, stop: trio.CancelScope) -> None:
        self._output.line(head_line())
        async with aclosing(engine.reports(after=self._after)) as reports:
            async for report in reports:
                self._output.line(report_line(report))
                self._shown = report.offset
                if self._output.closed:
                    stop.cancel("nobody reads the reports any more")

    def conclude(self, code: Exit) -> Exit:
        """Fold the journal, print the result, and return the exit code."""
        lines = self._lines
        taken = [(line.signal.signal_id, line.denial) for line in lines.taken] if lines else []
        again = {signal_id for signal_id, denial in taken if denial is None}
        signals = [(signal_id, None) for signal_id in self._resumed if signal_id not in again] + taken
        summary = summarize(self._journal, signals, lines.faults if lines else (), after=self._after)
        if code is Exit.DONE and self._started and not summary.journal.verified:
            code = Exit.JOURNAL
        if code is Exit.DONE and not summary.clean:
            code = Exit.REFUSED
        self._print(msgspec.structs.replace(summary, ok=code is Exit.DONE))
        return code

    def _print(self, summary: RunSummary) -> None:
        if self._options.as_json:
            self._output.json(summary)
        elif self._started:
            self._show_rest(self._journal)
            self._output.text("\n")
            for remark in self._lines.remarks(self._options.signals) if self._lines and self._options.signals else ():
                self._output.text(f"{remark}\n")
            for line in closing_lines(summary):
                self._output.line(line)

    def _show_rest(self, path: Path) -> None:
        """Show what came while the engine was ending."""
        try:
            with read_journal(path) as journal:
                for report in reports_from(journal, self._shown):
                    self._output.line(report_line(report))
        except JournalError:
            return  # the closing lines say that it cannot be trusted


def _web(settings: Settings) -> WebSettings | None:
    control = settings.control
    if not control.tcp:
        return None
    token = None if control.token is None else control.token.get_secret_value()
    return WebSettings(host=control.host, port=control.port, token=token)
