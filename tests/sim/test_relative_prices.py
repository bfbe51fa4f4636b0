"""Prices that count from another one, and quantities in quote currency, by each door (sections 1.5, 8.1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

LIMIT = {"ordertype": "limit", "pair": "XBTUSD", "volume": "0.01"}
STOP = {"ordertype": "stop-loss", "pair": "XBTUSD", "volume": "0.01"}


@pytest.mark.parametrize(
    ("order", "side", "price", "becomes"),
    [
        (LIMIT, "sell", "+250", "50250.0"),
        (LIMIT, "buy", "-0.5%", "49750.0"),
        (LIMIT, "buy", "#100", "49900.0"),
        (LIMIT, "sell", "#1%", "50500.0"),
        (LIMIT, "sell", "+0.333333%", "50166.7"),  # to the tick
        (STOP, "sell", "#1%", "49500.0"),
        (STOP, "buy", "#1%", "50500.0"),
        (STOP | {"ordertype": "take-profit"}, "sell", "#1%", "50500.0"),
        (STOP | {"ordertype": "take-profit"}, "buy", "#1%", "49500.0"),
    ],
)
async def test_rest_price_relative_to_the_last(
    open_sim: Any, autojump_clock: Any, order: dict[str, str], side: str, price: str, becomes: str
) -> None:
    """``+``, ``-`` and ``#``, each also in percent, count from the last price; ``#`` points where the type wants it."""
    async with open_sim() as sim:
        sim.print("50000.0")
        txid = (await sim.rest.ok("AddOrder", **order, type=side, price=price))["txid"][0]
        made = sim.truth.orders[txid]
        assert str(made.limit_price if made.trigger_price is None else made.trigger_price) == becomes
        row = (await sim.rest.ok("OpenOrders"))["open"][txid]
        assert row["descr"]["price"] == becomes


async def test_stop_limit_has_both_prices_relative(open_sim: Any, autojump_clock: Any) -> None:
    """The trigger and the limit behind it each count from the last price."""
    async with open_sim() as sim:
        sim.print("50000.0")
        params = STOP | {"ordertype": "stop-loss-limit", "type": "sell", "price": "-2%", "price2": "-1200"}
        order = sim.truth.orders[(await sim.rest.ok("AddOrder", **params))["txid"][0]]
        assert (str(order.trigger_price), str(order.limit_price)) == ("49000.0", "48800.0")


async def test_plus_that_the_form_did_not_escape_is_no_price(open_sim: Any, autojump_clock: Any) -> None:
    """A bare plus arrives as a space: refused, not taken for an absolute price."""
    async with open_sim() as sim:
        sim.print("50000.0")
        rest = sim.rest
        rest.nonce += 1
        form = urlencode({"nonce": rest.nonce, **LIMIT, "type": "sell"}) + "&price=+250"
        _, body = await rest.signed("AddOrder", str(rest.nonce), form.encode())
        assert b"EGeneral:Invalid arguments:price" in body


@pytest.mark.parametrize("price", ["+", "+-5", "#", "+5%%", "-100%", "-60000", "5%"])
async def test_malformed_relative_price_is_refused(open_sim: Any, autojump_clock: Any, price: str) -> None:
    """Nonsense, and what would fall to nothing or below."""
    async with open_sim() as sim:
        sim.print("50000.0")
        assert await sim.rest.error("AddOrder", **LIMIT, type="buy", price=price) == "EGeneral:Invalid arguments:price"


async def test_relative_price_needs_a_last_price(open_sim: Any, autojump_clock: Any) -> None:
    """Before the first trade there is nothing to count from."""
    async with open_sim() as sim:
        assert await sim.rest.error("AddOrder", **LIMIT, type="sell", price="+5") == "EGeneral:Invalid arguments:price"


@pytest.mark.parametrize(("kind", "price", "actual"), [("pct", -2, "49000.0"), ("quote", -750.5, "49249.5")])
async def test_websocket_price_types_of_a_trigger(
    open_sim: Any, autojump_clock: Any, kind: str, price: float, actual: str
) -> None:
    """The asked price and its type come back, beside the price that it stands for."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("50000.0")
        triggers = {"price": price, "price_type": kind}
        await client.add(order_type="stop-loss", side="sell", order_qty=0.1, triggers=triggers)
        row = client.rows()[0]["triggers"]
        assert (row["price_type"], row["actual_price"]) == (kind, actual)
        assert float(row["price"]) == price


async def test_relative_trigger_counts_from_its_own_reference(open_sim: Any, autojump_clock: Any) -> None:
    """On an index trigger the percentage is of the index."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("50000.0")
        sim.house.set_index("BTC/USD", Decimal("40000.0"))
        triggers = {"price": -10, "price_type": "pct", "reference": "index"}
        added = await client.add(order_type="stop-loss", side="sell", order_qty=0.1, triggers=triggers)
        assert str(sim.truth.orders[added["order_id"]].trigger_price) == "36000.0"


