"""The webhook and the messengers: what travels, what is refused, and that no address is ever told."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
import trio

from engine.errors import ConfigError
from engine.net.wire import TcpWire, VirtualWire, open_virtual_wire
from engine.runtime.alarm import Alarm, AlarmChange
from engine.runtime.alarm_notify import NotifySink
from engine.runtime.alarm_outbox import SinkFailed
from engine.runtime.alarm_webhook import WebhookSink
from engine.seams.chance import SeededChance

library_warnings = pytest.mark.filterwarnings("ignore::DeprecationWarning:apprise", "ignore:.*imghdr")
SECRET = "T0KEN-that-nobody-may-see"
URL = f"http://localhost/hooks/{SECRET}?key={SECRET}"
NAKED = AlarmChange(
    "raised",
    Alarm(number=3, code="NAKED", subject="s-1", level="critical", text="0.02 BTC", what_to_do="close it",
          first_ns=10**18, last_ns=10**18),
)  # fmt: skip


class Receiver:
    """An HTTP server that answers as it is told to, and keeps what it was sent."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer, self.heads, self.bodies = answer, [], []

    async def serve(self, stream: trio.abc.Stream) -> None:
        text = b""
        while b"\r\n\r\n" not in text:
            text += await stream.receive_some(65536)
        head, _, body = text.partition(b"\r\n\r\n")
        length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")))
        while len(body) < length:
            body += await stream.receive_some(65536)
        self.heads.append(head.decode())
        self.bodies.append(json.loads(body))
        if self.answer is None:
            await trio.sleep_forever()
        await stream.send_all(self.answer)


def answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode()


@pytest.fixture
def open_wire() -> Callable[[], object]:
    return lambda: open_virtual_wire(SeededChance(1).stream("wire"))


async def post(wire: VirtualWire, receiver: Receiver) -> None:
    wire.listen("localhost", 80, receiver.serve)
    await WebhookSink(URL, wire, None).deliver(NAKED, 2)


async def test_a_change_travels_as_json(open_wire, autojump_clock):
    """Change, alarm and how many were lost before it; any 2xx means taken."""
    receiver = Receiver(answer("204 No Content"))
    async with open_wire() as wire:
        await post(wire, receiver)
    (body,) = receiver.bodies
    assert (body["change"], body["dropped"], body["alarm"]["code"], body["alarm"]["number"]) == (
        "raised",
        2,
        "NAKED",
        3,
    )
    assert "content-type: application/json" in receiver.heads[0].lower()


@pytest.mark.parametrize(
    ("reply", "said"),
    [(answer("500 Oh"), "answered 500"), (answer("302 Found"), "answered 302"), (b"nonsense\r\n\r\n", "Error")],
)
async def test_what_is_no_yes_is_a_failure_without_the_address(open_wire, autojump_clock, reply: bytes, said: str):
    """The reason names status or error, never a part of the URL."""
    async with open_wire() as wire:
        with pytest.raises(SinkFailed) as failed:
            await post(wire, Receiver(reply))
    assert said in str(failed.value)
    assert SECRET not in repr(failed.value)
    assert failed.value.__cause__ is None


async def test_a_receiver_that_never_answers_ends_in_a_time_out(open_wire, autojump_clock):
    """Within the sink's bound."""
    async with open_wire() as wire:
        start_s = trio.current_time()
        with pytest.raises(SinkFailed, match="ReadTimeout"):
            await post(wire, Receiver(None))
        assert trio.current_time() - start_s < 6


@pytest.mark.parametrize("url", ["ftp://host/x", "https://", "http://example.com/hook", "http://[", "hook"])
def test_an_address_that_is_no_good_is_refused_without_being_told(url: str):
    """In the clear only to this very machine."""
    with pytest.raises(ConfigError) as refused:
        WebhookSink(url, TcpWire(), None)
    assert "example.com" not in str(refused.value)


@library_warnings
def test_a_notify_address_that_nobody_knows_is_refused_by_its_place():
    """Not by its text, which may hold a token."""
    pytest.importorskip("apprise")
    with pytest.raises(ConfigError, match="notify address 2") as refused:
        NotifySink(["json://localhost/a", f"nosuch://{SECRET}"])
    assert SECRET not in str(refused.value)


@library_warnings
@pytest.mark.tcp
async def test_messengers_are_told_beside_the_loop(caplog: pytest.LogCaptureFixture):
    """Through apprise's own JSON way to a server here; while it blocks the loop goes on, and cancelling returns."""
    pytest.importorskip("apprise")
    receiver, silent = Receiver(answer("200 OK")), Receiver(None)
    with caplog.at_level(logging.DEBUG), trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            port = await listen(nursery, receiver)
            await NotifySink([f"json://localhost:{port}/{SECRET}"]).deliver(NAKED, 2)
            (body,) = receiver.bodies
            assert body["title"] == "critical raised: NAKED s-1"
            assert "2 alarms before this one were lost" in body["message"]
            with trio.move_on_after(0.3) as bound:
                await NotifySink([f"json://localhost:{await listen(nursery, silent)}/{SECRET}"]).deliver(NAKED, 0)
            assert bound.cancelled_caught
            nursery.cancel_scope.cancel()
    assert SECRET not in caplog.text


async def listen(nursery: trio.Nursery, receiver: Receiver) -> int:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await receiver.serve(stream)

    nursery.start_soon(trio.serve_listeners, serve, listeners)
    return int(listeners[0].socket.getsockname()[1])
