"""A restart from the store: money, orders, trades, nonces, ids and queue places go on; no time passed meanwhile."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trio

from engine.net.wire import open_virtual_wire
from engine.seams.chance import SeededChance
from engine.seams.clock import Clock, VirtualClock
from engine.sim import Exchange, SimSettings, SyntheticMarket, open_exchange_store
from engine.sim.fees import FeeStep

HOST = "kraken.test"
LIMIT = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000.0"}


class Life:
    """One life of an exchange on a directory, with a REST client on it."""

    def __init__(self, exchange: Exchange, rest: Any) -> None:
        self.exchange, self.rest = exchange, rest
        self.house, self.truth = exchange.house, exchange.truth

    async def add(self, **params: str) -> str:
        return (await self.rest.ok("AddOrder", **LIMIT | params))["txid"][0]

    def take(self, side: Any, qty: str) -> None:
        self.house.take("BTC/USD", side, Decimal(qty))

    def quote(self, side: Any, price: str, qty: str) -> None:
        self.house.quote("BTC/USD", side, Decimal(price), Decimal(qty))


@pytest.fixture
def live(tmp_path: Path, rest_client: Any) -> Any:
    """Give the opener of one life after the other on the same directory; nonces go on from life to life."""
    nonces = {"next": 1000}

    @contextlib.asynccontextmanager
    async def open_life(clock: Clock | None = None, **settings: Any) -> AsyncIterator[Life]:
        with open_exchange_store(tmp_path) as store:
            config = replace(SimSettings(), **settings)
            exchange = Exchange(config, clock or VirtualClock(), SeededChance(1), store=store)
            async with open_virtual_wire(random.Random(1)) as wire:
                wire.listen(HOST, 443, exchange.serve)
                rest = rest_client(wire, exchange)
                rest.nonce = nonces["next"]
                async with exchange.running():
                    yield Life(exchange, rest)
                nonces["next"] = rest.nonce

    return open_life


@contextlib.contextmanager
def as_second_version(directory: Path) -> Iterator[sqlite3.Connection]:
    """Give the store's file as it was before the tape and its candles were kept."""
    with contextlib.closing(sqlite3.connect(directory / "exchange.sqlite3", isolation_level=None)) as file:
        file.execute("CREATE TABLE prints (symbol TEXT PRIMARY KEY, trade_id INTEGER NOT NULL, body BLOB NOT NULL)")
        file.execute("INSERT OR REPLACE INTO prints SELECT * FROM tape ORDER BY trade_id")
        for table in ("tape", "candles", "running"):
            file.execute(f"DROP TABLE {table}")
        file.execute("PRAGMA user_version = 2")
        yield file


def memory(life: Life) -> dict[str, Any]:
    """Return all that must outlive a restart."""
    return {
        "orders": {key: replace(order, place=0) for key, order in life.truth.orders.items()},  # places are renumbered
        "trades": list(life.truth.trades),
        "balances": [life.truth.balances(name) for name in ("client", "house")],
        "held": life.truth.held(),
        "fees": life.truth.fees_collected(),
        "last": life.truth.last_price("BTC/USD"),
        "closed": [order.order_id for order in life.exchange._venue.core.accounts["client"].closed],
    }


async def test_everything_of_the_client_outlives_a_restart(live: Any, autojump_clock: Any) -> None:
    """Orders open, filled and canceled, fills, money, holds, fees and the last price are what they were."""
    async with live() as life:
        await life.add(cl_ord_id="open-1")
        filled, canceled = await life.add(price="50001.0"), await life.add()
        life.take("sell", "0.012")
        await life.rest.ok("CancelOrder", txid=canceled)
        await life.rest.ok("AmendOrder", cl_ord_id="open-1", order_qty="0.02")
        await life.add(ordertype="stop-loss", type="sell", price="45000.0")
        before = memory(life)
        assert before["orders"][filled].status == "filled"
    async with live() as life:
        assert memory(life) == before
        assert int((await life.rest.ok("GetApiKeyInfo"))["nonce"]) == life.rest.nonce
        assert (await life.rest.error("AddOrder", **LIMIT | {"cl_ord_id": "open-1"})).endswith("cl_ord_id")
        life.take("sell", "0.0081")
        assert [order.status for order in life.truth.orders.values()].count("filled") == 1
        life.house.print_trade("BTC/USD", Decimal("44999.0"), Decimal("0.001"))
        assert [order.triggered for order in life.truth.orders.values()][-1]


