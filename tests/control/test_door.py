"""The door over a real Unix socket, in front of a real engine."""

from __future__ import annotations

import socket
import stat

import httpx
import msgspec
import pytest
import trio

from engine.control.client import open_client
from engine.control.refusal import Refusal
from engine.control.server import open_control
from engine.control.table import CANCEL, ORDER, ORDERS, REPORTS, RESOLVE, STATUS, WHY
from engine.errors import JournalBusy
from engine.sim import ScriptedFaults, lose_request
from tests.control.conftest import FIRST, SECOND, open_exchange, open_running, signal

pytestmark = pytest.mark.tcp


async def _raw(live, method: str, path: str, **given) -> httpx.Response:
    transport = httpx.AsyncHTTPTransport(uds=str(live.control.path))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as http:
        return await http.request(method, path, **given)


async def test_the_reading_verbs_tell_of_a_living_order(open_live):
    """orders, order and why agree about one order, by our id, its beginning and the venue's id."""
    async with open_live() as live:
        await live.engine.submit(signal())
        await live.until(lambda: bool(live.exchange.truth.orders))
        live.fill("0.005")
        await live.until(lambda: len(live.exchange.truth.orders) == 2)
        await trio.sleep(0.1)
        orders = await live.client.call(ORDERS, {"history": 10})
        assert [(o.role, o.state) for o in orders.active] == [("entry", "partial"), ("stop", "open")]
        assert [str(e.last_qty) for e in orders.history] == ["0.00500000"]
        entry = orders.active[0]
        for name in (entry.cl_ord_id, entry.cl_ord_id[:8], entry.order_id):
            detail = await live.client.call(ORDER, {"order": name})
            assert detail.order == entry
        assert [r.exec_type for r in detail.reports] == ["pending_new", "new", "trade"]
        story = await live.client.call(WHY, {"id": FIRST[:6]})
        assert (story.subject, story.id, len(story.walks)) == ("signal", FIRST, 2)


async def test_status_counts_and_describes(open_live):
    """Status carries counts by transport, links, queues and the journal, amounts and all as JSON."""
    async with open_live() as live:
        await live.engine.submit(signal())
        await live.until(lambda: bool(live.exchange.truth.orders))
        await trio.sleep(0.1)
        status = await live.client.call(STATUS, {})
        assert (status.orders.submitted, status.orders.by_websocket, status.orders.by_rest) == (1, 1, 0)
        assert (status.active_orders, status.active_brackets) == (1, 1)
        assert status.execution_messages >= 1
        assert {link.name for link in status.links} == {"public", "private"}
        assert status.journal.rows >= status.journal.durable > 1
        assert status.mode == "simulated"


async def test_cancel_ends_what_it_names_and_nothing_else(open_live):
    """A cancel by signal ends that entry; by symbol and by all the rest; twice is refused with a reason."""
    async with open_live() as live:
        for one in (FIRST, SECOND):
            await live.engine.submit(signal(one))
        await live.until(lambda: len(live.exchange.truth.orders) == 2)
        done = await live.client.call(CANCEL, {"signal": FIRST[:4], "reason": "a test"})
        assert (done.scope, done.signals) == ("signal", (FIRST,))
        await live.until(lambda: [b.signal.signal_id for b in live.engine.active()] == [SECOND])
        with pytest.raises(Refusal) as refusal:
            await live.client.call(CANCEL, {"signal": FIRST})
        assert (refusal.value.complaint.code, refusal.value.complaint.exit) == ("NOT_ACTIVE", 4)
        assert (await live.client.call(CANCEL, {"symbol": "XBTUSD"})).signals == (SECOND,)
        await live.engine.wait_idle()
        assert (await live.client.call(CANCEL, {"all": True})).signals == ()


