"""One run: a scenario under a weather, judged at every event, ending in calm weather."""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import structlog
import trio

from engine.chaos.bending import in_squall
from engine.chaos.beside import start_beside
from engine.chaos.crash_points import CrashPlan, CrashPoints
from engine.chaos.damage import Damage
from engine.chaos.deeds import do
from engine.chaos.invariants.base import Violation
from engine.chaos.market import Market
from engine.chaos.moments import PART, PLACED
from engine.chaos.operator import Operator
from engine.chaos.oracle import Oracle
from engine.chaos.process import in_ruins
from engine.chaos.scenario import Scenario, draw_scenario
from engine.chaos.sky import AIMED_S, Sky
from engine.chaos.supervisor import Supervisor
from engine.chaos.trace import Trace, TraceRow
from engine.chaos.weather import WEATHERS, Weather
from engine.chaos.world import STREAM_S, World, open_world
from engine.orders.events import ExecutionReport
from engine.orders.signal import Signal
from engine.seams.chance import SeededChance
from engine.seams.determinism import deterministic, virtual_clock

LIMIT_S = 4 * 3600.0
"""Virtual time after which a run that does not end is broken."""
AGREE_S = 10.0
HALTED_SHARE = 0.3
"""Of the runs end with the red button instead of cancels."""
SWEEP = Decimal("0.03")
FURTHER = (2, 5)
"""So many signals come before a disk fails at a moment that tells, where all else is over."""
SETTLE_S = 150.0
"""From the end of the weather: 60 s by which REST may lag a broken stream, a deadline, and some rounds of questions."""


@dataclass(frozen=True)
class Result:
    """What came of a run. ``digest`` is the trace hash; equal seeds and equal code give equal digests.

    ``held`` is what the exchange says each signal holds at the end, in base units, sold is negative: behind a stop, or
    in a person's hands; who is flat is left out. Only of a ``whole`` run: ``trace``, and ``reports``, all that a
    subscriber who resumes after every crash has received.
    """

    seed: int | str
    weather: str
    scenario: str
    digest: str
    rows: int
    chain: str
    simulated_s: float
    violations: tuple[Violation, ...]
    struck: dict[str, int]
    held: dict[str, Decimal] = field(default_factory=dict)
    trace: tuple[TraceRow, ...] = ()
    reports: tuple[ExecutionReport, ...] = ()
    roles: tuple[tuple[str, str], ...] = ()
    walked: tuple[tuple[str, str, str, str], ...] = ()

    @property
    def failed(self) -> bool:
        """Whether an invariant broke."""
        return bool(self.violations)


def run_seed(seed: int | str, weather: str = "mixed", signals: Sequence[Signal] = (), *, whole: bool = False) -> Result:
    """Run one seed in a ``trio.run`` of its own. ``whole`` keeps every row of the trace, and every report."""
    run = Run(draw_scenario(seed, signals), WEATHERS[weather], seed, whole=whole)
    play(run)
    return run.result()


def play(run: Run) -> None:
    """Play a run in a ``trio.run`` of its own, pinned by its seed to the byte. Whatever rises breaks an invariant."""
    with deterministic(run.world_seed), run.listening(), warnings.catch_warnings():
        # a killed process leaves requests half written: SIGKILL closes nothing either
        warnings.filterwarnings("ignore", message="Async generator '(httpx|engine.kraken)", category=ResourceWarning)
        try:
            trio.run(run.main, clock=virtual_clock())
        except Exception as error:  # this is where every failure of a run is told
            run.crashed(error)


