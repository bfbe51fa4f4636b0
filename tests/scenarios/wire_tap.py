"""What the engine wrote on the wire, read from the bytes themselves: WebSocket frames unmasked, HTTP as it is."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

from engine.chaos.world import World


class WireTap:
    """Listens to every connection of a world from now on."""

    def __init__(self, world: World) -> None:
        self._streams: dict[str, bytearray] = defaultdict(bytearray)
        world.wire.observers.append(self._hear)

    def _hear(self, end: str, data: bytes) -> None:
        if end.endswith("/client"):
            self._streams[end] += data

    def requests(self) -> list[dict[str, Any]]:
        """Every WebSocket request with a method, connection by connection."""
        found = []
        for stream in self._streams.values():
            for text in _texts(bytes(stream)):
                said = json.loads(text)
                if "method" in said:
                    found.append(said)
        return found

    def orders(self) -> list[dict[str, Any]]:
        """The parameters of every new order that left, by WebSocket or by REST, in one form."""
        by_ws = [said["params"] for said in self.requests() if said["method"] in ("add_order", "batch_add")]
        by_rest = [{"rest": head} for head in self._rest_heads() if "/AddOrder" in head]
        return by_ws + by_rest

    def calls(self, method: str) -> int:
        """How often a REST method was called so far."""
        return sum(f"/{method} " in head for head in self._rest_heads())

    def _rest_heads(self) -> list[str]:
        plain = (bytes(stream).decode("latin-1") for stream in self._streams.values())
        # a further request of a connection follows the body before it, which ends no line
        return [head for text in plain for head in re.findall(r"POST \S+ HTTP/1\.1", text)]


def _texts(stream: bytes) -> list[str]:
    """Unmask the text frames behind an upgrade request (RFC 6455, section 5)."""
    rest = stream
    if stream[:1].isalpha():  # the head of a connection that began under the tap's eyes; else it was open before
        head, _, rest = stream.partition(b"\r\n\r\n")
        if b"upgrade: websocket" not in head.lower():
            return []
    texts = []
    while len(rest) >= 2:
        opcode, size, at = rest[0] & 0x0F, rest[1] & 0x7F, 2
        if size >= 126:
            more = 2 if size == 126 else 8
            size, at = int.from_bytes(rest[2 : 2 + more], "big"), 2 + more
        key, payload = rest[at : at + 4], rest[at + 4 : at + 4 + size]
        if opcode == 1:
            texts.append(bytes(byte ^ key[i % 4] for i, byte in enumerate(payload)).decode())
        rest = rest[at + 4 + size :]
    return texts
