"""What the engine counts: each figure against what the exchange and the journal know."""

from __future__ import annotations

import gc
from decimal import Decimal

import pytest
import trio

from engine.chaos.world import World
from engine.journal.row import Row
from engine.orders.events import OrderEvent
from engine.runtime.histogram import NAMES_MOST, OTHER, Histogram, Named, NamedHistograms
from engine.runtime.loop_watch import watching_loop
from engine.runtime.metrics import Metrics
from engine.seams.clock import VirtualClock
from engine.seams.stopwatch import VirtualStopwatch
from engine.sim import ScriptedFaults, lose_request
from engine.testing import run_world
from tests.runtime.conftest import Place
from tests.runtime.test_alarms_told import Ear, OpenPlace, bought, opened
from tests.runtime.worlds import live_through


def test_a_value_falls_into_the_first_bucket_that_holds_it():
    """Bounds are inclusive; buckets are told cumulatively, the last is everything."""
    histogram = Histogram((0.001, 0.5, 1.0))
    for value in (0.001, 0.0011, 0.5, 2.0, -1.0):
        histogram.observe(value)
    assert histogram.buckets() == [("0.001", 2.0), ("0.5", 4.0), ("1.0", 4.0), ("+Inf", 5.0)]
    assert histogram.total == pytest.approx(1.5021)


def test_label_values_are_bounded():
    """What comes beyond the bound is counted together, and nothing is lost."""
    counts, histograms = Named(), NamedHistograms((1.0,))
    for number in range(NAMES_MOST + 50):
        counts.add(f"code-{number}")
        histograms.observe(f"code-{number}", 0.5)
    assert len(counts.by) == NAMES_MOST + 1
    assert counts.by[OTHER,] == 50
    assert len(histograms.by) <= NAMES_MOST + 1
    assert sum(one.counts[0] for one in histograms.by.values()) == NAMES_MOST + 50


def counted(seed: int = 1) -> tuple[Metrics, tuple[Row, ...]]:
    """One bracket from signal to target, and a denied signal."""

    async def body(world: World) -> tuple[Metrics, tuple[Row, ...]]:
        await live_through(world)
        return world.engine.services.metrics, tuple(world.journal.rows())

    return run_world(body, seed=seed, limit_s=3600)


def test_counts_are_those_of_the_journal():
    """Signals, requests, answers, moves, fills and ends, each as its rows tell."""
    metrics, rows = counted()
    kinds = [row.kind for row in rows]
    assert metrics.faults == 0
    assert metrics.signals.by == {("denied",): 1, ("accepted",): 1}
    assert metrics.denials.by == {("PRICES_OUT_OF_ORDER",): 1}
    assert sum(metrics.requests.by.values()) == kinds.count("request")
    assert sum(metrics.answers.by.values()) == kinds.count("answer")
    events = [row.decode(OrderEvent) for row in rows if row.kind == "order"]
    assert sum(metrics.transitions.by.values()) == sum(one.from_state != one.to_state for one in events)
    assert metrics.fills.by == {
        ("BTC/USD", "buy", "entry", "maker"): 3,
        ("BTC/USD", "sell", "target", "taker"): 2,
    }
    assert metrics.outcomes.by == {("target",): 1}


def test_latencies_are_measured_at_the_wire():
    """The virtual wire's way there and back lies in wire to ack; nothing is left over for orders that have ended."""
    metrics, _ = counted()
    acks = metrics.wire_to_ack.by["new"]
    assert sum(acks.counts) == metrics.requests.by["new", "ws"]
    assert 0.01 < acks.total / sum(acks.counts) < 0.1
    assert sum(metrics.signal_to_wire.counts) == 1
    assert sum(metrics.decision_to_wire.by["stop"].counts) == 3
    assert sum(metrics.frame_to_report.counts) > 10
    assert metrics.frame_to_report.total == 0  # one moment of virtual time, sync included
    assert (metrics._brackets, metrics._wire_ns, metrics._framed_s) == ({}, {}, {})


def test_slippage_is_measured_by_each_order_s_own_reference():
    """The entry by the middle of the book when its signal came, the target by its limit: here better, and exact."""
    metrics, _ = counted()
    assert metrics.slippage.by["entry"].total == 0
    assert metrics.slippage.by["target"].total == pytest.approx(-1 / 51000)


async def test_quantity_without_cover_and_targets_unwatched_add_up_in_seconds(autojump_clock):
    """Two for ten seconds and one for five are twenty-five."""
    metrics = Metrics(None, VirtualClock())  # type: ignore[arg-type]  # no row is looked up
    metrics.stood(unwatched=2, uncovered=1)
    await trio.sleep(10)
    metrics.stood(unwatched=1, uncovered=0)
    await trio.sleep(5)
    metrics.stood(unwatched=0, uncovered=0)
    assert (metrics.unwatched_s, metrics.uncovered_s) == (pytest.approx(25), pytest.approx(10))


async def test_brackets_of_an_earlier_process_are_counted_too(open_place: OpenPlace, autojump_clock):
    """Their orders are looked up in the journal once; the fills after the restart have role and slippage."""
    async with open_place() as place:
        journal = place.journal()
        async with opened_again(place, journal) as engine:
            await bought(place, engine)
            await trio.sleep(2)
        journal.close()
        journal = place.journal()
        async with opened_again(place, journal) as engine:
            place.exchange.house.clear("BTC/USD")
            place.exchange.house.quote("BTC/USD", "sell", Decimal(48910), Decimal(1))
            place.exchange.house.quote("BTC/USD", "buy", Decimal(48900), Decimal(1))
            place.exchange.house.print_trade("BTC/USD", Decimal(48950), Decimal("0.001"))
            await trio.sleep(5)
            metrics = engine.services.metrics
            assert metrics.faults == 0
            assert metrics.fills.by["BTC/USD", "sell", "stop", "taker"] >= 1
            assert metrics.slippage.by["stop"].total == pytest.approx(100 / 49000, rel=0.01)
            assert sum(metrics.signal_to_wire.counts) == 0
        journal.close()


def opened_again(place: Place, journal):  # type: ignore[no-untyped-def]
    return place.open(journal)


async def test_unanswered_requests_are_no_latency(open_place: OpenPlace, autojump_clock):
    """What ends unknown has no answer's time."""
    async with open_place() as place, opened(place, Ear()) as engine:
        place.exchange.faults = ScriptedFaults().at("add_order", 1, lose_request())
        await bought(place, engine)
        await trio.sleep(60)
        metrics = engine.services.metrics
        assert metrics.answers.by["new", "unknown"] == 1
        assert sum(metrics.wire_to_ack.by["new"].counts) == sum(metrics.answers.by.values()) - 1 - sum(
            count for (request, _), count in metrics.answers.by.items() if request != "new"
        )


async def test_rounds_of_the_loop_and_pauses_of_the_collector_are_timed(autojump_clock):
    """By the stopwatch given; nothing is left behind."""
    metrics, stopwatch = Metrics(None, VirtualClock()), VirtualStopwatch()  # type: ignore[arg-type]
    callbacks = len(gc.callbacks)
    with watching_loop(metrics, stopwatch):
        await trio.sleep(1)
        stopwatch.add(0.05)
        await trio.sleep(1)
        gc.collect()
    assert metrics.busy.total == pytest.approx(0.05)
    assert sum(metrics.gc_pause.by["2"].counts) == 1
    assert len(gc.callbacks) == callbacks
