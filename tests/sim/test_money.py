"""Money and priority over random command lists, on the core alone: conserved to the last digit, never crossed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.seams.chance import SeededChance
from engine.sim import Exchange, Refused, SimSettings, amending
from engine.sim.core import Core
from engine.sim.orders import Amend, NewOrder

SYMBOL = "BTC/USD"
ASSETS = ("USD", "BTC")
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
        "kind": st.sampled_from(["limit", "limit", "limit", "market", "stop-loss", "stop-loss-limit", "take-profit"]),
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
commands = st.lists(st.one_of(adds, adds, changes), min_size=15, max_size=40)


def apply(core: Core, command: dict[str, Any]) -> None:
    account = core.accounts[command["who"]]
    if command["do"] == "add":
        kind = command["kind"]
        core.add(
            account,
            NewOrder(
                symbol=SYMBOL,
                side=command["side"],
                order_type=kind,
                order_qty=command["qty"],
                limit_price=command["price"] if "limit" in kind else None,
                trigger_price=command["trigger"] if "-" in kind else None,
                time_in_force=command["tif"] if kind == "limit" else "gtc",
                fee_in_base=command["fee_in_base"],
                stp=command["stp"],
            ),
        )
        return
    orders = list(account.open.values())
    if command["nth"] < len(orders):
        order = orders[command["nth"]]
        if command["do"] == "cancel":
            core.cancel(order)
        else:
            limit = command["price"] if order.limit_price is not None else None
            amending.amend(core, account, Amend(order_id=order.order_id, order_qty=command["qty"], limit_price=limit))


def totals(core: Core) -> dict[str, Decimal]:
    collected = core.settlement.collected
    return {
        asset: sum((account.balances.get(asset, Decimal(0)) for account in core.accounts.values()), Decimal(0))
        + collected.get(asset, Decimal(0))
        for asset in ASSETS
    }


def check(core: Core) -> None:
    book = core.market(SYMBOL).book
    bid, ask = book.bids.best_price(), book.asks.best_price()
    assert bid is None or ask is None or bid < ask
    for side in (book.bids, book.asks):
        resting = list(side.orders())
        assert sum((qty for _, qty in side.top(1000)), Decimal(0)) == sum(o.leaves_qty for o in resting)
        assert all(order.is_open and order.leaves_qty > 0 for order in resting)
    for account in core.accounts.values():
        if account.unlimited:
            continue
        needed = dict.fromkeys(ASSETS, Decimal(0))
        for order in account.open.values():
            asset, amount = core.settlement.hold_of(order, core.market(SYMBOL).pair)
            needed[asset] += amount
        assert {asset: account.held.get(asset, Decimal(0)) for asset in ASSETS} == needed
        dust = Decimal("0.0001") * 2 * len(account.trades)  # cost and fee are rounded per fill
        assert all(account.available(asset) >= -dust for asset in ASSETS)
    for order in core.orders.values():
        trades = [trade for trade in core.trades if trade.order_id == order.order_id]
        assert order.cum_qty == sum((t.qty for t in trades), Decimal(0))
        assert order.cum_cost == sum((t.cost for t in trades), Decimal(0))
        assert order.fee == sum((t.fee for t in trades), Decimal(0))


@pytest.mark.parametrize("holds", [True, False])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=commands)
def test_money_is_conserved_and_the_book_never_crosses(holds: bool, script: list[dict[str, Any]]) -> None:
    """After every command: all balances and fees sum to the start, holds equal what open orders need, no cross."""
    config = SimSettings(accounts=FUNDS, untriggered_stops_hold_funds=holds, would_trigger_immediately="fire")
    core = Exchange(config, StepClock(), SeededChance(1))._venue.core
    start = totals(core)
    for command in script:
        try:
            apply(core, command)
        except Refused:
            assert totals(core) == start, "a refusal moves nothing"
        assert totals(core) == start
        check(core)


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
