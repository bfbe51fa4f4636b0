"""Frames that break the contract are counted and never crash."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import VenueError, VenueProtocolError
from engine.kraken import decode
from engine.kraken.frames import Channel
from engine.kraken.link import KrakenLink
from engine.kraken.settings import KrakenSettings, Secret
from engine.net.budget import RollingBudget
from engine.orders.commands import NewOrder
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.sim import ScriptedFaults
from engine.venue.protocol import Lane
from tests.kraken.conftest import Recorder

FOLDER = Path(__file__).parent.parent / "fixtures/kraken/messages"
FRAMES = [
    json.loads(path.read_text())["message"]
    for path in sorted(FOLDER.glob("*.json"))
    if not path.stem.startswith("rest_")
]
READERS = (decode.executions, decode.balances, decode.books, decode.trades, decode.tickers, decode.statuses)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["NaN", "sNaN", "Infinity", "-1", "1e999999999", "", "\ud800", "BTC/USD", "\x00", "9" * 5000]),
    st.text(max_size=5),
)
junk = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
)


def _spoiled(frame: object, draw: st.DrawFn) -> object:
    """Replace, drop or double one thing somewhere inside."""
    if isinstance(frame, dict) and frame and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(frame)))
        if not draw(st.integers(0, 5)):
            return {key: value for key, value in frame.items() if key != name}
        return {**frame, name: _spoiled(frame[name], draw)}
    if isinstance(frame, list) and frame and draw(st.integers(0, 4)):
        at = draw(st.integers(0, len(frame) - 1))
        return [*frame[:at], _spoiled(frame[at], draw), *frame[at:]]
    return draw(junk)


@st.composite
def spoiled_frames(draw: st.DrawFn) -> str:
    """A documented frame with something wrong in it."""
    return json.dumps(_spoiled(draw(st.sampled_from(FRAMES)), draw))


@st.composite
def cut_frames(draw: st.DrawFn) -> bytes:
    """A documented frame with bytes missing or changed."""
    raw = json.dumps(draw(st.sampled_from(FRAMES))).encode()
    start = draw(st.integers(0, len(raw)))
    return raw[:start] + draw(st.binary(max_size=4)) + raw[start + draw(st.integers(0, 8)) :]


anything = st.one_of(spoiled_frames(), cut_frames(), st.text(max_size=20), st.binary(max_size=20))


@settings(max_examples=1000, deadline=None)
@given(anything)
def test_decoder_knows_one_error_only(text):
    """Whatever comes, decoding gives rows or VenueProtocolError."""
    try:
        frame = decode.message(text)
    except VenueProtocolError:
        return
    if isinstance(frame, Channel):
        for read in READERS:
            try:
                read(frame)
            except VenueProtocolError:
                assert isinstance(decode.symbols(frame), tuple)
        broken: list[str] = []
        try:
            decode.instruments(frame, broken.append)
        except VenueProtocolError:
            assert not broken


def _link() -> KrakenLink:
    """An adapter that never connects."""
    config = KrakenSettings(
        api_key=Secret("k"), api_secret=Secret("c2Vj" * 21 + "cw=="), mode="simulated", rest_url="http://h",
        ws_url="ws://h/v2", ws_auth_url="ws://h/v2", plain_host="h",
    )  # fmt: skip
    seams = {"wire": None, "clock": VirtualClock(), "chance": SeededChance(1)}
    return KrakenLink(config, Recorder(), _NoRest(), **seams, dialling=RollingBudget(120, 600))


class _NoRest:
    """Nothing is asked here."""

    down_since_s = None


async def _swallow(frames: list[str | bytes]) -> None:
    link = _link()
    for name in ("public", "private"):
        stream = getattr(link, f"_{name}")
        stream._monitor.dial(0)
        stream._monitor.connected(0)
        for frame in (json.dumps(one) for one in FRAMES if one.get("channel") in ("instrument", "book", "executions")):
            _take(stream, frame)
        for frame in frames:
            _take(stream, frame)
    for view in link.links():
        assert view.invalid <= view.errors


def _take(stream, frame):
    try:
        stream._take(frame)
    except VenueError:
        assert type(stream).__name__ == "PrivateLink"  # resynchronises; the public one goes on


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(anything, min_size=1, max_size=5))
def test_links_survive_every_frame(frames):
    """Both streams take anything: the private one asks for a new connection at worst."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        trio.run(_swallow, frames, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        structlog.reset_defaults()


