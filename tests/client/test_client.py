"""The client: every verb, clear errors, and each report once over engines that come and go."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import aclosing
from decimal import Decimal
from inspect import signature
from pathlib import Path

import httpx
import pytest
import trio

from engine.client import AsyncClient, Client, Refused, Unreachable, find_place
from engine.client.request import Reading
from engine.control.command import Command
from engine.control.server import open_control
from engine.control.table import TABLE
from engine.control.web_listener import WebSettings
from tests.control.conftest import FIRST, SECOND, SIGNAL, open_exchange, open_running

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.tcp

RENAMED = {"as": "verdict", "signal": "signal", "follow": None}
"""Words that Python has taken, and what a stream is anyway."""


@pytest.mark.parametrize("command", TABLE, ids=lambda command: command.name)
def test_every_verb_is_a_method_of_both_clients_with_its_parameters(command: Command):
    """None is missing, in either colour."""
    for client in (Client, AsyncClient):
        method = getattr(client, command.name.replace("-", "_"))
        wanted = {RENAMED.get(one.name, one.name) for one in command.parameters} - {None}
        assert wanted <= set(signature(method).parameters)
        assert method.__doc__


def test_it_imports_httpx_and_nothing_of_the_engine():
    """A bot that has it carries neither trio nor the engine's rooms."""
    program = (
        "import sys, engine.client; rooms = {m for m in sys.modules if m.startswith('engine.')};"
        "assert all(m.startswith('engine.client') for m in rooms), rooms;"
        "assert not {'msgspec', 'litestar', 'structlog', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    for file in (ROOT / "engine" / "client").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith("engine") or node.module.startswith("engine.client"), file


async def test_it_submits_tells_and_acts(open_live):
    """Over TCP with the token and over the socket without one; amounts in, amounts out, no digit lost."""
    async with open_live() as live:
        access = live.control.access
        clients = (AsyncClient(access.url, access.token), AsyncClient("http://engine", socket=str(live.control.path)))
        for client, signal_id in zip(clients, (FIRST, SECOND), strict=True):
            async with client:
                signal = {**json.loads(SIGNAL % signal_id), "order_qty": Decimal("0.020")}
                verdict = await client.submit(signal)
                assert verdict == await client.submit(signal)
                assert verdict["status"] == "accepted"
                await live.until(lambda: bool(live.exchange.truth.orders))
                bracket = await client.bracket(signal_id)
                assert bracket["order_qty"] == "0.020"
                assert (await client.cancel(signal=signal_id, reason="a test"))["signals"] == [signal_id]
        assert len(live.exchange.truth.orders) == 2


async def test_refusals_say_what_to_do_and_whether_to_repeat(open_live):
    """By category and code, never by text; an amount as a float never leaves."""
    async with open_live() as live:
        access = live.control.access
        async with AsyncClient(access.url, access.token) as client:
            cases = [
                (client.order("feed"), 404, "not_found", "NOT_FOUND"),
                (client.cancel(), 400, "usage", "BAD_REQUEST"),
                (client.resume("no"), 409, "refused", "NOT_HALTED"),
                (client.submit("{"), 400, "usage", "BAD_REQUEST"),
            ]
            for asked, status, category, code in cases:
                with pytest.raises(Refused) as refusal:
                    await asked
                error = refusal.value
                assert (error.status, error.category, error.code, error.retryable) == (status, category, code, False)
                assert error.what_to_do
            with pytest.raises(TypeError):
                client.protect("BTC/USD", 0.1, Decimal(49000))  # type: ignore[arg-type]
        async with AsyncClient(access.url, "x" * 20) as stranger:
            with pytest.raises(Refused) as refusal:
                await stranger.status()
            assert (refusal.value.category, refusal.value.retryable) == ("access", False)
        gone = access
    async with AsyncClient(gone.url, gone.token) as client:
        with pytest.raises(Unreachable) as absence:
            await client.status()
        assert (absence.value.sent, absence.value.retryable) == (False, True)


async def test_it_finds_a_restarted_engine_and_gives_each_report_once(data_dir):
    """One stream over two engines with two tokens on two ports: no offset twice, none missing."""
    offsets: list[int] = []
    told = trio.Event()

    async def follow() -> None:
        async with AsyncClient.on(data_dir) as client, aclosing(client.reports(0, for_ever=True)) as reports:
            async for report in reports:
                offsets.append(report["offset"])
                if report["signal_id"] == SECOND:
                    told.set()
                    return

    with trio.fail_after(40):
        async with open_exchange() as (exchange, venue), trio.open_nursery() as nursery:
            async with open_running(exchange, venue, data_dir) as live:
                nursery.start_soon(follow)
                async with AsyncClient.on(data_dir) as client:
                    await client.submit(SIGNAL % FIRST)
                await live.until(lambda: len(offsets) >= 2)
            async with open_running(exchange, venue, data_dir) as live:
                async with AsyncClient.on(data_dir) as client:
                    await client.submit(SIGNAL % SECOND)
                await told.wait()
                journalled = [row.seq for row in live.engine.journal.rows(kind="order")]
    assert offsets == sorted(set(offsets))
    assert set(offsets) == {seq for seq in journalled if seq <= offsets[-1]}


async def test_while_the_engine_starts_a_stream_waits_and_a_question_is_told_to_come_again(data_dir):
    """503 is retryable; the socket is found before the address, and without either there is no engine."""
    with pytest.raises(Unreachable, match="no engine runs"):
        find_place(data_dir)
    async with open_control(data_dir, web=WebSettings(port=0)) as control:
        assert find_place(data_dir).socket == str(control.path)
        assert control.access is not None
        async with AsyncClient.on(data_dir) as client:
            with pytest.raises(Refused) as refusal:
                await client.status()
        assert (refusal.value.category, refusal.value.retryable) == ("unavailable", True)


def test_a_stream_is_read_record_by_record_wherever_its_lines_break():
    """Comments and unknown fields mean nothing; the place is behind the last whole record."""
    reading = Reading(4)
    lines = [": alive", "", "retry: 1000", "", "id: 7", 'data: {"a":1}', "", "id: 9", 'data: {"a":2}']
    found = [record for line in lines for record in reading.take(line)]
    assert (found, reading.after, reading.ended) == ([{"a": 1}], 7, False)
    assert reading.headers["last-event-id"] == "7"
    reading.begin()  # the connection was lost in the midst of 9
    assert list(reading.take("")) == []
    assert [*reading.take("event: end"), *reading.take("data: {}"), *reading.take("")] == []
    assert reading.ended


def test_the_blocking_client_asks_the_same_way():
    """Its requests and its stream, against a door that is played by httpx itself."""
    asked = []

    def door(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.raw_path.decode(), request.headers.get("authorization")))
        if request.url.path == "/api/halt":
            return httpx.Response(
                429, json={"code": "TOO_MANY_REQUESTS", "retryable": True}, headers={"retry-after": "3"}
            )
        return httpx.Response(200, json={"ok": True})

    with Client("http://127.0.0.1:1", "t" * 20) as client:
        client._http = httpx.Client(
            base_url="http://127.0.0.1:1", headers=client._http.headers, transport=httpx.MockTransport(door)
        )
        assert client.order("a/b?c") == {"ok": True}
        assert client.quality(last=3) == {"ok": True}
        with pytest.raises(Refused) as refusal:
            client.halt("why")
    assert (refusal.value.retryable, refusal.value.retry_after_s) == (True, 3.0)
    token = f"Bearer {'t' * 20}"
    assert asked == [
        ("GET", "/api/orders/a%2Fb%3Fc", token),
        ("GET", "/api/quality?last=3", token),
        ("POST", "/api/halt", token),
    ]
