"""The measured end: a production engine in front of the peer, and the marks where time is read."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import structlog
import trio

from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.link_policy import LinkPolicy
from engine.net.wire import TcpWire
from engine.orders.bracket_events import Policy
from engine.orders.events import ExecutionReport
from engine.orders.signal import parse_signal
from engine.runtime.bus import Lagged
from engine.runtime.engine import Engine
from engine.runtime.opening import open_engine
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SeededChance, SystemChance
from engine.seams.clock import SystemClock
from tests.bench import floor
from tests.bench.peer import PRICE, QTY, RemotePeer, symbol

Durability = Literal["power", "process"]
DURABILITIES: tuple[Durability, ...] = ("power", "process")
ROUND_BOUND_S = 60.0
"""Nothing measured takes this long, even on a busy disk: a round that does has failed."""
_TRADE = b'"exec_type":"trade"'
_ids = SeededChance("bench").stream("signals")


def signal_line(pair: int) -> str:
    """Return a new signal as a strategy writes it: a limit entry away from the market, with stop and target."""
    tail = f"{_ids.getrandbits(48):012x}"
    return (
        f'{{"signal_id":"00000000-0000-4000-8000-{tail}","symbol":"{symbol(pair)}","side":"buy","order_type":"limit",'
        f'"order_qty":"{QTY}","limit_price":"{PRICE}","stop_loss":{{"trigger_price":"90.00"}},'
        '"take_profit":{"price":"110.00"}}'
    )


class TimedStream(trio.abc.Stream):
    """A stream that notes when bytes are handed to the socket, and when fills come out of it."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.sent_s = 0.0  # of the first write since it was set to 0
        self.fills_s: deque[float] = deque()  # a time for every fill heard

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sent_s = self.sent_s or time.perf_counter()
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        self.fills_s.extend([time.perf_counter()] * data.count(_TRADE))
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


class TimedWire:
    """TCP, with the connection to one port timed."""

    def __init__(self, port: int) -> None:
        self._wire, self._port = TcpWire(), port
        self.stream: TimedStream | None = None

    async def connect(self, host: str, port: int, *, tls: None) -> trio.abc.Stream:
        """Open a stream."""
        stream = await self._wire.connect(host, port, tls=tls)
        if port != self._port:
            return stream
        self.stream = TimedStream(stream)
        return self.stream


class Subscriber:
    """Notes when each report arrives, and lets one wait for it."""

    def __init__(self) -> None:
        self.seen_s: dict[tuple[str, str], float] = {}  # (order, exec_type) -> first arrival
        self.fills_s: list[float] = []
        self._news = trio.Event()

    def hear(self, order: str, exec_type: str) -> None:
        """Take one report."""
        now_s = time.perf_counter()
        if exec_type == "trade":
            self.fills_s.append(now_s)
        else:
            self.seen_s.setdefault((order, exec_type), now_s)
        self._news.set()

    async def wait(self, done: Callable[[], bool]) -> None:
        """Return when ``done()``. Raises TooSlowError."""
        with trio.fail_after(ROUND_BOUND_S):
            while not done():
                self._news = trio.Event()
                await self._news.wait()


class Subject(ABC):
    """One thing under measurement: the engine or a floor. ``send`` turns a signal line into an order."""

    def __init__(self, name: str, stream: TimedStream, subscriber: Subscriber) -> None:
        self.name, self.stream, self.subscriber = name, stream, subscriber

    @abstractmethod
    async def send(self, line: str) -> str:
        """Send an order and return the name under which its reports come."""

    async def open(self, line: str) -> str:
        """Send an order, wait until it is reported open, and return its name."""
        order = await self.send(line)
        await self.subscriber.wait(lambda: (order, "new") in self.subscriber.seen_s)
        return order


class EngineSubject(Subject):
    """The engine, spoken to as a program would."""

    def __init__(self, name: str, engine: Engine, stream: TimedStream, subscriber: Subscriber) -> None:
        super().__init__(name, stream, subscriber)
        self.engine = engine

    async def send(self, line: str) -> str:
        signal = parse_signal(line)
        submitted = await self.engine.submit(signal)
        if submitted.status != "accepted":
            raise RuntimeError(f"{submitted.code}: {submitted.reason}")
        return signal.signal_id

    async def listen(self) -> None:
        """Feed the subscriber until cancelled."""
        with self.engine.subscribe(capacity=1_000_000) as reports:
            async for report in reports:
                self._hear(report)

    def _hear(self, report: ExecutionReport | Lagged) -> None:
        if isinstance(report, Lagged):
            raise RuntimeError("the subscriber fell behind")
        if report.alarm or report.exec_type in ("denied", "rejected", "unknown"):
            raise RuntimeError(f"an order went wrong: {report}")
        self.subscriber.hear(report.signal_id, report.exec_type)


