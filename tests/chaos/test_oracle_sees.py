"""The oracle sees what it should, continued: the rules on time, on what is told, and on more than one order."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio

from engine.chaos.oracle import RULES
from engine.errors import JournalError
from engine.risk.limits import Limits
from tests.chaos.test_oracle import MISTAKES as AT_ONCE
from tests.chaos.test_oracle import Stage, _answer, _say, staged

Mistake = Callable[[Stage], Awaitable[None]]


def deafen(stage: Stage) -> None:
    """Let the engine hear nothing more: what it does now is no part of the mistake."""
    stage.world.exchange.stall(kind="all")


def decide(stage: Stage, name: str, **changes: Any) -> None:
    """Write an intent of the staged signal: its entry's, with these members changed."""
    journal = stage.world.journal
    row = next(row for row in journal.rows(kind="intent") if b'"role":"entry"' in row.body)
    body = json.loads(row.body)
    body["role"] = changes.pop("role", "entry")
    body["spec"] |= {"cl_ord_id": name, **changes}
    journal.append("intent", body, ts_ns=1, signal_id=row.signal_id, cl_ord_id=name)


def decide_stop(stage: Stage, name: str) -> None:
    """Write the intent of a stop for what is held."""
    decide(stage, name, role="stop", side="sell", order_type="stop-loss", trigger_price="49000")


def announce(stage: Stage, name: str) -> None:
    """Write that an order of the staged signal is about to go."""
    journal = stage.world.journal
    row = next(row for row in journal.rows(kind="request") if b'"type":"new"' in row.body)
    journal.append("request", json.loads(row.body), ts_ns=1, signal_id=row.signal_id, cl_ord_id=name)


def place(stage: Stage, name: str, side: Any = "buy", price: str = "40000") -> None:
    """Let the exchange have an order of that name."""
    stage.world.exchange.house.place_client("BTC/USD", side, Decimal("0.02"), Decimal(price), cl_ord_id=name)


def tell(stage: Stage, role: str, move: str, before: str, after: str, **more: Any) -> None:
    """Write what became of the staged order of this role."""
    twin = next(t for t in stage.oracle.ledger.orders.values() if t.role == role)
    body = {"move": move, "from_state": before, "to_state": after, "ts_ns": 1, **more}
    stage.world.journal.append("order", body, ts_ns=1, signal_id=twin.signal_id, cl_ord_id=twin.cl_ord_id)


def lose(stage: Stage, role: str = "stop") -> None:
    """Take the staged order of this role off the exchange."""
    core = stage.world.exchange._venue.core
    core.cancel(core.orders[stage.ours(role)])


async def watch(stage: Stage, seconds: float) -> None:
    """Let time pass under the oracle's eyes."""
    with trio.move_on_after(seconds):
        await stage.oracle.watch()


async def early_proof(stage: Stage) -> None:
    """An order is proved dead a second before its deadline."""
    twin = next(t for t in stage.oracle.ledger.orders.values() if t.role == "entry")
    twin.deadline_ns = stage.world.exchange.clock.now_ns() + 10**9
    tell(stage, "entry", "prove_dead", "unknown", "rejected", why="nobody shows it")


async def late_amend(stage: Stage) -> None:
    """An amend takes effect of which nobody waits for the outcome."""
    core = stage.world.exchange._venue.core
    order = core.orders[stage.ours("stop")]
    order.order_qty /= 2
    core.report(order, "amended")


async def amend_told_as_undone(stage: Stage) -> None:
    """An amend has taken effect, and is told as not applied."""
    deafen(stage)
    tell(stage, "stop", "ask_amend", "open", "pending_amend")
    core = stage.world.exchange._venue.core
    core.report(core.orders[stage.ours("stop")], "amended")
    tell(stage, "stop", "refuse_change", "pending_amend", "open", code="NOT_APPLIED")


async def older_count(stage: Stage) -> None:
    """The journal is told that the venue has counted less than what stands there."""
    twin = next(t for t in stage.oracle.ledger.orders.values() if t.role == "entry")
    tell(stage, "entry", "", twin.state, twin.state, venue_cum="0.01")


async def left_out_number(stage: Stage) -> None:
    """A number of the private stream is left out, and its connection stands on."""
    end = next(one.name for one in stage.world.wire.connections if not one.dead)
    for number in (1001, 1003):
        told = b'{"channel":"executions","type":"update","data":[],"sequence":%d}' % number
        stage.world.wire._observe(f"{end}/server", told)
    await watch(stage, 5)


