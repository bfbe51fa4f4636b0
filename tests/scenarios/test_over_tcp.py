"""The main stories once more over loopback TCP: real sockets, real drivers, real clock, a real journal file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from engine.journal.opening import read_journal
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.wire import TcpWire
from engine.runtime.opening import JOURNAL_FILE, open_engine
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange, SimSettings
from tests.scenarios.story import Story, d, plainly, settled_truth

pytestmark = pytest.mark.tcp

Opener = Callable[[], AbstractAsyncContextManager[Story]]


@asynccontextmanager
async def _open_tcp_story(data_dir: Path) -> AsyncIterator[Story]:
    exchange = Exchange(SimSettings(), SystemClock(), SystemChance())
    with plainly(), trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(exchange.serve_tcp)
            async with exchange.running(), trio.open_nursery() as reader_nursery:
                venue = _venue(exchange, port)
                async with open_engine(EngineSettings(data_dir=data_dir), venue) as engine:
                    world: Any = SimpleNamespace(
                        seed="tcp",
                        exchange=exchange,
                        engine=engine,
                        journal=engine.journal,
                        wire=SimpleNamespace(observers=[]),
                    )
                    story = Story(world, reader_nursery)
                    await reader_nursery.start(story.hear)
                    yield story
            nursery.cancel_scope.cancel()
    with read_journal(data_dir / JOURNAL_FILE) as journal:
        story.end(journal)
        settled_truth(story)


def _venue(exchange: Exchange, port: int) -> KrakenVenue:
    settings = KrakenSettings(
        api_key=Secret(exchange.api_key),
        api_secret=Secret(exchange.api_secret),
        mode="simulated",
        rest_url=f"http://127.0.0.1:{port}",
        ws_url=f"ws://127.0.0.1:{port}/v2",
        ws_auth_url=f"ws://127.0.0.1:{port}/v2",
    )
    return KrakenVenue(settings, wire=TcpWire(), clock=SystemClock(), chance=SystemChance(), nonces=MemoryNonceStore())


@pytest.fixture
def open_tcp_story(tmp_path: Path) -> Opener:
    """Open a story over real sockets."""
    return partial(_open_tcp_story, tmp_path)


async def test_target_over_tcp(open_tcp_story: Opener):
    """The target's story, unchanged, over real sockets."""
    async with open_tcp_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("51000", "51010")
        await story.ended(case, within_s=5)
        assert case.outcome == "target"
        assert case.walk() == ["covering", "covered", "exiting", "flat"]
    assert story.truth.balances()["BTC"] == d("2")


async def test_stop_over_tcp(open_tcp_story: Opener):
    """The stop's story, unchanged, over real sockets."""
    async with open_tcp_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("48990", "49010")
        story.print("48990")
        await story.ended(case, within_s=5)
        assert case.outcome == "stop"
    assert story.truth.balances()["BTC"] == d("2")


async def test_time_out_over_tcp(open_tcp_story: Opener):
    """Half of the entry fills, its time-out takes the rest back, and the half stays protected."""
    async with open_tcp_story() as story:
        story.market()
        case = await story.submit(qty="0.02", entry_timeout_s=1)
        await story.until(lambda: case.resting("entry"), within_s=5)
        story.ask("50000", "0.01")
        await story.until(lambda: case.entry_is("settled") and case.covered("0.01"), within_s=5)
        (entry,) = case.sent("entry")
        assert (entry.status, entry.cum_qty) == ("canceled", d("0.01"))
        assert 0.9 < (entry.closed_ns - entry.opened_ns) / 1e9 < 1.5
    assert [o.leaves_qty for o in story.truth.orders.values() if o.is_open] == [d("0.01")]


async def test_time_out_with_nothing_filled_over_tcp(open_tcp_story: Opener):
    """Nobody sold: the entry is taken back and the bracket abandoned."""
    async with open_tcp_story() as story:
        story.market()
        case = await story.submit(entry_timeout_s=1)
        await story.ended(case, within_s=5)
        assert case.outcome == "abandoned"
    assert [o.status for o in story.truth.orders.values()] == ["canceled"]
