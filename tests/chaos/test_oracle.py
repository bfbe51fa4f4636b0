"""The oracle sees what it should: each rule breaks when its mistake is made by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

import msgspec
import pytest
import trio

from engine.chaos.oracle import RULES, Oracle
from engine.chaos.trace import Trace
from engine.chaos.world import World, open_world
from engine.orders.commands import CancelOrder
from engine.orders.replay import Requested
from engine.orders.reports import Answer, Outcome
from engine.orders.signal import parse_signal
from engine.seams.determinism import deterministic


@dataclass
class Stage:
    """A calm world under an oracle, with one bracket whose stop rests."""

    world: World
    oracle: Oracle

    def broken(self) -> set[str]:
        """Names of the rules broken so far."""
        return {violation.invariant for violation in self.oracle.violations}

    def ours(self, role: str) -> str:
        """The exchange's id of our order of this role."""
        twin = next(t for t in self.oracle.ledger.orders.values() if t.role == role)
        assert twin.venue is not None
        return twin.venue.order_id


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Buy 0.02 BTC and have it covered."""
    found: list[Oracle] = []
    with deterministic(1):
        async with open_world(1, prepare=lambda world: found.append(Oracle(world, Trace()))) as world:
            (oracle,) = found
            oracle.ledger.up = True
            for side, price in (("buy", "49990"), ("sell", "50010")):
                world.exchange.house.quote("BTC/USD", side, Decimal(price), Decimal(5))  # type: ignore[arg-type]
            signal = {
                "signal_id": "00000000-0000-4000-8000-000000000001",
                "symbol": "BTC/USD",
                "side": "buy",
                "order_type": "market",
                "order_qty": "0.02",
                "stop_loss": {"trigger_price": "49000"},
                "take_profit": {"price": "51000"},
            }
            await world.engine.submit(parse_signal(json.dumps(signal)))
            await trio.sleep(2)
            stage = Stage(world, oracle)
            assert stage.broken() == set()
            assert oracle.ledger.cases[signal["signal_id"]].state == "covered"
            yield stage


Mistake = Callable[[Stage], Awaitable[None]]


async def sell_beside_us(stage: Stage) -> None:
    """An amend behind the engine's back doubles the stop."""
    core = stage.world.exchange._venue.core
    order = core.orders[stage.ours("stop")]
    order.order_qty *= 2
    core.report(order, "amended")
    core.finish()


async def second_order_of_one_name(stage: Stage) -> None:
    """A request sent twice."""
    name = stage.world.exchange.truth.orders[stage.ours("entry")].cl_ord_id
    stage.world.exchange.house.place_client("BTC/USD", "buy", Decimal("0.02"), Decimal(40_000), cl_ord_id=name)


async def request_without_row(stage: Stage) -> None:
    """A cancel that nobody has announced."""
    frame = {"method": "cancel_order", "params": {"order_id": [stage.ours("stop")]}}
    _say(stage.world, json.dumps(frame))


async def cancel_of_a_foreign_order(stage: Stage) -> None:
    """A cancel of what is not ours."""
    house = stage.world.exchange.house
    foreign = house.place_client("BTC/USD", "buy", Decimal("0.02"), Decimal(40_000))
    _say(stage.world, json.dumps({"method": "cancel_order", "params": {"order_id": [foreign]}}))


async def cancel_of_everything(stage: Stage) -> None:
    """A cancel that names nothing."""
    _say(stage.world, json.dumps({"method": "cancel_all", "params": {}}))


async def entry_while_halted(stage: Stage) -> None:
    """A new entry after a halt."""
    stage.world.engine.halt("drill")
    name = stage.world.exchange.truth.orders[stage.ours("entry")].cl_ord_id
    _say(stage.world, json.dumps({"method": "add_order", "params": {"cl_ord_id": name}}))


async def adding_while_reducing(stage: Stage) -> None:
    """A further entry on the side that is held, under a latch that lets pass what reduces."""
    stage.world.engine.halt("drill", reducing=True)
    name = stage.world.exchange.truth.orders[stage.ours("entry")].cl_ord_id
    _say(stage.world, json.dumps({"method": "add_order", "params": {"cl_ord_id": name}}))


