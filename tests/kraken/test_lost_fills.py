"""Frames and connections are lost in the midst of fills: none of them is, and none comes twice."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import pytest
import structlog.testing
import trio

from engine.orders.commands import NewOrder
from engine.orders.reports import Outcome
from engine.sim import ScriptedFaults, http_error, lose_request
from engine.venue.protocol import Lane

LOT = Decimal("0.001")


async def rest_an_order(link, cl_ord_id="c-1", qty="1", price="50000.0"):
    """Place a large resting buy."""
    order = NewOrder(cl_ord_id, "BTC/USD", "buy", "limit", Decimal(qty), Decimal(price))
    answer = await link.submit(await link.admit(Lane.ENTRY, order), order)
    assert answer.outcome is Outcome.ACCEPTED


def fill(stage, times):
    """Let the market take from the resting order."""
    for _ in range(times):
        assert stage.exchange.house.take("BTC/USD", "sell", LOT) == LOT


def check(stage):
    """Every fill of the exchange has reached the sink, with its numbers; none was reported twice outside snapshots."""
    truth = {
        trade.exec_id: (trade.order_id, trade.qty, trade.price, trade.fee) for trade in stage.exchange.truth.trades
    }
    streamed = [r for r in stage.sink.reports if r.fill is not None]
    shown = [trade for _, trades in stage.sink.snapshots for trade in trades]
    heard = {
        r.fill.exec_id: (r.order_id, r.fill.last_qty, r.fill.last_px, r.fill.fees[0].qty) for r in [*streamed, *shown]
    }
    assert heard == truth
    assert max(Counter(r.fill.exec_id for r in streamed).values(), default=1) == 1
    return len(truth)


async def settle(stage, link, within_s=240.0):
    """Wait until the stream is complete and stays so for three seconds."""
    with trio.fail_after(within_s):
        while True:
            await trio.sleep(3)
            standing = link.standing
            if standing is not None and trio.current_time() - standing.since_s >= 3:
                return


@pytest.mark.parametrize("verdict", ["drop", "duplicate", "swap", "skip_sequence", "strange", "kill", "close"])
@pytest.mark.parametrize("nth", [1, 2, 4, 7])
async def test_no_frame_fault_loses_or_doubles_a_fill(stage, autojump_clock, verdict, nth):
    """Whatever happens to one frame among fills, in the end each fill was told once."""
    async with stage.link() as link:
        await rest_an_order(link)
        stage.exchange.faults = ScriptedFaults().at_frame("executions", nth, verdict)
        for _ in range(6):
            fill(stage, 1)
            await trio.sleep(0.3)
        await settle(stage, link)
        fill(stage, 2)
        await trio.sleep(1)
    assert check(stage) == 8


async def test_duplicates_are_counted_and_cost_no_connection(stage, autojump_clock):
    """The very same frame again is dropped; the connection stays."""
    async with stage.link() as link:
        await rest_an_order(link)
        stage.exchange.faults = ScriptedFaults().frames_during("executions", 0, 2, "duplicate")
        fill(stage, 5)
        await trio.sleep(3)
        private = link.links()[1]
        assert (private.duplicates, private.attempts, private.gaps_total) == (5, 1, 0)
        assert 0 < private.duplicate_rate < 1
    assert check(stage) == 5


@pytest.mark.parametrize("away", [1, 49, 50, 51, 130])
async def test_fills_of_an_outage_are_fetched_back_to_the_last_known(stage, autojump_clock, away):
    """Up to fifty come with the snapshot, more are paged from TradesHistory; up is told only after them."""
    async with stage.link() as link:
        await rest_an_order(link)
        fill(stage, 3)
        await trio.sleep(1)
        stage.exchange.kick(private=True)
        fill(stage, away)
        await settle(stage, link)
        heard = len({r.fill.exec_id for r in stage.sink.reports if r.fill is not None})
        assert heard == 3 + max(0, away - 50 if away > 50 else 0)
        assert all(r.cl_ord_id == "c-1" for r in stage.sink.reports if r.fill is not None)
        assert link.links()[1].gaps == ()
    assert check(stage) == 3 + away


async def test_first_fills_ever_made_during_an_outage_are_found(stage, autojump_clock):
    """No fill was known when the connection went: the fifty of the snapshot may not be all."""
    async with stage.link() as link:
        await rest_an_order(link)
        stage.exchange.kick(private=True)
        fill(stage, 70)
        await settle(stage, link)
    assert check(stage) == 70


async def test_full_snapshot_of_old_fills_asks_nothing(stage, autojump_clock):
    """Fifty fills from before the outage prove that nothing is missing: no history is asked for."""
    async with stage.link() as link:
        await rest_an_order(link)
        fill(stage, 60)
        await trio.sleep(1)
    asked = []
    stage.wire.observers.append(lambda _, data: asked.append(1) if b"/TradesHistory" in data else None)
    stage.sink.reports.clear()
    async with stage.link() as link:
        await trio.sleep(30)
        stage.exchange.kick(private=True)
        await settle(stage, link)
    assert not asked


async def test_lagging_rest_is_asked_until_it_has_caught_up(stage, autojump_clock):
    """REST runs 40 s behind the stream: the stream counts as complete only when the gap is bridged."""
    async with stage.link() as link:
        await rest_an_order(link)
        fill(stage, 2)
        await trio.sleep(60)
        stage.exchange.lag_rest(40)
        stage.exchange.kick(private=True)
        fill(stage, 80)
        began = trio.current_time()
        with structlog.testing.capture_logs() as logs:
            await stage.sink.wait(lambda: len(stage.sink.links) == 3)
        assert 35 < trio.current_time() - began < 60
        assert not [entry for entry in logs if entry["event"] == "link.alarm"]
    assert check(stage) == 82


async def test_rest_that_never_answers_keeps_the_stream_incomplete_and_alarms(stage, autojump_clock):
    """No history for three minutes: one alarm, never a false "complete"; it is told when the fills are there."""
    async with stage.link() as link:
        await rest_an_order(link)
        fill(stage, 2)
        await trio.sleep(1)
        stage.exchange.faults = ScriptedFaults().during("TradesHistory", 0, 180, http_error(502))
        stage.exchange.kick(private=True)
        fill(stage, 60)
        began = trio.current_time()
        with structlog.testing.capture_logs() as logs:
            await stage.sink.wait(lambda: len(stage.sink.links) == 3, 400)
        assert trio.current_time() - began > 180
        assert len([entry for entry in logs if entry["event"] == "link.alarm"]) == 1
    assert check(stage) == 62


async def test_kicked_again_while_fills_are_fetched(stage, autojump_clock):
    """The second snapshot holds only later fills: the hole still reaches back to the last complete moment."""
    async with stage.link() as link:
        await rest_an_order(link)
        fill(stage, 2)
        await trio.sleep(1)
        stage.exchange.faults = ScriptedFaults().during("TradesHistory", 0, 8, lose_request())
        stage.exchange.kick(private=True)
        fill(stage, 60)
        for _ in range(3):
            await trio.sleep(3)
            stage.exchange.kick(private=True)
            fill(stage, 20)
        await settle(stage, link)
    assert check(stage) == 122


async def test_order_unheard_of_that_filled_while_away_is_named(stage, autojump_clock):
    """Its first frames were lost with the connection: the fills fetched by REST carry its name all the same."""
    async with stage.link() as link:
        await rest_an_order(link)
        fill(stage, 1)
        await trio.sleep(1)
        stage.exchange.kick(private=True)
        stage.wire.refuse(3)
        stage.exchange.house.place_client("BTC/USD", "buy", Decimal("0.01"), Decimal("50001.0"), cl_ord_id="c-2")
        fill(stage, 65)
        await settle(stage, link)
        named = Counter(r.cl_ord_id for r in stage.sink.reports if r.source == "rest")
        assert named == {"c-2": 10, "c-1": 5}
    assert check(stage) == 66


@pytest.mark.parametrize("seed", range(5))
async def test_storm_of_faults_loses_nothing(stages, autojump_clock, seed):
    """A minute of fills under random frame faults and kicks; after it every fill was told, none twice."""
    rng = random.Random(seed)
    async with stages() as stage, stage.link() as link:
        await rest_an_order(link)
        faults = stage.exchange.faults = ScriptedFaults()
        for verdict in ("drop", "duplicate", "swap", "kill", "close"):
            faults.frames_sometimes("executions", 0.02, rng, verdict)
        for _ in range(150):
            fill(stage, rng.randrange(3))
            await trio.sleep(rng.random())
            if rng.random() < 0.03:
                stage.exchange.kick(private=True)
        stage.exchange.faults = ScriptedFaults()
        await settle(stage, link)
        fill(stage, 1)
        await settle(stage, link)
    assert check(stage) > 100


async def test_shorter_reach_that_ends_later_takes_nothing_back(stage, autojump_clock):
    """Two may read the fills back at once: what the longer one has found stays known."""
    moments = []
    async with stage.link() as link:
        await rest_an_order(link)
        for _ in range(60):
            moments.append(stage.exchange.clock.now_ns())
            fill(stage, 1)
            await trio.sleep(0.1)
    async with stage.link() as link:
        await settle(stage, link)
        assert link.standing.fills_since_ns > moments[5]
        async with trio.open_nursery() as nursery:
            for since_ns in (moments[0], moments[5]):
                nursery.start_soon(link.reach_back, since_ns)
                await trio.sleep(0.001)
        assert link.standing.fills_since_ns == moments[0]