async def change_nobody_asks_about(stage: Stage) -> None:
    """A stop has changed, and REST tells nothing of it."""
    deafen(stage)
    stage.world.wire.refuse(60)
    tell(stage, "stop", "", "open", "open")
    await watch(stage, 15)


async def report_that_does_not_add_up(stage: Stage) -> None:
    """More is left than was ordered and is not filled."""
    async with aclosing(stage.world.engine.reports(after=0)) as reports:
        report = await anext(reports)
    stage.oracle.heard(msgspec.structs.replace(report, leaves_qty=report.order_qty * 2))


async def order_below_the_minimum(stage: Stage) -> None:
    """Dust, sent all the same."""
    decide(stage, "tiny", order_qty="0.00000001")
    _say(stage.world, json.dumps({"method": "add_order", "params": {"cl_ord_id": "tiny"}}))


async def stop_that_takes_long(stage: Stage) -> None:
    """An orderly end that does not come."""
    stage.world.stopping_since_s = trio.current_time()
    await watch(stage, 17)


async def two_live_entries(stage: Stage) -> None:
    """A retry while the one before it still rests."""
    for name in ("again-1", "again-2"):
        decide(stage, name)
        place(stage, name)


async def entry_beside_a_filled_one(stage: Stage) -> None:
    """As much again as the signal asked for."""
    decide(stage, "again")
    place(stage, "again")


async def falling_cum(stage: Stage) -> None:
    """The exchange tells less than before."""
    core = stage.world.exchange._venue.core
    core.orders[stage.ours("entry")].cum_qty -= Decimal("0.01")
    core.report(core.orders[stage.ours("entry")], "status")


async def report_twice(stage: Stage) -> None:
    """A subscriber hears one report again."""
    async with aclosing(stage.world.engine.reports(after=0)) as reports:
        report = await anext(reports)
    stage.oracle.heard(report)
    stage.oracle.heard(report)


async def fill_never_told(stage: Stage) -> None:
    """The stop has sold, and for more than ten seconds no row says so."""
    deafen(stage)
    stage.world.exchange.house.print_trade("BTC/USD", Decimal(48_900), Decimal("0.02"))
    await watch(stage, 14)


async def target_without_a_stop(stage: Stage) -> None:
    """The stop is gone, the journal knows it, and a target comes to rest."""
    deafen(stage)
    lose(stage)
    tell(stage, "stop", "cancel", "open", "canceled")
    decide(stage, "aim", role="target", side="sell", order_type="limit", limit_price="51000")
    place(stage, "aim", "sell", "51000")


async def one_order_too_many(stage: Stage) -> None:
    """An entry beside a stop, where one order may live."""
    stage.world.settings = msgspec.structs.replace(stage.world.settings, limits=Limits(open_orders_most=1))
    decide(stage, "again")


async def too_dear_an_order(stage: Stage) -> None:
    """An entry worth more than an order may be."""
    stage.world.settings = msgspec.structs.replace(stage.world.settings, limits=Limits(order_value_most=Decimal(100)))
    decide(stage, "again", order_type="limit", limit_price="50000")


async def too_large_a_position(stage: Stage) -> None:
    """An entry that could make the position larger than it may be, sent."""
    limits = Limits(each_symbol=msgspec.structs.replace(Limits().each_symbol, position_qty_most=Decimal("0.03")))  # type: ignore[arg-type]
    stage.world.settings = msgspec.structs.replace(stage.world.settings, limits=limits)
    decide(stage, "again")
    _say(stage.world, json.dumps({"method": "add_order", "params": {"cl_ord_id": "again"}}))


async def position_that_nets_a_stop(stage: Stage) -> None:
    """An entry within its limit only for as long as the stop of what is held the other way does not fire."""
    limits = Limits(each_symbol=msgspec.structs.replace(Limits().each_symbol, position_qty_most=Decimal("0.015")))  # type: ignore[arg-type]
    stage.world.settings = msgspec.structs.replace(stage.world.settings, limits=limits)
    decide(stage, "again", side="sell")
    _say(stage.world, json.dumps({"method": "add_order", "params": {"cl_ord_id": "again"}}))


async def untouched_target(stage: Stage) -> None:
    """A watched target decided at a price that nobody has bid."""
    decide(stage, "aim", role="target", side="sell", order_type="limit", time_in_force="ioc", limit_price="60000")


async def entry_without_a_book(stage: Stage) -> None:
    """An entry in a market whose book nobody has read."""
    decide(stage, "again", symbol="ETH/USD")


