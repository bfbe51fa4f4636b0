"""Amounts and prices at the edge of what can be written: an error string each, never a crash."""

from __future__ import annotations

from typing import Any

import pytest

HUGE = "9" * 18
BUY = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000"}
TRAIL = BUY | {"ordertype": "trailing-stop", "price": "+5"}


@pytest.mark.parametrize(
    "change",
    [
        {"price": f"+{HUGE}%"},
        {"price": f"+{HUGE}"},
        {"price": HUGE, "volume": HUGE},
        {"volume": HUGE, "leverage": "5"},
        {"price": f"+{HUGE}%", "leverage": "5", "volume": HUGE},
        {"ordertype": "iceberg", "displayvol": HUGE, "volume": HUGE},
        {"ordertype": "iceberg", "displayvol": "0.000000000000000001"},
        {"ordertype": "market", "oflags": "viqc", "volume": HUGE},
        {"ordertype": "market", "oflags": "viqc", "volume": "0.000000000000000001"},
        {"ordertype": "trailing-stop", "price": f"+{HUGE}%"},
        {"ordertype": "trailing-stop", "type": "sell", "price": f"+{HUGE}"},
        {"ordertype": "trailing-stop-limit", "price": "+5", "price2": f"+{HUGE}%"},
        {"ordertype": "settle-position", "volume": HUGE},
        {"starttm": HUGE},
        {"timeinforce": "GTD", "expiretm": f"+{HUGE}"},
        {"leverage": HUGE},
    ],
)
async def test_absurd_order_is_refused(open_sim: Any, autojump_clock: Any, change: dict[str, str]) -> None:
    """Nothing is placed and the connection's next request is answered."""
    async with open_sim() as sim:
        sim.quote("sell", "50000.0", "1")
        sim.print("50000.0")
        assert (await sim.rest.error("AddOrder", **BUY | change)).startswith(("EGeneral:", "EOrder:"))
        assert sim.truth.orders == {}


@pytest.mark.parametrize("change", [{"trigger_price": f"+{HUGE}%"}, {"trigger_price": f"+{HUGE}"}, {"order_qty": HUGE}])
async def test_absurd_amend_is_refused(open_sim: Any, autojump_clock: Any, change: dict[str, str]) -> None:
    """The order stays as it was."""
    async with open_sim() as sim:
        sim.print("50000.0")
        txid = (await sim.rest.ok("AddOrder", **TRAIL))["txid"][0]
        before = sim.truth.orders[txid].trigger_price
        assert (await sim.rest.error("AmendOrder", txid=txid, **change)).startswith(("EGeneral:", "EOrder:"))
        assert sim.truth.orders[txid].trigger_price == before


@pytest.mark.parametrize("price", [f"+{HUGE}%", f"-{HUGE}", f"+{HUGE}"])
async def test_absurd_close_harms_nobody(open_sim: Any, autojump_clock: Any, price: str) -> None:
    """A relative close that no fill can give a price is no order; the fill itself stands."""
    async with open_sim() as sim:
        close = {"close[ordertype]": "take-profit", "close[price]": price}
        txid = (await sim.rest.ok("AddOrder", **BUY, **close))["txid"][0]
        sim.take("sell", "0.01")
        assert sim.truth.orders[txid].status == "filled"
        assert not any(order.ref_id for order in sim.truth.orders.values())


@pytest.mark.parametrize("text", ["4_0000", "\uff14\uff10\uff10\uff10\uff10", "0x10", "1e", ".", "+", "1.2.3", "sNaN"])
async def test_number_text_that_only_this_language_reads_is_refused(
    open_sim: Any, autojump_clock: Any, text: str
) -> None:
    """Digits of other scripts and with underscores are no numbers to a venue."""
    async with open_sim() as sim:
        order = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.001"}
        assert await sim.rest.error("AddOrder", **order, price=text) == "EGeneral:Invalid arguments:price"
