"""What a client has asked an exchange for, read from the bytes of its connections."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from tests.cli.venue import Venue

ORDER_BEARING = {
    *("AddOrder", "AddOrderBatch", "AmendOrder", "EditOrder", "CancelOrder", "CancelOrderBatch", "CancelAll"),
    *("CancelAllOrdersAfter", "add_order", "batch_add", "amend_order", "edit_order", "cancel_order", "batch_cancel"),
    *("cancel_all", "cancel_all_orders_after"),
}
"""Every request of Kraken's that bears on orders (§1.5 to §1.9, §8)."""


_ADD_ORDER = re.compile(rb"POST /0/private/AddOrder .*?\r\n\r\n([^\r\n]*?)(?=GET |POST |$)", re.DOTALL)


def asked(venue: Venue) -> list[str]:
    """Name every request, REST and WebSocket, in the order of the connections."""
    return [name for received, _ in venue.wires for name in _requests(bytes(received))]


def orders_sent(venue: Venue) -> list[dict[str, Any]]:
    """Return the params of every ``add_order`` frame, amounts as the texts that stood there."""
    frames = [
        json.loads(text, parse_float=str, parse_int=str)
        for received, _ in venue.wires
        for text in _frames(bytes(received))
    ]
    return [frame["params"] for frame in frames if frame["method"] == "add_order"]


def forms_sent(venue: Venue) -> list[dict[str, str]]:
    """Return the fields of every REST AddOrder."""
    return [
        dict(parse_qsl(body.decode())) for received, _ in venue.wires for body in _ADD_ORDER.findall(bytes(received))
    ]


def _frames(wire: bytes) -> Iterator[bytes]:
    head, _, rest = wire.partition(b"\r\n\r\n")
    if b"upgrade: websocket" in head.lower():
        yield from _texts(rest)


def _requests(wire: bytes) -> Iterator[str]:
    head, _, rest = wire.partition(b"\r\n\r\n")
    if b"upgrade: websocket" not in head.lower():
        yield from (found.decode() for found in re.findall(rb"(?:GET|POST) /0/(?:public|private)/(\w+)", wire))
        return
    for text in _texts(rest):
        yield json.loads(text)["method"]


def _texts(rest: bytes) -> Iterator[bytes]:
    """Unmask a client's text frames (RFC 6455, 5.2 and 5.3); none of ours is fragmented."""
    at = 0
    while at + 2 <= len(rest):
        opcode, size, at = rest[at] & 0x0F, rest[at + 1] & 0x7F, at + 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(rest[at : at + wide], "big"), at + wide
        mask, body = rest[at : at + 4], rest[at + 4 : at + 4 + size]
        at += 4 + size
        if opcode == 1:
            yield bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))