async def messages_beyond_the_rate(stage: Stage) -> None:
    """The exchange drops a message of ours."""
    _answer(stage.world, b'{"Error":"Exceeded msg rate"}')


async def calls_beyond_the_rate(stage: Stage) -> None:
    """A full counter of calls, and a refusal."""
    venue = stage.world.exchange._venue
    for key in venue.keys.values():
        for _ in range(18):
            key.calls.take("Balance", venue.clock.now_ns())
    _answer(stage.world, b'{"error":["EAPI:Rate limit exceeded"]}')


async def more_orders_than_there_may_be(stage: Stage) -> None:
    """A refusal that only our own orders explain."""
    _answer(stage.world, b'{"error":"EOrder:Orders limit exceeded"}')


async def entry_in_the_room_of_its_cover(stage: Stage) -> None:
    """An entry takes the points that its own stop, and a swap, would need."""
    core = stage.world.exchange._venue.core
    core.rates.charge("client", "BTC/USD", core.clock.now_ns(), core.rates.threshold_of("client") - 8)
    decide(stage, "again")
    announce(stage, "again")


async def token_in_a_row(stage: Stage) -> None:
    """What opens the account in the journal."""
    frame = {"method": "subscribe", "params": {"channel": "executions", "token": "t0ken-of-ours"}}
    _say(stage.world, json.dumps(frame))
    tell(stage, "stop", "", "open", "open", why="sent with t0ken-of-ours")


async def connections_that_stay(stage: Stage) -> None:
    """A stopped engine with open connections."""
    stage.oracle.moment("stopped")


async def order_kept_after_its_end(stage: Stage) -> None:
    """A signal that has ended, and whose stop the engine still keeps."""
    (case,) = stage.oracle.ledger.cases.values()
    body = {"type": "closed", "outcome": "stop", "net_qty": "0.02", "reason": ""}
    stage.world.journal.append("closed", body, ts_ns=1, signal_id=case.signal_id)
    stage.oracle.moment("settled")


async def engine_that_forgets_nothing(stage: Stage) -> None:
    """Every report that came is remembered for ever, and found again by nobody."""
    stage.world.engine.services.desk.counts.update({f"report {number}": 1 for number in range(3000)})
    stage.oracle.moment("settled")


async def unlocked_journal(stage: Stage) -> None:
    """A journal whose lock is free: somebody else may open it."""
    stage.world.disk.locks.kill()
    stage.oracle.moment("booted")


async def broken_chain(stage: Stage) -> None:
    """One bit of a row turned over."""
    stage.world.disk.flip("journal", 8 * 900)
    stage.oracle.moment("settled")


async def failed_journal(stage: Stage) -> None:
    """The journal has failed, and nobody looks."""
    stage.world.journal.require_sound = lambda: None  # type: ignore[method-assign]
    stage.world.journal.failed = JournalError("the disk is gone")
    await watch(stage, 20)


async def silent_doubt(stage: Stage) -> None:
    """An order in doubt, and no alarm."""
    tell(stage, "stop", "time_out", "open", "unknown")
    await watch(stage, 6.5)


async def silent_bareness(stage: Stage) -> None:
    """The journal knows that the stop is gone, and nobody is told."""
    deafen(stage)
    lose(stage)
    tell(stage, "stop", "cancel", "open", "canceled")
    await watch(stage, 9)


async def naked_in_calm(stage: Stage) -> None:
    """A bracket calls itself naked, and nothing has kept it from its cover."""
    (signal_id,) = stage.oracle.ledger.cases
    body = {"move": "bare", "from_state": "covered", "to_state": "naked", "ts_ns": 1, "alarm": "NAKED"}
    sums = {"exposure": "0.02", "uncovered": "0.02", "uncovered_qty_s": "0"}
    stage.world.journal.append("bracket", body | sums, ts_ns=1, signal_id=signal_id)


async def end_without_an_end(stage: Stage) -> None:
    """The run is over, the stop is gone, and the bracket neither ends nor doubts."""
    deafen(stage)
    lose(stage)
    stage.oracle.moment("settled")


async def doubt_at_the_end(stage: Stage) -> None:
    """An order in doubt that nothing settles."""
    tell(stage, "stop", "time_out", "open", "unknown", alarm="ORDER_UNKNOWN")
    await trio.sleep(6)
    stage.oracle.moment("settled")