class FloorSubject(Subject):
    """The floor."""

    def __init__(self, name: str, stream: TimedStream, subscriber: Subscriber, journal: floor.PlainJournal | None):
        super().__init__(name, stream, subscriber)
        self.journal = journal
        self.ws, self.token = None, ""

    async def send(self, line: str) -> str:
        await floor.send_order(self.ws, line, self.token, self.journal)
        return line[14:50]

    async def listen(self) -> None:
        """Feed the subscriber until cancelled."""
        send, receive = trio.open_memory_channel[floor.Execution](1_000_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(floor.listen, self.ws, send, self.journal)
            async for row in receive:
                self.subscriber.hear(row.cl_ord_id or "", row.exec_type)


def quiet() -> None:
    """Silence the engine's log: what it costs is the console's affair, and what goes wrong is raised here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def kraken_settings(peer: RemotePeer, account: str) -> KrakenSettings:
    """Point the adapter at the peer, the private stream at the account's own port."""
    key, secret = peer.credentials[account]
    return KrakenSettings(
        api_key=Secret(key),
        api_secret=Secret(secret),
        mode="simulated",
        rest_url=f"http://127.0.0.1:{peer.public}",
        ws_url=f"ws://127.0.0.1:{peer.public}/v2",
        ws_auth_url=f"ws://127.0.0.1:{peer.private[account]}/v2",
        link=LinkPolicy(requests_most=100_000),  # the peer limits nobody: what is measured is not our own patience
        admit_timeout_s=0.5,  # at the end a thousand cancels ask for leave at once: nobody waits for it
    )


@asynccontextmanager
async def open_subject(
    peer: RemotePeer, account: str, data_dir: Path, durability: Durability
) -> AsyncIterator[EngineSubject]:
    """Run an engine with a real journal against the peer; its brackets wait for ever before they place stops."""
    wire = TimedWire(peer.private[account])
    clock, chance = SystemClock(), SystemChance()
    venue = KrakenVenue(
        kraken_settings(peer, account), wire=wire, clock=clock, chance=chance, nonces=MemoryNonceStore()
    )
    settings = EngineSettings(
        data_dir=data_dir,
        durability=durability,
        policy=Policy(cover_window_s=3600, cover_bound_s=7200),
        shutdown_bound_s=0.05,  # what is left on the peer dies with it
    )
    async with open_engine(settings, venue, clock=clock, chance=chance) as engine, trio.open_nursery() as nursery:
        subject = EngineSubject(f"engine, {durability}", engine, wire.stream, Subscriber())
        nursery.start_soon(subject.listen)
        yield subject
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_floor(
    name: str, port: int, journal: floor.PlainJournal | None, path: str = "/v2"
) -> AsyncIterator[FloorSubject]:
    """Connect a floor to ``port``; the caller subscribes and starts ``listen``."""
    stream = TimedStream(await trio.open_tcp_stream("127.0.0.1", port))
    async with floor.open_client(stream, path) as ws:
        subject = FloorSubject(name, stream, Subscriber(), journal)
        subject.ws = ws
        yield subject


@asynccontextmanager
async def open_floors(
    peer: RemotePeer, directory: Path, port_of: Callable[[str], int], *, replay: bool
) -> AsyncIterator[list[FloorSubject]]:
    """Open the three floors: without a journal, and with SQLite in both durabilities. Replays need no subscription."""
    async with trio.open_nursery() as nursery:
        subjects = []
        for durability in (None, *DURABILITIES):
            account = f"floor-{durability or 'plain'}"
            journal = floor.PlainJournal(directory / f"{account}.sqlite", durability) if durability else None
            subject = await nursery.start(_hold_floor, peer, account, port_of(account), journal, replay)
            subjects.append(subject)
        yield subjects
        nursery.cancel_scope.cancel()


async def _hold_floor(
    peer: RemotePeer,
    account: str,
    port: int,
    journal: floor.PlainJournal | None,
    replay: bool,
    task_status: trio.TaskStatus[FloorSubject],
) -> None:
    durability = account.removeprefix("floor-")
    name = "floor" if journal is None else f"floor + SQLite, {durability}"
    async with open_floor(name, port, journal, f"/{account}" if replay else "/v2") as subject:
        if not replay:
            subject.token = await floor.websocket_token(peer.public, *peer.credentials[account])
            await floor.subscribe(subject.ws, subject.token)
        task_status.started(subject)
        await subject.listen()
