"""The success figures: an engine with resting orders over TCP, fills all the while, kicks and gaps in between."""

from __future__ import annotations

import time
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import trio

from engine.orders.events import ExecutionReport
from engine.orders.signal import parse_signal
from engine.runtime.bus import Lagged
from engine.runtime.engine import Engine
from engine.seams.clock import SystemClock
from engine.sim import Exchange, ScriptedFaults
from engine.sim.faults import Phase, Transport, Verdict
from tests.bench.figures import Figure, Section, spread
from tests.bench.rig import ROUND_BOUND_S, signal_line
from tests.bench.start import embedded, opened

ORDERS, QTY, FILL = 10, Decimal("0.1"), Decimal("0.001")
CALM, ROUGH, EVERY_S = 50, 150, 0.1
KICK_EVERY, GAP_EVERY = 75, 100
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
        self.repeated = 0
        self.cum: dict[str, list[Decimal]] = defaultdict(list)

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
            self.repeated += report.exec_id in self.heard_ns
            self.heard_ns[report.exec_id] = now_ns
            self.cum[report.cl_ord_id].append(report.cum_qty)

    def in_order(self) -> float:
        """Return the share of fills that came behind all earlier ones of their order, each once, in percent."""
        steps = [
            now > before for told in self.cum.values() for before, now in zip([Decimal(0), *told], told, strict=False)
        ]
        return 100 * (sum(steps) - self.repeated) / len(steps)


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
            await trio.sleep(0.1)
            started_s = trio.current_time()
            await self._fill(CALM)
            await trio.sleep(0.5)
            self.calm = [trade.exec_id for trade in trades]
            for turn in range(ROUGH):
                if turn % KICK_EVERY == KICK_EVERY // 2:
                    nursery.start_soon(self._kick)
                if turn % GAP_EVERY == GAP_EVERY // 2:
                    self.faults.frames_during("executions", 0, EVERY_S, "drop")
                await self._fill(1)
            await self._until(lambda: len(self.listener.heard_ns) >= len(trades))
            self.took_s = trio.current_time() - started_s
            nursery.cancel_scope.cancel()

    async def _fill(self, count: int) -> None:
        for _ in range(count):
            if self._exchange.house.take("BTC/USD", "sell", FILL) != FILL:
                raise RuntimeError("a fill found no order")
            await trio.sleep(EVERY_S)

    async def _kick(self) -> None:
        up = self._engine.services.stream_up
        await self._until(up)
        self._exchange.kick(private=True)
        started_s = time.perf_counter()
        await self._until(lambda: not up())
        await self._until(up)
        self.back_s.append(time.perf_counter() - started_s)

    @staticmethod
    async def _until(condition: object) -> None:
        with trio.fail_after(ROUND_BOUND_S):
            while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - conditions have no event
                await trio.sleep(0.002)


def _line() -> str:
    line = signal_line(0).partition(',"symbol"')[0]
    return (
        f'{line},"symbol":"BTC/USD","side":"buy","order_type":"limit","order_qty":"{QTY}",'
        '"limit_price":"50000.0","stop_loss":null}'
    )


async def measure(directory: Path) -> list[Section]:
    """Run it and hold the figures against their limits."""
    async with embedded() as (exchange, port), opened(exchange, port, directory) as engine:
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
            "Success figures: 10 resting orders, a fill every 100 ms, exchange in the same process",
            [
                spread("order update: matched → report at a subscriber", latencies, limit=0.1),
                Figure("updates delivered, over kicks and gaps", "%", len(made), delivered, least=99.9),
                spread("back after a disconnect", run.back_s, limit=5.0),
                Figure("updates in order, each once", "%", len(made), run.listener.in_order(), least=100.0),
                Figure("REST order-status calls saved", "%", round(polled), saved, least=90.0),
            ],
            [
                (
                    f"{len(run.back_s)} kicks, {ROUGH // GAP_EVERY} gaps; {run.faults.status_calls} status calls where"
                    f" asking every order every {POLL_EVERY_S:.0f} s makes {polled:.0f}"
                )
            ],
        )
    ]
