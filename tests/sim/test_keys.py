"""Keys: permissions, a second key on the same account, lockout after bad nonces."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from engine.sim import QUERY_PERMISSIONS, TRADING_PERMISSIONS, KeySpec

REST_LIMIT = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000.0"}
DENIED = "EGeneral:Permission denied"


def as_key(sim: Any, name: str) -> None:
    """Let the REST client use another key from now on."""
    sim.rest.key, sim.rest.secret = sim.exchange.credentials(name)


async def test_query_key_reads_the_same_account_and_has_its_own_nonce(open_sim: Any, autojump_clock: Any) -> None:
    """A lower nonce is fine on the other key, it sees the orders, and may neither trade nor get a token."""
    async with open_sim(more_keys=(KeySpec(name="query", permissions=QUERY_PERMISSIONS),)) as sim:
        txid = (await sim.rest.ok("AddOrder", **REST_LIMIT))["txid"][0]
        sim.rest.nonce = 1
        as_key(sim, "query")
        assert list((await sim.rest.ok("OpenOrders"))["open"]) == [txid]
        info = await sim.rest.ok("GetApiKeyInfo")
        assert (info["apiKeyName"], info["permissions"]) == ("query", list(QUERY_PERMISSIONS))
        for method, params in (("AddOrder", REST_LIMIT), ("CancelOrder", {"txid": txid}), ("GetWebSocketsToken", {})):
            assert await sim.rest.error(method, **params) == DENIED
        assert len(sim.truth.orders) == 1


@pytest.mark.parametrize(
    ("missing", "method"),
    [
        ("query-funds", "Balance"),
        ("close-trades", "CancelAll"),
        ("modify-trades", "AddOrder"),
        ("modify-trades", "EditOrder"),
    ],
)
async def test_missing_permission_denies_its_calls_only(
    open_sim: Any, autojump_clock: Any, missing: str, method: str
) -> None:
    """The call that needs the permission is denied; GetApiKeyInfo needs none."""
    kept = tuple(name for name in TRADING_PERMISSIONS if name != missing)
    async with open_sim(permissions=kept) as sim:
        assert await sim.rest.error(method, **REST_LIMIT) == DENIED
        assert missing not in (await sim.rest.ok("GetApiKeyInfo"))["permissions"]


async def test_websocket_orders_need_the_keys_permission(open_sim: Any, autojump_clock: Any) -> None:
    """A token of a key that may not trade subscribes, and its orders are denied."""
    kept = tuple(name for name in TRADING_PERMISSIONS if name != "modify-trades")
    async with open_sim(permissions=kept) as sim:
        client = await sim.ws()
        assert await client.add(side="buy", order_qty=0.01, limit_price=50000.0) == DENIED


async def test_key_that_may_withdraw_says_so(open_sim: Any, autojump_clock: Any) -> None:
    """GetApiKeyInfo reports withdraw-funds, so that a client can refuse the key."""
    async with open_sim(permissions=(*TRADING_PERMISSIONS, "withdraw-funds")) as sim:
        assert "withdraw-funds" in (await sim.rest.ok("GetApiKeyInfo"))["permissions"]


async def test_nonce_window_takes_swapped_calls_but_none_twice(open_sim: Any, autojump_clock: Any) -> None:
    """Within the window a lower nonce is fine, once; below it and at the highest it is refused; without one as well."""

    async def errors(sim: Any, *nonces: int) -> list[list[str]]:
        found = []
        for nonce in nonces:
            sim.rest.nonce = nonce - 1
            found.append((await sim.rest.private("Balance"))["error"])
        return found

    bad = ["EAPI:Invalid nonce"]
    async with open_sim(nonce_window=10) as sim:
        assert await errors(sim, 100, 95, 95, 100, 91, 90, 101, 91) == [[], [], bad, bad, [], bad, [], bad]
        sim.rest.nonce = 200
        assert (await sim.rest.ok("GetApiKeyInfo"))["nonceWindow"] == 10
    async with open_sim() as sim:
        assert await errors(sim, 100, 99, 100, 101) == [[], bad, bad, []]


async def test_bad_nonces_lock_out_for_a_while_and_attempts_extend_it(open_sim: Any, autojump_clock: Any) -> None:
    """After the third bad nonce every private call is refused; only a quiet quarter of an hour ends it."""
    async with open_sim(lockout_after=3) as sim:
        await sim.rest.ok("Balance")
        for _ in range(3):
            sim.rest.nonce -= 1
            assert await sim.rest.error("Balance") == "EAPI:Invalid nonce"
        assert await sim.rest.error("Balance") == "EGeneral:Temporary lockout"
        await trio.sleep(899)
        assert await sim.rest.error("Balance") == "EGeneral:Temporary lockout"
        await trio.sleep(901)
        await sim.rest.ok("Balance")
