"""A command that is not carried out: what, why, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import msgspec

Category = Literal["usage", "access", "not_found", "refused", "busy", "unavailable", "internal"]

_CATEGORIES: dict[int, Category] = {
    **dict.fromkeys((400, 405, 408, 413, 431), "usage"),
    **dict.fromkeys((401, 403), "access"),
    404: "not_found",
    409: "refused",
    429: "busy",
    503: "unavailable",
}


class Complaint(msgspec.Struct, frozen=True):
    """The JSON form of every error at the door. ``code`` is stable, ``exit`` the command line's exit code for it.

    ``retryable``: the same request, unchanged, may pass a moment later. ``category`` is what a program routes on.
    """

    code: str
    message: str
    what_to_do: str
    exit: int
    category: Category = "internal"
    retryable: bool = False


class Refusal(Exception):
    """Ends a command with a complaint. ``status`` is the HTTP status it travels with, ``headers`` go with it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        what_to_do: str,
        exit_code: int,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        category = _CATEGORIES.get(status, "internal")
        retryable = category in ("busy", "unavailable")
        self.complaint = Complaint(code, message, what_to_do, exit_code, category, retryable)


USAGE, REFUSED, NO_ENGINE, OTHER = 2, 4, 6, 1
"""Exit codes of the command line, as issue and help pages name them."""


def bad_request(message: str, what_to_do: str = "see the verb's --help for its parameters") -> Refusal:
    """The command itself cannot be understood."""
    return Refusal(400, "BAD_REQUEST", message, what_to_do, USAGE)


def bad_signal(errors: Iterable[str]) -> Refusal:
    """What was given as a signal is none."""
    return bad_request("; ".join(errors), "help concepts shows a signal")


def not_found(what: str) -> Refusal:
    """Nothing of that name is known."""
    return Refusal(
        404, "NOT_FOUND", f"the journal knows nothing named {what!r}", "orders --history lists what there was", REFUSED
    )


def ambiguous(what: str, candidates: list[str]) -> Refusal:
    """A beginning that several things share."""
    named = ", ".join(candidates[:5]) + (", …" if len(candidates) > 5 else "")
    return Refusal(409, "AMBIGUOUS", f"{what!r} may be {named}", "give more of the id", REFUSED)


def refused(code: str, message: str, what_to_do: str) -> Refusal:
    """Understood, and not done."""
    return Refusal(409, code, message, what_to_do, REFUSED)


def no_engine(where: str) -> Refusal:
    """A verb that needs a live engine found none."""
    return Refusal(
        503, "NO_ENGINE", f"no engine runs on {where}", "start one with run, or name another --data-dir", NO_ENGINE
    )


def not_ready(message: str) -> Refusal:
    """The door stands, the engine behind it is starting or has ended."""
    return Refusal(503, "NOT_READY", message, "try again in a moment", NO_ENGINE)


def overloaded(message: str) -> Refusal:
    """A bound of the door itself is reached."""
    return Refusal(503, "OVERLOADED", message, "end other readers of this engine, or try again", OTHER)


def too_many(wait_s: float) -> Refusal:
    """Asked too often."""
    after = (b"retry-after", str(max(1, math.ceil(wait_s))).encode())
    return Refusal(429, "TOO_MANY_REQUESTS", "asked too often", "wait as long as Retry-After says", OTHER, (after,))


def unauthorized(message: str) -> Refusal:
    """No token where one is needed, or another one."""
    return Refusal(
        401,
        "UNAUTHORIZED",
        message,
        "open the link that run printed, or read the token from control.access in the data directory",
        REFUSED,
        ((b"www-authenticate", b"Bearer"),),
    )


def forbidden(code: str, message: str, what_to_do: str) -> Refusal:
    """Asked in a way that this door never answers, token or not."""
    return Refusal(403, code, message, what_to_do, REFUSED)


def no_such_route() -> Refusal:
    """Nothing is served there."""
    return Refusal(404, "NO_SUCH_ROUTE", "nothing is served there", "GET /api/openapi.json lists every route", USAGE)


def wrong_method(served: list[str]) -> Refusal:
    """Another method is served there."""
    methods = ", ".join(served)
    allow = ((b"allow", methods.encode()),)
    return Refusal(405, "WRONG_METHOD", f"{methods} is served there", "use it", USAGE, allow)
