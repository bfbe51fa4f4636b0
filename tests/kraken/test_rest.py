"""REST calls over a scripted server: how far each came."""

from urllib.parse import parse_qs

import pytest
import trio

from engine.errors import OutcomeUnknown, VenueProtocolError, VenueRefused, VenueUnavailable
from engine.kraken.call_budget import Urgency
from engine.kraken.signing import api_sign
from engine.venue.protocol import Lane

FORM = {"pair": "XBTUSD"}


async def test_private_call_is_signed_over_the_bytes_sent(scripted, autojump_clock):
    """Path, nonce, body and signature belong together; the nonce rises from call to call."""
    server, rest, wire = scripted
    seen = []
    wire.observers.append(lambda name, data: seen.append(data) if "client" in name else None)
    for _ in range(2):
        await rest.call("AddOrder", FORM, Lane.ENTRY, 5)
    nonces = [parse_qs(body)["nonce"][0] for _, body in server.requests]
    assert int(nonces[0]) < int(nonces[1])
    sent = b"".join(seen).decode()
    assert "API-Key: PUBLICKEY" in sent
    assert "User-Agent: kraken-order-engine/" in sent
    for (line, body), nonce in zip(server.requests, nonces, strict=True):
        assert line == "POST /0/private/AddOrder HTTP/1.1"
        assert f"API-Sign: {api_sign('/0/private/AddOrder', nonce, body.encode(), 'c2VjcmV0c2VjcmV0')}" in sent


async def test_order_is_sent_once_whatever_happens(scripted, autojump_clock):
    """An order-bearing call is never repeated: time-out, reset, 502 and HTML leave one request each."""
    server, rest, _ = scripted
    server.acts = ["hang", "reset", (502, "<html>"), "<html>"]
    replies = [await rest.call("AddOrder", FORM, Lane.ENTRY, 2) for _ in range(4)]
    assert len(server.requests) == 4
    assert [(r.sent, r.answered, r.timed_out, r.status) for r in replies] == [
        (True, False, True, 0),
        (True, False, False, 0),
        (True, False, False, 502),
        (True, False, False, 200),
    ]


async def test_refused_connection_is_certainly_not_sent(scripted, autojump_clock):
    """Nothing listens: not one byte was written, and REST counts as down until a call gets through."""
    _server, rest, wire = scripted
    wire.refuse(10)
    reply = await rest.call("AddOrder", FORM, Lane.ENTRY, 5)
    assert (reply.sent, reply.answered) == (False, False)
    assert rest.down_since_s is not None
    await trio.sleep(11)
    assert (await rest.call("AddOrder", FORM, Lane.ENTRY, 5)).answered
    assert rest.down_since_s is None


async def test_dead_keepalive_connection_is_not_written_to(scripted, autojump_clock):
    """A connection that ended while idle is noticed, and the order goes over a fresh one."""
    _server, rest, wire = scripted
    assert (await rest.call("AddOrder", FORM, Lane.ENTRY, 5)).answered
    wire.connections[0].reset()
    assert (await rest.call("AddOrder", FORM, Lane.ENTRY, 5)).answered
    assert len(wire.connections) == 1


async def test_reads_are_repeated_and_end(scripted, autojump_clock):
    """A read survives a reset and a 502; three failures end it as unknown, refused connections as unavailable."""
    server, rest, wire = scripted
    server.acts = ["reset", (502, ""), '{"error":[],"result":{"a":"1"}}']
    assert await rest.ask("Balance", {}, dict[str, str]) == {"a": "1"}
    server.acts = [(502, "")] * 3
    with pytest.raises(OutcomeUnknown, match="HTTP 502"):
        await rest.ask("Balance", {}, dict[str, str])
    wire.connections[0].reset()
    wire.refuse(100)
    with pytest.raises(VenueUnavailable):
        await rest.ask("Balance", {}, dict[str, str])


async def test_definite_errors_are_raised_at_once(scripted, autojump_clock):
    """A refusal is not repeated; a refused nonce is, with a fresh one; a strange shape breaks the contract."""
    server, rest, _ = scripted
    server.acts = ['{"error":["EGeneral:Permission denied"]}']
    with pytest.raises(VenueRefused, match="Permission denied"):
        await rest.ask("Balance", {}, dict[str, str])
    assert len(server.requests) == 1
    server.acts = ['{"error":["EAPI:Invalid nonce"]}', '{"error":[],"result":{}}']
    assert await rest.ask("Balance", {}, dict[str, str]) == {}
    server.acts = ['{"error":[],"result":[1]}']
    with pytest.raises(VenueProtocolError):
        await rest.ask("Balance", {}, dict[str, str])


