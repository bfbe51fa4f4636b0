"""The engine's figures for Prometheus, as OpenMetrics or plain text by what the scraper asks for.

Aggregates alone: counts, sizes, times and states, by market, role and code. No id, no balance, no position, no price,
no profit and no account stands in them, so they are given without a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest, openmetrics
from prometheus_client.core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

import engine as package
from engine.control.metrics_links import link_families
from engine.control.metrics_state import state_families
from engine.runtime.engine import Engine
from engine.runtime.histogram import Histogram, Named, NamedHistograms
from engine.runtime.metrics import Metrics

PREFIX: Final = "engine_"
OPENMETRICS: Final = openmetrics.exposition.CONTENT_TYPE_LATEST
PLAIN: Final = CONTENT_TYPE_PLAIN_0_0_4


def form_of(accept: str) -> str:
    """Return the content type for an Accept header. Anybody may write one, so nothing else of it is looked at."""
    return OPENMETRICS if "application/openmetrics-text" in accept else PLAIN


def expose(engine: Engine, accept: str = "") -> tuple[str, bytes]:
    """Return content type and body of one scrape. ``accept`` is the request's header.

    Reads what the rooms have counted, which takes some ten milliseconds, and changes nothing.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(EngineCollector(engine))
    ProcessCollector(registry=registry)  # CPU, memory, descriptors of this process under their usual names
    form = form_of(accept)
    if form == OPENMETRICS:
        return form, openmetrics.exposition.generate_latest(registry)  # type: ignore[no-untyped-call]  # the library's
    return form, generate_latest(registry)


class EngineCollector(Collector):
    """Makes the families of one scrape."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterable[Metric]:
        """Yield every family, each once."""
        identity = self._engine.journal.identity
        yield InfoMetricFamily(
            f"{PREFIX}build",
            "Which engine this is.",
            {"version": package.__version__, "venue": identity.venue, "mode": identity.mode},
        )
        yield from counted_families(self._engine.services.metrics)
        yield from state_families(self._engine)
        yield from link_families(self._engine)


def counted_families(metrics: Metrics) -> Iterator[Metric]:
    """Yield what the engine counts since it started."""
    yield _counts("signals", "Signals judged.", ["verdict"], metrics.signals)
    yield _counts("denials", "Signals and requests that the engine denied, by code.", ["code"], metrics.denials)
    yield _counts("refusals", "Requests that the venue refused, by code.", ["code"], metrics.refusals)
    yield _counts("requests", "Requests let go.", ["request", "transport"], metrics.requests)
    yield _counts("answers", "Ends of requests.", ["request", "outcome"], metrics.answers)
    yield _counts("order_transitions", "Moves of orders.", ["from_state", "to_state"], metrics.transitions)
    yield _counts("bracket_transitions", "Moves of brackets.", ["from_state", "to_state"], metrics.phases)
    yield _counts("brackets_ended", "Brackets that ended, by how.", ["outcome"], metrics.outcomes)
    yield _counts("fills", "Executions of our orders.", ["symbol", "side", "role", "liquidity"], metrics.fills)
    yield _histograms("slippage_ratio", "Fills against their reference, as a share of it; above 0 is worse.", "role",
                      metrics.slippage, signed=True)  # fmt: skip
    yield _histogram("signal_to_wire_seconds", "From a signal's acceptance to the first byte of its entry.",
                     metrics.signal_to_wire)  # fmt: skip
    yield _histograms("decision_to_wire_seconds", "From an order's decision to its first byte.", "role",
                      metrics.decision_to_wire)  # fmt: skip
    yield _histograms("wire_to_ack_seconds", "From a request's first byte to its answer.", "request",
                      metrics.wire_to_ack)  # fmt: skip
    yield _histogram("frame_to_report_seconds", "From a frame's reading to the published execution report.",
                     metrics.frame_to_report)  # fmt: skip
    yield _histogram("journal_sync_seconds", "Commits of the journal, to the disk's word.", metrics.sync)
    yield _histogram("loop_busy_seconds", "Rounds of the event loop, between two waits.", metrics.busy)
    yield _histogram("loop_late_seconds", "How late a task was woken that slept for a second.", metrics.late)
    yield _histograms("gc_pause_seconds", "Pauses by the garbage collector.", "generation", metrics.gc_pause)
    yield CounterMetricFamily(f"{PREFIX}metrics_faults", "Rows that could not be counted.", metrics.faults)


def _counts(name: str, said: str, labels: list[str], counts: Named) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}{name}", said, labels=labels)
    for values, count in counts.by.items():
        family.add_metric(values, count)
    return family


def _histogram(name: str, said: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(
        f"{PREFIX}{name}", said, buckets=histogram.buckets(), sum_value=histogram.total, unit=_unit(name)
    )


def _histograms(name: str, said: str, label: str, histograms: NamedHistograms, *, signed: bool = False) -> Metric:
    """``signed``: values below zero, whose sum is no counter; OpenMetrics wants it left out then."""
    family = HistogramMetricFamily(f"{PREFIX}{name}", said, labels=[label], unit=_unit(name))
    for value, one in histograms.by.items():
        family.add_metric([value], one.buckets(), sum_value=None if signed else one.total)
    return family


def _unit(name: str) -> str:
    return name.rpartition("_")[2]