async def entry_after_its_time(stage: Stage) -> None:
    """An entry whose signal was good until yesterday."""
    (case,) = stage.oracle.ledger.cases.values()
    case.signal = msgspec.structs.replace(case.signal, valid_until_ns=1)
    name = stage.world.exchange.truth.orders[stage.ours("entry")].cl_ord_id
    _say(stage.world, json.dumps({"method": "add_order", "params": {"cl_ord_id": name}}))


async def lost_stop(stage: Stage) -> None:
    """The stop is gone from the exchange, and nobody has told the engine."""
    core = stage.world.exchange._venue.core
    stage.world.exchange.stall(kind="all")
    core.cancel(core.orders[stage.ours("stop")])
    with trio.move_on_after(5):
        await stage.oracle.watch()


async def secret_in_a_log_line(stage: Stage) -> None:
    """A careless log."""
    stage.oracle.logged("info", "request.sent", f"secret={stage.world.exchange.api_secret}")


async def fill_that_never_was(stage: Stage) -> None:
    """A fill of the journal that the exchange has not made."""
    row = next(row for row in stage.world.journal.rows(kind="order") if b'"fill"' in row.body)
    body = json.loads(row.body)
    body["fill"]["exec_id"] = "TAAAAA-AAAAA-AAAAAA"
    stage.world.journal.append(
        "order", body, ts_ns=row.ts_ns, signal_id=row.signal_id, cl_ord_id=row.cl_ord_id, causation_id=row.seq
    )


async def fill_counted_twice(stage: Stage) -> None:
    """The same fill in a second row."""
    row = next(row for row in stage.world.journal.rows(kind="order") if b'"fill"' in row.body)
    stage.world.journal.append(
        "order",
        json.loads(row.body),
        ts_ns=row.ts_ns,
        signal_id=row.signal_id,
        cl_ord_id=row.cl_ord_id,
        causation_id=row.seq,
    )


async def undeclared_move(stage: Stage) -> None:
    """A stop that goes back to new."""
    twin = next(t for t in stage.oracle.ledger.orders.values() if t.role == "stop")
    body = {"move": "revive", "from_state": "open", "to_state": "new", "ts_ns": 1}
    stage.world.journal.append("order", body, ts_ns=1, signal_id=twin.signal_id, cl_ord_id=twin.cl_ord_id)


async def told_dead_while_it_lives(stage: Stage) -> None:
    """A stop told canceled that rests."""
    twin = next(t for t in stage.oracle.ledger.orders.values() if t.role == "stop")
    body = {"move": "cancel", "from_state": "open", "to_state": "canceled", "ts_ns": 1}
    stage.world.journal.append("order", body, ts_ns=1, signal_id=twin.signal_id, cl_ord_id=twin.cl_ord_id)


async def ended_with_a_live_stop(stage: Stage) -> None:
    """A bracket that closes over its stop."""
    (case,) = stage.oracle.ledger.cases.values()
    body = {"type": "closed", "outcome": "stop", "net_qty": "0.02", "reason": ""}
    stage.world.journal.append("closed", body, ts_ns=1, signal_id=case.signal_id)


async def wrong_net_quantity(stage: Stage) -> None:
    """A bracket that closes with another quantity than its fills come to."""
    (case,) = stage.oracle.ledger.cases.values()
    body = {"type": "closed", "outcome": "stop", "net_qty": "0.01", "reason": ""}
    stage.world.journal.append("closed", body, ts_ns=1, signal_id=case.signal_id)


async def exit_denied_for_a_limit(stage: Stage) -> None:
    """An exit that met a check for entries."""
    twin = next(t for t in stage.oracle.ledger.orders.values() if t.role == "stop")
    body = {"move": "deny", "from_state": "new", "to_state": "denied", "ts_ns": 1, "code": "POSITION_LIMIT"}
    stage.world.journal.append("order", body, ts_ns=1, signal_id=twin.signal_id, cl_ord_id=twin.cl_ord_id)


