"""The door on loopback TCP: who is let in, what is open to all, and streams in each of their forms."""

from __future__ import annotations

import json
import stat
from contextlib import aclosing

import httpx
import pytest
import trio
from trio_websocket import open_websocket_url

from engine.client import AsyncClient
from engine.control.server import open_control
from engine.control.web_listener import WebSettings, listening_tcp, names_of, url_of
from engine.errors import ConfigError
from engine.seams.chance import SeededChance
from tests.control.conftest import FIRST, WEB, signal

pytestmark = pytest.mark.tcp


async def test_nothing_under_api_answers_without_the_token(open_live):
    """No token, a wrong one, half of it, two of them: 401 in the one form of errors, for reading and for acting."""
    async with open_live() as live:
        right = live.control.access.token
        for token in ("", "x" * 64, right[:-1], right + "0", right.upper() + "!"):
            async with live.web(token=token) as http:
                for method, path in (("GET", "/api/status"), ("POST", "/api/halt"), ("GET", "/api/openapi.json")):
                    answer = await http.request(method, path)
                    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
                    assert answer.headers["www-authenticate"] == "Bearer"
                    assert right not in answer.text
        async with live.web() as http:
            assert (await http.get("/api/status")).json()["mode"] == "simulated"
            doubled = [("authorization", f"Bearer {right}"), ("authorization", "Bearer other")]
            request = http.build_request("GET", "/api/status")
            del request.headers["authorization"]
            request.headers = httpx.Headers([*request.headers.raw, *((a.encode(), b.encode()) for a, b in doubled)])
            assert (await http.send(request)).status_code == 401
        assert live.engine.services.trading.view().state == "ACTIVE"


async def test_foreign_hosts_and_origins_are_refused_with_the_right_token(open_live):
    """A page elsewhere, under its own name (DNS rebinding) or under ours (CSRF), gets nothing, not even the shell."""
    async with open_live() as live:
        address = live.control.access.url.removeprefix("http://")
        port = address.rpartition(":")[2]
        async with live.web() as http:
            for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.2:{port}", ""):
                for path in ("/api/status", "/", "/metrics/"):
                    answer = await http.get(path, headers={"host": host})
                    assert (answer.status_code, answer.json()["code"]) == (403, "FOREIGN_HOST"), host
            for origin in ("http://evil.example", "null", f"https://{address}", "http://127.0.0.1:1"):
                answer = await http.post("/api/halt", headers={"origin": origin}, json={"reason": "csrf"})
                assert (answer.status_code, answer.json()["code"]) == (403, "FOREIGN_ORIGIN"), origin
            for own in (f"http://{address}", f"http://localhost:{port}"):
                assert (await http.get("/api/status", headers={"origin": own})).status_code == 200
            assert (await http.get("/api/status", headers={"host": f"LOCALHOST:{port}"})).status_code == 200
        assert live.engine.services.trading.view().state == "ACTIVE"


async def test_a_page_of_another_site_may_not_even_ask_for_what_is_open(open_live):
    """With a plain GET a browser sends no Origin, but says whose page asks; a link from elsewhere opens the shell."""
    async with open_live() as live, live.web(token="") as http:
        for site in ("cross-site", "same-site"):
            said = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
            for path in ("/", "/metrics/", "/static/icon.svg"):
                answer = await http.get(path, headers=said)
                assert (answer.status_code, answer.json()["code"]) == (403, "FOREIGN_ORIGIN")
            followed = {**said, "sec-fetch-mode": "navigate"}
            assert (await http.get("/", headers=followed)).status_code == 200
            assert (await http.get("/metrics/", headers=followed)).status_code == 403
        for site in ("same-origin", "none"):
            assert (await http.get("/static/icon.svg", headers={"sec-fetch-site": site})).status_code == 200


async def test_a_body_with_two_lengths_is_refused(open_live):
    """A proxy in front may take the other one: what it thinks is a body would be a request here."""
    async with open_live() as live:
        access = live.control.access
        host = access.url.removeprefix("http://")
        name, _, port = host.partition(":")
        head = f"POST /api/cancel HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {access.token}\r\n"
        async with await trio.open_tcp_stream(name, int(port)) as stream:
            lengths = "connection: close\r\ncontent-length: 12\r\ntransfer-encoding: chunked\r\n\r\n"
            await stream.send_all(f'{head}{lengths}c\r\n{{"all":true}}\r\n0\r\n\r\n'.encode())
            answer = b"".join([part async for part in stream])
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"one length" in answer


