"""The adapter over real sockets on loopback."""

import pytest
import trio

from engine.kraken.nonce_file import FileNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.wire import TcpWire
from engine.orders.commands import CancelOrder
from engine.orders.reports import Outcome
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange, SimSettings
from engine.venue.protocol import Lane

pytestmark = pytest.mark.tcp


async def test_order_lives_and_ends_over_loopback(tmp_path, recorder, limit_order):
    """Connect, watch, place, cancel and close with the real drivers and the real clock."""
    clock, chance = SystemClock(), SystemChance()
    exchange = Exchange(SimSettings(), clock, chance)
    with trio.fail_after(10):
        async with exchange.running(), trio.open_nursery() as nursery:
            port = await nursery.start(exchange.serve_tcp)
            settings = KrakenSettings(
                api_key=Secret(exchange.api_key),
                api_secret=Secret(exchange.api_secret),
                mode="simulated",
                rest_url=f"http://127.0.0.1:{port}",
                ws_url=f"ws://127.0.0.1:{port}/v2",
                ws_auth_url=f"ws://127.0.0.1:{port}/v2",
            )
            store = FileNonceStore(tmp_path / "nonce")
            venue = KrakenVenue(settings, wire=TcpWire(), clock=clock, chance=chance, nonces=store)
            async with venue.open(recorder) as link, link.watch("BTC/USD") as book:
                assert book.usable
                answer = await link.submit(await link.admit(Lane.ENTRY, limit_order), limit_order)
                assert answer.outcome is Outcome.ACCEPTED
                await recorder.wait_report("new")
                assert len(await link.open_orders()) == 1
                cancel = CancelOrder(limit_order.cl_ord_id, answer.order_id, "BTC/USD")
                await link.cancel(await link.admit(Lane.CANCEL, cancel), cancel)
                await recorder.wait_report("canceled")
            nursery.cancel_scope.cancel()
    assert store.load() > 0
