"""Links, the venue's budgets and books, for the exposition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, StateSetMetricFamily

from engine.market.freshness import Freshness
from engine.net.link import LinkMachine
from engine.net.link_view import LinkView
from engine.runtime.engine import Engine
from engine.runtime.histogram import NAMES_MOST
from engine.venue.protocol import Headroom

_STATES: Final = tuple(str(state.value) for state in LinkMachine.states)

_LINK_COUNTERS: Final[tuple[tuple[str, str, str, Callable[[LinkView], float]], ...]] = (
    ("engine_link_attempts", "Connections tried.", "", lambda one: one.attempts),
    ("engine_link_disconnects", "Complete streams that were lost.", "", lambda one: one.disconnects),
    ("engine_link_gaps", "Times that messages went missing.", "", lambda one: one.gaps_total),
    ("engine_link_gaps_healed", "Gaps that were made up for.", "", lambda one: one.gaps_healed),
    ("engine_link_duplicate_frames", "Messages that came again.", "", lambda one: one.duplicates),
    ("engine_link_invalid_frames", "Messages that broke the contract.", "", lambda one: one.invalid),
    ("engine_link_errors", "Invalid messages, refusals and dropped requests.", "", lambda one: one.errors),
    ("engine_link_received_messages", "Messages received.", "", lambda one: one.messages_in),
    ("engine_link_sent_messages", "Messages sent.", "", lambda one: one.messages_out),
    ("engine_link_received_bytes", "Bytes of messages received.", "bytes", lambda one: one.bytes_in),
    ("engine_link_sent_bytes", "Bytes of messages sent.", "bytes", lambda one: one.bytes_out),
)
_LINK_GAUGES: Final[tuple[tuple[str, str, str, Callable[[LinkView], float | None]], ...]] = (
    ("engine_link_failures_in_a_row", "Tries that failed, since the last complete stream.", "",
     lambda one: one.failures_in_a_row),
    ("engine_link_open_gaps", "Gaps that are not made up for yet.", "", lambda one: len(one.gaps)),
    ("engine_link_uptime_ratio", "Share of the time with a complete stream.", "ratio", lambda one: one.uptime_share),
    ("engine_link_latency_seconds", "The last ping's way there and back.", "seconds", lambda one: one.latency_s),
    ("engine_link_heartbeat_age_seconds", "Since the venue was last heard of.", "seconds",
     lambda one: one.heartbeat_age_s),
)  # fmt: skip
_BUDGETS: Final[tuple[tuple[str, str, Callable[[Headroom], float]], ...]] = (
    ("engine_rate_counter_points", "The venue's rate counter, as modelled.", lambda one: one.level),
    ("engine_rate_counter_limit_points", "Where it refuses.", lambda one: one.threshold),
    ("engine_venue_open_orders", "Orders open, as the limiter counts them.", lambda one: one.open_orders),
    ("engine_venue_open_orders_limit", "The most that may be open.", lambda one: one.most_open_orders),
    ("engine_venue_trigger_orders", "Resting stops and other triggers.", lambda one: one.trigger_orders),
    ("engine_venue_waiting_requests", "Requests that wait for room.", lambda one: one.waiting),
)
_BOOKS: Final[tuple[tuple[str, str, str, Callable[[Freshness], float | None]], ...]] = (
    ("engine_book_usable", "1 while the book is verified and fresh.", "", lambda one: float(one.usable)),
    ("engine_book_age_seconds", "Since its last update.", "seconds", lambda one: one.update_age_s),
    ("engine_book_latency_seconds", "Median way of its updates to us.", "seconds", lambda one: one.latency_s),
)


def link_families(engine: Engine) -> Iterator[Metric]:
    """Yield links, budgets and books."""
    link = engine.services.link
    links, budgets, books = link.links(), link.headroom()[:NAMES_MOST], link.freshness()[:NAMES_MOST]
    state = StateSetMetricFamily("engine_link_state", "The state of each stream.", labels=["link"])
    for one in links:
        state.add_metric([one.name], {name: name == one.state for name in _STATES})
    yield state
    for name, said, unit, count in _LINK_COUNTERS:
        counter = CounterMetricFamily(name, said, labels=["link"], unit=unit)
        for one in links:
            counter.add_metric([one.name], count(one))
        yield counter
    for name, said, unit, look in _LINK_GAUGES:
        yield _gauge(name, said, unit, "link", [(one.name, look(one)) for one in links])
    for name, said, level in _BUDGETS:
        yield _gauge(name, said, "", "symbol", [(one.symbol, level(one)) for one in budgets])
    for name, said, unit, seen in _BOOKS:
        yield _gauge(name, said, unit, "symbol", [(one.symbol, seen(one)) for one in books])
    resyncs = CounterMetricFamily("engine_book_resyncs", "Books that were asked for anew.", labels=["symbol"])
    for book in books:
        resyncs.add_metric([book.symbol], book.resyncs)
    yield resyncs


def _gauge(name: str, said: str, unit: str, label: str, values: list[tuple[str, float | None]]) -> Metric:
    family = GaugeMetricFamily(name, said, labels=[label], unit=unit)
    for value, number in values:
        if number is not None:
            family.add_metric([value], number)
    return family
