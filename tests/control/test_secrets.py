"""Secrets searched for in everything that comes out: answers, streams, metrics, journal, log, repr."""

from __future__ import annotations

import io

import pytest
import trio

from engine.control.table import TABLE
from engine.runtime.logs import configure_logs
from tests.control.conftest import FIRST, open_exchange, open_running, signal

pytestmark = pytest.mark.tcp

STREAM_S = 0.3
"""How long a stream that never ends by itself is read."""


async def test_no_secret_comes_out_of_the_door_the_log_or_the_files(data_dir):
    """Key, API secret and token: in no answer of any verb, granted or refused, nor in metrics, log or journal."""
    log = io.StringIO()
    logs = configure_logs(log, json=True, level="debug")
    with trio.fail_after(60):
        async with open_exchange() as (exchange, venue), open_running(exchange, venue, data_dir) as live:
            secrets = {"key": exchange.api_key, "secret": exchange.api_secret, "token": live.control.access.token}
            logs.hide(live.control.access.token)
            await live.engine.submit(signal())
            await live.until(lambda: bool(live.exchange.truth.orders))
            said: dict[str, str] = {}
            async with live.web() as http, live.web(token="wrong-" + secrets["token"]) as stranger:
                for command in TABLE:
                    path = command.url(dict.fromkeys(command.in_path, FIRST))
                    for who in (http, stranger):
                        said[f"{who is http} {command.name}"] = await _answer(who, command.method, path)
                for path in ("/", "/metrics/", "/api/openapi.json", "/nowhere", f"/api/orders/{secrets['token'][:-1]}"):
                    said[path] = await _answer(http, "GET", path)
            said["repr"] = repr((live.control, live.control.access, live.client))
        for file in data_dir.rglob("*"):
            if file.is_file():
                said[str(file)] = file.read_bytes().decode("latin-1")
    said["log"] = log.getvalue()
    logs.close()
    assert '"mode":"simulated"' in said["True status"], "the answers are real ones"
    assert "control.halt" not in said["False halt"]
    assert FIRST in said["log"]
    found = [f"{name} in {where}" for where, text in said.items() for name, secret in secrets.items() if secret in text]
    assert not found, found


async def _answer(http, method: str, path: str) -> str:
    parts = []
    with trio.move_on_after(STREAM_S):
        async with http.stream(method, path) as response:
            parts.append(f"{response.status_code} {response.headers}")
            async for part in response.aiter_raw():
                parts += [part.decode()]  # read in time or not, what came is kept
    return "".join(parts)
