"""How the engine stands at this moment, for the exposition: orders, cover, halts, queues, journal, alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import trio
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, StateSetMetricFamily

from engine.orders.bracket_machine import BracketMachine
from engine.orders.machine import OrderMachine
from engine.runtime.alarm import RANK
from engine.runtime.alarm_codes import CODES
from engine.runtime.engine import Engine
from engine.runtime.services import Services

_ORDER_STATES: Final = tuple(str(state.value) for state in OrderMachine.states)
_BRACKET_STATES: Final = tuple(str(state.value) for state in BracketMachine.states)


def state_families(engine: Engine) -> Iterator[Metric]:
    """Yield what is now; counters here belong to rooms that count for themselves."""
    services = engine.services
    yield from _orders(engine)
    yield from _cover(engine)
    yield from _trading(services)
    yield _by("queue_messages", "What waits inside the engine.", "queue", _queues(services))
    statistics = services.journal.statistics()
    yield GaugeMetricFamily("engine_journal_rows", "Rows of the journal.", statistics.rows)
    yield GaugeMetricFamily("engine_journal_unsynced_rows", "Rows not durable yet.",
                            statistics.rows - statistics.durable)  # fmt: skip
    yield GaugeMetricFamily("engine_journal_log_rows", "Rows that a checkpoint would move.",
                            statistics.since_checkpoint)  # fmt: skip
    yield CounterMetricFamily("engine_reports", "Execution reports published.", services.bus.published)
    yield GaugeMetricFamily("engine_subscribers", "Who read execution reports along.", services.bus.subscribers)
    yield CounterMetricFamily("engine_inbox_overflows", "Reports that did not fit an order's inbox.",
                              services.desk.counts["inbox_full"])  # fmt: skip
    yield from _alarms(services)


def _orders(engine: Engine) -> Iterator[Metric]:
    handles = engine.services.desk.live.values()
    states = Counter(handle.view.state for handle in handles)
    yield _by("orders", "Living orders by state.", "state", {name: states[name] for name in _ORDER_STATES})
    yield GaugeMetricFamily("engine_suspect_orders", "Orders whose state must be asked for.",
                            sum(handle.suspect for handle in handles))  # fmt: skip
    phases = Counter(str(scope.bracket.state) for scope in engine.brackets.scopes())
    yield _by("brackets", "Living brackets by state.", "state", {name: phases[name] for name in _BRACKET_STATES})


def _cover(engine: Engine) -> Iterator[Metric]:
    cover, metrics = engine.cover(), engine.services.metrics
    bare = dict.fromkeys(cover.total_qty_s, 0.0)
    for scope in engine.brackets.scopes():
        bare[scope.bracket.instrument.base] += float(scope.bracket.uncovered)
    yield _by("uncovered_quantity", "Base units held without a sure stop.", "asset", bare)
    total = CounterMetricFamily("engine_uncovered_quantity_seconds", "The same times seconds.", labels=["asset"],
                                unit="seconds")  # fmt: skip
    for asset, quantity_s in cover.total_qty_s.items():
        total.add_metric([asset], float(quantity_s))
    yield total
    yield GaugeMetricFamily("engine_uncovered_brackets", "Brackets with quantity without a stop.", metrics.uncovered)
    yield CounterMetricFamily("engine_uncovered_seconds", "Those times seconds.", metrics.uncovered_s, unit="seconds")
    yield GaugeMetricFamily("engine_unwatched_targets", "Brackets whose target nobody can watch now.",
                            metrics.unwatched)  # fmt: skip
    yield CounterMetricFamily("engine_unwatched_seconds", "Those times seconds.", metrics.unwatched_s,
                              unit="seconds")  # fmt: skip


def _trading(services: Services) -> Iterator[Metric]:
    state = services.trading.view().state
    yield StateSetMetricFamily("engine_trading_state", "Of all trading.",
                               {name: name == state for name in ("ACTIVE", "REDUCING", "HALTED")})  # fmt: skip
    yield GaugeMetricFamily("engine_halted_strategies", "Strategies that are not ACTIVE by themselves.",
                            len(services.trading.view().strategies))  # fmt: skip
    yield GaugeMetricFamily("engine_entry_obstacles", "Reasons that keep entries back.",
                            len(services.gate.reasons()))  # fmt: skip
    breaker = services.breaker.view(trio.current_time()).state
    yield StateSetMetricFamily("engine_breaker_state", "Of the breaker for entries.",
                               {name: name == breaker for name in ("closed", "open", "probing")})  # fmt: skip


def _queues(services: Services) -> dict[str, int]:
    return {
        "requests_in_flight": services.sender.in_flight,
        "reports_unpublished": services.bus.waiting,
        "strays": services.desk.strays,
        **{f"alarms_{one.view().name}": one.view().waiting for one in services.outboxes},
    }


def _alarms(services: Services) -> Iterator[Metric]:
    standing = Counter(str(one.level) for one in services.alarms.alarms() if not one.acked_ns)
    yield _by("alarms", "Alarms that nobody has acknowledged.", "level", {level: standing[level] for level in RANK})
    raised = CounterMetricFamily("engine_alarms_raised", "Alarms raised.", labels=["code"])
    for code in sorted({*CODES, *services.alarms.raised}):  # from zero on, or no increase would ever be seen
        raised.add_metric([code], services.alarms.raised[code])
    yield raised
    told = CounterMetricFamily("engine_alarm_deliveries", "Alarms by what became of them.", labels=["sink", "outcome"])
    for view in (one.view() for one in services.outboxes):
        told.add_metric([view.name, "delivered"], view.delivered)
        told.add_metric([view.name, "failed"], view.failed)
        told.add_metric([view.name, "dropped"], view.dropped)
    yield told


def _by(name: str, said: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"engine_{name}", said, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
