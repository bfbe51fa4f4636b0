"""The board: a snapshot and what changes, shared by all viewers, before a real engine."""

from __future__ import annotations

from contextlib import aclosing
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio

from engine.control.board_feed import STEP_S, BoardFeed
from engine.control.board_frames import ENCODER, KEPT_MOST
from engine.control.table import BOARDS
from tests.control.conftest import FIRST, SECOND, signal

pytestmark = pytest.mark.tcp

SHOW, STREAM = BOARDS
ROWS = {"orders": "cl_ord_id", "brackets": "signal_id"}


def fold(board: dict[str, Any], change: dict[str, Any]) -> None:
    """Apply a change as the page does."""
    for rows, key in ROWS.items():
        known = {row[key]: row for row in board[rows]} | {row[key]: row for row in change.get(rows, ())}
        board[rows] = [row for name, row in known.items() if name not in change.get(f"{rows}_gone", ())]
    for rows in ("activity", "points"):
        board[rows] = [*board[rows], *change.get(rows, ())]
    board.update({name: change[name] for name in ("trading", "alarms", "money", "health") if name in change})


def by_key(board: dict[str, Any]) -> dict[str, Any]:
    """Return what must agree of two boards, rows by their names."""
    rows = {rows: {row[key]: row for row in board[rows]} for rows, key in ROWS.items()}
    return {**rows, "activity": board["activity"], "trading": board["trading"], "alarms": board["alarms"]}


class Viewer:
    """Reads a feed as fast as it comes, or as slowly as a test wants."""

    def __init__(self, feed: BoardFeed, symbol: str | None = None) -> None:
        self._frames = feed.follow(symbol)
        self.raw: list[bytes] = []
        self.kinds: list[str] = []
        self.board: dict[str, Any] = {}
        self.ended = False

    async def read(self, kind: str = "") -> dict[str, Any]:
        """Take frames up to the next of a kind."""
        while True:
            raw = bytes(await anext(self._frames))
            frame: dict[str, Any] = msgspec.json.decode(raw)
            self.raw.append(raw)
            self.kinds.append(frame["kind"])
            if frame["kind"] == "snapshot":
                self.board = frame
            elif frame["kind"] == "change":
                fold(self.board, frame)
                self.ended |= frame.get("ended", False)
            if kind in ("", frame["kind"]):
                return frame

    async def until(self, condition: Any) -> None:
        """Read until the folded board fulfils a condition."""
        while not (self.board and condition(self.board)):
            await self.read()

    async def aclose(self) -> None:
        """Leave."""
        await self._frames.aclose()


def feed_of(live: Any) -> BoardFeed:
    """Return the feed that the door's viewers share."""
    return BoardFeed(live.engine, trio.current_time())


async def test_a_snapshot_and_its_changes_give_the_next_snapshot(open_live):
    """Whoever folds the changes has what a newcomer is given: orders, brackets, activity, halts."""
    async with open_live() as live:
        feed = feed_of(live)
        async with aclosing(Viewer(feed)) as viewer:
            assert (await viewer.read())["kind"] == "snapshot"
            await live.engine.submit(signal())
            await viewer.until(lambda board: [row["state"] for row in board["orders"]] == ["open"])
            live.fill("0.005")
            await viewer.until(lambda board: [row["state"] for row in board["brackets"]] == ["covered"])
            assert viewer.board["brackets"][0]["held"] == "0.005"
            assert [row["role"] for row in viewer.board["orders"]] == ["entry", "stop"]
            assert [one["exec_type"] for one in viewer.board["activity"]] == ["trade"]
            live.engine.halt("too fast")
            await viewer.until(lambda board: board["trading"]["latch"]["state"] == "HALTED")
            await viewer.until(lambda board: [row["ended_as"] for row in board["orders"]] == ["canceled", ""])
            await viewer.until(lambda board: board["orders"][0]["cum_qty"] == "0.005")
            await trio.sleep(12 * STEP_S)  # brackets think, alarms come: then nothing moves any more
            while viewer.board["number"] < feed._frames.number:
                viewer.board["number"] = (await viewer.read())["number"]
            fresh = msgspec.json.decode(ENCODER.encode(await feed.snapshot()))
            assert by_key(viewer.board) == by_key(fresh)


async def test_viewers_share_one_encoding_and_five_frames_a_second(open_live):
    """Two viewers get the very same bytes, no more than five frames a second, whatever happens in between."""
    async with open_live() as live:
        feed = feed_of(live)
        async with aclosing(Viewer(feed)) as one, aclosing(Viewer(feed)) as other:
            await one.read()
            await other.read()
            began_s = trio.current_time()
            for number in range(4):
                live.engine.halt(f"again {number}")
                live.engine.resume_trading("on")
                await live.engine.submit(signal(f"{number}1111111-1111-4111-8111-111111111111"))
                await one.read()
                await other.read()
            assert one.raw == other.raw
            assert len(one.raw) - 1 <= 1 + (trio.current_time() - began_s) / STEP_S