async def test_ledger_volume_and_history_outlive_a_restart(live: Any, autojump_clock: Any) -> None:
    """Ledger rows, the thirty days' volume with its fee, trades and closed orders are asked for as before."""
    steps = tuple(
        FeeStep(volume=Decimal(volume), taker_pct=Decimal(pct), maker_pct=Decimal(pct))
        for volume, pct in ((0, "0.40"), (500, "0.20"))
    )
    calls = ("Ledgers", "TradesHistory", "ClosedOrders", "TradeVolume", "Balance")
    async with live(fee_schedule=steps) as life:
        await life.add()
        life.take("sell", "0.01")
        await life.rest.ok("CancelOrder", txid=await life.add())
        before = [await life.rest.ok(name, pair="XBTUSD") for name in calls]
        assert (before[0]["count"], before[3]["fees"]["XXBTZUSD"]["fee"]) == (6, "0.2000")
    async with live(fee_schedule=steps) as life:
        assert [await life.rest.ok(name, pair="XBTUSD") for name in calls] == before
        await life.add()
        life.take("sell", "0.01")
        assert life.truth.trades[-1].fee == Decimal("1.0000")
        rows = (await life.rest.ok("Ledgers", asset="ZUSD"))["ledger"].values()
        assert sum(Decimal(row["amount"]) - Decimal(row["fee"]) for row in rows) == life.truth.balances()["USD"]


async def test_account_that_is_new_to_the_store_begins_with_its_deposits(live: Any, autojump_clock: Any) -> None:
    """A second account added later has its funds, its ledger explains them, and both are kept from then on."""
    both = {name: {"USD": Decimal(10_000)} for name in ("client", "late")}
    async with live(accounts={"client": both["client"]}):
        pass
    ledgers = []
    for _ in range(2):
        async with live(accounts=both) as life:
            life.rest.key, life.rest.secret = life.exchange.credentials("late")
            ledgers.append((await life.rest.ok("Ledgers"))["ledger"])
            assert (await life.rest.ok("Balance"))["ZUSD"] == "10000.0000"
    assert ledgers[0] == ledgers[1]
    assert [row["amount"] for row in ledgers[0].values()] == ["10000.0000"]


async def test_store_of_the_first_version_is_taken_over(live: Any, tmp_path: Path, autojump_clock: Any) -> None:
    """A file from before volumes were kept opens, with its orders, and keeps them from then on."""
    async with live() as life:
        txid = await life.add()
    with as_second_version(tmp_path) as file:
        for table in ("volumes", "positions"):
            file.execute(f"DROP TABLE {table}")
        file.execute("DROP INDEX ledger_of")
        file.execute("PRAGMA user_version = 1")
    async with live() as life:
        assert list((await life.rest.ok("OpenOrders"))["open"]) == [txid]
        life.take("sell", "0.01")
    async with live() as life:
        assert (await life.rest.ok("TradeVolume"))["volume"] == "500.0000"


async def test_numbers_go_on_and_no_id_comes_again(live: Any, autojump_clock: Any) -> None:
    """Public trade numbers continue; order, trade and token ids of the second life are new ones."""
    seen: list[str] = []
    tokens = []
    for expected in ([1, 2], [3, 4]):
        async with live() as life:
            for _ in range(2):
                seen.append(await life.add())
                life.take("sell", "0.01")
            tokens.append((await life.rest.ok("GetWebSocketsToken"))["token"])
            assert [trade.trade_id for trade in life.truth.trades][-2:] == expected
            ids = [trade.exec_id for trade in life.truth.trades]
            assert len(set(ids)) == len(ids)
    assert len(set(seen)) == 4
    assert len(set(tokens)) == 2


async def test_old_nonce_is_refused_after_the_restart(live: Any, autojump_clock: Any) -> None:
    """A nonce used by a mere query is remembered as well."""
    async with live() as life:
        await life.rest.ok("Balance")
    async with live() as life:
        life.rest.nonce -= 1
        assert await life.rest.error("Balance") == "EAPI:Invalid nonce"


async def test_client_orders_keep_their_places_in_front_of_new_quotes(live: Any, autojump_clock: Any) -> None:
    """The older order of a price fills first, also one that lost its place by an amend stays behind."""
    async with live() as life:
        first, second = await life.add(), await life.add()
        await life.rest.ok("AmendOrder", txid=first, order_qty="0.02")  # upward: back of the queue
    async with live() as life:
        life.quote("buy", "50000.0", "1")
        life.take("sell", "0.015")
        orders = life.truth.orders
        assert [orders[order_id].cum_qty for order_id in (second, first)] == [Decimal("0.01"), Decimal("0.005")]


async def test_no_time_passes_while_the_exchange_is_off(live: Any, autojump_clock: Any) -> None:
    """A GTD order and the dead man's switch wait for their time of being on, over two restarts."""
    async with live() as life:
        order_id = await life.add(timeinforce="gtd", expiretm="+100")
        await life.rest.ok("CancelAllOrdersAfter", timeout="200")
        await trio.sleep(50)
    for _ in range(2):
        await trio.sleep(3600)
        async with live() as life:
            await trio.sleep(20)
            assert life.truth.orders[order_id].is_open
    await trio.sleep(3600)
    async with live() as life:
        other = await life.add()
        await trio.sleep(13)
        assert life.truth.orders[order_id].status == "expired"
        await trio.sleep(85)
        assert life.truth.orders[other].is_open
        await trio.sleep(15)
        assert life.truth.orders[other].reason == "Cancel all orders after"


