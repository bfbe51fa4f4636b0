"""What being watched costs: a fill counted, a scrape, and the look for alarms, on an engine with live orders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from engine.control.metrics import EngineCollector, expose
from engine.orders.events import OrderEvent
from engine.orders.execution import execution_report
from engine.orders.order import Order
from engine.orders.reports import Fill
from engine.runtime.alarm_watch import AlarmWatch
from engine.runtime.engine import Engine
from engine.values.money import Price, Qty
from tests.bench.figures import Section, against, spread
from tests.bench.peer import open_peer
from tests.bench.rig import open_subject, signal_line

ORDERS = 200
WARM_UP, ROUNDS, SCRAPES = 500, 10_000, 100
FILL_LIMIT_S = 50e-6
"""A tenth of what a fill costs the engine in all."""
SCRAPE_LIMIT_S = 0.1
"""An order update may take no longer, and a scrape stands in its way."""


class _Saved(Collector):
    """The families of an earlier scrape: writing them down is the least that a scrape takes."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Yield them again."""
        return self._families


def _times(act: Callable[[], object], rounds: int) -> list[float]:
    seconds = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began_s)
    return seconds


def _fill(engine: Engine) -> Section:
    view = engine.active()[0].orders[0]
    signal = engine.active()[0].signal
    fill = Fill("T1", Qty(Decimal("0.001")), Price(Decimal(100)), Decimal("0.1"), (), "maker", 1)
    event = OrderEvent("trade", "open", "partial", 1, fill=fill)
    report = execution_report(Order(view.spec, view.role), event, signal, 1)
    metrics, counts = engine.services.metrics, {"fills": 0}

    def count() -> None:
        metrics.take("order", event, 1, signal.signal_id, view.cl_ord_id)
        metrics.posted(report, 0.0)
        metrics.published(report)

    def count_one() -> None:
        counts["fills"] += 1

    _times(count, WARM_UP)
    told = spread("a fill counted: moves, fill, slippage, frame to report", _times(count, ROUNDS), limit=FILL_LIMIT_S)
    return Section(
        "Metrics, cost of a fill", against(told, spread("floor: one counter in a dict", _times(count_one, ROUNDS)))
    )


def _scrape(engine: Engine) -> Section:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Saved(EngineCollector(engine).collect()))
    size = len(expose(engine)[1])
    figures = against(
        spread(f"a scrape, {ORDERS} live orders", _times(lambda: expose(engine), SCRAPES), limit=SCRAPE_LIMIT_S),
        spread("floor: the same families written down", _times(lambda: generate_latest(registry), SCRAPES)),
    )
    watch = AlarmWatch(engine.services, engine.brackets)
    figures.append(spread(f"the look for alarms, {ORDERS} brackets, once a second", _times(watch.look, SCRAPES)))
    return Section("Metrics, a scrape and a look", figures, [f"a scrape is {size:,} bytes"])


async def measure(directory: Path) -> list[Section]:
    """Open orders on the peer and measure beside them."""
    async with open_peer(ORDERS, ["power"]) as peer, open_subject(peer, "power", directory, "power") as subject:
        for pair in range(ORDERS):
            await subject.open(signal_line(pair))
        await trio.lowlevel.checkpoint()
        return [_fill(subject.engine), _scrape(subject.engine)]
