"""Money and priority over random command lists, on the core alone: conserved to the last digit, never crossed."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.seams.chance import SeededChance
from engine.sim import Exchange, Refused, SimSettings, SimTrade, amending, editing
from engine.sim.core import Core
from engine.sim.editing import Edit
from engine.sim.events import Event, OrderReport
from engine.sim.numbers import nearest
from engine.sim.offsets import Offset, Price
from engine.sim.orders import Amend, CloseSpec, NewOrder

SYMBOL = "BTC/USD"
ASSETS = ("USD", "BTC")
CLOSES = (
    CloseSpec(order_type="limit", limit_price=Offset(Decimal("0.3"))),
    CloseSpec(order_type="stop-loss", trigger_price=Offset(Decimal("0.1"), percent=True, by_side=True)),
    CloseSpec(order_type="trailing-stop", trigger_price=Offset(Decimal("0.2"))),
)
FUNDS = {"a": {"USD": Decimal(3000), "BTC": Decimal("0.05")}, "b": {"USD": Decimal(5000), "BTC": Decimal("0.2")}}


class StepClock:
    """A wall clock that moves by a microsecond at each look."""

    def __init__(self) -> None:
        self.ns = 1_767_225_600 * 10**9

    def now_ns(self) -> int:
        self.ns += 1000
        return self.ns


prices = st.integers(499_990, 500_010).map(lambda ticks: ticks * Decimal("0.1"))
quantities = st.integers(5_000, 6_000_000).map(lambda lots: lots * Decimal("0.00000001"))
accounts = st.sampled_from(["a", "b", "house"])
adds = st.fixed_dictionaries(
    {
        "do": st.just("add"),
        "who": accounts,
        "side": st.sampled_from(["buy", "sell"]),
        "kind": st.sampled_from(
            [
                *("limit", "limit", "limit", "iceberg", "market", "cash"),
                *("stop-loss", "stop-loss-limit", "take-profit", "trailing-stop", "trailing-stop-limit"),
            ]
        ),
        "close": st.sampled_from([None, None, None, *CLOSES]),
        "leverage": st.sampled_from([None, 2, 5]),
        "reduce_only": st.sampled_from([False, False, False, True]),
        "price": prices,
        "trigger": prices,
        "qty": quantities,
        "tif": st.sampled_from(["gtc", "gtc", "ioc", "fok"]),
        "fee_in_base": st.booleans(),
        "stp": st.sampled_from(["cancel_newest", "cancel_oldest", "cancel_both"]),
    }
)
changes = st.fixed_dictionaries(
    {
        "do": st.sampled_from(["cancel", "amend"]),
        "who": accounts,
        "nth": st.integers(0, 5),
        "price": prices,
        "qty": quantities,
    }
)
edits = changes.map(lambda change: change | {"do": "edit"})
commands = st.lists(st.one_of(adds, adds, changes, edits), min_size=15, max_size=40)


def request(command: dict[str, Any], *, margin: bool) -> NewOrder:
    kind, client = command["kind"], command["who"] != "house"
    leverage = command["leverage"] if margin and client and kind != "cash" else None
    trails, cash = kind.startswith("trailing"), kind == "cash"
    limit: Price | None = Offset(Decimal("-0.2")) if trails else command["price"]
    return NewOrder(
        symbol=SYMBOL,
        side="buy" if cash else command["side"],
        order_type="market" if cash else kind,
        order_qty=Decimal(0) if cash else command["qty"],
        cash_order_qty=nearest(command["qty"] * 50_000, 4) if cash else None,
        display_qty=nearest(command["qty"] / 4, 8) if kind == "iceberg" else None,
        limit_price=limit if "limit" in kind or kind == "iceberg" else None,
        trigger_price=Offset(Decimal("0.5")) if trails else command["trigger"] if "-" in kind else None,
        time_in_force=command["tif"] if kind == "limit" else "gtc",
        fee_in_base=command["fee_in_base"] and leverage is None,
        stp=command["stp"],
        close=command["close"] if client else None,
        leverage=leverage,
        reduce_only=command["reduce_only"] and leverage is not None,
    )


QUOTE = {
    "who": "house",
    "kind": "limit",
    "qty": Decimal("0.02"),
    "tif": "gtc",
    "trigger": None,
    "fee_in_base": False,
    "stp": "cancel_newest",
    "close": None,
    "leverage": None,
    "reduce_only": False,
}


def apply(core: Core, command: dict[str, Any], *, margin: bool = False) -> None:
    account = core.accounts[command["who"]]
    if command["do"] == "add":
        core.add(account, request(command, margin=margin))
        return
    orders = list(account.open.values())
    if orders:
        order = orders[command["nth"] % len(orders)]
        if command["do"] == "cancel":
            core.cancel(order)
        elif command["do"] == "edit":
            limit = command["price"] if order.limit_price is not None and not order.trails else None
            asked = Edit(name=order.order_id, symbol=SYMBOL, order_qty=command["qty"], limit_price=limit)
            editing.edit(core, account, asked)
        else:
            limit = command["price"] if order.limit_price is not None else None
            if order.trails and order.is_armed:
                limit = None
            amending.amend(core, account, Amend(order_id=order.order_id, order_qty=command["qty"], limit_price=limit))


def totals(core: Core) -> dict[str, Decimal]:
    collected = core.settlement.collected
    return {
        asset: sum((account.balances.get(asset, Decimal(0)) for account in core.accounts.values()), Decimal(0))
        + collected.get(asset, Decimal(0))
        for asset in ASSETS
    }


def check(core: Core, *, margin: bool = False) -> None:
    book = core.market(SYMBOL).book
    bid, ask = book.bids.best_price(), book.asks.best_price()
    assert bid is None or ask is None or bid < ask
    for side in (book.bids, book.asks):
        resting = list(side.orders())
        assert sum((qty for _, qty in side.top(1000)), Decimal(0)) == sum(o.visible_qty for o in resting)
        assert all(order.is_open and 0 < order.visible_qty <= order.leaves_qty for order in resting)
    for account in core.accounts.values():
        if account.unlimited:
            continue
        needed = dict.fromkeys(ASSETS, Decimal(0))
        for order in account.open.values():
            asset, amount = core.settlement.hold_of(order, core.market(SYMBOL).pair)
            needed[asset] += amount
        assert {asset: account.held.get(asset, Decimal(0)) for asset in ASSETS} == needed
        dust = Decimal("0.0001") * 2 * len(account.trades)  # cost and fee are rounded per fill
        assert margin or all(account.available(asset) >= -dust for asset in ASSETS)
    fills: dict[str, list[SimTrade]] = {}
    for trade in core.trades:
        fills.setdefault(trade.order_id, []).append(trade)
    for order in core.orders.values():
        trades = fills.get(order.order_id, [])
        assert order.cum_qty == sum((t.qty for t in trades), Decimal(0))
        assert order.cum_cost == sum((t.cost for t in trades), Decimal(0))
        assert order.fee == sum((t.fee for t in trades), Decimal(0))


class Matches:
    """Sees every fill of everybody: each match has two equal sides, and the maker was the first in the queue."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._sides: dict[int, list[SimTrade]] = {}
        self._filled: dict[str, Decimal] = {}
        core.listen(self._on_event)

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, OrderReport) or event.trade is None:
            return
        order, trade = event.order, event.trade
        self._sides.setdefault(trade.trade_id, []).append(trade)
        self._filled[order.order_id] = self._filled.get(order.order_id, Decimal(0)) + trade.qty
        assert self._filled[order.order_id] == order.cum_qty <= order.order_qty
        if trade.liquidity == "m":
            assert self._core.market(SYMBOL).book.side(order.side).first() is order, "price, then time"

    def check(self) -> None:
        """Judge the matches of the last command: none is ever told of again."""
        for taker, maker in self._sides.values():
            assert (taker.liquidity, maker.liquidity) == ("t", "m")
            assert (taker.price, taker.qty, taker.cost) == (maker.price, maker.qty, maker.cost)
            assert taker.side != maker.side
        self._sides.clear()


