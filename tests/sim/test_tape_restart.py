"""What is public outlives a restart as well: trades and candles (protocol sections 1.3, 6.5)."""

from __future__ import annotations

import contextlib
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio

from engine.seams.clock import NS, VirtualClock
from tests.sim.test_durability import Life, as_second_version
from tests.sim.test_durability import live as live  # the fixture


async def test_the_public_history_outlives_a_restart(live: Any, autojump_clock: Any) -> None:
    """Trades, candles and 24-hour figures are as they were, ids have no hole, the running minute goes on."""

    async def seen(life: Life) -> list[Any]:
        asked = [("Trades", {}), ("Ticker", {}), *(("OHLC", {"interval": minutes}) for minutes in (1, 5, 1440))]
        return [(await life.rest.public(name, pair="XBTUSD", **more))["result"] for name, more in asked]

    clock = VirtualClock()
    async with live(clock=clock, ohlc_fills_gaps=False) as life:
        for minute in range(7):
            for step in (3, 1, 2):
                life.house.print_trade("BTC/USD", Decimal(50_000 + 10 * minute + step), Decimal("0.01"))
            await trio.sleep(70)
        life.house.print_trade("BTC/USD", Decimal(50_100), Decimal("0.01"))
        before = await seen(life)
        assert len(before[2]["XXBTZUSD"]) == 8
    async with live(clock=clock, ohlc_fills_gaps=False) as life:
        assert await seen(life) == before
        life.house.print_trade("BTC/USD", Decimal(49_000), Decimal("0.02"))
        trades, ticker, minutes, *_ = await seen(life)
        assert [row[6] for row in trades["XXBTZUSD"]] == list(range(1, 24))
        assert ticker["XXBTZUSD"]["t"] == [23, 23]
        assert minutes["XXBTZUSD"][-1][1:5] == ["50100.0", "50100.0", "49000.0", "49000.0"]


async def test_kept_history_is_bounded(live: Any, tmp_path: Path, autojump_clock: Any) -> None:
    """A thousand trades, and a day of minutes: what no answer can show any more is not kept."""
    async with live() as life:
        with life.exchange._venue.core.together():  # one write for them all
            for _ in range(1_010):
                life.house.print_trade("BTC/USD", Decimal(50_000), Decimal("0.01"))
    with contextlib.closing(sqlite3.connect(tmp_path / "exchange.sqlite3", isolation_level=None)) as file:
        assert file.execute("SELECT count(*), max(trade_id) FROM tape").fetchone() == (1_000, 1_010)
        day_ago_ns = file.execute("SELECT json_extract(body, '$.start_ns') FROM running").fetchone()[0] - 86_400 * NS
        for minutes_more in (0, 1):
            row = ("BTC/USD", 1, day_ago_ns - minutes_more * 60 * NS)
            file.execute("INSERT INTO candles SELECT ?, ?, ?, body FROM running", row)
    async with live() as life:
        for _ in range(2):
            life.house.print_trade("BTC/USD", Decimal(50_000), Decimal("0.01"))
            await trio.sleep(60)
    with contextlib.closing(sqlite3.connect(tmp_path / "exchange.sqlite3")) as file:
        kept = [start_ns for (start_ns,) in file.execute("SELECT start_ns FROM candles WHERE minutes = 1")]
        assert len(kept) == 2
        assert min(kept) == day_ago_ns


async def test_store_of_the_second_version_is_taken_over(live: Any, tmp_path: Path, autojump_clock: Any) -> None:
    """It knew the last print alone: the next trade has the number behind it."""
    async with live() as life:
        life.house.print_trade("BTC/USD", Decimal(50_000), Decimal("0.01"))
    with as_second_version(tmp_path):
        pass
    async with live() as life:
        assert life.truth.last_price("BTC/USD") == 50_000
        life.house.print_trade("BTC/USD", Decimal(50_001), Decimal("0.01"))
        rows = (await life.rest.public("Trades", pair="XBTUSD"))["result"]["XXBTZUSD"]
        assert [row[6] for row in rows] == [1, 2]
