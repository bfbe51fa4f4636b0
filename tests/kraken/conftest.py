"""A sink that remembers, and an adapter on the virtual wire in front of the simulated exchange."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import trio

from engine.kraken.link import KrakenLink
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.rest import open_rest
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.wire import VirtualWire, open_virtual_wire
from engine.orders.commands import NewOrder
from engine.orders.reports import OrderReport
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.sim import Exchange, SimSettings

HOST, PORT = "exchange.sim", 80


class Recorder:
    """Keeps everything a venue says, in order."""

    def __init__(self) -> None:
        self.reports: list[OrderReport] = []
        self.snapshots: list[tuple[list[OrderReport], list[OrderReport]]] = []
        self.links: list[tuple[bool, str]] = []
        self.fills_told: list[str] = []
        self.books, self.trades, self.instruments, self.balances, self.alarms = [], [], [], [], []
        self.tickers, self.candles = [], []
        self._news = trio.Event()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def on_report(self, report):
        self.reports.append(report)
        self._note_fills([report])
        self._tell()

    def on_snapshot(self, open_orders, trades):
        self.snapshots.append((list(open_orders), list(trades)))
        self._note_fills(trades)
        self._tell()

    def _note_fills(self, reports):
        self.fills_told.extend(report.fill.exec_id for report in reports if report.fill is not None)

    def on_private_link(self, *, up, why):
        self.links.append((up, why))
        self._tell()

    def on_book(self, book):
        self.books.append((book.symbol, book.usable, book.version))
        self._tell()

    def on_trade(self, trade):
        self.trades.append(trade)
        self._tell()

    def on_ticker(self, ticker):
        self.tickers.append(ticker)
        self._tell()

    def on_candle(self, candle):
        self.candles.append(candle)
        self._tell()

    def on_instrument(self, instrument):
        self.instruments.append(instrument)
        self._tell()

    def on_alarm(self, code, text):
        self.alarms.append((code, text))

    def on_balances(self, balances):
        self.balances += balances
        self._tell()

    def on_balance(self, balance):
        self.balances.append(balance)
        self._tell()

    async def wait(self, condition: Callable[[], bool], within_s: float = 120) -> None:
        """Wait until something the venue says makes the condition true."""
        with trio.fail_after(within_s):
            while not condition():
                await self._news.wait()

    async def wait_report(self, report_type: str, order_id: str | None = None) -> OrderReport:
        """Wait for a report of a type (of one order)."""

        def found() -> list[OrderReport]:
            return [r for r in self.reports if r.report_type == report_type and order_id in (None, r.order_id)]

        await self.wait(lambda: bool(found()))
        return found()[0]


class Stage:
    """One exchange, one adapter, one recorder on one virtual wire."""

    def __init__(self, exchange: Exchange, wire: VirtualWire, clock: VirtualClock, chance: SeededChance) -> None:
        self.exchange, self.wire, self.clock, self.chance = exchange, wire, clock, chance
        self.sink = Recorder()
        self.nonces = MemoryNonceStore()

    def settings(self, **changes) -> KrakenSettings:
        """Return settings that fit the exchange."""
        return KrakenSettings(
            **{
                "api_key": Secret(self.exchange.api_key),
                "api_secret": Secret(self.exchange.api_secret),
                "mode": "simulated",
                "rest_url": f"http://{HOST}",
                "ws_url": f"ws://{HOST}/v2",
                "ws_auth_url": f"ws://{HOST}/v2",
                "plain_host": HOST,
                **changes,
            }
        )

    @contextlib.asynccontextmanager
    async def link(self, **changes) -> AsyncIterator[KrakenLink]:
        """Open the adapter."""
        venue = KrakenVenue(
            self.settings(**changes), wire=self.wire, clock=self.clock, chance=self.chance, nonces=self.nonces
        )
        async with venue.open(self.sink) as link:
            yield link


@contextlib.asynccontextmanager
async def open_stage(**sim) -> AsyncIterator[Stage]:
    """Give a stage with a running exchange."""
    chance, clock = SeededChance(7), VirtualClock()
    exchange = Exchange(SimSettings(**sim), clock, chance)
    async with exchange.running(), open_virtual_wire(random.Random(7)) as wire:
        wire.listen(HOST, PORT, exchange.serve)
        yield Stage(exchange, wire, clock, chance)


@pytest.fixture
async def stage():
    """A quiet exchange without a market."""
    async with open_stage() as one:
        yield one


def dec(text: str) -> Decimal:
    """Shorthand."""
    return Decimal(text)


class _Fixture(msgspec.Struct):
    origin: str
    message: msgspec.Raw


@pytest.fixture
def wire_text() -> Callable[[str], str]:
    """Return the raw text of a wire message fixture by name."""
    folder = Path(__file__).parent.parent / "fixtures" / "kraken" / "messages"

    def read(name: str) -> str:
        raw = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=_Fixture)
        assert raw.origin
        return bytes(raw.message).decode("utf-8")

    return read


@pytest.fixture
def stages():
    """Open a stage with exchange settings of one's own."""
    return open_stage


Act = str | tuple[int, str]
"""What a scripted server does with a request: a JSON body, (status, body), or ``hang``, ``reset``."""


class ScriptedHttp:
    """Answers requests in order of a script, and keeps what it was sent."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.requests: list[tuple[str, str]] = []
        self.default = '{"error":[],"result":{}}'

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection."""
        head = b""
        while True:
            while b"\r\n\r\n" not in head:
                chunk = await stream.receive_some(65536)
                if not chunk:
                    return
                head += chunk
            top, _, rest = head.partition(b"\r\n\r\n")
            lines = top.decode().split("\r\n")
            length = next((int(h.split(":")[1]) for h in lines if h.lower().startswith("content-length")), 0)
            while len(rest) < length:
                rest += await stream.receive_some(65536)
            head, body = rest[length:], rest[:length]
            self.requests.append((lines[0], body.decode()))
            act = self.acts.pop(0) if self.acts else self.default
            if act == "hang":
                await trio.sleep_forever()
            if act == "reset":
                return
            status, text = (200, act) if isinstance(act, str) else act
            answer = text.encode()
            await stream.send_all(f"HTTP/1.1 {status} X\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer)


@pytest.fixture
async def scripted():
    """A scripted HTTP server on a virtual wire, and a REST client that talks to it."""
    async with open_virtual_wire(random.Random(3)) as wire:
        server = ScriptedHttp()
        wire.listen(HOST, PORT, server.serve)
        settings = KrakenSettings(
            api_key=Secret("PUBLICKEY"),
            api_secret=Secret("c2VjcmV0c2VjcmV0"),
            mode="simulated",
            rest_url=f"http://{HOST}",
            ws_url=f"ws://{HOST}/v2",
            ws_auth_url=f"ws://{HOST}/v2",
            plain_host=HOST,
        )
        async with open_rest(settings, wire, VirtualClock(), SeededChance(3), MemoryNonceStore()) as rest:
            yield server, rest, wire


@pytest.fixture
def recorder():
    """A sink that remembers."""
    return Recorder()


@pytest.fixture
def limit_order():
    """A resting limit order."""
    return NewOrder("c-1", "BTC/USD", "buy", "limit", dec("0.01"), dec("49000.0"))