async def test_hanging_read_gives_way_to_an_order(scripted, autojump_clock):
    """An order waits at most two seconds for a read that hangs on the nonce line."""
    server, rest, _ = scripted
    server.acts = ["hang"]

    async def read():
        assert await rest.ask("Balance", {}, dict[str, str]) == {}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.sleep(1)
        began = trio.current_time()
        assert (await rest.call("AddOrder", FORM, Lane.ENTRY, 10)).answered
        assert trio.current_time() - began < 2.2


async def test_order_that_gets_no_turn_is_not_sent(scripted, autojump_clock):
    """An order behind another that hangs is not sent, and says so."""
    server, rest, _ = scripted
    server.acts = ["hang"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rest.call, "AddOrder", FORM, Lane.ENTRY, 10)
        await trio.sleep(0.5)
        reply = await rest.call("AddOrder", FORM, Lane.ENTRY, 2)
        assert (reply.sent, len(server.requests)) == (False, 1)


async def test_reads_keep_within_the_rest_counter(scripted, autojump_clock):
    """Seventeen points at once, then one every two seconds on Intermediate; three are kept for tokens."""
    _, rest, _ = scripted
    for _ in range(17):
        await rest.ask("Balance", {}, dict[str, str])
    began = trio.current_time()
    for _ in range(5):
        await rest.ask("Balance", {}, dict[str, str])
    assert trio.current_time() - began > 8


async def test_read_that_never_left_takes_no_room_from_those_behind_it(scripted, autojump_clock):
    """Mixed 700074: an outage had filled our counter, and what it had hidden was asked for half a minute late."""
    _, rest, wire = scripted
    wire.refuse(1)
    for _ in range(10):
        with pytest.raises(VenueUnavailable):
            await rest.ask("Balance", {}, dict[str, str], attempts=1)
        with pytest.raises(VenueUnavailable):
            await rest.ask("Time", {}, dict[str, str], private=False, attempts=1)
    assert rest.query_key.budget.counter.level(trio.current_time()) == 0
    await trio.sleep(1)
    began = trio.current_time()
    for _ in range(17):
        await rest.ask("Balance", {}, dict[str, str])
    await rest.ask("Time", {}, dict[str, str], private=False)
    assert trio.current_time() - began < 1


async def test_no_secret_in_any_message(scripted, autojump_clock):
    """Details, errors and reprs show neither key, secret nor signature."""
    server, rest, wire = scripted
    server.acts = ["reset", (502, "<html>")]
    told = [str(await rest.call("AddOrder", FORM, Lane.ENTRY, 2)) for _ in range(2)]
    wire.refuse(100)
    told.append(str(await rest.call("AddOrder", FORM, Lane.ENTRY, 2)))
    assert not any(word in text for text in told for word in ("PUBLICKEY", "c2VjcmV0", "API-Sign", "nonce="))


async def test_concurrent_reads_keep_within_the_rest_counter(scripted, autojump_clock):
    """Ten readers at once: nobody passes seventeen points and what decays; first come, first served."""
    server, rest, _ = scripted
    served = []
    began = trio.current_time()

    async def read(number, points):
        await rest.ask("TradesHistory", {}, dict[str, str], points=points)
        served.append((number, trio.current_time() - began))

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(read, number, 4 if number % 2 else 1)
            await trio.sleep(0.001)
    assert [number for number, _ in served] == list(range(10))
    assert len(server.requests) == 10
    assert 16 <= served[-1][1] < 20  # 25 points, 17 at once, the rest at half a point a second


async def test_orders_and_batches_never_wait_for_the_counter_of_calls_and_amends_do(scripted, autojump_clock):
    """Squall 40149: twenty amends by REST in a row; Kraken leaves open whether they count: reads leave them room."""
    _, rest, _ = scripted
    for _ in range(18):
        await rest.ask("Balance", {}, dict[str, str], urgency=Urgency.TOKEN)
    began = trio.current_time()
    for name in ("AddOrder", "CancelOrder", "CancelOrderBatch"):
        assert (await rest.call(name, FORM, Lane.REDUCING, 5)).answered
    assert trio.current_time() - began < 1
    assert (await rest.call("AmendOrder", FORM, Lane.REDUCING, 5)).answered
    assert 2 < trio.current_time() - began < 5
    assert rest.trade_key.budget.counter.level(trio.current_time()) <= 20


