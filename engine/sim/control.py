"""The control endpoint: faults set, listed and cleared over HTTP while the exchange runs; how its market is.

    GET    /control                  what there is
    GET    /control/faults           every fault that is set, with its counters
    POST   /control/faults           set one ({"kind": ...}) or several ({"fault": [...]}); TOML as in a file as well
    DELETE /control/faults           clear all
    DELETE /control/faults/ID        clear one
    GET    /control/kinds            every kind with its members
    GET    /control/market           where the prices come from, and whether they move

For loopback alone: whoever may ask may break everything. A browser's pages are kept out by the Host and Origin checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from engine.sim.fault_kinds import KINDS, Kind
from engine.sim.fault_names import FaultNames
from engine.sim.fault_reader import parse_faults, parse_json
from engine.sim.hub import encode
from engine.sim.rest import Reply

if TYPE_CHECKING:
    from engine.sim.fault_book import FaultBook

ROOT = "/control"
_LOCAL = ("127.0.0.1", "localhost")
_TOML = "application/toml"


def is_control(target: str) -> bool:
    """Tell whether a request is for the control endpoint and not for a Kraken."""
    return target.partition("?")[0].split("/")[:2] == ["", "control"]


class Control:
    """Answers control requests. ``market`` says how the market is."""

    def __init__(self, book: FaultBook, names: FaultNames, market: Callable[[], dict[str, object]]) -> None:
        self._book, self._names, self._market = book, names, market

    def handle(self, method: str, target: str, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Reply:
        """Answer one request; the caller answers for its having come over loopback."""
        given = {name.lower(): value.decode("latin-1") for name, value in headers}
        if given.get(b"host", "").partition(":")[0] not in _LOCAL or b"origin" in given:
            return forbidden()
        parts = [unquote(part) for part in target.partition("?")[0].strip("/").split("/")[1:]]
        match method, parts:
            case "GET", []:
                return _reply(200, {"paths": [f"{ROOT}/faults", f"{ROOT}/kinds", f"{ROOT}/market"]})
            case "GET", ["faults"]:
                return _reply(200, {"faults": list(self._book.list()), "fired": self._book.counters()})
            case "POST", ["faults"]:
                return self._add(body, given.get(b"content-type", ""))
            case "DELETE", ["faults"]:
                return _reply(200, {"cleared": self._book.clear()})
            case "DELETE", ["faults", name]:
                return self._clear(name)
            case "GET", ["kinds"]:
                return _reply(200, {"kinds": [_shown(kind) for kind in KINDS.values()]})
            case "GET", ["market"]:
                return _reply(200, self._market())
            case _, ["faults"] | ["kinds"] | ["market"] | []:
                return _reply(405, {"errors": [f"{method} means nothing here"]})
        return _reply(404, {"errors": [f"there is nothing at {target}"]})

    def _add(self, body: bytes, content_type: str) -> Reply:
        try:
            if content_type.startswith(_TOML):
                plan = parse_faults(body.decode(), self._names)
            else:
                plan = parse_json(body, self._names)
            return _reply(201, {"added": self._book.add(plan)})
        except ValueError as error:
            return _reply(400, {"errors": str(error).splitlines()})

    def _clear(self, name: str) -> Reply:
        try:
            return _reply(200, {"cleared": self._book.clear(name)})
        except KeyError:
            return _reply(404, {"errors": [f"no fault {name!r} is set"]})


def forbidden() -> Reply:
    """Refuse who is not local."""
    return _reply(403, {"errors": ["the control endpoint is for programs on this machine"]})


def _reply(status: int, row: object) -> Reply:
    return Reply(status, encode(row))


def _shown(kind: Kind) -> dict[str, object]:
    members = {name: member.described for name, member in kind.members.items()}
    return {"kind": kind.name, "meets": kind.target, "help": kind.help, "members": members}