async def test_a_slow_viewer_is_given_everything_anew(open_live):
    """What is not kept any more is not owed: the viewer begins again with a snapshot, and misses nothing."""
    async with open_live() as live:
        feed = feed_of(live)
        async with aclosing(Viewer(feed)) as slow, aclosing(Viewer(feed)) as quick:
            await slow.read()
            await quick.read()
            for number in range(KEPT_MOST + 2):
                live.engine.halt("on and off") if number % 2 == 0 else live.engine.resume_trading("on and off")
                await quick.read("change")
            await slow.read()
            assert slow.kinds == ["snapshot", "snapshot"]
            assert "snapshot" not in quick.kinds[1:]
            assert slow.board["trading"] == quick.board["trading"]


async def test_what_begins_and_ends_between_two_looks_is_on_the_board(open_live):
    """An order and a bracket that nobody saw alive are told from the journal, as are those of before the first look."""
    async with open_live() as live:
        await live.engine.submit(signal(FIRST))
        live.engine.cancel(FIRST)
        await live.engine.wait_idle()
        feed = feed_of(live)
        async with aclosing(Viewer(feed)) as viewer:
            await viewer.read()
            assert [row["signal_id"] for row in viewer.board["brackets"]] == [FIRST]
            await live.engine.submit(signal(SECOND))
            live.engine.cancel(SECOND)
            await live.engine.wait_idle()
            await viewer.until(lambda board: {row["signal_id"] for row in board["brackets"]} == {FIRST, SECOND})
            assert all(row["ended"] for row in viewer.board["brackets"])
            assert [row["outcome"] for row in viewer.board["brackets"]] == ["abandoned", "abandoned"]


async def test_too_many_reports_between_two_looks_begin_anew(open_live, monkeypatch):
    """A queue that has run over is not mended: everything is taken from the journal, for every viewer."""
    monkeypatch.setattr("engine.control.board_state.REPORTS_MOST", 1)
    async with open_live() as live:
        feed = feed_of(live)
        async with aclosing(Viewer(feed)) as viewer:
            await viewer.read()
            await live.engine.submit(signal())
            await live.until(lambda: live.engine.services.bus.published >= 2)
            await viewer.read("snapshot")
            await viewer.until(lambda board: len(board["orders"]) == 1)
            assert viewer.kinds.count("snapshot") >= 2


async def test_the_last_viewer_leaves_nothing_behind(open_live):
    """Subscriptions to reports, to the book and to trades end with whoever looked."""
    async with open_live() as live:
        feed, engine = feed_of(live), live.engine
        before = engine.services.bus.subscribers, engine.services.link.held()
        async with aclosing(Viewer(feed, "XBTUSD")) as one, aclosing(Viewer(feed, "BTC/USD")) as other:
            await one.read("market")
            await other.read("market")
            assert {str(held.topic) for held in engine.services.link.held()} == {"book BTC/USD 10", "trade BTC/USD"}
            await one.aclose()
            assert len(engine.services.link.held()) == 2
        assert (engine.services.bus.subscribers, engine.services.link.held()) == before


async def test_the_chosen_market_is_told_with_its_trades_and_an_unknown_one_with_its_fault(open_live):
    """Levels come best first, a trade once; a name that nobody lists ends nothing."""
    async with open_live() as live:
        feed = feed_of(live)
        async with aclosing(Viewer(feed, "BTC/USD")) as viewer:
            book = await viewer.read("market")
            while not book["usable"]:
                book = await viewer.read("market")
            assert [book["bids"][0], book["asks"][0]] == [["49990.0", "0.5"], ["50010.0", "0.5"]]
            live.exchange.house.quote("BTC/USD", "sell", Decimal(49990), Decimal("0.1"))
            book = await viewer.read("market")
            while not book["trades"]:
                book = await viewer.read("market")
            assert [(one["side"], one["price"], one["qty"]) for one in book["trades"]] == [("sell", "49990.0", "0.1")]
        async with aclosing(Viewer(feed, "DOGE/NONE")) as viewer:
            book = await viewer.read("market")
            assert "DOGE/NONE" in book["fault"]
            assert (await viewer.read("change"))["health"]["uptime_s"] >= 0


async def test_the_stream_ends_with_the_engine_and_says_so(open_live):
    """The last frame is marked: a page need not guess whether the line was cut."""
    async with open_live() as live:
        viewer = Viewer(feed_of(live))
        await viewer.read()
        live.engine.services.bus.close()
        while not viewer.ended:
            await viewer.read()
        with pytest.raises(StopAsyncIteration):
            await viewer.read()


async def test_the_door_gives_the_board_and_its_stream(open_live):
    """Both verbs answer over HTTP: the one as JSON, the other as events of the same form."""
    async with open_live() as live, live.web() as http:
        board = (await http.get(SHOW.path)).json()
        assert (board["kind"], board["engine"]["mode"], board["orders"]) == ("snapshot", "simulated", [])
        assert (await http.get(SHOW.path, params={"symbol": "x"})).status_code == 400
        host, _, port = live.control.access.url.removeprefix("http://").partition(":")
        head = (
            f"GET {STREAM.path}?symbol=BTC/USD HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {live.control.access.token}\r\n\r\n"
        )
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(head.encode())
            told = b""
            while not all(b'data: {"kind":"%s"' % kind in told for kind in (b"snapshot", b"change", b"market")):
                part = await stream.receive_some()
                assert part, told
                told += part
        assert b"content-type: text/event-stream" in told