async def test_amends_leave_batches_their_room_in_the_counter_of_calls(scripted, autojump_clock):
    """Squall 1320795: stop after stop was moved by REST, and a halt's batch was refused for the rate of calls."""
    _, rest, _ = scripted
    for _ in range(30):
        assert (await rest.call("AmendOrder", FORM, Lane.REDUCING, 5)).answered
    for _ in range(2):
        assert (await rest.call("CancelOrderBatch", FORM, Lane.EMERGENCY, 5)).answered
    assert rest.trade_key.budget.counter.level(trio.current_time()) <= 20


async def test_amend_that_finds_no_room_in_its_time_is_certainly_not_sent(scripted, autojump_clock):
    """Its bytes never left, and its points are nobody's."""
    server, rest, _ = scripted
    rest.trade_key.budget.counter.correct(24, trio.current_time())
    reply = await rest.call("AmendOrder", FORM, Lane.REDUCING, 2)
    assert (reply.sent, reply.timed_out) == (False, True)
    assert "no room in the counter of calls" in reply.detail
    assert server.requests == []
    assert rest.trade_key.budget.counter.level(trio.current_time()) < 24


async def test_read_over_the_rate_is_repeated_after_a_rest(scripted, autojump_clock):
    """The venue counts more than we do: five seconds of quiet, then the same question again."""
    server, rest, _ = scripted
    server.acts = ['{"error":["EAPI:Rate limit exceeded"]}']
    began = trio.current_time()
    assert await rest.ask("Balance", {}, dict[str, str]) == {}
    assert len(server.requests) == 2
    assert 5 < trio.current_time() - began < 14


async def test_json_bodies_are_signed_as_sent(scripted, autojump_clock):
    """Nonce inside, same formula."""
    server, rest, wire = scripted
    seen = []
    wire.observers.append(lambda name, data: seen.append(data) if "client" in name else None)
    await rest.call("CancelOrderBatch", {"orders": ["O1", "O2"]}, Lane.CANCEL, 5, as_json=True)
    _, body = server.requests[0]
    nonce = body.split('"')[3]
    assert body == f'{{"nonce":"{nonce}","orders":["O1","O2"]}}'
    sent = b"".join(seen).decode()
    assert "Content-Type: application/json" in sent
    sign = api_sign("/0/private/CancelOrderBatch", nonce, body.encode(), "c2VjcmV0c2VjcmV0")
    assert f"API-Sign: {sign}" in sent


async def test_public_calls_are_paced(scripted, autojump_clock):
    """Five at once, then one a second."""
    _, rest, _ = scripted
    began = trio.current_time()
    for _ in range(8):
        await rest.ask("Time", {}, dict[str, str], private=False)
    assert 2 < trio.current_time() - began < 4


async def test_nonce_is_drawn_when_the_bytes_are_written(scripted, autojump_clock):
    """Behind a slow connect an exit passes an order: who is written first has the lower nonce, and none is spoilt."""
    server, rest, wire = scripted
    wire.latency_s = 1.0  # a connect takes two to three seconds, and an exit waits one
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rest.call, "AddOrder", FORM, Lane.ENTRY, 30)
        await trio.sleep(0.5)
        wire.latency_s = 0.01
        nursery.start_soon(rest.call, "CancelOrder", FORM, Lane.EMERGENCY, 30)
    assert [line.split()[1] for line, _ in server.requests] == ["/0/private/CancelOrder", "/0/private/AddOrder"]
    nonces = [int(parse_qs(body)["nonce"][0]) for _, body in server.requests]
    assert nonces == sorted(nonces)


async def test_read_after_the_end_says_that_nothing_can_be_reached(scripted, autojump_clock):
    """Lag 300167: a person asks an engine that has just ended."""
    _, rest, _ = scripted
    await rest.end()
    with pytest.raises(VenueUnavailable):
        await rest.ask("Balance", {}, dict[str, str])


@pytest.mark.parametrize("after_s", [0.005, 0.5], ids=["connecting", "written"])
async def test_read_under_way_at_the_end_is_given_up_and_leaves_no_connection(scripted, autojump_clock, after_s):
    """Mixed 400270: it asked from outside the engine, and its connection came to stand after all others were closed."""
    server, rest, wire = scripted
    server.acts = ["hang"]
    wire.latency_s = 0.01
    async with trio.open_nursery() as nursery:

        async def outside() -> None:
            with pytest.raises((VenueUnavailable, OutcomeUnknown)):
                await rest.ask("Balance", {}, dict[str, str])

        nursery.start_soon(outside)
        await trio.sleep(after_s)
        began_s = trio.current_time()
        await rest.end()
        assert trio.current_time() == began_s
        await rest._http.aclose()
        await trio.sleep(1)
        assert all(connection.dead for connection in wire.connections)