async def doubt_for_long(stage: Stage) -> None:
    """The same, seen long before the end."""
    tell(stage, "stop", "time_out", "open", "unknown", alarm="ORDER_UNKNOWN")
    await watch(stage, 80)


async def stranger_of_ours(stage: Stage) -> None:
    """An order with an intent that no scope lives for."""
    decide(stage, "again")
    place(stage, "again")
    stage.oracle.moment("calm")


async def stranger_after_a_restart(stage: Stage) -> None:
    """The same, ten seconds after a start."""
    deafen(stage)
    decide(stage, "again")
    place(stage, "again")
    stage.oracle.started()
    await watch(stage, 12)


async def kill_that_takes_long(stage: Stage) -> None:
    """Every entry was canceled three seconds ago, and one lives."""
    deafen(stage)
    await trio.sleep(10)
    decide(stage, "again")
    place(stage, "again")
    stage.oracle.moment("taken_back")


async def halt_that_takes_long(stage: Stage) -> None:
    """Trading was halted three seconds ago, and an entry lives."""
    deafen(stage)
    decide(stage, "again")
    place(stage, "again")
    stage.world.engine.halt("drill")
    await watch(stage, 12)


async def silent_damage(stage: Stage) -> None:
    """Twice the quantity has been bought, and nobody says so."""
    deafen(stage)
    decide(stage, "again")
    place(stage, "again", price="50100")
    stage.oracle.moment("settled")


async def cancel_nobody_carries_out(stage: Stage) -> None:
    """A person takes an entry back, and it rests on."""
    decide(stage, "rests")
    place(stage, "rests")
    deafen(stage)
    (signal_id,) = stage.oracle.ledger.cases
    stage.oracle.ledger.taken_back[signal_id] = stage.oracle.court.now_s
    await watch(stage, 14)


async def entry_before_a_stop(stage: Stage) -> None:
    """A stop was decided a second ago, and an entry of its market leaves first."""
    decide_stop(stage, "stop-waits")
    await trio.sleep(1)
    decide(stage, "goes-first")
    _say(stage.world, json.dumps({"method": "add_order", "params": {"cl_ord_id": "goes-first"}}))


async def taken_over_by_nobody(stage: Stage) -> None:
    """A bracket is left to a person, though its stop rests where it was put."""
    (case,) = stage.oracle.ledger.cases.values()
    body = {"move": "hand_over", "from_state": "covered", "to_state": "taken_over", "ts_ns": 1}
    body |= {"exposure": "0.02", "uncovered": "0.02", "alarm": "TAKEN_OVER"}
    stage.world.journal.append("bracket", body, ts_ns=1, signal_id=case.signal_id)


async def venues_stop_of_an_ended_bracket(stage: Stage) -> None:
    """The venue makes a stop of a fill that it tells late, and the bracket stays closed."""
    (case,) = stage.oracle.ledger.cases.values()
    entry = next(twin for twin in case.orders.values() if twin.role == "entry")
    lose(stage)
    tell(stage, "stop", "cancel", "open", "canceled")
    deafen(stage)
    body = {"type": "closed", "outcome": "stop", "net_qty": "0.02", "reason": ""}
    stage.world.journal.append("closed", body, ts_ns=1, signal_id=case.signal_id)
    core = stage.world.exchange._venue.core
    placed = stage.world.exchange.house.place_client("BTC/USD", "sell", Decimal("0.02"), Decimal(60_000))
    stage.oracle.ledger.foreign.clear()
    assert entry.venue is not None
    core.orders[placed].ref_id = entry.venue.order_id
    core.report(core.orders[placed], "pending_new")
    await watch(stage, 14)


