"""A thousand live orders: ``python -m tests.browser.crowd PLACE TOKEN`` runs a real engine before the bench's exchange.

It prints its dashboard's address once the orders rest, and from then on some of them are cancelled and others come.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from engine.control.server import open_control
from engine.control.web_listener import WebSettings
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.venue import KrakenVenue
from engine.net.wire import TcpWire
from engine.orders.signal import parse_signal
from engine.runtime.engine import Engine
from engine.runtime.opening import open_engine
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from tests.bench.peer import open_peer
from tests.bench.rig import kraken_settings, quiet, signal_line

ORDERS, PAIRS = 1_000, 50
STEP_S = 0.05
"""Between two orders that come and go: twenty a second, more than an account may send."""
ROOT = Path(__file__).parents[2]


async def run(place: Path, token: str) -> None:
    """Open the orders, say where the page is, and let orders come and go until the process is ended."""
    quiet()
    data = place / "data"
    data.mkdir(mode=0o700)
    clock, chance = SystemClock(), SystemChance()
    async with open_peer(PAIRS, ["a"]) as peer:
        settings, nonces = kraken_settings(peer, "a"), MemoryNonceStore()
        venue = KrakenVenue(settings, wire=TcpWire(), clock=clock, chance=chance, nonces=nonces)
        engine_settings = EngineSettings(data_dir=data, durability="process", shutdown_bound_s=0.05)
        web = WebSettings(port=0, token=token)
        async with open_control(data, web=web) as control, open_engine(engine_settings, venue) as engine:
            control.attach(engine)
            assert control.access is not None
            signals: deque[str] = deque()
            while len(signals) < ORDERS:
                signals += [await _submit(engine, number) for number in range(PAIRS)]
                await _resting(engine, len(signals))
            print(control.access.url, flush=True)
            for number in range(sys.maxsize):
                engine.cancel(signals.popleft(), "makes room")
                signals.append(await _submit(engine, number % PAIRS))
                await trio.sleep(STEP_S)


async def _submit(engine: Engine, pair: int) -> str:
    """Hand one in. On a slow machine an answer may come too late: until its order is no longer in doubt, wait."""
    while True:
        signal = parse_signal(signal_line(pair))
        submitted = await engine.submit(signal)
        if submitted.status == "accepted":
            return signal.signal_id
        if submitted.code != "SYMBOL_IN_DOUBT":
            raise RuntimeError(f"{submitted.code}: {submitted.reason}")
        await trio.sleep(0.1)


async def _resting(engine: Engine, orders: int) -> None:
    """Wait until so many orders rest: a burst of all of them would run into its own time-outs."""
    live = engine.services.desk.live
    while sum(one.view.state == "open" for one in live.values()) < orders:  # noqa: ASYNC110 - it has no event
        await trio.sleep(0.01)


@contextmanager
def open_crowd(place: Path, token: str) -> Iterator[str]:
    """Give the address of such an engine while the block stands."""
    command = [sys.executable, "-m", "tests.browser.crowd", str(place), token]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().strip()
            assert base, "the engine did not start"
            yield base
        finally:
            process.kill()


if __name__ == "__main__":
    trio.run(run, Path(sys.argv[1]), sys.argv[2])