async def second_entry(stage: Stage) -> None:
    """A retry of an entry that has filled."""
    (case,) = stage.oracle.ledger.cases.values()
    row = next(row for row in stage.world.journal.rows(kind="intent") if b'"role":"entry"' in row.body)
    stage.world.journal.append("intent", json.loads(row.body), ts_ns=1, signal_id=case.signal_id, cl_ord_id="again")


async def refused_for_its_rate(stage: Stage) -> None:
    """Our own requests beyond the counter."""
    core = stage.world.exchange._venue.core
    core.rates.charge("client", "BTC/USD", core.clock.now_ns(), core.rates.threshold_of("client"))
    _answer(stage.world, b'{"error":"EOrder:Rate limit exceeded"}')


async def counted_too_little(stage: Stage) -> None:
    """Requests of ours that the exchange has counted, and we have not."""
    core = stage.world.exchange._venue.core
    core.rates.charge("client", "BTC/USD", core.clock.now_ns(), Decimal(10))
    with trio.move_on_after(1):
        await stage.oracle.watch()


async def falling_nonce(stage: Stage) -> None:
    """A nonce below the last."""
    head = b"POST /0/private/Balance HTTP/1.1\r\nhost: x\r\ncontent-length: 7\r\n\r\n"
    for body in (b"nonce=9", b"nonce=5"):
        stage.world.wire._observe("kraken.sim:443#990/client", head + body)


async def deadline_of_a_clock_that_leapt(stage: Stage) -> None:
    """An order that is good for an hour."""
    head = b"POST /0/private/AddOrder HTTP/1.1\r\nhost: x\r\ncontent-length: 33\r\n\r\n"
    stage.world.wire._observe("kraken.sim:443#991/client", head + b"deadline=2026-01-01T01:00:00.000Z")


def _say(world: World, text: str) -> None:
    """Put a frame of the engine's on the wire, as the tap sees it: an upgrade, then the masked text."""
    payload, end = text.encode(), "kraken.sim:443#999/client"
    world.wire._observe(end, b"GET /v2 HTTP/1.1\r\nupgrade: websocket\r\n\r\n")
    size = bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
    world.wire._observe(end, b"\x81" + size + b"\0\0\0\0" + payload)


def _answer(world: World, data: bytes) -> None:
    world.wire._observe("kraken.sim:443#999/server", data)


MISTAKES: dict[str, tuple[Mistake, str]] = {
    "amend doubles": (sell_beside_us, "amends_never_double"),
    "exits exceed": (sell_beside_us, "exits_within_position"),
    "sent twice": (second_order_of_one_name, "one_order_per_attempt"),
    "no row": (request_without_row, "request_row_first"),
    "foreign": (cancel_of_a_foreign_order, "foreign_untouched"),
    "wholesale": (cancel_of_everything, "foreign_untouched"),
    "halted": (entry_while_halted, "halted_sends_no_entry"),
    "reducing": (adding_while_reducing, "reducing_adds_nothing"),
    "validity": (entry_after_its_time, "validity_kept"),
    "bare": (lost_stop, "cover_or_flat_in_time"),
    "secret": (secret_in_a_log_line, "no_secret"),
    "invented fill": (fill_that_never_was, "fills_once_in_journal"),
    "fill twice": (fill_counted_twice, "fills_once_in_journal"),
    "undeclared": (undeclared_move, "declared_transitions"),
    "told dead": (told_dead_while_it_lives, "terminal_agrees"),
    "outlived": (ended_with_a_live_stop, "no_order_outlives_its_scope"),
    "position": (wrong_net_quantity, "position_equals_fills"),
    "exit denied": (exit_denied_for_a_limit, "exits_never_denied"),
    "early retry": (second_entry, "retry_after_death"),
    "own rate": (refused_for_its_rate, "within_own_counters"),
    "own count": (counted_too_little, "within_own_counters"),
    "nonce": (falling_nonce, "nonces_rise"),
    "deadline": (deadline_of_a_clock_that_leapt, "deadlines_in_venue_time"),
}


