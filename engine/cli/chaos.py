"""The verb ``chaos``: seeds through the simulated world, judged by the oracle; one seed replayed; a crash sweep."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from engine.chaos.corpus import keep_seed, read_corpus
from engine.chaos.invariants.base import Violation
from engine.chaos.revision import revision
from engine.chaos.run import Result
from engine.chaos.runner import Job, SeedJob, run_jobs
from engine.chaos.sequence import sequence
from engine.chaos.sweep import Recoveries
from engine.chaos.weather import KINDS
from engine.cli.exits import Exit
from engine.cli.output import Output
from engine.cli.sweeping import HELP, Death, death_at, deaths
from engine.errors import ConfigError
from engine.orders.signal import Signal, SignalFault, parse_signal
from engine.seams.stopwatch import SystemStopwatch

WeatherName = Literal["calm", "mixed", "storm", "lag", "squall"]
SHOWN = 5
"""Failures told at length; the others by seed and rule."""


def chaos(
    *,
    seeds: Annotated[str, Parameter(help="One seed, or a range of them such as 1-300.")] = "1-100",
    weather: Annotated[WeatherName, Parameter(help="Which faults strike, how often, and where they aim.")] = "mixed",
    signals: Annotated[Path | None, Parameter(help="A signal a line: handed in instead of drawn ones.")] = None,
    replay: Annotated[int | None, Parameter(help="Run this one seed and tell what happened.")] = None,
    why: Annotated[
        bool, Parameter(help="With --replay or --point: draw the messages of the orders concerned (Mermaid).")
    ] = False,
    crash_sweep: Annotated[str | None, Parameter(help=HELP)] = None,
    every: Annotated[int, Parameter(help="With --crash-sweep: only every so many points.")] = 1,
    recoveries: Annotated[
        Recoveries, Parameter(help="With --crash-sweep: how often each recovery is broken off by a second death.")
    ] = "sampled",
    point: Annotated[int | None, Parameter(help="With --crash-sweep NAME: die at this act alone.")] = None,
    death: Annotated[Death, Parameter(help="With --point: the process is killed, or the power is lost.")] = "kill",
    again: Annotated[int, Parameter(help="With --point: die once more, so many acts later.")] = 0,
    corpus: Annotated[Path | None, Parameter(help="File of kept seeds, run as well.")] = None,
    keep: Annotated[Path | None, Parameter(help="File to which failing seeds are added.")] = None,
    jobs: Annotated[int | None, Parameter(help="Processes side by side. Default: one a processor.")] = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Print one JSON object instead of text.")] = False,
) -> Exit:
    """Run the engine through simulated faults and crashes, and judge every event. Exit code 1 when a rule broke.

    Example: python -m engine chaos --seeds 1-300
    """
    given = () if signals is None else read_signals(signals)
    if replay is not None:
        return _replay(SeedJob(replay, weather, given), why=why, as_json=as_json)
    if crash_sweep is not None and point is not None:
        return _replay(death_at(crash_sweep, point, death, again), why=why, as_json=as_json)
    session = _Session(Output(), as_json=as_json)
    workers = jobs or os.cpu_count() or 1
    if crash_sweep is not None:
        for name, dying in deaths(crash_sweep, recoveries, every):
            session.run(dying, workers, name)
        return session.conclude()
    todo = [SeedJob(seed, weather, given) for seed in seeds_of(seeds)]
    todo += [SeedJob(seed, name, given) for name, seed in read_corpus(corpus)] if corpus is not None else []
    session.run(todo, workers)
    if keep is not None:
        for job, result in session.failed:
            if isinstance(job, SeedJob) and not job.signals:
                keep_seed(keep, job.weather, job.seed, result.violations[0].invariant)
    return session.conclude()


def seeds_of(text: str) -> range:
    """Read ``7`` or ``1-300``. Raises ConfigError."""
    first, _, last = text.partition("-")
    try:
        found = range(int(first), int(last or first) + 1)
    except ValueError:
        raise ConfigError(f"--seeds is a number or a range such as 1-300, not {text!r}") from None
    if not found:
        raise ConfigError(f"--seeds: the range {text} is empty")
    return found


def read_signals(path: Path) -> tuple[Signal, ...]:
    """Read a file with a signal a line. Raises ConfigError naming the line."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(parse_signal(line))
            except SignalFault as fault:
                raise ConfigError(f"{path}, line {number}: {fault}") from None
    if not found:
        raise ConfigError(f"{path} holds no signal")
    return tuple(found)


