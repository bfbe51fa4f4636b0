"""What the rule on cover allows, and no more than that."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import trio

from engine.orders.signal import parse_signal
from engine.values.time import NS
from tests.chaos.test_oracle import Stage, _say, staged
from tests.chaos.test_oracle_sees import deafen, decide, decide_stop, lose, place, tell, watch

TWICE = "protection was taken away twice"
SIGNAL = "00000000-0000-4000-8000-00000000000{}"
ENTRY = {
    "symbol": "BTC/USD",
    "side": "buy",
    "order_type": "limit",
    "limit_price": "40000",
    "order_qty": "0.02",
    "stop_loss": {"trigger_price": "39000"},
}
"""One that rests far from the market."""


def leave(stage: Stage, why: str) -> None:
    """The bracket lets go of what it holds, and says why."""
    (case,) = stage.oracle.ledger.cases.values()
    body = {"move": "leave", "from_state": "covered", "to_state": "exiting", "ts_ns": 1, "why": why}
    body |= {"exposure": "0.02", "uncovered": "0.02"}
    stage.world.journal.append("bracket", body, ts_ns=1, signal_id=case.signal_id)


@pytest.mark.parametrize(
    ("taken", "why", "broken"), [(2, TWICE, False), (1, TWICE, True), (2, "", True)], ids=["two", "one", "silent"]
)
async def test_what_a_person_has_uncovered_twice_is_his(autojump_clock, taken: int, why: str, broken: bool):
    """Squall 700078: eleven stops more were to go, and the counter let one go in four seconds."""
    async with staged() as stage:
        deafen(stage)
        decide_stop(stage, "again")
        place(stage, "again", "sell", "60000")
        stops = [twin for twin in stage.oracle.ledger.orders.values() if twin.role == "stop"]
        stage.oracle.ledger.given_up |= {twin.cl_ord_id for twin in stops[:taken]}
        core = stage.world.exchange._venue.core
        for twin in stops:
            assert twin.venue is not None
            core.cancel(core.orders[twin.venue.order_id])
        leave(stage, why)
        await watch(stage, 5)
        assert ("cover_or_flat_in_time" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(
    ("points", "halted", "beside", "broken"),
    [
        ("200", True, "entry", False),
        ("100", True, "entry", True),
        ("200", False, "entry", True),
        ("200", True, "stop", True),
    ],
    ids=["passed", "room", "nobody asked", "stops too"],
)
async def test_what_filled_under_a_batch_that_passed_the_counter_waits_for_it(
    autojump_clock, points: str, halted: bool, beside: str, broken: bool
):
    """Squall 700176: nothing can be placed while the counter stands above its threshold."""
    async with staged() as stage:
        deafen(stage)
        if halted:
            stage.oracle.ledger.halted[""] = "COMMAND"
        decide(stage, "second")
        place(stage, "second")
        second = stage.oracle.ledger.orders["second"].venue
        assert second is not None
        batch = {"method": "batch_cancel", "params": {"orders": [second.order_id, stage.ours(beside)]}}
        _say(stage.world, json.dumps(batch))
        core = stage.world.exchange._venue.core
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), Decimal(points))
        lose(stage)
        await watch(stage, 5)
        assert ("cover_or_flat_in_time" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(
    ("points", "halted", "doubted", "broken"),
    [("200", True, True, False), ("100", True, True, True), ("200", False, True, True), ("200", True, False, True)],
    ids=["behind", "room", "nobody asked", "no doubt"],
)
async def test_exit_that_was_in_doubt_waits_behind_a_batch_of_others_entries(
    autojump_clock, points: str, halted: bool, doubted: bool, broken: bool
):
    """Squall 1300882: a stop was proved dead while its market's counter stood above its threshold."""
    async with staged() as stage:
        for number in (2, 3):
            await stage.world.engine.submit(parse_signal(json.dumps(ENTRY | {"signal_id": SIGNAL.format(number)})))
        await trio.sleep(2)
        deafen(stage)
        if halted:
            stage.oracle.ledger.halted[""] = "COMMAND"
        if doubted:
            tell(stage, "stop", "doubt", "open", "unknown")
        twins = stage.oracle.ledger.orders.values()
        entries = [t.venue.order_id for t in twins if t.role == "entry" and t.venue is not None and t.venue.is_open]
        _say(stage.world, json.dumps({"method": "batch_cancel", "params": {"orders": entries}}))
        core = stage.world.exchange._venue.core
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), Decimal(points))
        lose(stage)
        tell(stage, "stop", "prove_dead", "unknown", "rejected", why="nobody shows it")
        await watch(stage, 5)
        assert len(entries) == 2
        assert ("cover_or_flat_in_time" in stage.broken()) == broken
        stage.world.kill()


