"""A restart in the middle of an order's life: slices, peaks, templates, schedules and positions go on as they were."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.sim import Exchange, SimOrder, SimSettings, open_exchange_store
from engine.sim.core import Core
from engine.sim.offsets import Offset
from engine.sim.orders import CloseSpec, NewOrder

SYMBOL = "BTC/USD"


class Life:
    """One life of an exchange; orders go straight to its core."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.house = exchange, exchange.house
        self.core: Core = exchange._venue.core
        self.account = self.core.accounts["client"]

    def add(self, **members: Any) -> SimOrder:
        new = NewOrder(
            **{"symbol": SYMBOL, "order_qty": Decimal("0.1"), "order_type": "limit", "side": "sell"} | members
        )
        order = self.core.add(self.account, new)
        assert order is not None
        return order

    def again(self, order: SimOrder) -> SimOrder:
        """Return the same order in this life."""
        return self.core.orders[order.order_id]

    def print(self, price: str) -> None:
        self.house.print_trade(SYMBOL, Decimal(price), Decimal("0.001"))


@pytest.fixture
def live(tmp_path: Path) -> Any:
    """Give the opener of one life after the other on the same directory."""

    @contextlib.asynccontextmanager
    async def open_life(**settings: Any) -> AsyncIterator[Life]:
        with open_exchange_store(tmp_path) as store:
            exchange = Exchange(replace(SimSettings(), **settings), VirtualClock(), SeededChance(1), store=store)
            async with exchange.running():
                await trio.sleep(0.01)
                yield Life(exchange)

    return open_life


async def test_iceberg_goes_on_with_what_was_left_of_its_slice(live: Any, autojump_clock: Any) -> None:
    """Half a slice before is half a slice after, in the same place; the next slice is a whole one."""
    async with live() as life:
        iceberg = life.add(order_type="iceberg", display_qty=Decimal("0.02"), limit_price=Decimal(50000))
        plain = life.add(limit_price=Decimal(50000))
        life.house.take(SYMBOL, "buy", Decimal("0.015"))
        assert iceberg.visible_qty == Decimal("0.005")
    async with live() as life:
        iceberg, plain = life.again(iceberg), life.again(plain)
        asks = life.core.markets[SYMBOL].book.asks
        assert [order.order_id for order in asks.orders()] == [iceberg.order_id, plain.order_id]
        assert asks.top(1) == [(Decimal(50000), Decimal("0.105"))]
        life.house.take(SYMBOL, "buy", Decimal("0.005"))
        assert (iceberg.visible_qty, next(order.order_id for order in asks.orders())) == (
            Decimal("0.02"),
            plain.order_id,
        )


async def test_trailing_stop_keeps_its_peak_and_its_distance(live: Any, autojump_clock: Any) -> None:
    """It neither starts anew from the last price nor forgets how to follow."""
    async with live() as life:
        life.print("50000")
        trailing = life.add(
            order_type="trailing-stop-limit",
            trigger_price=Offset(Decimal(1), percent=True),
            limit_price=Offset(Decimal(-5)),
        )
        life.print("52000")
        life.print("51900")
    async with live() as life:
        trailing = life.again(trailing)
        assert (trailing.peak_price, trailing.trigger_price) == (Decimal(52000), Decimal("51480.0"))
        life.print("53000")
        assert (trailing.trigger_price, trailing.limit_price) == (Decimal("52470.0"), Decimal("52465.0"))
        life.print("52470")
        assert (trailing.triggered, trailing.status) == (True, "new")


async def test_later_fill_still_creates_its_conditional_close(live: Any, autojump_clock: Any) -> None:
    """The template outlives the restart, and a child keeps the name of its primary."""
    async with live() as life:
        close = CloseSpec(order_type="take-profit", trigger_price=Offset(Decimal(2), percent=True))
        primary = life.add(side="buy", limit_price=Decimal(50000), close=close)
        life.house.take(SYMBOL, "sell", Decimal("0.04"))
    async with live() as life:
        life.house.take(SYMBOL, "sell", Decimal("0.06"))
        children = [order for order in life.core.orders.values() if order.ref_id == primary.order_id]
        assert [(str(child.order_qty), child.trigger_price) for child in children] == [
            ("0.04", Decimal("51000.0")),
            ("0.06", Decimal("51000.0")),
        ]


async def test_scheduled_order_is_put_off_and_still_enters(live: Any, autojump_clock: Any) -> None:
    """As no time passed while the exchange was off, its effective time moves with it."""
    async with live() as life:
        order = life.add(limit_price=Decimal(50000), effective_ns=life.core.clock.now_ns() + 20 * 10**9)
        await trio.sleep(5)
    await trio.sleep(100)
    async with live() as life:
        order = life.again(order)
        assert (order.status, life.core.markets[SYMBOL].book.asks.best_price()) == ("pending_new", None)
        assert life.account.held["BTC"] == Decimal("0.1")
        await trio.sleep(25)
        assert (order.status, life.core.markets[SYMBOL].book.asks.best_price()) == ("new", Decimal(50000))


async def test_positions_and_their_money_outlive_a_restart(live: Any, autojump_clock: Any) -> None:
    """Open positions come back in their order, with what is closed of them; the closed one does not."""
    fees = {"margin_rollover_fee_pct": Decimal("0.02"), "margin_rollover_s": 60}

    def money(life: Life) -> list[object]:
        accounts = life.core.accounts.values()
        return [[dict(account.balances) for account in accounts], dict(life.core.settlement.collected)]

    async with live(**fees) as life:
        life.house.quote(SYMBOL, "sell", Decimal(50000), Decimal(10))
        life.house.quote(SYMBOL, "buy", Decimal(49000), Decimal(10))
        for _ in range(3):
            life.add(order_type="market", side="buy", leverage=5)
        life.add(order_type="market", side="sell", order_qty=Decimal("0.15"), leverage=5)
        reducing = life.add(limit_price=Decimal(60000), leverage=5, reduce_only=True)
        before, kept = list(life.account.positions.values()), money(life)
        assert [str(position.open_qty) for position in before] == ["0.05", "0.1"]
    async with live(**fees) as life:
        after = list(life.account.positions.values())
        assert [replace(position, rollover_ns=0) for position in after] == [
            replace(position, rollover_ns=0) for position in before
        ]
        assert money(life) == kept
        life.house.quote(SYMBOL, "buy", Decimal(49000), Decimal(10))
        life.add(order_type="market", order_qty=Decimal("0.1"), leverage=5)
        assert life.again(reducing).order_qty == Decimal("0.05"), "the reduce-only order is still watched"
        fee = life.core.settlement.collected["USD"]
        await trio.sleep(60)
        assert life.core.settlement.collected["USD"] == fee + Decimal("0.5")


async def test_order_for_cash_and_its_liquidation_marks_are_kept(live: Any, autojump_clock: Any) -> None:
    """Closed orders keep every member as well."""
    async with live() as life:
        life.house.quote(SYMBOL, "sell", Decimal(50000), Decimal(10))
        order = life.add(
            order_type="market", side="buy", order_qty=Decimal(0), cash_order_qty=Decimal(500), sender_sub_id="desk-1"
        )
    async with live() as life:
        assert life.again(order) == order
