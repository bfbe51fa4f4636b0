"""What the engine wrote on the wire, read from the bytes themselves as they are sent: WebSocket frames and HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

Kind = Literal["new", "amend", "cancel", "other"]

_KINDS: dict[str, Kind] = {
    "add_order": "new",
    "batch_add": "new",
    "AddOrder": "new",
    "AddOrderBatch": "new",
    "amend_order": "amend",
    "AmendOrder": "amend",
    "cancel_order": "cancel",
    "batch_cancel": "cancel",
    "CancelOrder": "cancel",
    "CancelOrderBatch": "cancel",
}
WHOLESALE = frozenset({"cancel_all", "cancel_all_orders_after", "CancelAll", "CancelAllOrdersAfter", "EditOrder"})
"""Methods that touch orders without naming them, or replace them: the engine has no use for any."""


@dataclass(frozen=True)
class Asked:
    """One request of the engine. ``names`` are the cl_ord_ids in it, ``ids`` the venue's order ids."""

    end: str
    method: str
    kind: Kind
    names: tuple[str, ...]
    ids: tuple[str, ...]
    params: dict[str, Any]


class WireTap:
    """Tells of every request of every client as its last byte is sent. Ends whose bytes make no sense are an error."""

    def __init__(self, heard: Callable[[Asked], None]) -> None:
        self._heard = heard
        self._readers: dict[str, _Reader] = {}

    def __call__(self, end: str, data: bytes) -> None:
        """Take bytes as VirtualWire tells of them."""
        if not end.endswith("/client"):
            return
        reader = self._readers.get(end)
        if reader is None:
            reader = self._readers[end] = _Reader()
        for method, params in reader.feed(data):
            self._heard(_asked(end, method, params))


class _Reader:
    """One connection's bytes so far: HTTP requests until one of them is an upgrade, frames after that."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._frames = False

    def feed(self, data: bytes) -> list[tuple[str, dict[str, Any]]]:
        self._bytes += data
        found = []
        while (taken := self._frame() if self._frames else self._http()) is not None:
            if taken[0]:
                found.append(taken)
        return found

    def _http(self) -> tuple[str, dict[str, Any]] | None:
        end = self._bytes.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = bytes(self._bytes[:end]).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        size = end + 4 + int(fields.get("content-length", "0"))
        if len(self._bytes) < size:
            return None
        body = bytes(self._bytes[end + 4 : size]).decode()
        del self._bytes[:size]
        self._frames = fields.get("upgrade", "") == "websocket"
        path = lines[0].split(" ")[1].partition("?")[0]
        if "json" in fields.get("content-type", ""):
            return path.rpartition("/")[2], json.loads(body)
        return path.rpartition("/")[2], dict(parse_qsl(body))

    def _frame(self) -> tuple[str, dict[str, Any]] | None:
        """Unmask one frame (RFC 6455, section 5.2). Requests of ours are never fragmented."""
        data = self._bytes
        if len(data) < 6:
            return None
        opcode, size, at = data[0] & 0x0F, data[1] & 0x7F, 2
        if size >= 126:
            more = 2 if size == 126 else 8
            size, at = int.from_bytes(data[2 : 2 + more], "big"), 2 + more
        if len(data) < at + 4 + size:
            return None
        key, payload = bytes(data[at : at + 4]), bytes(data[at + 4 : at + 4 + size])
        del data[: at + 4 + size]
        if opcode != 1:
            return "", {}
        mask = (key * (size // 4 + 1))[:size]
        said = json.loads((int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big"))
        return str(said.get("method", "")), said.get("params", {})


def _asked(end: str, method: str, params: dict[str, Any]) -> Asked:
    names: list[str] = []
    ids: list[str] = []
    for part in (params, *_rows(params)):
        names += _listed(part, "cl_ord_id") + _listed(part, "cl_ord_ids")
        ids += _listed(part, "order_id") + _listed(part, "txid")
    kind = _KINDS.get(method, "other")
    if kind == "cancel":
        ids += [one for one in params.get("orders", ()) if isinstance(one, str)]
    return Asked(end, method, kind, tuple(names), tuple(ids), params)


def _rows(params: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in params.get("orders", ()) if isinstance(row, dict)]


def _listed(part: dict[str, Any], name: str) -> list[str]:
    value = part.get(name, ())
    return [value] if isinstance(value, str) else list(value)
