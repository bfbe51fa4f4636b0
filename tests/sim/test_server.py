"""The server against the world: real TCP, malformed input, its identity over restarts."""

from __future__ import annotations

import json
import random
import stat
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket

from engine.net.wire import TcpWire
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange, Identity, SimSettings, load_or_make_identity

LIMIT = {"symbol": "BTC/USD", "order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 50000.0}


@pytest.mark.tcp
async def test_over_loopback_tcp_rest_and_websocket_share_a_port(rest_client: Any, ws_client: Any) -> None:
    """The same handler answers REST and WebSocket over real sockets on the real clock."""
    exchange = Exchange(SimSettings(), SystemClock(), SystemChance())
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery, exchange.running():
            port = await nursery.start(exchange.serve_tcp)
            rest = rest_client(TcpWire(), exchange, "127.0.0.1", port)
            stream = await TcpWire().connect("127.0.0.1", port, tls=None)
            client = ws_client(await trio_websocket.wrap_client_stream(nursery, stream, "127.0.0.1", "/v2"))
            nursery.start_soon(client.read)
            client.token = (await rest.ok("GetWebSocketsToken"))["token"]
            await client.call("subscribe", channel="executions")
            added = await client.add(**LIMIT)
            await client.until(lambda: client.exec_types() == ["pending_new", "new"])
            assert list((await rest.ok("OpenOrders"))["open"]) == [added["order_id"]]
            await client.ws.aclose()
            nursery.cancel_scope.cancel()


def junk(rng: random.Random, depth: int = 0) -> object:
    """Draw a JSON value that no client means."""
    plain = [None, True, -1, 0, 10**30, 1.5, "", "x", "limit", "BTC/USD", "é\u0000", "9" * 5000, 1e300]
    if depth > 2 or rng.random() < 0.6:
        return rng.choice(plain)
    items = [junk(rng, depth + 1) for _ in range(rng.randrange(3))]
    return items if rng.random() < 0.5 else {str(rng.choice(plain)): item for item in items}


def spoiled(rng: random.Random, good: dict[str, object]) -> dict[str, object]:
    """Replace, drop or add a member or two."""
    bad = dict(good)
    for _ in range(rng.randint(1, 2)):
        name = rng.choice([*bad, "extra", "deadline", "triggers", "cl_ord_id", "expire_time", "time_in_force"])
        if rng.random() < 0.2:
            bad.pop(name, None)
        else:
            bad[name] = junk(rng)
    return bad


async def test_malformed_frames_are_answered_and_nothing_breaks(open_sim: Any, autojump_clock: Any) -> None:
    """A thousand bad frames on one connection: each is answered with an error or taken, and it still serves."""
    rng = random.Random(7)
    async with open_sim() as sim:
        client = await sim.ws()
        bases = {
            "add_order": LIMIT,
            "amend_order": {"order_id": "OAAAAA-AAAAA-AAAAAA", "order_qty": 1},
            "cancel_order": {"order_id": ["OAAAAA-AAAAA-AAAAAA"]},
            "batch_cancel": {"orders": ["a", "b"]},
            "subscribe": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10},
            "unsubscribe": {"channel": "executions"},
        }
        for number in range(1000):
            method = rng.choice(list(bases))
            request: object = {
                "method": method,
                "params": spoiled(rng, bases[method] | {"token": client.token}),
                "req_id": 10_000 + number,
            }
            if rng.random() < 0.2:
                request = spoiled(rng, request) if rng.random() < 0.5 else junk(rng)  # type: ignore[arg-type]
            text = json.dumps(request)
            await client.send(text if rng.random() < 0.9 else text[: rng.randrange(len(text) + 1)])
        for text in ("[" * 100_000, '{"method":"\\ud800"}', "NaN", '{"req_id":1e999}', '"\\u0000"'):
            await client.send(text)
        await client.ws.send_message(b"\x00\xff")
        assert (await client.call("ping"))["method"] == "pong"
        errors = [frame for frame in client.frames if frame.get("success") is False]
        assert len(errors) > 700
        assert not any("Internal" in frame["error"] for frame in errors)