class Run:
    """The parts of one run while it lasts. One that goes ``to_first`` ends where the first invariant breaks."""

    def __init__(
        self,
        scenario: Scenario,
        weather: Weather,
        seed: int | str,
        *,
        whole: bool = False,
        crash: CrashPlan | None = None,
        to_first: bool = False,
    ) -> None:
        self.scenario, self.weather, self.seed, self._whole, self._crash = scenario, weather, seed, whole, crash
        self.world_seed = f"{scenario.seed}/{weather.name}"
        if weather.aimed:
            squall = SeededChance(self.world_seed).stream("squall")
            self.weather, self.scenario = in_squall(weather, scenario, squall)
        self._to_first, self._scope = to_first, trio.CancelScope()
        self.acts = 0
        """Appends, syncs and sends, once the run is over."""
        self.recovery_acts = 0
        """Those of the recovery from the first death."""
        self.world: World
        self.trace: Trace
        self.oracle: Oracle
        self._extra: list[Violation] = []
        self._simulated_s = 0.0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take everything the engine logs, for the trace and for the rules about what it says."""
        before = structlog.get_config()
        structlog.configure(
            processors=[structlog.contextvars.merge_contextvars, self._hear],
            wrapper_class=structlog.make_filtering_bound_logger(20),
            logger_factory=structlog.ReturnLoggerFactory(),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)

    def _hear(self, _: Any, level: str, event: MutableMapping[str, Any]) -> str:
        name = str(event.pop("event", ""))
        shown = {key: value for key, value in event.items() if key != "exc_info"}
        if hasattr(self, "oracle") and not in_ruins():  # sorted: bound values come in the order of a set
            self.oracle.logged(level, name, " ".join(f"{key}={shown[key]}" for key in sorted(shown)))
        raise structlog.DropEvent

    async def main(self) -> None:
        """Live through it."""
        scenario = self.scenario
        with self._scope, trio.fail_after(LIMIT_S):
            async with open_world(
                self.world_seed,
                sim=replace(scenario.sim, buys_pay_fees_in_base=scenario.fees_in_base),
                settings=scenario.settings,
                latency_s=scenario.latency_s,
                prepare=self._prepare,
                **scenario.venue,
            ) as world:
                await self._live(world)
            self._simulated_s = self.trace.now_s

    def _prepare(self, world: World) -> None:
        self.world, self.trace = world, Trace(whole=self._whole)
        self.oracle = Oracle(world, self.trace)
        if self._to_first:
            self.oracle.court.on_first = self._scope.cancel
        self._points = CrashPoints(world, self._crash, self._died)

    def _died(self, kind: str) -> None:
        self.oracle.ledger.strike(kind, self.trace.now_s)
        self.trace.note("weather", "", kind)

    async def _live(self, world: World) -> None:
        chance = world.chance
        async with trio.open_nursery() as nursery:
            ledger = self.oracle.ledger
            markets = [Market(world, plan, chance.stream(f"market/{plan.symbol}")) for plan in self.scenario.markets]
            for market in markets:
                nursery.start_soon(market.run, name=f"market/{market.plan.symbol}")
            supervisor = Supervisor(world, self.oracle, chance.stream("supervisor"), self._points.recovered)
            await nursery.start(supervisor.run)
            nursery.start_soon(self.oracle.watch, name="oracle")
            aimed = self.weather.aimed
            operator = Operator(world, supervisor, ledger, self.trace, chance.stream("operator"), aimed=aimed)
            sky = Sky(world, self.weather, ledger, self.trace, nursery, self.scenario.slow)
            nursery.start_soon(sky.run, name="sky")
            nursery.start_soon(operator.act, self.scenario.acts, name="operator")
            for deed in self.scenario.deeds:
                nursery.start_soon(do, deed, world, supervisor, self.trace, name="deed")
            if self.scenario.beside_s is not None:
                nursery.start_soon(start_beside, self.scenario.beside_s, world, supervisor, self.oracle.court)
            async with trio.open_nursery() as hands:
                for at_s, signal in self.scenario.signals:
                    hands.start_soon(operator.hand_in, at_s, signal)
                for at_s, signal in self.scenario.repeats:
                    hands.start_soon(operator.hand_in, at_s, signal)
                hands.start_soon(trio.sleep, self.scenario.middle_s)
            await sky.over.wait()
            await self._calm(supervisor)
            damage = Damage(world, self.oracle, self._points)
            if damage.comes_amid_life(self.scenario.lost_share):
                await supervisor.wait_up()
                if self.weather.aimed:
                    await self._work_on(operator, nursery)
                supervisor.leave()
                await damage.amid_life()
            else:
                await self._settle(operator, markets)
                await self._stop(supervisor)
                await damage.after_the_end()
            nursery.cancel_scope.cancel()

    async def _work_on(self, operator: Operator, nursery: trio.Nursery) -> None:
        """Hand further signals in, until an order comes to a moment that tells: what strikes then meets it."""
        rng = self.world.chance.stream("further")
        for signal in self.scenario.further(rng, rng.randint(*FURTHER)):
            nursery.start_soon(operator.hand_in, rng.uniform(0, 3), signal)
        for _ in range(rng.randint(1, 4)):
            with trio.move_on_after(AIMED_S):
                await self.oracle.ledger.moments.next(PLACED, PART)
        await trio.sleep(rng.uniform(0, 0.3))

    async def _calm(self, supervisor: Supervisor) -> None:
        """The weather is over: within its bounds everything agrees again."""
        began_s = self.trace.now_s
        await supervisor.wait_up()
        with trio.move_on_after(STREAM_S):
            while not self._stream_up():  # noqa: ASYNC110 - it comes and goes
                await trio.sleep(0.25)
        await trio.sleep(AGREE_S)
        if not self._stream_up() and self.trace.now_s - began_s > STREAM_S:
            self._broke("streams_come_back", f"no complete stream {self.trace.now_s - began_s:.0f} s after the weather")
        self.oracle.moment("calm")

    def _stream_up(self) -> bool:
        return self.oracle.ledger.up and self.world.running and self.world.engine.services.stream_up()

    async def _settle(self, operator: Operator, markets: list[Market]) -> None:
        """Take entries back, let the price go through every stop and target, and wait until nothing is left."""
        halted = self.world.chance.stream("ending").random() < HALTED_SHARE
        if halted:  # amid fills in parts
            for market in markets:
                await market.burst()
        await operator.take_back(halt=halted)
        self.oracle.moment("taken_back")
        until_s = self.trace.now_s + SETTLE_S
        for market in markets:
            await market.sweep(SWEEP, 2.5)
        while self.trace.now_s < until_s and (not self.oracle.ledger.up or self.world.engine.active()):
            operator.decide()
            await trio.sleep(1.0)
        self.oracle.moment("settled")

    async def _stop(self, supervisor: Supervisor) -> None:
        supervisor.leave()
        await self.world.stop()
        await trio.sleep(0.5)
        self.oracle.moment("stopped")

    def _broke(self, invariant: str, text: str) -> None:
        self.oracle.court.broken(invariant, text)

    def crashed(self, error: Exception) -> None:
        """Whatever rose out of a run is a broken run."""
        leaves = list(_leaves(error))
        told = "".join(traceback.format_exception(leaves[0]))[-3000:]
        tail = tuple(self.trace.tail()) if hasattr(self, "trace") else ()
        at_s = self.trace.rows[-1].at_s if hasattr(self, "trace") and self.trace.rows else 0.0
        self._extra.append(Violation("nothing_crashes", at_s, f"{leaves[0]!r}\n{told}", (), tail))

    def result(self) -> Result:
        """Put together what came of it."""
        if hasattr(self, "_points"):
            self.acts, self.recovery_acts = self._points.count, self._points.recovery
        rows, chain = self.world.journal.head if hasattr(self.world, "journal") else (0, "")
        ledger = self.oracle.ledger
        return Result(
            seed=self.seed,
            weather=self.weather.name,
            scenario=self.scenario.name + (f", {self._crash.name}" if self._crash is not None else ""),
            digest=self.trace.digest,
            rows=rows,
            chain=chain,
            simulated_s=self._simulated_s or (self.trace.rows[-1].at_s if self.trace.rows else 0.0),
            violations=(*self.oracle.violations, *self._extra),
            struck=dict(sorted(Counter(ledger.struck).items())),
            held={case.signal_id: case.net for case in ledger.cases.values() if case.net},
            trace=tuple(self.trace.rows) if self._whole else (),
            reports=tuple(self.oracle.reports) if self._whole else (),
            roles=tuple((twin.cl_ord_id, f"{twin.role} {twin.cl_ord_id[:8]}") for twin in ledger.orders.values()),
            walked=tuple(sorted(self.oracle.walked)),
        )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
