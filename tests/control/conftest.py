"""A real engine on a real exchange over loopback TCP, with its door open in a temporary data directory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import trio

from engine.control.client import ControlClient, open_client
from engine.control.server import Control, open_control
from engine.control.web_listener import WebSettings
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.wire import TcpWire
from engine.orders.signal import Signal, parse_signal
from engine.runtime.engine import Engine
from engine.runtime.opening import open_engine
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange, SimSettings

SIGNAL = (
    '{"signal_id":"%s","symbol":"BTC/USD","side":"buy","order_type":"limit","order_qty":"0.02",'
    '"limit_price":"50000.0","stop_loss":{"trigger_price":"49000.0"},"take_profit":{"price":"51000.0"}}'
)
WEB = WebSettings(port=0)
FIRST = "11111111-1111-4111-8111-111111111111"
SECOND = "22222222-2222-4222-8222-222222222222"


def signal(signal_id: str = FIRST) -> Signal:
    """Return a buy of 0.02 BTC at 50000 with stop and target."""
    return parse_signal(SIGNAL % signal_id)


@dataclass
class Live:
    """A running engine, the exchange under it and a client at its door."""

    engine: Engine
    exchange: Exchange
    control: Control
    client: ControlClient

    def web(self, *, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Return a plain HTTP client of the door on TCP; without ``token`` with the right one, "" for none."""
        assert self.control.access is not None
        given = self.control.access.token if token is None else token
        authorization = {"authorization": f"Bearer {given}"} if given else {}
        return httpx.AsyncClient(
            base_url=self.control.access.url,
            headers={**authorization, **headers},
            trust_env=False,
            timeout=None,  # a test's one bound is that of its whole block: a busy machine fails no assertion
        )

    def market(self) -> None:
        """Quote around 50000, out of the reach of the signals' limit."""
        for step in range(5):
            self.exchange.house.quote("BTC/USD", "buy", Decimal(49990) - step, Decimal("0.5"))
            self.exchange.house.quote("BTC/USD", "sell", Decimal(50010) + step, Decimal("0.5"))

    def fill(self, qty: str) -> None:
        """Sell into the entry."""
        self.exchange.house.quote("BTC/USD", "sell", Decimal(50000), Decimal(qty))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        while not condition():  # noqa: ASYNC110 - the exchange has no event for each of them
            await trio.sleep(0.01)


@asynccontextmanager
async def open_exchange(**changes: float) -> AsyncIterator[tuple[Exchange, KrakenVenue]]:
    """Run an exchange on loopback, and give the adapter that talks to it; ``changes`` are of its settings."""
    clock, chance = SystemClock(), SystemChance()
    exchange = Exchange(SimSettings(), clock, chance)
    async with exchange.running(), trio.open_nursery() as nursery:
        port = await nursery.start(exchange.serve_tcp)
        settings = KrakenSettings(
            api_key=Secret(exchange.api_key),
            api_secret=Secret(exchange.api_secret),
            mode="simulated",
            rest_url=f"http://127.0.0.1:{port}",
            ws_url=f"ws://127.0.0.1:{port}/v2",
            ws_auth_url=f"ws://127.0.0.1:{port}/v2",
            **changes,
        )
        yield exchange, KrakenVenue(settings, wire=TcpWire(), clock=clock, chance=chance, nonces=MemoryNonceStore())
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_running(exchange: Exchange, venue: KrakenVenue, data_dir: Path) -> AsyncIterator[Live]:
    """Run an engine with its door on an exchange that runs."""
    settings = EngineSettings(data_dir=data_dir, durability="process")
    async with open_control(data_dir, web=WEB) as control, open_engine(settings, venue) as engine:
        control.attach(engine)
        async with open_client(data_dir) as client:
            assert client is not None
            live = Live(engine, exchange, control, client)
            live.market()
            yield live


@asynccontextmanager
async def _open_live(data_dir: Path, limit_s: float = 100.0) -> AsyncIterator[Live]:
    with trio.fail_after(limit_s):
        async with open_exchange() as (exchange, venue), open_running(exchange, venue, data_dir) as live:
            yield live


@pytest.fixture
def data_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a data directory, with the runtime directory beside it: nothing lands in the user's places.

    Not in pytest's own directory, whose long names leave no room for a socket's path.
    """
    with TemporaryDirectory(prefix="koe-") as made:
        for name in ("data", "runtime"):
            (Path(made) / name).mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(Path(made) / "runtime"))
        yield Path(made) / "data"


@pytest.fixture
def open_live(data_dir: Path) -> Callable[..., AbstractAsyncContextManager[Live]]:
    """Open a running engine with its door."""
    return partial(_open_live, data_dir)