@pytest.mark.parametrize(("holds", "margin"), [(True, False), (False, False), (True, True)])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=commands)
def test_money_is_conserved_and_the_book_never_crosses(holds: bool, margin: bool, script: list[dict[str, Any]]) -> None:
    """After every command: all balances and fees sum to the start, holds equal what open orders need, no cross,
    both sides of every match agree, and price-time priority held in each.
    """
    config = SimSettings(
        accounts=FUNDS,
        untriggered_stops_hold_funds=holds,
        would_trigger_immediately="fire",
        margin_open_fee_pct=Decimal("0.02"),
    )
    core = Exchange(config, StepClock(), SeededChance(1))._venue.core
    matches, start = Matches(core), totals(core)
    core.print_trade(SYMBOL, Decimal("50000.0"), Decimal("0.001"), "sell")
    for level in range(1, 6):
        for side, sign in (("buy", -1), ("sell", 1)):
            price = Decimal("50000.0") + sign * level * Decimal("0.2")
            core.add(core.house, request(QUOTE | {"side": side, "price": price}, margin=False))
    for command in script:
        with contextlib.suppress(Refused):
            apply(core, command, margin=margin)
        assert totals(core) == start
        check(core, margin=margin)
        matches.check()


def test_fee_in_base_is_taken_from_the_coins() -> None:
    """A buy with fees in base receives less of the coin and pays the plain cost; both parties' digits agree."""
    core = Exchange(SimSettings(accounts=FUNDS), StepClock(), SeededChance(1))._venue.core
    core.add(core.accounts["a"], _limit("buy", "0.01", fee_in_base=True))
    core.add(core.accounts["b"], _limit("sell", "0.01"))
    buyer, seller = core.accounts["a"], core.accounts["b"]
    assert buyer.balances == {"USD": Decimal("2500.0000"), "BTC": Decimal("0.0599750000")}
    assert seller.balances == {"USD": Decimal("5498.0000"), "BTC": Decimal("0.1900000000")}
    assert core.settlement.collected == {"BTC": Decimal("0.0000250000"), "USD": Decimal("2.0000")}


def test_hold_covers_price_quantity_and_the_dearer_fee() -> None:
    """A resting buy holds cost plus taker fee; a fill lowers the hold, the end frees it."""
    core = Exchange(SimSettings(accounts=FUNDS), StepClock(), SeededChance(1))._venue.core
    account = core.accounts["a"]
    order = core.add(account, _limit("buy", "0.01"))
    assert order is not None
    assert account.held["USD"] == Decimal("502.0000")
    core.add(core.accounts["b"], _limit("sell", "0.004"))
    assert account.held["USD"] == Decimal("301.2000")
    core.cancel(order)
    assert account.held["USD"] == 0


def _limit(side: Any, qty: str, *, fee_in_base: bool = False) -> NewOrder:
    return NewOrder(
        symbol=SYMBOL,
        side=side,
        order_type="limit",
        order_qty=Decimal(qty),
        limit_price=Decimal("50000.0"),
        fee_in_base=fee_in_base,
    )