async def test_cancel_of_one_order_by_the_venues_id(open_live):
    """An order may be named by the venue's id; its bracket ends with it."""
    async with open_live() as live:
        await live.engine.submit(signal())
        await live.until(lambda: bool(live.exchange.truth.orders))
        (order_id,) = live.exchange.truth.orders
        await live.until(lambda: live.engine.active()[0].orders[0].order_id == order_id)
        (cl_ord_id,) = (await live.client.call(CANCEL, {"order": order_id})).orders
        await live.engine.wait_idle()
        assert live.engine.order(cl_ord_id).states[-2] == "canceled"


async def test_resolve_refuses_an_order_that_is_not_unknown(open_live):
    """A verdict belongs to unknown orders alone."""
    async with open_live() as live:
        await live.engine.submit(signal())
        await live.until(lambda: bool(live.exchange.truth.orders))
        (view,) = live.engine.active()[0].orders
        with pytest.raises(Refusal) as refusal:
            await live.client.call(RESOLVE, {"order": view.cl_ord_id, "as": "dead", "reason": "a test"})
        assert refusal.value.complaint.code == "NOT_UNKNOWN"


async def test_resolve_ends_the_doubt_about_an_unknown_order(data_dir):
    """An operator's verdict on an order whose request was lost is taken and told with its reason."""
    patience = {"entry_deadline_s": 0.5, "answer_grace_s": 0.1}
    with trio.fail_after(20):
        async with open_exchange(**patience) as (exchange, venue), open_running(exchange, venue, data_dir) as live:
            exchange.faults = ScriptedFaults().at("add_order", 1, lose_request())
            await live.engine.submit(signal())
            await live.until(lambda: [o.state for o in live.engine.active()[0].orders] == ["unknown"])
            name = live.engine.active()[0].orders[0].cl_ord_id
            assert (await live.client.call(STATUS, {})).orders.unknown_now == 1
            done = await live.client.call(RESOLVE, {"order": name, "as": "dead", "reason": "a test"})
            assert (done.cl_ord_id, done.verdict) == (name, "dead")
            await live.until(lambda: live.engine.order(name).state != "unknown")
            assert "rejected" in live.engine.order(name).states
            assert "operator: a test" in "\n".join((await live.client.call(WHY, {"id": name})).lines())


async def test_reports_follow_until_the_engine_ends_each_once(open_live, data_dir):
    """A follower gets the past beyond its offset, then the present, then the shutdown's own reports, and an end."""
    offsets: list[int] = []
    kinds: list[str] = []
    done = trio.Event()

    async def follow() -> None:
        async with open_client(data_dir) as client, client.stream(REPORTS, {"after": 0, "follow": True}) as reports:
            async for report in reports:
                offsets.append(report.offset)
                kinds.append(report.exec_type)
        done.set()

    async with trio.open_nursery() as nursery:
        async with open_live() as live:
            await live.engine.submit(signal())
            await live.until(lambda: bool(live.exchange.truth.orders))
            nursery.start_soon(follow)
            await live.until(lambda: "new" in kinds)
        await done.wait()
    assert kinds == ["pending_new", "new", "pending_cancel", "canceled", "settled"]
    assert offsets == sorted(set(offsets))


async def test_a_stopped_reader_leaves_nothing_behind(open_live):
    """Leaving a stream early frees its place and its subscription."""
    async with open_live() as live:
        await live.engine.submit(signal())
        await live.until(lambda: bool(live.exchange.truth.orders))
        async with live.client.stream(REPORTS, {"follow": True}) as reports:
            assert (await reports.receive()).exec_type == "pending_new"
            assert live.engine.services.bus.subscribers == 1
        await live.until(lambda: live.engine.services.bus.subscribers == 0)


