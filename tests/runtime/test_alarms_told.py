"""A running engine's alarms: what goes wrong reaches people within seconds, and no way out ever holds anything up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio

from engine.errors import JournalError
from engine.orders.bracket_events import Policy
from engine.orders.signal import Signal, parse_signal
from engine.runtime.alarm import AlarmChange
from engine.runtime.alarm_outbox import GOODBYE_S
from engine.runtime.engine import Engine
from engine.runtime.opening import open_engine
from engine.runtime.settings import EngineSettings
from engine.sim import ScriptedFaults, lose_request, refuse_with
from tests.runtime.conftest import Place

OpenPlace = Callable[[], AbstractAsyncContextManager[Place]]
SIGNAL = (
    '{"signal_id":"00000000-0000-4000-8000-00000000000%d","symbol":"BTC/USD","side":"buy","order_type":"limit",'
    '"order_qty":"0.02","limit_price":"50000.0","stop_loss":{"trigger_price":"49000.0"},'
    '"take_profit":{"price":"51000.0"}}'
)


class Ear:
    """A sink that remembers what it was told and when; a deaf one never takes anything."""

    name, bound_s = "ear", 600.0

    def __init__(self, *, deaf: bool = False) -> None:
        self.deaf, self.heard = deaf, []

    async def deliver(self, change: AlarmChange, dropped: int) -> None:
        if self.deaf:
            await trio.sleep_forever()
        self.heard.append((change.change, change.alarm.code, trio.current_time()))

    def times(self, code: str, change: str = "raised") -> list[float]:
        return [at for what, told, at in self.heard if (what, told) == (change, code)]


def opened(place: Place, ear: Ear, **settings: Any) -> AbstractAsyncContextManager[Engine]:
    return open_engine(
        EngineSettings(**settings),
        place.venue(),
        journal=place.journal(),
        clock=place.clock,
        chance=place.chance,
        alarm_sinks=[ear],
    )


def signal(number: int = 1) -> Signal:
    return parse_signal(SIGNAL % number)


def market(place: Place) -> None:
    for step in range(3):
        place.exchange.house.quote("BTC/USD", "buy", Decimal(49990) - step, Decimal(1))
        place.exchange.house.quote("BTC/USD", "sell", Decimal(50010) + step, Decimal(1))


async def bought(place: Place, engine: Engine) -> None:
    market(place)
    await engine.submit(signal())
    await trio.sleep(1)
    place.exchange.house.quote("BTC/USD", "sell", Decimal(50000), Decimal("0.02"))


async def test_a_halt_is_told_within_five_seconds_and_its_end_too(open_place: OpenPlace, autojump_clock):
    """One alarm for the cause, critical; released it is over, after the patience of clear_after_s."""
    ear = Ear()
    async with open_place() as place, opened(place, ear) as engine:
        start_s = trio.current_time()
        engine.halt("news at ten")
        await trio.sleep(5)
        assert ear.times("TRADING_HALTED")[0] - start_s < 5
        (alarm,) = engine.alarms.alarms()
        assert (alarm.level, alarm.subject, alarm.text) == ("critical", "all:COMMAND", "COMMAND: news at ten")
        engine.resume_trading("over")
        await trio.sleep(15)
        assert len(ear.times("TRADING_HALTED", "cleared")) == 1
        assert engine.alarms.alarms() == ()


async def test_an_unknown_order_is_told_and_over_when_it_is_known(open_place: OpenPlace, autojump_clock):
    """A lost request: raised at once, cleared when the order is proved dead and another attempt is made."""
    ear = Ear()
    async with open_place() as place, opened(place, ear) as engine:
        place.exchange.faults = ScriptedFaults().at("add_order", 1, lose_request())
        market(place)
        await engine.submit(signal())
        await trio.sleep(60)
        assert len(ear.times("ORDER_UNKNOWN")) == 1
        assert len(ear.times("ORDER_UNKNOWN", "cleared")) == 1


async def test_a_lost_link_is_told_with_its_sleeping_targets(open_place: OpenPlace, autojump_clock):
    """Away: the link and the target that nobody watches; back and healthy: both are over."""
    ear = Ear()
    async with open_place() as place, opened(place, ear) as engine:
        await bought(place, engine)
        await trio.sleep(2)
        start_s = trio.current_time()
        place.wire.refuse(20)
        for one in place.wire.connections:
            one.reset()
        await trio.sleep(5)
        assert 0 <= ear.times("LINK_DOWN")[0] - start_s < 5
        assert 0 <= ear.times("TARGET_UNWATCHED")[0] - start_s < 5
        assert engine.services.metrics.unwatched == 1
        await trio.sleep(120)
        assert ear.times("LINK_DOWN", "cleared")
        assert ear.times("TARGET_UNWATCHED", "cleared")
        metrics = engine.services.metrics
        assert metrics.unwatched == 0
        assert 5 < metrics.unwatched_s < 120


async def test_a_bracket_without_a_stop_is_told_as_naked(open_place: OpenPlace, autojump_clock):
    """Every stop refused: naked past its bound, critical, with the refusals."""
    ear = Ear()
    async with open_place() as place, opened(place, ear, policy=Policy(naked_action="alert")) as engine:
        faults = ScriptedFaults()
        for number in range(2, 60):
            faults = faults.at("add_order", number, refuse_with("EOrder:Orders limit exceeded"))
        place.exchange.faults = faults
        await bought(place, engine)
        await trio.sleep(8)
        assert ear.times("NAKED")
        assert "EXIT_REJECTED" in {code for _, code, _ in ear.heard}
        assert engine.services.metrics.uncovered == 1


async def test_a_deaf_sink_changes_nothing_but_itself(open_place: OpenPlace, autojump_clock):
    """The same story with a sink that never answers: same rows, and the end comes within its bound."""
    rows, took_s = {}, {}
    for deaf in (False, True):
        async with open_place() as place:
            async with opened(place, Ear(deaf=deaf)) as engine:
                for number in range(400):
                    engine.alarms.occurred("OVERFILL", f"order-{number}", "too much")
                await bought(place, engine)
                await trio.sleep(10)
                rows[deaf] = [row.kind for row in engine.journal.rows()]
                ended_s = trio.current_time()
            took_s[deaf] = trio.current_time() - ended_s
    assert rows[True] == rows[False]
    assert took_s[True] - took_s[False] == pytest.approx(GOODBYE_S, abs=0.5)
    assert took_s[True] < EngineSettings().shutdown_bound_s


async def test_a_dying_journal_is_told_before_the_end(open_place: OpenPlace, autojump_clock):
    """The last words still reach people."""
    ear = Ear()

    async def live(place: Place) -> None:
        async with opened(place, ear) as engine:
            place.disk.sync_fails = True
            market(place)
            await engine.submit(signal())

    async with open_place() as place:
        with pytest.raises((JournalError, ExceptionGroup)):
            await live(place)
    assert ear.times("JOURNAL_FAILED")


async def test_figures_of_an_alarm_move_without_news(open_place: OpenPlace, autojump_clock):
    """A condition that stands for a minute is one message, however its words change."""
    ear = Ear()
    async with open_place() as place, opened(place, ear) as engine:
        engine.services.gate.close("JOURNAL_STALLED", "a sync took 2.1 s")
        await trio.sleep(2)
        engine.services.gate.close("JOURNAL_STALLED", "a sync took 2.9 s")
        await trio.sleep(58)
        assert len(ear.times("ENTRIES_KEPT_BACK")) == 1
        (alarm,) = engine.alarms.alarms()
        assert (alarm.text, alarm.count) == ("a sync took 2.9 s", 1)
        assert msgspec.json.encode(alarm)
