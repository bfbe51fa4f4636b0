"""The control endpoint: faults set, listed and cleared over HTTP, and who may."""

from __future__ import annotations

import json
from typing import Any

import trio

from tests.sim.conftest import PORT

PATH = "/control/faults"


def local(sim: Any, rest_client: Any) -> Any:
    """A client that names the exchange as a program on the same machine does."""
    sim.wire.listen("localhost", PORT, sim.exchange.serve)
    return rest_client(sim.wire, sim.exchange, "localhost", PORT)


async def ask(client: Any, method: str, target: str, body: object = None, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    status, answer = await client.raw(method, target, headers, data)
    return status, json.loads(answer)


async def test_faults_are_set_listed_counted_and_cleared(open_sim: Any, rest_client: Any, autojump_clock: Any) -> None:
    """One by one or many at once, as JSON or as the TOML of a file."""
    async with open_sim() as sim:
        client = local(sim, rest_client)
        assert await ask(client, "POST", PATH, {"kind": "error", "method": "Time"}) == (201, {"added": ["f1"]})
        many = {
            "seed": 3,
            "fault": [{"kind": "kick", "at_s": 99, "name": "later on"}, {"kind": "invalid_nonce", "method": "Balance"}],
        }
        assert (await ask(client, "POST", PATH, many))[1] == {"added": ["later on", "f2"]}
        toml = b'[[fault]]\nkind = "kick"\nat_s = 99\n'
        assert (await client.raw("POST", PATH, {"content-type": "application/toml"}, toml))[0] == 201
        assert (await client.public("Time"))["error"] == ["EService:Unavailable"]
        assert (await client.public("Time"))["error"] == []
        _, listed = await ask(client, "GET", PATH)
        assert [row["id"] for row in listed["faults"]] == ["f1", "later on", "f2", "f3"]
        assert listed["faults"][0] | {"matched": 1, "fired": 1, "over": True} == listed["faults"][0]
        assert listed["fired"] == {"error": 1, "kick": 0, "invalid_nonce": 0}
        assert await ask(client, "DELETE", f"{PATH}/later%20on") == (200, {"cleared": 1})
        assert (await ask(client, "DELETE", f"{PATH}/later%20on"))[0] == 404
        assert await ask(client, "DELETE", PATH) == (200, {"cleared": 3})
        assert (await ask(client, "GET", PATH))[1]["faults"] == []


async def test_mistakes_are_all_told_and_nothing_is_set(open_sim: Any, rest_client: Any, autojump_clock: Any) -> None:
    """400 with a line each."""
    async with open_sim() as sim:
        client = local(sim, rest_client)
        rows = [{"kind": "kick"}, {"kind": "nudge"}, {"kind": "kick", "who": "me"}]
        status, answer = await ask(client, "POST", PATH, {"fault": rows})
        assert (status, [line.partition(":")[0] for line in answer["errors"]]) == (
            400,
            ["fault[2].kind", "fault[3].who"],
        )
        assert (await ask(client, "POST", PATH, b"\xff"))[0] == 400
        assert sim.exchange.fault_book.list() == []


async def test_it_answers_while_everything_else_is_refused_or_held(
    open_sim: Any, rest_client: Any, autojump_clock: Any
) -> None:
    """Whoever has broken the exchange can mend it."""
    async with open_sim() as sim:
        client = local(sim, rest_client)
        await ask(client, "POST", PATH, {"kind": "refuse_connections", "hold_s": 1000})
        await ask(client, "POST", PATH, {"kind": "stall", "transports": "all"})
        await trio.sleep(1)
        assert await client.raw("GET", "/0/public/Time", {}, b"") == (0, b"")
        assert (await ask(client, "DELETE", PATH))[0] == 200
        assert (await client.public("Time"))["error"] == []


async def test_pages_and_strangers_are_kept_out(open_sim: Any, rest_client: Any, autojump_clock: Any) -> None:
    """A foreign Host (a rebound name) or an Origin (a page in a browser) is 403."""
    async with open_sim() as sim:
        client = local(sim, rest_client)
        assert (await ask(sim.rest, "GET", PATH))[0] == 403
        assert (await ask(client, "GET", PATH, origin="https://example.test"))[0] == 403


async def test_what_is_not_there_is_said(open_sim: Any, rest_client: Any, autojump_clock: Any) -> None:
    """404 and 405 in JSON; the index, the kinds and the market are there."""
    async with open_sim() as sim:
        client = local(sim, rest_client)
        assert (await ask(client, "GET", "/control/else"))[0] == 404
        assert (await ask(client, "PUT", PATH))[0] == 405
        assert (await ask(client, "GET", "/control"))[1]["paths"][0] == PATH
        _, kinds = await ask(client, "GET", "/control/kinds")
        assert {"kind", "meets", "help", "members"} == set(kinds["kinds"][0])
        assert (await ask(client, "GET", "/control/market"))[1]["standing"] == "own"
