"""The success figures: an engine with resting orders over TCP, fills all the while, kicks and gaps in between."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import trio

from engine.orders.events import ExecutionReport
from engine.orders.signal import parse_signal
from engine.runtime.bus import Lagged
from engine.runtime.engine import Engine
from engine.seams.clock import SystemClock
from engine.sim import Exchange, ScriptedFaults, SimSettings
from engine.sim.faults import Phase, Transport, Verdict
from engine.sim.tiers import TierName
from tests.bench.figures import Figure, Section, spread
from tests.bench.rig import ROUND_BOUND_S, signal_line
from tests.bench.start import embedded, opened

ORDERS, QTY, FILL = 10, Decimal("0.1"), Decimal("0.0005")
CALM, ROUGH, EVERY_S = 250, 1500, 0.02
"""Fills before the first break and with breaks, and the pause between two: fifty a second."""
KICK_EVERY, GAP_EVERY = 500, 600
TIER: TierName = "intermediate"
"""What the exchange enforces: filling gaps must not spend the counters."""
POLL_EVERY_S = 2.0
"""What status calls are compared with: every open order asked for this often."""
STATUS_CALLS = frozenset({"QueryOrders", "OpenOrders", "ClosedOrders", "TradesHistory", "QueryTrades"})


class CountingFaults(ScriptedFaults):
    """Faults by plan, and a count of the REST calls that ask for orders and fills."""

    def __init__(self) -> None:
        super().__init__()
        self.status_calls = 0

    async def on_request(self, transport: Transport, method: str, phase: Phase, number: int) -> Verdict:
        """Count, then judge."""
        self.status_calls += phase == "before" and transport == "rest" and method in STATUS_CALLS
        return await super().on_request(transport, method, phase, number)


class Listener:
    """Notes every fill that is reported: when, and in which order per order."""

    def __init__(self) -> None:
        self.heard_ns: dict[str, int] = {}
        self.told: dict[str, list[str]] = defaultdict(list)

    async def listen(self, engine: Engine) -> None:
        """Take reports until cancelled."""
        clock = SystemClock()
        with engine.subscribe(capacity=100_000) as reports:
            async for report in reports:
                self._hear(report, clock.now_ns())

    def _hear(self, report: ExecutionReport | Lagged, now_ns: int) -> None:
        if isinstance(report, Lagged):
            raise RuntimeError("the subscriber fell behind")
        if report.exec_id is not None:
            self.heard_ns.setdefault(report.exec_id, now_ns)
            self.told[report.cl_ord_id].append(report.exec_id)

    def in_order(self, made: list[str]) -> float:
        """Return the share of reports that came behind those of all earlier fills of their order, in percent.

        ``made`` are the exchange's fills as they were made; a report that comes again is out of order.
        """
        places = {exec_id: place for place, exec_id in enumerate(made)}
        steps = []
        for told in self.told.values():
            furthest = -1
            for place in (places[exec_id] for exec_id in told):
                steps.append(place > furthest)
                furthest = max(furthest, place)
        return 100 * sum(steps) / len(steps)


class Run:
    """One engine under measurement."""

    def __init__(self, exchange: Exchange, engine: Engine) -> None:
        self._exchange, self._engine = exchange, engine
        self.faults, self.listener = CountingFaults(), Listener()
        self.back_s: list[float] = []
        self.took_s = 0.0
        self.calm: list[str] = []

    async def run(self) -> None:
        """Rest orders, fill them calmly, then with kicks and gaps, and wait for the last report."""
        house, trades = self._exchange.house, self._exchange.truth.trades
        house.quote("BTC/USD", "buy", Decimal(49_000), Decimal(50))
        house.quote("BTC/USD", "sell", Decimal(51_000), Decimal(50))
        for _ in range(ORDERS):
            await self._engine.submit(parse_signal(_line()))
        await self._until(lambda: len(self._exchange.truth.orders) == ORDERS)
        await trio.sleep(0.5)
        self._exchange.faults = self.faults
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.listener.listen, self._engine)
            nursery.start_soon(self._time_breaks)
            await trio.sleep(0.1)
            started_s = trio.current_time()
            await self._fill(CALM)
            await trio.sleep(0.5)
            self.calm = [trade.exec_id for trade in trades]
            for turn in range(ROUGH):
                if turn % KICK_EVERY == KICK_EVERY // 2:
                    self._exchange.kick(private=True)
                if turn % GAP_EVERY == GAP_EVERY // 2:
                    self.faults.frames_during("executions", 0, EVERY_S, "drop")
                await self._fill(1)
            await self._until(lambda: len(self.listener.heard_ns) >= len(trades) and self._engine.services.stream_up())
            self.took_s = trio.current_time() - started_s
            nursery.cancel_scope.cancel()

    async def _fill(self, count: int) -> None:
        for _ in range(count):
            if self._exchange.house.take("BTC/USD", "sell", FILL) != FILL:
                raise RuntimeError("a fill found no order")
            await trio.sleep(EVERY_S)

    async def _time_breaks(self) -> None:
        """Take the time of every break, whatever caused it, until cancelled."""
        up = self._engine.services.stream_up
        while True:
            await self._until(lambda: not up(), math.inf)
            started_s = time.perf_counter()
            await self._until(up)
            self.back_s.append(time.perf_counter() - started_s)

    @staticmethod
    async def _until(condition: Callable[[], bool], within_s: float = ROUND_BOUND_S) -> None:
        with trio.fail_after(within_s):
            while not condition():  # noqa: ASYNC110 - conditions have no event
                await trio.sleep(0.002)


def _line() -> str:
    line = signal_line(0).partition(',"symbol"')[0]
    return (
        f'{line},"symbol":"BTC/USD","side":"buy","order_type":"limit","order_qty":"{QTY}",'
        '"limit_price":"50000.0","stop_loss":null}'
    )


async def measure(directory: Path) -> list[Section]:
    """Run it and hold the figures against their limits."""
    settings = SimSettings(tier=TIER, rest_history_cost=4)
    async with embedded(settings) as (exchange, port), opened(exchange, port, directory) as engine:
        run = Run(exchange, engine)
        await run.run()
        made = {trade.exec_id: trade.ts_ns for trade in exchange.truth.trades}
    heard = run.listener.heard_ns
    latencies = [(heard[name] - made[name]) / 1e9 for name in run.calm if name in heard]
    polled = ORDERS * run.took_s / POLL_EVERY_S
    saved = 100 * (1 - run.faults.status_calls / polled)
    delivered = 100 * len(heard.keys() & made.keys()) / len(made)
    return [
        Section(
            f"Success figures: {ORDERS} resting orders, {1 / EVERY_S:.0f} fills a second, exchange in the same process",
            [
                spread("order update: matched → report at a subscriber", latencies, limit=0.1),
                Figure("updates delivered, over kicks and gaps", "%", len(made), delivered, least=99.9),
                spread("back after a disconnect", run.back_s, limit=5.0),
                Figure("updates in order, each once", "%", len(made), run.listener.in_order(list(made)), least=100.0),
                Figure("REST order-status calls saved", "%", round(polled), saved, least=90.0),
            ],
            [
                (
                    f"tier {TIER}; {ROUGH // KICK_EVERY} kicks, {ROUGH // GAP_EVERY} gaps;"
                    f" {run.faults.status_calls} status calls where asking every order every {POLL_EVERY_S:.0f} s"
                    f" makes {polled:.0f}"
                )
            ],
        )
    ]
