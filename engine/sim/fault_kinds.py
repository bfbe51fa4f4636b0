"""What can go wrong by name: each kind with its members, and what it does to a request, a frame or the venue."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

from engine.sim import errors, faults
from engine.sim.faults import Action, FrameVerdict, Phase

Target = Literal["request", "frame", "venue"]
Values = Mapping[str, Any]
_MOST_TEXT = 65_536
_MOST_SECONDS = 10**7
HTML = "<html><head><title>502 Bad Gateway</title></head><body><center>cloudflare</center></body></html>"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a kind: what is permitted, in words, and its value when left out."""

    permitted: str
    default: Any
    read: Callable[[object], object]  # raises ValueError

    @property
    def described(self) -> str:
        """What is permitted, and what it is when left out."""
        if self.default is None or self.default == "":
            return self.permitted
        if isinstance(self.default, bool):
            return f"{self.permitted}; default {str(self.default).lower()}"
        shown = {math.inf: "for ever", HTML: "a page of an edge server"}
        return f"{self.permitted}; default {shown.get(self.default, self.default)}"


def seconds(default: float) -> Member:
    """Durations."""
    return Member(f"seconds, from 0 to {_MOST_SECONDS}", default, _seconds)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not 0 <= value <= _MOST_SECONDS:
        raise ValueError
    return float(value)


def text(default: Any) -> Member:
    """Short texts."""
    return Member(f"a text of at most {_MOST_TEXT} characters", default, _text)


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise ValueError
    return value


def whole(least: int, most: int, default: Any) -> Member:
    """Whole numbers within a range."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError
        return value

    return Member(f"a whole number from {least} to {most}", default, read)


def flag(default: bool) -> Member:
    """Yes or no."""

    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Member("true or false", default, read)


def choice(*allowed: str) -> Member:
    """One of some words; the first is the default."""

    def read(value: object) -> str:
        if value not in allowed:
            raise ValueError
        return str(value)

    return Member(f"one of {', '.join(allowed)}", allowed[0], read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A fault by name. ``action`` is what meets a request, ``verdict`` what meets a frame; the venue's stand in
    ``fault_acts``. ``channels`` are the ones where the frame fault means anything; empty = all.
    """

    name: str
    target: Target
    help: str
    members: Mapping[str, Member] = field(default_factory=lambda: MappingProxyType({}))
    action: Callable[[Values], Action] | None = None
    verdict: FrameVerdict = "send"
    channels: tuple[str, ...] = ()

    def phase(self, values: Values) -> Phase:
        """Return when a request is met: before the engine acts, or after it acted and before the answer."""
        if self.action is not None:
            return self.action(values).phase
        return "after" if values.get("after") else "before"


def _request(name: str, help: str, action: Callable[[Values], Action], **members: Member) -> Kind:  # noqa: A002
    return Kind(name=name, target="request", help=help, members=members, action=action)


def _frame(name: str, help: str, verdict: FrameVerdict, *channels: str) -> Kind:  # noqa: A002
    return Kind(name=name, target="frame", help=help, verdict=verdict, channels=channels)


def _venue(name: str, help: str, after: bool = False, **members: Member) -> Kind:  # noqa: A002
    return Kind(name=name, target="venue", help=help, members={**members, "after": flag(after)})


def _error(values: Values) -> Action:
    return faults.lie_with(values["error"]) if values["done"] else faults.refuse_with(values["error"])


def _stall(values: Values) -> Action:
    make = faults.stall_after if values["done"] else faults.stall_before
    return make(values["stall_s"])


def _failed_then_taken(values: Values) -> Action:
    return faults.fail_then_accept(
        values["later_s"], status=values["status"], error=values["error"], body=values["body"], kill=values["kill"]
    )


_SEQUENCED = ("executions", "balances")
_WHO = choice("all", "private", "public")

PAIR_MODES = ("limit_only", "reduce_only", "delisted", "work_in_progress")
"""Modes that a pair may be in, and the venue never is."""