@pytest.mark.parametrize(
    "text",
    [
        '{"channel":"executions","type":"update","data":[{"exec_type":"new"}],"sequence":%d}',
        '{"channel":"executions","type":"update","data":[{"order_id":"O","exec_type":"trade","timestamp":"2026-01-01T00:00:00Z"}],"sequence":%d}',
        '{"channel":"executions","type":"update","data":[{"order_id":"O","exec_type":"new","timestamp":"now"}],"sequence":%d}',
        '{"channel":"executions","type":"update","data":[{"order_id":"O","exec_type":"new","timestamp":"2026-01-01T00:00:00Z","order_qty":"NaN"}],"sequence":%d}',
        '{"channel":"executions","type":"update","data":[]}',
        '{"channel":"balances","type":"update","data":[{"asset":"BTC"}],"sequence":%d}',
        "%d{",
        "\x00",
    ],
)  # fmt: skip
async def test_invalid_private_frame_resynchronises(stage, autojump_clock, text):
    """Counted, and the stream begins anew: the order is there again, nothing is believed of the frame."""
    async with stage.link() as link:
        order = NewOrder("c-1", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.0"))
        await link.submit(await link.admit(Lane.ENTRY, order), order)
        await trio.sleep(1)
        (socket,) = stage.exchange._sockets(True)
        channel = "balances" if "balances" in text else "executions"
        number = socket.subscriptions.private[channel]._sequence + 1
        socket.outbox.send((text % number if "%d" in text else text).encode())
        await stage.sink.wait(lambda: len(stage.sink.snapshots) == 2)
        await trio.sleep(1)
        private = link.links()[1]
        assert (private.invalid, private.attempts, private.state) == (1, 2, "healthy")
        assert [order.cl_ord_id for order in stage.sink.snapshots[-1][0]] == ["c-1"]
        assert not [r for r in stage.sink.reports if r.order_id == "O"]


@pytest.mark.parametrize(
    ("text", "resyncs"),
    [
        ('{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":5,"checksum":1}]}', ["BTC/USD"]),
        ('{"channel":"book","data":[{"symbol":"BTC/USD","bids":[{"price":"NaN","qty":1}],"checksum":1}]}', ["BTC/USD"]),
        ('{"channel":"book","data":[{"symbol":"BTC/USD","bids":[],"checksum":1,"timestamp":"x"}]}', ["BTC/USD"]),
        ('{"channel":"book","type":"update","data":7}', ["BTC/USD", "ETH/USD"]),
        ('{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD"}]}', []),
        ('{"channel":"ticker","type":"update","data":{}}', []),
        ('{"channel":"instrument","type":"update","data":{"pairs":[{"symbol":"BTC/USD"}]}}', []),
        ('{"channel":"status","type":"update","data":[{}]}', []),
        ("[]", []),
    ],
)  # fmt: skip
async def test_invalid_public_frame_is_left_out(stage, autojump_clock, text, resyncs):
    """Counted; the connection stays; a book it may have changed is sent anew, the others go on."""
    async with stage.link() as link, link.watch("BTC/USD") as book, link.watch("ETH/USD") as other:
        stage.sink.books.clear()
        (socket,) = stage.exchange._sockets(False)
        socket.outbox.send(text.encode())
        await trio.sleep(3)
        public = link.links()[0]
        assert (public.invalid, public.attempts, public.state) == (1, 1, "healthy")
        assert book.usable
        assert other.usable
        assert sorted({symbol for symbol, usable, _ in stage.sink.books if not usable}) == resyncs
        assert link.instrument("BTC/USD").status == "online"


async def test_frames_of_a_flood_are_counted_and_hardly_logged(stage, autojump_clock):
    """A thousand broken frames: a thousand counted, eleven lines."""
    async with stage.link() as link:
        (socket,) = stage.exchange._sockets(False)
        with structlog.testing.capture_logs() as logs:
            for _ in range(1024):
                socket.outbox.send(b'{"channel":"ticker","data":5}')
            await trio.sleep(5)
        assert link.links()[0].invalid == 1024
        assert [entry["event"] for entry in logs].count("frame.invalid") == 11


async def test_unknown_members_and_channels_pass(stage, autojump_clock):
    """What nobody knows is ignored, on both streams."""
    stage.exchange.faults = ScriptedFaults().frames_during("*", 0, 60, "strange")
    async with stage.link() as link, link.watch("BTC/USD") as book:
        order = NewOrder("c-1", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.0"))
        await link.submit(await link.admit(Lane.ENTRY, order), order)
        await stage.sink.wait_report("new")
        await trio.sleep(5)
        assert book.usable
        assert [(one.invalid, one.attempts) for one in link.links()] == [(0, 1), (0, 1)]
