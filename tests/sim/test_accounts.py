"""Several accounts on one exchange: each with its key, funds, fees, limits and permissions."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.seams.chance import SystemChance
from engine.sim import AccountTerms, load_or_make_identity

FUNDS = {"USD": Decimal(1000), "BTC": Decimal(1)}
BUY = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01", "price": "50000"}


def accounts(**terms: AccountTerms) -> dict[str, Any]:
    return {"accounts": {"client": FUNDS, **dict.fromkeys(terms, FUNDS)}, "terms": terms}


async def test_each_account_has_its_own_money_and_orders(open_sim: Any, rest_client: Any, autojump_clock: Any) -> None:
    """One trades with the other; neither sees the other's orders."""
    async with open_sim(**accounts(bob=AccountTerms())) as sim:
        bob = rest_client(sim.wire, sim.exchange)
        bob.key, bob.secret = sim.exchange.credentials("bob")
        await sim.rest.ok("AddOrder", **BUY)
        assert (await bob.ok("OpenOrders"))["open"] == {}
        await bob.ok("AddOrder", **{**BUY, "type": "sell"})
        assert (await sim.rest.ok("Balance"))["XXBT"] == "1.0100000000"
        assert (await bob.ok("Balance"))["XXBT"] == "0.9900000000"


async def test_fees_are_the_accounts_own(open_sim: Any, rest_client: Any, autojump_clock: Any) -> None:
    """Half a percent for one, nothing for the other, in one trade; what is set aside covers the dearer."""
    terms = AccountTerms(maker_fee_pct=Decimal("0.5"), taker_fee_pct=Decimal("0.6"))
    async with open_sim(**accounts(bob=terms)) as sim:
        bob = rest_client(sim.wire, sim.exchange)
        bob.key, bob.secret = sim.exchange.credentials("bob")
        await bob.ok("AddOrder", **BUY)
        assert (await bob.ok("BalanceEx"))["ZUSD"]["hold_trade"] == "503.0000"
        await sim.rest.ok("AddOrder", **{**BUY, "type": "sell"})
        assert sorted(trade.fee for trade in sim.truth.trades) == [Decimal("2.0000"), Decimal("2.5000")]


async def test_a_tier_binds_its_account_alone(open_sim: Any, rest_client: Any, autojump_clock: Any) -> None:
    """The starter runs into its call counter, the account without a tier does not."""
    async with open_sim(**accounts(bob=AccountTerms(tier="starter"))) as sim:
        bob = rest_client(sim.wire, sim.exchange)
        bob.key, bob.secret = sim.exchange.credentials("bob")
        for client, refused in ((bob, True), (sim.rest, False)):
            answers = [(await client.private("Balance"))["error"] for _ in range(20)]
            assert (["EAPI:Rate limit exceeded"] in answers) is refused


async def test_permissions_are_the_accounts_own(open_sim: Any, rest_client: Any, autojump_clock: Any) -> None:
    """Who may look only does not trade."""
    async with open_sim(**accounts(viewer=AccountTerms(permissions=("query-funds",)))) as sim:
        viewer = rest_client(sim.wire, sim.exchange)
        viewer.key, viewer.secret = sim.exchange.credentials("viewer")
        assert (await viewer.private("Balance"))["error"] == []
        assert await viewer.error("AddOrder", **BUY) == "EGeneral:Permission denied"


def test_a_directory_keeps_a_key_for_each_account(tmp_path: Path) -> None:
    """Made when the account is first named; an account left out keeps its key for when it comes back."""
    first = load_or_make_identity(tmp_path, SystemChance(), ["bob"])
    without = load_or_make_identity(tmp_path, SystemChance())
    again = load_or_make_identity(tmp_path, SystemChance(), ["bob", "eve"])
    assert first.others["bob"] == without.others["bob"] == again.others["bob"]
    assert (first.api_key, again.boot) == (again.api_key, 3)
    assert len({again.api_key, *(key for key, _ in again.others.values())}) == 3
    assert again.others["eve"][1] not in repr(again)
