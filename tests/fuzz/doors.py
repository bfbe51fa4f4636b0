"""The exchange's doors on a virtual wire: raw bytes in, all that comes back until the connection ends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter
from dataclasses import dataclass, field

import trio

from engine.net.wire import VirtualStream, VirtualWire

HOST, PORT = "kraken.test", 80


@dataclass
class Tried:
    """How the cases so far have ended, and the bytes of the one under way."""

    ended: Counter[str] = field(default_factory=Counter)
    raw: bytes = b""


class Doors:
    """Sends bytes and notes them, so that a failure can name them."""

    def __init__(self, wire: VirtualWire, tried: Tried) -> None:
        self._wire, self.tried = wire, tried

    async def connect(self) -> VirtualStream:
        """Open a connection."""
        stream = await self._wire.connect(HOST, PORT, tls=None)
        assert isinstance(stream, VirtualStream)
        return stream

    async def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"host: {HOST}", f"content-length: {len(body)}"]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
        return await self.say(head.encode() + body)

    async def say(self, raw: bytes, then: bytes = b"", *, hang_up: bool = True) -> bytes:
        """Send bytes on a connection of their own, ``then`` once something came; return all until it ended.

        Without ``hang_up`` the peer is left waiting for more.
        """
        self.tried.raw = raw + then
        stream, answer = await self.connect(), b""
        try:
            await stream.send_all(raw)
            if then:
                answer += await stream.receive_some()
                await stream.send_all(then)
            if hang_up:
                await stream.send_eof()
            while chunk := await stream.receive_some():
                answer += chunk
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)
        return answer


def sign(secret: str, path: str, nonce: str, body: bytes) -> str:
    """API-Sign, written here once more: this client shares nothing with either side."""
    message = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
    return base64.b64encode(hmac.digest(base64.b64decode(secret), message, hashlib.sha512)).decode()


def told(door: str, answer: bytes) -> str:
    """Name how a request ended: closed, an HTTP status, or Kraken's error class. Raises AssertionError."""
    if not answer:
        return f"{door} closed"
    assert answer.startswith(b"HTTP/1.1 "), f"no HTTP: {answer[:60]!r}"
    status, (_, _, body) = int(answer[9:12]), answer.partition(b"\r\n\r\n")
    assert status not in (500, 502, 503), f"it failed inside: {answer[:300]!r}"
    assert b"Internal error" not in answer, f"it failed inside: {answer[:300]!r}"
    if status != 200 or door in ("http", "handshake"):
        return f"{door} {status}"
    if not body:
        return f"{door} head only"
    told = json.loads(body)
    return f"{door} {told['error'][0].partition(':')[0]}" if told["error"] else f"{door} taken"