async def test_what_waited_for_the_counter_is_covered_when_it_has_run_down(autojump_clock):
    """It has the two seconds that everything has, from then on."""
    async with staged() as stage:
        deafen(stage)
        stage.oracle.ledger.halted[""] = "COMMAND"
        decide(stage, "second")
        place(stage, "second")
        second = stage.oracle.ledger.orders["second"].venue
        assert second is not None
        batch = {"method": "batch_cancel", "params": {"orders": [second.order_id, stage.ours("entry")]}}
        _say(stage.world, json.dumps(batch))
        core = stage.world.exchange._venue.core
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), Decimal(140))
        lose(stage)
        await watch(stage, 6)
        assert "cover_or_flat_in_time" not in stage.broken()
        await watch(stage, 6)
        assert "cover_or_flat_in_time" in stage.broken()
        stage.world.kill()


@pytest.mark.parametrize(("points", "broken"), [("200", False), ("100", True)], ids=["passed", "room"])
async def test_base_fee_of_an_exit_is_bought_back_when_the_counter_has_room(autojump_clock, points: str, broken: bool):
    """Squall 740073: a stop's end left its fee bare while everything closed on the smallest tier."""
    async with staged() as stage:
        deafen(stage)
        core = stage.world.exchange._venue.core
        stop = core.orders[stage.ours("stop")]
        stop.fee, stop.fee_asset = Decimal("0.01"), "BTC"
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), Decimal(points))
        lose(stage)
        await watch(stage, 5)
        assert ("cover_or_flat_in_time" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(
    ("counted", "fee", "full", "broken"),
    [
        ("0.02", "0.01", True, False),
        ("0.02", "0.01", False, True),
        ("0.02", "0.009", True, True),
        ("0", "0.01", True, True),
    ],
    ids=["waits", "room", "more than the fee", "not known"],
)
async def test_base_fee_is_known_with_the_single_fills(
    autojump_clock, counted: str, fee: str, full: bool, broken: bool
):
    """Storm 1600157: REST told that a stop had bought back, and its fills waited half a minute for calls."""
    async with staged() as stage:
        deafen(stage)
        core = stage.world.exchange._venue.core
        stop = core.orders[stage.ours("stop")]
        core.cancel(stop)
        stop.fee, stop.fee_asset = Decimal(fee), "BTC"
        tell(stage, "stop", "", "open", "open", venue_cum=counted)
        if full:
            stage.world.nonces.spend(stage.world.clock.now_ns() + 60 * NS)
        await watch(stage, 5)
        assert ("cover_or_flat_in_time" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(("alone", "full", "broken"), [(True, True, False), (True, False, True), (False, True, True)])
async def test_fill_that_nothing_can_tell_of_has_its_time_from_the_next_call(
    autojump_clock, alone: bool, full: bool, broken: bool
):
    """Squall 1341434: the stream was away, and tokens and amends had taken the calls of half a minute."""
    async with staged() as stage:
        deafen(stage)
        if alone:
            stage.world.exchange._venue.sockets.clear()
        decide(stage, "second")
        place(stage, "second", price="60000")
        if full:
            stage.world.nonces.spend(stage.world.clock.now_ns() + 60 * NS)
        await watch(stage, 5)
        assert ("cover_or_flat_in_time" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(
    ("via", "everything", "broken"), [("rest", True, False), ("auto", True, True), ("rest", False, True)]
)
async def test_close_of_everything_by_rest_alone_takes_its_turns(autojump_clock, via, everything, broken):
    """Calm 1400207: ten calls, one at a time, each a sixth of a second on its way."""
    async with staged() as stage:
        stage.world._venue_changes["orders_via"] = via
        (signal_id,) = stage.oracle.ledger.cases
        body = {"move": "bare", "from_state": "exiting", "to_state": "naked", "ts_ns": 1, "alarm": "NAKED"}
        body |= {"exposure": "0.02", "uncovered": "0.02", "uncovered_qty_s": "0", "close_all": everything}
        stage.world.journal.append("bracket", body, ts_ns=1, signal_id=signal_id)
        assert ("calm_is_quiet" in stage.broken()) == broken
        stage.world.kill()