async def test_shell_and_metrics_are_open_and_hold_no_data(open_live):
    """``/``, its files and the metrics need no token; ids, keys and the token stand in none of them."""
    async with open_live() as live, live.web(token="") as http:
        await live.engine.submit(signal())
        await live.until(lambda: bool(live.exchange.truth.orders))
        page = await http.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "unsafe" not in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        again = await http.get("/", headers={"if-none-match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        metrics = await http.get("/metrics/")
        assert metrics.status_code == 200
        for answer in (page, metrics):
            for secret in (
                FIRST,
                live.exchange.api_key,
                live.control.access.token,
                live.engine.journal.identity.account,
            ):
                assert secret not in answer.text
        assert (await http.post("/")).status_code == 401


async def test_no_path_leads_around_the_gate(open_live):
    """Dots, doubled slashes, encodings and case open nothing: 401 or 404, never data, never a file."""
    tricks = (
        *("/static/../api/status", "/static/%2e%2e/api/status", "/static/..%2fapi/status", "/static//api/status"),
        *("//api/status", "/./api/status", "/API/status", "/api%2fstatus", "/metrics/../api/status", "/%61pi/status"),
        *("/static/../../server.py", "/static/%2e%2e/server.py", "/static/..%5c..%5cserver.py", "/static//etc/passwd"),
        *(
            "/static/index.html%00.js",
            "/static/",
            "/static",
            "/api",
            "/api/",
            "/metrics/x",
            "/static/%00",
            "/..;/api/status",
        ),
    )
    async with open_live() as live:
        host, _, port = live.control.access.url.removeprefix("http://").partition(":")
        for path in tricks:
            async with await trio.open_tcp_stream(host, int(port)) as stream:
                head = f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n"
                await stream.send_all(head.encode())
                answer = b"".join([part async for part in stream])
            assert answer.split(b" ", 2)[1] in (b"401", b"404"), (path, answer)
            assert b"uptime_s" not in answer
            assert b"import" not in answer


async def _events(http: httpx.AsyncClient, path: str, most: int, **headers: str) -> list[tuple[int, str, dict]]:
    found: list[tuple[int, str, dict]] = []
    async with http.stream("GET", path, headers={"accept": "text/event-stream", **headers}) as response:
        assert response.headers["content-type"] == "text/event-stream"
        mark, name = 0, "message"
        async for line in response.aiter_lines():
            if line.startswith("id: "):
                mark = int(line[4:])
            elif line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                found.append((mark, name, json.loads(line[6:])))
            if len(found) == most:
                break
    return found


async def test_events_carry_offsets_and_resume_behind_them(open_live):
    """Each report once: first by ``after``, then by the Last-Event-ID that an EventSource sends; then an end."""
    async with open_live() as live, live.web() as http:
        await live.engine.submit(signal())
        await live.until(lambda: bool(live.exchange.truth.orders))
        await live.until(lambda: live.engine.services.bus.published == 2)
        whole = await _events(http, "/api/reports?after=0", 9)
        assert [name for _, name, _ in whole] == ["message", "message", "end"]
        assert [mark == told.get("offset", mark) for mark, _, told in whole] == [True] * 3
        first = whole[0][0]
        assert await _events(http, f"/api/reports?after={first}", 9) == whole[1:]
        header = {"last-event-id": str(first)}
        assert await _events(http, "/api/reports?after=0", 9, **header) == whole[1:], "the header wins"
        assert whole[-1][2]["after"] == whole[1][0]
        refused = await http.get("/api/reports", headers={"last-event-id": "x"})
        assert refused.status_code == 400


async def test_a_websocket_gives_the_same_records_and_wants_the_token(open_live):
    """The token comes as a header or, from a browser, as a subprotocol; without it the handshake is refused."""
    async with open_live() as live, live.web() as http:
        await live.engine.submit(signal())
        await live.until(lambda: live.engine.services.bus.published == 2)
        access = live.control.access
        url = f"ws{access.url.removeprefix('http')}/api/reports?after=0"
        spoken = ["kraken-order-engine.v1", f"bearer.{access.token}"]
        async with open_websocket_url(url, subprotocols=spoken) as socket:
            assert socket.subprotocol == "kraken-order-engine.v1"
            told = [json.loads(await socket.get_message()) for _ in range(2)]
        assert told == [record for _, name, record in await _events(http, "/api/reports?after=0", 9) if name != "end"]
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        upgrade["sec-websocket-key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
        async with live.web(token="") as stranger:
            for wrong in ("", "bearer.", f"bearer.{'x' * 64}", f"bearer.{access.token}, bearer.other"):
                answer = await stranger.get("/api/reports", headers={**upgrade, "sec-websocket-protocol": wrong})
                assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED"), wrong
            foreign = {**upgrade, "sec-websocket-protocol": f"bearer.{access.token}", "origin": "http://evil.example"}
            assert (await stranger.get("/api/reports", headers=foreign)).status_code == 403


async def test_money_comes_whole_and_then_as_it_changes(open_live):
    """Positions and balances, then what a fill does to them."""
    async with open_live() as live:
        await live.engine.submit(signal())
        await live.until(lambda: bool(live.exchange.truth.orders))
        access = live.control.access
        async with AsyncClient(access.url, access.token) as client, aclosing(client.money()) as told:
            whole = await anext(told)
            assert whole["event"] == "whole"
            assert whole["balances"]["balances"]
            live.fill("0.005")
            async for one in told:
                if one["event"] == "position":
                    assert one["position"]["last_qty"] == "0.00500000"
                    break


async def test_a_taken_port_gives_way_to_a_free_one(data_dir):
    """The second engine of a machine finds a port of its own, and its access file says which."""
    with listening_tcp(WebSettings(port=0)) as taken:
        port = taken.getsockname()[1]
        async with open_control(data_dir, web=WebSettings(port=port)) as control:
            assert control.access is not None
            assert not control.access.url.endswith(f":{port}")
            kept = data_dir / "control.access"
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
            assert json.loads(kept.read_bytes()) == {"url": control.access.url, "token": control.access.token}
    assert not kept.exists()


async def test_word_of_an_engine_that_was_killed_does_not_stay(data_dir):
    """Even where no new one can be left: a program would show the token to whoever listens there now."""
    kept = data_dir / "control.access"
    kept.write_text('{"url":"http://127.0.0.1:1","token":"of-yesterday"}')
    (data_dir / "control.access.new").mkdir()
    async with open_control(data_dir, web=WEB):
        assert not kept.exists()


def test_addresses_are_written_as_browsers_write_them():
    """IPv6 in its short form and in brackets; HTTP's own port with and without its number."""
    assert names_of("0:0:0:0:0:0:0:1", 8790) == ("[::1]:8790", "localhost:8790")
    assert url_of("0:0:0:0:0:0:0:1", 8790) == "http://[::1]:8790"
    assert names_of("127.0.0.1", 80) == ("127.0.0.1:80", "localhost:80", "127.0.0.1", "localhost")


async def test_a_token_is_new_at_each_start_unless_it_is_set(data_dir):
    """Drawn through the seam, 256 bits, never in a repr; a set one is kept to, and a poor one is refused unshown."""
    tokens = []
    for seed in (1, 2):
        async with open_control(data_dir, web=WebSettings(port=0), chance=SeededChance(seed)) as control:
            assert control.access is not None
            tokens.append(control.access.token)
            assert control.link == f"{control.access.url}/#token={control.access.token}"
            assert control.access.token not in repr(control.access)
    assert len(set(tokens)) == 2
    assert all(len(token) == 64 for token in tokens)
    async with open_control(data_dir, web=WebSettings(port=0, token="set-by-its-owner")) as control:
        assert control.access is not None
        assert control.access.token == "set-by-its-owner"
    with pytest.raises(ConfigError) as error:
        async with open_control(data_dir, web=WebSettings(port=0, token="too short")):
            raise AssertionError("it must not open")
    assert "too short" not in str(error.value)
    assert "too short" not in repr(WebSettings(token="too short"))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::", "example.com"])
async def test_the_door_opens_on_loopback_alone(data_dir, host):
    """No setting brings it onto a network."""
    with pytest.raises(ConfigError, match="no loopback address"):
        async with open_control(data_dir, web=WebSettings(host=host, port=0)):
            raise AssertionError("it must not open")