async def test_only_a_trailing_order_has_a_relative_limit_on_websocket(open_sim: Any, autojump_clock: Any) -> None:
    """``limit_price_type`` other than static is refused on the other types, and on an amend it counts from last."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("50000.0")
        params = {"side": "buy", "order_qty": 0.01}
        refused = await client.add(**params, limit_price=-1, limit_price_type="pct")
        assert refused == "EGeneral:Invalid arguments:limit_price_type"
        order_id = (await client.add(**params, limit_price=40000.0))["order_id"]
        change = {"limit_price": -1, "limit_price_type": "pct"}
        assert (await client.call("amend_order", order_id=order_id, **change))["success"]
        assert str(sim.truth.orders[order_id].limit_price) == "49500.0"


async def test_rest_amend_takes_relative_prices(open_sim: Any, autojump_clock: Any) -> None:
    """AmendOrder counts its limit from the last price and a trigger from the trigger's reference."""
    async with open_sim() as sim:
        sim.print("50000.0")
        limit = (await sim.rest.ok("AddOrder", **LIMIT, type="buy", price="40000"))["txid"][0]
        stop = (await sim.rest.ok("AddOrder", **STOP, type="sell", price="40000"))["txid"][0]
        await sim.rest.ok("AmendOrder", txid=limit, limit_price="-1000")
        await sim.rest.ok("AmendOrder", txid=stop, trigger_price="-4%")
        assert str(sim.truth.orders[limit].limit_price) == "49000.0"
        assert str(sim.truth.orders[stop].trigger_price) == "48000.0"


# --- quantity in quote currency


async def test_market_buy_for_an_amount_of_quote_currency(open_sim: Any, autojump_clock: Any) -> None:
    """It buys whole lots through the levels until the cash is used; fees come on top."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "50000.0", "0.01")
        sim.quote("sell", "60000.0", "1")
        added = await client.add(order_type="market", side="buy", cash_order_qty=800)
        order = sim.truth.orders[added["order_id"]]
        assert (order.status, order.cum_qty, order.cum_cost) == ("filled", Decimal("0.015"), Decimal(800))
        first, last = client.rows()[0], client.rows()[-1]
        assert (first["cash_order_qty"], "order_qty" in first) == ("800.00000", False)
        assert (last["exec_type"], last["cum_qty"]) == ("filled", "0.01500000")
        assert order.order_qty == order.cum_qty


async def test_cash_that_buys_no_further_lot_counts_as_filled(open_sim: Any, autojump_clock: Any) -> None:
    """A remainder below the price of a lot is not spent, and the order is complete."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "50000.0", "0.0002")
        sim.quote("sell", "99000.0", "1")
        added = await client.add(order_type="market", side="buy", cash_order_qty=10.0005)
        order = sim.truth.orders[added["order_id"]]
        assert (order.status, str(order.cum_cost)) == ("filled", "10.0000")


async def test_cash_beyond_an_empty_book_is_canceled(open_sim: Any, autojump_clock: Any) -> None:
    """What finds no seller ends the order as canceled with its fills."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "50000.0", "0.01")
        added = await client.add(order_type="market", side="buy", cash_order_qty=800)
        order = sim.truth.orders[added["order_id"]]
        assert (order.status, order.reason, str(order.cum_qty)) == ("canceled", "No liquidity", "0.01")


async def test_rest_viqc_has_volumes_in_quote(open_sim: Any, autojump_clock: Any) -> None:
    """With ``viqc`` vol and vol_exec are quote currency, and the flag is shown."""
    async with open_sim() as sim:
        sim.quote("sell", "50000.0", "1")
        params = {"ordertype": "market", "type": "buy", "pair": "XBTUSD", "volume": "500", "oflags": "viqc"}
        added = await sim.rest.ok("AddOrder", **params)
        assert added["descr"]["order"] == "buy 500.00000 XBTUSD @ market"
        row = (await sim.rest.ok("QueryOrders", txid=added["txid"][0]))[added["txid"][0]]
        assert (row["vol"], row["vol_exec"], row["oflags"]) == ("500.00000", "500.00000", "fciq,viqc")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"side": "sell"}, "EGeneral:Invalid arguments:volume"),
        ({"order_type": "limit", "limit_price": 50000.0}, "EGeneral:Invalid arguments:volume"),
        ({"order_qty": 0.01}, "EGeneral:Invalid arguments:volume"),
        ({"margin": True}, "EGeneral:Invalid arguments:volume"),
        ({"cash_order_qty": 1}, "EOrder:Order minimum not met"),
        ({"cash_order_qty": 99_999}, "EOrder:Insufficient funds"),  # with its fees beyond the account
    ],
)
async def test_cash_quantity_is_for_plain_market_buys(
    open_sim: Any, autojump_clock: Any, change: dict[str, object], error: str
) -> None:
    """No sell, no limit, no margin, not beside a base quantity; minima and funds as for any order."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "50000.0", "10")
        assert await client.add(**{"order_type": "market", "side": "buy", "cash_order_qty": 100} | change) == error