async def test_synthetic_market_goes_on_from_the_last_price(live: Any, autojump_clock: Any) -> None:
    """The walk begins where the last life's trades ended, not at the configured price."""
    market = SyntheticMarket(symbol="BTC/USD", start_price=Decimal("50000.0"), walk_ticks=300.0)
    async with live(synthetic=(market,)) as life:
        await trio.sleep(300)
        last = life.truth.last_price("BTC/USD")
    assert abs(last - 50_000) > 100
    async with live(synthetic=(market,)) as life:
        await trio.sleep(0.1)
        bids, asks = life.truth.levels("BTC/USD", 1)
        assert abs((bids[0][0] + asks[0][0]) / 2 - last) < 10


async def test_late_fill_is_kept_in_its_place(live: Any, autojump_clock: Any) -> None:
    """A late fill of an order closed first does not move it to the end of the closed orders."""
    async with live() as life:
        first, second = await life.add(), await life.add()
        for order_id in (first, second):
            await life.rest.ok("CancelOrder", txid=order_id)
        life.house.late_fill(first, Decimal("0.01"), Decimal("50000.0"))
        before = memory(life)
    async with live() as life:
        assert memory(life) == before
        assert before["closed"] == [first, second]


async def test_one_command_is_one_transaction(live: Any, tmp_path: Path, autojump_clock: Any) -> None:
    """An order with its nonce, fill and ledger is written at once, and so is a batch of cancels."""
    async with live() as life:
        begun: list[str] = []
        store = life.exchange._venue.keeper._store
        store._connection.set_trace_callback(lambda text: begun.append(text) if text.startswith("BEGIN") else None)
        life.quote("sell", "50000.0", "1")
        ids = [await life.add(), await life.add(price="49000.0"), await life.add(price="49000.0")]
        assert len(begun) == 3
        await life.rest.ok("CancelOrderBatch", orders=",".join(ids))
        assert len(begun) == 4
        life.quote("buy", "48000.0", "1")  # the house's own affair
        assert len(begun) == 4


async def test_store_that_cannot_write_lets_nothing_out(live: Any, autojump_clock: Any) -> None:
    """The write's error ends the connection without an answer, and every later command fails as well."""

    async def write_in_vain() -> None:
        async with live() as life:
            life.exchange._venue.keeper._store._connection.execute("DROP TABLE orders")
            status, _ = await life.rest.signed("AddOrder", "5000", urlencode(LIMIT | {"nonce": "5000"}).encode())
            assert status == 0
            await trio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as caught:
        await write_in_vain()
    assert caught.group_contains(sqlite3.OperationalError)
    assert not caught.group_contains(AssertionError)


def test_store_belongs_to_one_process_and_its_owner(tmp_path: Path) -> None:
    """A second opening is refused with a reason, the file is 0600, each opening counts, damage is named."""
    with open_exchange_store(tmp_path) as store:
        assert store.boot == 1
        with pytest.raises(OSError, match="another exchange"), open_exchange_store(tmp_path):
            pass
    (file,) = tmp_path.glob("*.sqlite3")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with open_exchange_store(tmp_path) as store:
        assert store.boot == 2
    file.write_bytes(b"not a database" * 500)
    with pytest.raises(ValueError, match="damaged"), open_exchange_store(tmp_path):
        pass


async def test_closed_orders_in_memory_are_bounded_when_asked(open_sim: Any, autojump_clock: Any) -> None:
    """With a bound the oldest closed orders are forgotten, the newest and all open ones are there."""
    async with open_sim(keep_closed=5) as sim:
        kept = (await sim.rest.ok("AddOrder", **LIMIT | {"price": "40000.0"}))["txid"][0]
        ids = []
        for _ in range(30):
            ids.append((await sim.rest.ok("AddOrder", **LIMIT))["txid"][0])
            await sim.rest.ok("CancelOrder", txid=ids[-1])
        assert kept in sim.truth.orders
        assert 5 <= len(sim.truth.orders) - 1 <= 10
        assert list(sim.truth.orders)[-1] == ids[-1]
        assert await sim.rest.error("QueryOrders", txid=ids[0]) == "EOrder:Invalid order"


async def test_bound_on_closed_orders_holds_over_a_restart(live: Any, autojump_clock: Any) -> None:
    """A restart reads back the newest closed orders and every open one; all of them stay on disk."""
    async with live() as life:
        kept = await life.add(price="40000.0")
        for _ in range(8):
            await life.rest.ok("CancelOrder", txid=await life.add())
    async with live(keep_closed=3) as life:
        assert len(life.truth.orders) == 4
        assert kept in life.truth.orders
        await life.rest.ok("CancelOrder", txid=kept)
    async with live() as life:
        assert len(life.truth.orders) == 9
