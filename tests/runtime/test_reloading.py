"""New limits and pairs while the engine runs: all of it or nothing, journalled, and never a cancel."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio

from engine.errors import ConfigError
from engine.orders.events import ExecutionReport
from engine.risk.limits import Limits
from engine.runtime.bus import reports_from
from engine.runtime.engine import Engine
from engine.runtime.opening import open_engine
from engine.runtime.reloading import RELOAD_ROW, ReadSettings, Reloaded
from engine.runtime.settings import EngineSettings, MarketSettings
from tests.runtime.conftest import Place
from tests.runtime.test_alarms_told import OpenPlace, market, signal

D = Decimal


class Files:
    """Settings files that a test rewrites; ``fault`` makes them no good."""

    def __init__(self, limits: Limits, pairs: tuple[str, ...] = (), **others: str) -> None:
        self.limits, self.pairs, self.others, self.fault = limits, pairs, others, ""
        self.values = self._values()

    def settings(self) -> EngineSettings:
        return EngineSettings(limits=self.limits, market=MarketSettings(pairs=self.pairs))

    def _values(self) -> Mapping[str, str]:
        told = {f"limits.{name}": str(value) for name, value in msgspec.structs.asdict(self.limits).items()
                if value not in (None, {})}  # fmt: skip
        return {**told, "market.pairs": str(list(self.pairs)), **self.others}

    async def read(self) -> ReadSettings:
        await trio.lowlevel.checkpoint()
        if self.fault:
            raise ConfigError(self.fault)
        return ReadSettings(self.settings(), self._values())


def opened(place: Place, files: Files | None, journal: Any = None) -> AbstractAsyncContextManager[Engine]:
    return open_engine(
        files.settings() if files is not None else EngineSettings(),
        place.venue(),
        journal=journal or place.journal(),
        clock=place.clock,
        chance=place.chance,
        source=files,
    )


def names(reloaded: Reloaded) -> list[str]:
    return [one.name for one in reloaded.changed]


async def reports(engine: Engine) -> list[ExecutionReport]:
    """Every report so far."""
    await trio.lowlevel.checkpoint()
    return list(reports_from(engine.journal, 0))


async def test_a_lowered_limit_cancels_nothing_and_lets_nothing_new_pass(open_place: OpenPlace, autojump_clock):
    """What rests goes on resting and is protected when it fills; the next entry is denied; raised again it passes."""
    files = Files(Limits(order_value_most=D(2000)))
    async with open_place() as place, opened(place, files) as engine:
        market(place)
        assert (await engine.submit(signal(1))).status == "accepted"
        await trio.sleep(1)
        files.limits = Limits(order_value_most=D(500))
        reloaded = await engine.reload("test")
        assert names(reloaded) == ["limits.order_value_most"]
        assert (reloaded.changed[0].before, reloaded.changed[0].after) == ("2000", "500")
        await trio.sleep(10)
        (entry,) = engine.active()[0].orders
        assert entry.state == "open"
        denied = await engine.submit(signal(2))
        assert (denied.status, denied.code) == ("denied", "ORDER_VALUE_LIMIT")
        place.exchange.house.quote("BTC/USD", "sell", D(50000), D("0.02"))
        await trio.sleep(2)
        assert engine.active()[0].state == "covered"
        files.limits = Limits(order_value_most=D(5000))
        await engine.reload("test")
        assert (await engine.submit(signal(3))).status == "accepted"


async def test_an_entry_on_its_way_meets_the_new_limit(open_place: OpenPlace, autojump_clock):
    """Accepted, kept back by the link, and sent only if the limit of that moment lets it."""
    files, ours = Files(Limits(order_value_most=D(2000)), pairs=("BTC/USD",)), []
    async with open_place() as place:

        def note(end: str, data: bytes) -> None:
            if b'"channel":"executions"' in data:
                ours.append(end.rpartition("/")[0])

        place.wire.observers.append(note)
        async with opened(place, files) as engine:
            market(place)
            await trio.sleep(2)
            place.wire.refuse(3)
            next(one for one in place.wire.connections if one.name == ours[-1]).reset()
            await trio.sleep(0.5)
            assert not engine.services.stream_up()
            assert (await engine.submit(signal(1))).status == "accepted"
            files.limits = Limits(order_value_most=D(500))
            await engine.reload("test")
            await trio.sleep(60)
            assert engine.services.stream_up()
            (report,) = [one for one in await reports(engine) if one.exec_type == "denied"]
            assert report.code == "ORDER_VALUE_LIMIT"
            assert list(engine.journal.rows(kind="request")) == []


async def test_files_that_are_no_good_change_nothing_and_say_why(open_place: OpenPlace, autojump_clock):
    """Broken, a pair that is not listed, another currency: the old limits hold, no row, an alarm."""
    files = Files(Limits(order_value_most=D(2000)))
    async with open_place() as place, opened(place, files) as engine:
        market(place)
        files.limits = Limits(order_value_most=D(500))
        files.fault = "limits.toml: limits.order_value_most: input should be greater than 0"
        with pytest.raises(ConfigError, match="greater than 0"):
            await engine.reload("test")
        files.fault, files.pairs = "", ("BTC/USD", "NOSUCH/USD")
        with pytest.raises(ConfigError, match="NOSUCH"):
            await engine.reload("test")
        files.pairs, files.limits = (), Limits(currency="EUR", order_value_most=D(500))
        with pytest.raises(ConfigError, match=r"limits\.currency cannot change"):
            await engine.reload("test")
        assert engine.market.subscriptions() == ()
        assert list(engine.journal.rows(kind=RELOAD_ROW)) == []
        (alarm,) = engine.alarms.alarms()
        assert (alarm.code, alarm.count) == ("RELOAD_REFUSED", 3)
        assert (await engine.submit(signal(1))).status == "accepted"


async def test_what_takes_a_restart_is_named_and_the_rest_holds(open_place: OpenPlace, autojump_clock):
    """The row holds both; a second reload names it again, for it is still not in force."""
    files = Files(Limits(), **{"engine.poll_every_s": "1.0"})
    async with open_place() as place, opened(place, files) as engine:
        files.others = {"engine.poll_every_s": "2.0"}
        files.limits = Limits(open_orders_most=5)
        first = await engine.reload("SIGHUP")
        assert names(first) == ["limits.open_orders_most"]
        assert [(one.name, one.before, one.after) for one in first.kept] == [("engine.poll_every_s", "1.0", "2.0")]
        second = await engine.reload("SIGHUP")
        assert names(second) == []
        assert [one.name for one in second.kept] == ["engine.poll_every_s"]
        rows = [row.decode(Reloaded) for row in engine.journal.rows(kind=RELOAD_ROW)]
        assert rows == [first, second]
        assert engine.journal.durable == engine.journal.head[0]


async def test_pairs_come_and_go_and_brackets_keep_theirs(open_place: OpenPlace, autojump_clock):
    """A pair taken out of the files is released by its own name alone."""
    files = Files(Limits(), pairs=("BTC/USD", "XBTUSD"))
    async with open_place() as place, opened(place, files) as engine:
        market(place)
        await engine.submit(signal(1))
        await trio.sleep(2)
        files.pairs = ("ETH/USD",)
        await engine.reload("test")
        await trio.sleep(2)
        held = {(one.topic.symbol, one.topic.channel): one.holders for one in engine.market.subscriptions()}
        assert all(held["ETH/USD", channel] == ("config",) for channel in ("book", "trade", "ticker"))
        assert "config" not in held["BTC/USD", "book"]
        assert ("BTC/USD", "trade") not in held
        assert engine.services.market_data.book("ETH/USD") is not None


async def test_a_loss_beyond_its_new_limit_halts_at_once(open_place: OpenPlace, autojump_clock):
    """As any loss that reaches its limit does; a restart goes on with what the files say."""
    files = Files(Limits(daily_loss_most=D(1000)))
    async with open_place() as place:
        journal = place.journal()
        async with opened(place, files, journal) as engine:
            market(place)
            await engine.submit(signal(1))
            await trio.sleep(1)
            place.exchange.house.quote("BTC/USD", "sell", D(50000), D("0.02"))
            await trio.sleep(2)
            files.limits = Limits(daily_loss_most=D("0.1"))
            await engine.reload("test")
            assert engine.services.trading.view().state == "HALTED"
            assert engine.active()[0].state == "covered"
        journal.close()


async def test_an_engine_without_files_says_so(open_place: OpenPlace, autojump_clock):
    """A program that made its settings itself changes them itself."""
    async with open_place() as place, opened(place, None) as engine:
        with pytest.raises(ConfigError, match="not started from files"):
            await engine.reload()


async def test_every_limit_can_be_reloaded(open_place: OpenPlace, autojump_clock):
    """Each desk judges by the new ones: rates, repeats, pace and the books that losses need."""
    files = Files(Limits())
    async with open_place() as place, opened(place, files) as engine:
        files.limits = Limits(
            rates={"EUR": D("1.1")}, repeats_most=1, repeats_window_s=10, orders_per_second=1, link_loss_halt_s=7,
            daily_loss_most=D(100), symbols=("ETH/USD",),
        )  # fmt: skip
        await engine.reload("test")
        services = engine.services
        assert services.settings.limits == files.limits
        assert services.accounts.rates["EUR"] == D("1.1")
        market(place)
        assert (await engine.submit(signal(1))).code == "SYMBOL_NOT_ALLOWED"
        files.limits = Limits(repeats_most=1, repeats_window_s=10, orders_per_second=1)
        await engine.reload("test")
        assert "EUR" not in services.accounts.rates
        first, second = await engine.submit(signal(2)), await engine.submit(signal(3))
        assert (first.status, second.code) == ("accepted", "ORDER_RATE_LIMIT")
