"""SIGKILL of a real exchange in the middle of traffic: what it answered and published is there afterwards."""

from __future__ import annotations

import contextlib
import random
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio_websocket

from engine.net.wire import TcpWire
from engine.seams.chance import SeededChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange, SimSettings, open_exchange_store

SCRIPT = Path(__file__).with_name("exchange_process.py")
ROOT = Path(__file__).parents[2]
SHUT = (trio_websocket.ConnectionClosed, trio.TooSlowError, OSError, trio.BrokenResourceError, AssertionError)


class Witness:
    """A client that trades until the exchange is gone, and remembers what it was told."""

    def __init__(self) -> None:
        self.answered: set[str] = set()
        self.canceled: set[str] = set()
        self.fills: dict[str, str] = {}
        self.nonce = 0

    async def trade(self, client: Any, rng: random.Random) -> None:
        while client.closed is None:
            price = rng.choice((50100.0, 49990.0, 45000.0))
            order = await client.add(side="buy", order_qty=0.0005, limit_price=price)
            self.answered.add(order["order_id"])
            if price < 46_000:
                await client.call("cancel_order", order_id=[order["order_id"]])
                self.canceled.add(order["order_id"])

    async def ask(self, rest: Any) -> None:
        while True:
            await rest.ok("Balance")
            self.nonce = rest.nonce

    def hear(self, client: Any) -> None:
        self.fills |= {row["exec_id"]: row["order_id"] for row in client.rows() if row["exec_type"] == "trade"}


async def quietly(task: Any, *args: Any) -> None:
    """Run a client's task until the exchange's death ends it."""
    with contextlib.suppress(SHUT):
        await task(*args)


async def start(directory: Path) -> tuple[trio.Process, int, SimpleNamespace]:
    """Start an exchange and return its process, port and key."""
    process = await trio.lowlevel.open_process(
        [sys.executable, str(SCRIPT), str(directory)], stdout=-1, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    line = b""
    with trio.fail_after(30):
        while not line.endswith(b"\n"):
            line += await process.stdout.receive_some(1000)
    await process.stdout.aclose()
    port, key, secret = line.decode().split()
    return process, int(port), SimpleNamespace(api_key=key, api_secret=secret)


async def live_and_die(directory: Path, witness: Witness, clients: Any, rng: random.Random) -> None:
    """Start the exchange, trade with it, kill it."""
    process, port, key = await start(directory)
    rest = clients.rest(TcpWire(), key, "127.0.0.1", port)
    rest.nonce = witness.nonce + 10  # the last one may have arrived unanswered
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream, trio.open_nursery() as nursery:
        client = clients.ws(await trio_websocket.wrap_client_stream(nursery, stream, "127.0.0.1", "/v2"))
        nursery.start_soon(quietly, client.read)
        client.token = (await rest.ok("GetWebSocketsToken"))["token"]
        await client.call("subscribe", channel="executions")
        for _ in range(3):
            nursery.start_soon(quietly, witness.trade, client, rng)
        nursery.start_soon(quietly, witness.ask, rest)
        enough = len(witness.answered) + 20
        await client.until(lambda: len(witness.answered) >= enough, 30)
        await trio.sleep(rng.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await client.until(lambda: client.closed is not None)
        witness.hear(client)
        nursery.cancel_scope.cancel()


@pytest.mark.process
async def test_what_was_answered_or_published_outlives_a_kill(tmp_path: Path, rest_client: Any, ws_client: Any) -> None:
    """Three lives end by SIGKILL in full traffic; every answered order and cancel, fill and nonce is in the store."""
    witness, clients, rng = Witness(), SimpleNamespace(rest=rest_client, ws=ws_client), random.Random("kills")
    for _ in range(3):
        await live_and_die(tmp_path, witness, clients, rng)
    assert len(witness.answered) >= 60
    assert len(witness.fills) > 3
    with open_exchange_store(tmp_path) as store:
        exchange = Exchange(SimSettings(), SystemClock(), SeededChance("killed"), store=store)
        orders, trades = exchange.truth.orders, {trade.exec_id: trade.order_id for trade in exchange.truth.trades}
        assert witness.answered <= set(orders)
        assert {orders[order_id].status for order_id in witness.canceled} == {"canceled"}
        assert witness.fills.items() <= trades.items()
        assert next(iter(exchange._venue.keys.values())).nonce_high >= witness.nonce
        balances = [exchange.truth.balances(name) for name in ("client", "house")]
        assert balances[0]["BTC"] + balances[1]["BTC"] == 2
        assert balances[0]["BTC"] - 2 == sum(trade.qty for trade in exchange.truth.trades)