async def test_a_reader_that_takes_nothing_cannot_hold_up_the_end(open_live, monkeypatch):
    """A follower whose socket is full is cut off by the door's end within its grace."""
    monkeypatch.setattr("engine.control.server.GRACE_S", 0.3)
    with socket.socket(socket.AF_UNIX) as deaf:
        async with open_live() as live:
            await live.engine.submit(signal())
            await live.until(lambda: bool(live.exchange.truth.orders))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            deaf.connect(str(live.control.path))
            for _ in range(200):  # the answers of pipelined requests fill the socket's buffers
                deaf.sendall(b"GET /api/why/" + FIRST.encode() + b" HTTP/1.1\r\nhost: x\r\n\r\n")
            await trio.sleep(0.3)
            began = trio.current_time()
        assert trio.current_time() - began < 3


async def test_every_error_has_code_message_and_advice(open_live):
    """Wrong routes, methods, parameters, bodies and ids all end in the same JSON form."""
    cases = [
        ("GET", "/api/nothing", {}, 404, "NO_SUCH_ROUTE"),
        ("GET", "/api/cancel", {}, 405, "WRONG_METHOD"),
        ("GET", "/api/orders?history=0", {}, 400, "BAD_REQUEST"),
        ("GET", "/api/orders?history=5&history=6", {}, 400, "BAD_REQUEST"),
        ("GET", "/api/orders?limit=5", {}, 400, "BAD_REQUEST"),
        ("GET", "/api/orders/ffff", {}, 404, "NOT_FOUND"),
        ("POST", "/api/cancel", {"content": b"{"}, 400, "BAD_REQUEST"),
        ("POST", "/api/cancel", {"content": b"[1]"}, 400, "BAD_REQUEST"),
        ("POST", "/api/cancel", {"json": {}}, 400, "BAD_REQUEST"),
        ("POST", "/api/cancel", {"json": {"all": True, "symbol": "BTC/USD"}}, 400, "BAD_REQUEST"),
        ("POST", "/api/cancel", {"json": {"symbol": "NOPE/USD"}}, 409, "SYMBOL_UNKNOWN"),
        ("POST", "/api/resolve", {"json": {"order": "x", "as": "maybe"}}, 400, "BAD_REQUEST"),
        ("POST", "/api/cancel", {"content": b" " * 70_000}, 413, "TOO_LARGE"),
    ]
    async with open_live() as live:
        for method, path, given, status, code in cases:
            response = await _raw(live, method, path, **given)
            complaint = msgspec.json.decode(response.content)
            assert (path, response.status_code, complaint["code"]) == (path, status, code)
            assert complaint["message"]
            assert complaint["what_to_do"]
            assert set(complaint) == {"code", "message", "what_to_do", "exit", "category", "retryable"}


async def test_oversized_headers_and_nonsense_end_only_their_connection(open_live):
    """Bytes that are no HTTP close their own connection; the door goes on."""
    async with open_live() as live:
        for junk in (b"\x00\xff\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000):
            stream = await trio.open_unix_socket(str(live.control.path))
            async with stream:
                with trio.move_on_after(5):
                    await stream.send_all(junk)
                    while await stream.receive_some(65536):
                        pass
        assert (await live.client.call(STATUS, {})).active_orders == 0


async def test_before_an_engine_is_attached_every_verb_is_not_ready(data_dir):
    """While links are being made the door says so."""
    async with open_control(data_dir), open_client(data_dir) as client:
        with pytest.raises(Refusal) as refusal:
            await client.call(STATUS, {})
    assert (refusal.value.status, refusal.value.complaint.code, refusal.value.complaint.exit) == (503, "NOT_READY", 6)


async def test_a_living_door_is_not_taken_over(data_dir):
    """A second door on the same data directory is refused and names the holder."""
    async with open_control(data_dir) as control:
        with pytest.raises(JournalBusy, match="held by process"):
            async with open_control(data_dir):
                pass
        assert stat.S_ISSOCK(control.path.stat().st_mode)


async def test_an_error_inside_comes_out_as_it_is(data_dir):
    """Whoever opens a door around an engine sees the engine's own errors, not groups of them."""
    with pytest.raises(LookupError, match="mine"):
        async with open_control(data_dir):
            raise LookupError("mine")