@pytest.mark.parametrize(("mistake", "rule"), MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_breaks_its_rule(autojump_clock, mistake: Mistake, rule: str):
    """The rule names the orders concerned and shows the trace up to it."""
    async with staged() as stage:
        await mistake(stage)
        seen = stage.broken()
        stage.world.kill()  # what the mistake has done to the engine is not the question
    assert rule in seen


@pytest.mark.parametrize(("points", "broken"), [(9, False), (12, True)], ids=["one cancel", "more"])
async def test_what_the_weather_carries_out_late_runs_down_later_there(autojump_clock, points: int, broken: bool):
    """Squall 1200718: a cancel without an answer had run down here for two seconds when it was carried out."""
    async with staged() as stage:
        stage.oracle.ledger.strike("late_execution", stage.oracle.court.now_s)
        core = stage.world.exchange._venue.core
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), Decimal(points))
        with trio.move_on_after(1):
            await stage.oracle.watch()
        assert ("within_own_counters" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(("points", "broken"), [(9, False), (12, True)], ids=["one cancel", "more"])
async def test_amend_below_what_had_filled_costs_what_a_cancel_does(autojump_clock, points: int, broken: bool):
    """Squall 1310011: nobody had been told of the fills when it went, so it was counted for an amend here."""
    async with staged() as stage:
        core = stage.world.exchange._venue.core
        (entry,) = [order.venue for order in stage.oracle.ledger.orders.values() if order.role == "entry"]
        entry.amends[0] = replace(entry.amends[0], order_qty=2 * entry.cum_qty)
        entry.status, entry.closed_ns = "canceled", core.clock.now_ns()
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), Decimal(points))
        with trio.move_on_after(1):
            await stage.oracle.watch()
        assert ("within_own_counters" in stage.broken()) == broken
        stage.world.kill()


async def test_refusal_that_the_weather_invents_is_not_our_own(autojump_clock):
    """Storm 217: struck in the same instant, beside a counter of ours that stands nearly full."""
    async with staged() as stage:
        stage.oracle.ledger.strike("rate_limited", stage.oracle.court.now_s)
        await refused_for_its_rate(stage)
        assert stage.broken() == set()
        await trio.sleep(0.1)
        await refused_for_its_rate(stage)
        assert stage.broken() == {"within_own_counters"}
        stage.world.kill()


@pytest.mark.parametrize(("leave", "broken"), [("before", set()), ("behind", {"within_own_counters"})])
async def test_refusal_behind_a_batch_that_passed_the_counter_is_for_who_had_leave_then(autojump_clock, leave, broken):
    """Squall 1300377: a cancel that had its leave waited for its call, and the entries were taken back before it."""
    async with staged() as stage:
        services, now_s = stage.world.engine.services, trio.current_time()
        (stop,) = [order for order in stage.oracle.ledger.orders.values() if order.role == "stop"]
        name = stop.cl_ord_id
        cancel = CancelOrder(name, stop.venue.order_id, "BTC/USD")
        if leave == "before":
            asked = services.journal.append("request", Requested(cancel, "rest", ""), ts_ns=0, cl_ord_id=name)
        services.link._counters.of("BTC/USD").correct(1000.0, now_s)
        if leave == "behind":
            asked = services.journal.append("request", Requested(cancel, "rest", ""), ts_ns=0, cl_ord_id=name)
        await refused_for_its_rate(stage)
        assert stage.broken() == set()
        answer = Answer("cancel", name, Outcome.REFUSED, 0, code="RATE_LIMIT", transport="rest")
        services.journal.append("answer", answer, ts_ns=0, cl_ord_id=name, causation_id=asked)
        assert stage.broken() == broken
        stage.world.kill()


async def test_held_by_the_journal_is_held_after_base_fees(autojump_clock):
    """Storm 200030: a stop for what is left after the fee covers all that the journal tells."""
    async with staged() as stage:
        (case,) = stage.oracle.ledger.cases.values()
        (entry,) = case.of("entry")
        assert entry.told_fees == {"USD": Decimal("4.00080")}
        entry.told_fees["BTC"] = Decimal("0.0001")
        assert case.told_held == Decimal("0.0199")
        stage.world.kill()


def test_every_rule_has_a_name_and_says_what_it_asks():
    """Names are unique; the docstring's first line is a sentence."""
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    for rule in RULES:
        assert rule.__doc__ is not None
        assert rule.__doc__.splitlines()[0].endswith(".")