async def test_malformed_bodies_and_bytes_are_answered_or_dropped(open_sim: Any, autojump_clock: Any) -> None:
    """Signed junk gets an API error, raw junk a 4xx or an end; the next request is served."""
    rng = random.Random(8)
    names = [
        "AddOrder",
        "AmendOrder",
        "CancelOrder",
        "CancelOrderBatch",
        "ClosedOrders",
        "QueryOrders",
        "TradesHistory",
    ]
    good = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000", "txid": "x"}
    async with open_sim() as sim:
        for nonce in range(2000, 2400):
            fields = spoiled(rng, good) | {"nonce": str(nonce)}
            status, body = await sim.rest.signed(
                rng.choice(names), str(nonce), json.dumps(fields).encode(), as_json=True
            )
            assert status == 200
            assert json.loads(body)["error"] or "result" in json.loads(body)
        for raw in (
            b"\x16\x03\x01" * 50,
            b"GET / HTTP/1.1\r\n\r\n",
            b"x" * 40_000,
            b"POST /0/private/AddOrder HTTP/1.1\r\n",
        ):
            stream = await sim.wire.connect("kraken.test", 443, tls=None)
            await stream.send_all(raw + bytes(rng.randrange(256) for _ in range(64)) + b"\r\n\r\n")
            await stream.send_eof()
            with trio.fail_after(30):
                while await stream.receive_some():
                    pass
            await stream.aclose()
        head = b"GET /v2 HTTP/1.1\r\nhost: k\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        handshake = head + b"sec-websocket-version: 13\r\nsec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
        for start in (head + b"\r\n", handshake):
            stream = await sim.wire.connect("kraken.test", 443, tls=None)
            await stream.send_all(start)
            await stream.send_all(bytes(rng.randrange(256) for _ in range(512)))
            await stream.send_eof()
            with trio.fail_after(30):
                while await stream.receive_some():
                    pass
            await stream.aclose()
        sim.rest.nonce = 3000
        assert "ZUSD" in await sim.rest.ok("Balance")


async def test_oversized_body_is_refused(open_sim: Any, autojump_clock: Any) -> None:
    """A body beyond the limit is a 413."""
    async with open_sim(max_body=1000) as sim:
        status, _ = await sim.rest.raw("POST", "/0/private/AddOrder", {}, b"x" * 2000)
        assert status == 413


def test_identity_keeps_its_key_and_counts_its_starts(tmp_path: Path) -> None:
    """The same directory gives the same key and another boot number; the file is for its owner only."""
    first = load_or_make_identity(tmp_path / "data", SystemChance())
    second = load_or_make_identity(tmp_path / "data", SystemChance())
    assert (second.api_key, second.api_secret) == (first.api_key, first.api_secret)
    assert (first.boot, second.boot) == (1, 2)
    (file,) = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.api_secret not in repr(first)
    file.write_text("{}")
    with pytest.raises(ValueError, match="damaged"):
        load_or_make_identity(tmp_path / "data", SystemChance())


async def test_restarted_exchange_never_repeats_an_id(open_sim: Any, autojump_clock: Any) -> None:
    """The boot counter changes every id that a seed would otherwise give again."""
    drawn: list[str] = []
    for boot in (1, 2):
        identity = Identity("key", "c2VjcmV0", boot)
        async with open_sim(boot=identity.boot, api_key=identity.api_key, api_secret=identity.api_secret) as sim:
            client = await sim.ws()
            drawn += [(await client.add(**LIMIT))["order_id"] for _ in range(5)]
    assert len(set(drawn)) == 10


async def test_two_accounts_are_apart(open_sim: Any, autojump_clock: Any) -> None:
    """A second account has its own key, orders and balances, and trades with the first."""
    from decimal import Decimal

    funds = {name: {"USD": Decimal(10_000), "BTC": Decimal(1)} for name in ("client", "other")}
    async with open_sim(accounts=funds) as sim:
        mine = await sim.ws()
        sim.rest.key, sim.rest.secret = sim.exchange.credentials("other")
        theirs = await sim.ws()
        added = await mine.add(**LIMIT)
        assert (await theirs.call("cancel_order", order_id=[added["order_id"]]))["error"] == "EOrder:Unknown order"
        await theirs.add(side="sell", order_qty=0.01, limit_price=50000.0)
        await mine.until(lambda: "filled" in mine.exec_types())
        assert theirs.rows()[-2]["trade_id"] == mine.rows()[-2]["trade_id"]
        assert theirs.rows()[-2]["exec_id"] != mine.rows()[-2]["exec_id"]
        total = sim.truth.balances("client")["BTC"] + sim.truth.balances("other")["BTC"]
        assert total == 2


async def test_head_is_answered_without_a_body(open_sim: Any, autojump_clock: Any) -> None:
    """A HEAD request gets the head of the answer, refused or not, and the exchange lives on."""
    async with open_sim() as sim:
        assert await sim.rest.raw("HEAD", "/0/public/Time", {}, b"") == (200, b"")
        assert await sim.rest.raw("HEAD", "/nowhere", {}, b"") == (404, b"")
        assert await sim.rest.raw("HEAD", "/0/public/Time", {}, b"x" * 1_100_000) == (413, b"")
        assert (await sim.rest.public("Time"))["error"] == []


async def test_upgrade_that_is_not_ascii_is_no_websocket(open_sim: Any, autojump_clock: Any) -> None:
    """Bytes beyond ASCII in an upgrade's head are answered as the plain request they come with."""
    async with open_sim() as sim:
        stream = await sim.wire.connect(sim.rest.host, sim.rest.port, tls=None)
        head = b"GET /v2 HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nx: \xff\r\n\r\n"
        await stream.send_all(head)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 404 ")
        assert (await sim.rest.public("Time"))["error"] == []