_KINDS = (
    # --- requests
    _request("lose_answer", "the request is done, and never answered", lambda _: faults.lose_answer()),
    _request("lose_request", "nothing is done, and nothing answered", lambda _: faults.lose_request()),
    _request("break_before", "the connection breaks, nothing is done", lambda _: faults.kill_before()),
    _request("break_after", "the request is done, the connection breaks", lambda _: faults.kill_after()),
    _request("close_after", "the request is done, the WebSocket closes with 1001", lambda _: faults.close_after()),
    _request(
        "accept_late",
        "the request is taken only after a while, and answered then",
        lambda v: faults.accept_late(v["delay_s"]),
        delay_s=seconds(5.0),
    ),
    _request(
        "answer_late",
        "the request is done at once, and answered after a while",
        lambda v: faults.answer_late(v["delay_s"]),
        delay_s=seconds(5.0),
    ),
    _request(
        "fail_then_accept",
        "an HTTP status, an error, a broken connection or silence at once; the request is taken later all the same",
        _failed_then_taken,
        later_s=seconds(10.0),
        status=whole(400, 599, None),
        error=text(None),
        body=text(HTML),
        kill=flag(False),
    ),
    _request(
        "http_status",
        "an HTTP status with an HTML body instead of the answer, before the request is done or (done) after",
        lambda v: faults.http_error(v["status"], v["body"], done=v["done"]),
        status=whole(400, 599, 502),
        body=text(HTML),
        done=flag(False),
    ),
    _request(
        "error",
        "any error string instead of the answer, before the request is done or (done) after",
        _error,
        error=text(errors.UNAVAILABLE),
        done=flag(False),
    ),
    _request(
        "invalid_nonce", "the request is refused for its nonce", lambda _: faults.refuse_with(errors.INVALID_NONCE)
    ),
    _request(
        "stall_request",
        "the connection goes half-open for a while, in front of the request or (done) of its answer",
        _stall,
        stall_s=seconds(math.inf),
        done=flag(False),
    ),
    _request("strange_answer", "the answer has members nobody knows", lambda _: faults.strange_answer()),
    # --- frames
    _frame("drop_frame", "numbered and not sent: a hole in the sequence, a book that went wrong", "drop"),
    _frame("lose_frame", "neither numbered nor sent: nobody can see that it is missing", "lose", *_SEQUENCED),
    _frame("duplicate_frame", "sent twice", "duplicate"),
    _frame("reorder_frame", "sent after the next frame of its channel, or with the next heartbeat", "swap"),
    _frame("sequence_gap", "sent with a number too high by one", "skip_sequence", *_SEQUENCED),
    _frame("wrong_checksum", "sent with a wrong checksum", "corrupt", "book"),
    _frame("strange_frame", "sent with unknown members, behind a frame of an unknown channel", "strange"),
    _frame("stall_frame", "from this frame on the connection is half-open", "stall"),
    _frame("close_frame", "the connection closes with 1001 instead", "close"),
    _frame("break_frame", "the connection breaks instead", "kill"),
    # --- the venue
    _venue(
        "kick",
        "the WebSockets there are end, with a close code or (0) by breaking",
        code=whole(0, 4999, 1001),
        reason=text("CloudFlare WebSocket proxy restarting"),
        who=_WHO,
    ),
    _venue(
        "stall",
        "the connections there are go half-open for a while; new ones are well",
        hold_s=seconds(math.inf),
        transports=choice("ws", "rest", "all"),
        who=_WHO,
    ),
    _venue(
        "refuse_connections",
        "for a while every new connection ends at once; those there are stay",
        hold_s=seconds(10.0),
    ),
    _venue(
        "expire_token",
        "every WebSocket token becomes invalid; with in_use those of running subscriptions as well",
        in_use=flag(False),
    ),
    _venue(
        "fire_dead_man", "the dead man's switch fires: every open order of an account is canceled", account=text("")
    ),
    _venue(
        "cancel_order",
        "somebody else cancels open orders of an account (of the symbols, if there are any)",
        after=True,
        account=text(""),
        which=choice("oldest", "newest", "all"),
        reason=text("User requested"),
    ),
    _venue(
        "liquidate",
        "the venue closes so many percent of the oldest margin position of an account in each of the symbols",
        after=True,
        account=text(""),
        percent=whole(1, 100, 100),
    ),
    _venue(
        "status",
        "the venue (with symbol: those pairs alone) enters a mode, and is online again after a while",
        mode=choice("cancel_only", "post_only", "maintenance", "online", *PAIR_MODES),
        hold_s=seconds(math.inf),
    ),
    _venue(
        "rest_lag",
        "REST queries see orders, trades and balances as they were so long ago",
        lag_s=seconds(5.0),
        hold_s=seconds(math.inf),
    ),
)
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _KINDS})