MISTAKES: dict[str, tuple[Mistake, str]] = {
    "early proof": (early_proof, "proof_after_deadline"),
    "late amend": (late_amend, "changes_agree"),
    "undone": (amend_told_as_undone, "changes_agree"),
    "older count": (older_count, "cum_never_falls"),
    "left out": (left_out_number, "gap_ends_stream"),
    "not asked": (change_nobody_asks_about, "second_opinion_in_time"),
    "sums": (report_that_does_not_add_up, "quantities_add_up"),
    "below minimum": (order_below_the_minimum, "orders_meet_terms"),
    "slow stop": (stop_that_takes_long, "shutdown_in_time"),
    "two live": (two_live_entries, "one_live_for_one_intent"),
    "intent": (entry_beside_a_filled_one, "intent_not_exceeded"),
    "falling cum": (falling_cum, "cum_never_falls"),
    "told twice": (report_twice, "reports_once"),
    "gap": (fill_never_told, "gaps_filled"),
    "target alone": (target_without_a_stop, "target_has_stop"),
    "orders limit": (one_order_too_many, "limits_hold"),
    "value limit": (too_dear_an_order, "limits_hold"),
    "position limit": (too_large_a_position, "limits_hold"),
    "netted position": (position_that_nets_a_stop, "limits_hold"),
    "untouched": (untouched_target, "decisions_on_fresh_books"),
    "no book": (entry_without_a_book, "decisions_on_fresh_books"),
    "message rate": (messages_beyond_the_rate, "within_own_counters"),
    "call rate": (calls_beyond_the_rate, "within_own_counters"),
    "no room": (entry_in_the_room_of_its_cover, "entries_leave_room"),
    "slots": (more_orders_than_there_may_be, "within_own_counters"),
    "token": (token_in_a_row, "no_secret"),
    "connections": (connections_that_stay, "bounded"),
    "kept": (order_kept_after_its_end, "bounded"),
    "memory": (engine_that_forgets_nothing, "bounded"),
    "two writers": (unlocked_journal, "one_writer"),
    "chain": (broken_chain, "chain_holds"),
    "failed journal": (failed_journal, "failed_journal_ends"),
    "silent doubt": (silent_doubt, "alarms_in_time"),
    "silent bareness": (silent_bareness, "alarms_in_time"),
    "naked": (naked_in_calm, "calm_is_quiet"),
    "no end": (end_without_an_end, "every_signal_ends"),
    "doubt": (doubt_at_the_end, "unknowns_settle"),
    "long doubt": (doubt_for_long, "unknowns_settle"),
    "stranger": (stranger_of_ours, "restart_agrees"),
    "restart": (stranger_after_a_restart, "restart_agrees"),
    "kill": (kill_that_takes_long, "kill_in_time"),
    "halt": (halt_that_takes_long, "kill_in_time"),
    "damage": (silent_damage, "damage_is_alarmed"),
    "taken back": (cancel_nobody_carries_out, "kill_in_time"),
    "entry first": (entry_before_a_stop, "exits_go_first"),
    "nobody's": (taken_over_by_nobody, "taken_over_truly"),
    "made late": (venues_stop_of_an_ended_bracket, "no_order_outlives_its_scope"),
}


@pytest.mark.parametrize(("mistake", "rule"), MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_breaks_its_rule(autojump_clock, mistake: Mistake, rule: str):
    """Made by hand in a calm world, it is seen."""
    async with staged() as stage:
        await mistake(stage)
        seen = stage.broken()
        stage.world.kill()
    assert rule in seen


async def test_what_swaps_cost_between_an_entrys_leave_and_its_first_byte_is_not_its_own(autojump_clock):
    """Squall 1200483: by REST alone an entry stood a second behind three cancels of other brackets."""
    async with staged() as stage:
        decide(stage, "again")
        announce(stage, "again")
        core = stage.world.exchange._venue.core
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), core.rates.threshold_of("client") - 8)
        _say(stage.world, json.dumps({"method": "add_order", "params": {"cl_ord_id": "again"}}))
        assert "entries_leave_room" not in stage.broken()
        stage.world.kill()


@pytest.mark.parametrize(
    ("lag_s", "alarm", "rules"),
    [(4.0, "", {"terminal_agrees"}), (6.0, "", {"damage_is_alarmed"}), (6.0, "REFUSED_BUT_LIVE", set[str]())],
    ids=["as far as it may", "further", "further, and alarmed"],
)
async def test_order_proved_dead_while_rest_lags_further_than_it_may_is_alarmed(
    autojump_clock, lag_s: float, alarm: str, rules: set[str]
):
    """Lag 1400437: both frames that told of an order were lost, none came after them, and REST was further behind."""
    async with staged() as stage:
        deafen(stage)
        stage.world.exchange.lag_rest(lag_s)
        tell(stage, "stop", "prove_dead", "unknown", "rejected", why="nobody shows it")
        tell(stage, "stop", "accept", "rejected", "open", alarm=alarm)
        stage.oracle.moment("settled")
        assert stage.broken() & {"terminal_agrees", "damage_is_alarmed"} == rules
        stage.world.kill()


def test_every_rule_has_a_mistake_that_breaks_it():
    """A rule that nothing has ever broken might ask nothing."""
    shown = {rule for _, rule in (*AT_ONCE.values(), *MISTAKES.values())}
    assert shown == {rule.name for rule in RULES}