class _Session:
    """Many runs, told as they go and summed up at the end."""

    def __init__(self, output: Output, *, as_json: bool) -> None:
        self._output, self._as_json = output, as_json
        self.failed: list[tuple[Job, Result]] = []
        self._runs = 0
        self._simulated_s = self._took_s = 0.0
        self._struck: Counter[str] = Counter()

    def run(self, jobs: Sequence[Job], workers: int, what: str = "runs") -> None:
        watch = SystemStopwatch()
        began_ns = watch.monotonic_ns()
        with _progress() as progress:
            task = progress.add_task(what, total=len(jobs), failed=0)
            for job, result in run_jobs(jobs, min(workers, len(jobs))):
                self._take(job, result)
                progress.update(task, advance=1, failed=len(self.failed))
        self._took_s += (watch.monotonic_ns() - began_ns) / 1e9

    def _take(self, job: Job, result: Result) -> None:
        self._runs += 1
        self._simulated_s += result.simulated_s
        self._struck.update(result.struck)
        if result.failed:
            self.failed.append((job, result))

    @property
    def _per_minute(self) -> float:
        return round(60 * self._runs / self._took_s, 1) if self._took_s else 0.0

    @property
    def _hours_per_second(self) -> float:
        return round(self._simulated_s / 3600 / self._took_s, 4) if self._took_s else 0.0

    def conclude(self) -> Exit:
        if self._as_json:
            self._output.json(
                {
                    "seeds": self._runs,
                    "failed": [_failure(job, result) for job, result in self.failed],
                    "seeds_per_minute": self._per_minute,
                    "simulated_hours_per_second": self._hours_per_second,
                    "faults": {kind: self._struck[kind] for kind in KINDS},
                }
            )
        else:
            self._tell()
        return Exit.OTHER if self.failed else Exit.DONE

    def _tell(self) -> None:
        show = self._output.show
        for job, result in self.failed[:SHOWN]:
            for line in told(result, job.command):
                self._output.line(Text(line))
        for job, result in self.failed[SHOWN:]:
            show(f"also failed: {result.seed} ({result.violations[0].invariant}): {job.command}")
        show(_coverage(self._struck))
        show(
            f"{self._runs} runs, {len(self.failed)} failed; {self._per_minute:g} seeds a minute,"
            f" {self._hours_per_second:g} simulated hours a second"
        )


def told(result: Result, command: str) -> Iterable[str]:
    """Yield a failure line by line: what ran, what broke, the last rows, and how to see it again."""
    first = result.violations[0]
    yield f"seed {result.seed}, weather {result.weather}: {first.invariant} broke at {first.at_s:.6f} s"
    yield f"  scenario    {result.scenario}"
    yield f"  revision    {revision()}"
    yield f"  trace hash  {result.digest}"
    yield f"  broken      {first.text}"
    yield f"  concerns    {', '.join(first.subjects) or 'the whole run'}"
    yield from (f"  also broken {other.invariant}: {other.text}" for other in result.violations[1:4])
    yield from (f"    {line}" for line in first.tail)
    yield f"  again: {command}"


def _failure(job: Job, result: Result) -> dict[str, Any]:
    first = result.violations[0]
    told = {"invariant": first.invariant, "trace_hash": result.digest, "text": first.text, "again": job.command}
    return {"seed": result.seed, **_where(job), **told}


def _where(job: Job) -> dict[str, Any]:
    if isinstance(job, SeedJob):
        return {"weather": job.weather}
    return {"scenario": job.scenario, "point": job.plan.point, "death": job.plan.death, "again_after": job.plan.again}


def _replay(job: Job, *, why: bool, as_json: bool) -> Exit:
    result, output = job.run(whole=why), Output()
    if as_json:
        broken = [_shown(one) for one in result.violations]
        said = {"seed": result.seed} if isinstance(job, SeedJob) else _where(job)
        output.json({**said, "trace_hash": result.digest, "violations": broken})
    elif result.failed:
        for line in told(result, job.command):
            output.line(Text(line))
    else:
        what = f"seed {job.seed}, weather {job.weather}" if isinstance(job, SeedJob) else result.scenario
        output.show(f"{what}: every rule held; trace hash {result.digest}")
    if why and not as_json:
        output.text(f"\n```mermaid\n{sequence(result)}```\n")
    return Exit.OTHER if result.failed else Exit.DONE


def _shown(violation: Violation) -> dict[str, Any]:
    return {
        "invariant": violation.invariant,
        "at_s": violation.at_s,
        "text": violation.text,
        "orders": list(violation.subjects),
    }


def _coverage(struck: Counter[str]) -> Table:
    table = Table(title="faults that struck", show_header=False)
    columns = 4
    for _ in range(columns):
        table.add_column()
        table.add_column(justify="right")
    rows = [list(KINDS[at : at + columns]) for at in range(0, len(KINDS), columns)]
    for row in rows:
        table.add_row(*(cell for kind in row for cell in (kind, str(struck[kind]))))
    return table


def _progress() -> Progress:
    """On stderr, and only where somebody sees it move."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not Console(stderr=True).is_terminal,
    )
