"""Where faults come in: an object consulted before a request is committed, before it is answered, and per frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, Protocol

Transport = Literal["ws", "rest"]
Phase = Literal["before", "after"]  # before the engine acts; after it acted, before the answer
FrameVerdict = Literal[
    "send",
    "drop",  # numbered and not sent: a gap in the sequence
    "lose",  # neither numbered nor sent: nobody can see that it is missing
    "duplicate",
    "skip_sequence",  # sent with a number too high by one
    "swap",  # sent after the next frame of its channel, or with the next heartbeat
    "corrupt",  # its checksum is wrong
    "strange",  # with unknown members, and a frame of an unknown channel before it
    "stall",  # from here on the connection is half-open
    "close",  # the connection closes with 1001 instead
    "kill",  # the connection breaks instead
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do at one point of a request: first wait, then at most one of the replacements of the answer.

    In phase ``before`` a replacement means that the request never takes effect, unless ``later_s`` says when it does.
    """

    delay_s: float = 0.0
    drop: bool = False  # no answer, the connection stays
    kill: bool = False  # no answer, the connection breaks
    close: bool = False  # no answer, a WebSocket closes with 1001 (REST: as kill)
    error: str | None = None  # this error text instead of the answer
    http_status: int | None = None  # REST and WebSocket upgrades: this status with ``body`` instead of the answer
    body: str = ""
    later_s: float | None = None  # before: the request takes effect so much later all the same, unanswered
    stall_s: float = 0.0  # the connection is half-open for so long, this answer is behind that
    strange: bool = False  # after: the answer has members nobody knows

    @property
    def interferes(self) -> bool:
        """Tell whether the ordinary answer is replaced."""
        replaced = self.drop or self.kill or self.close
        return replaced or self.error is not None or self.http_status is not None


CLEAR = Verdict()
EVERY = "*"
"""Any name, where faults are matched by name."""
_MOST_PENDING = 10_000


def merged(verdicts: list[Verdict]) -> Verdict:
    """Put several verdicts of one point together; where two say the same thing differently, the later one counts."""
    if len(verdicts) < 2:
        return verdicts[0] if verdicts else CLEAR
    chosen = {}
    for field in fields(Verdict):
        for verdict in verdicts:
            value = getattr(verdict, field.name)
            if value != field.default:
                chosen[field.name] = value
    return Verdict(**chosen)


class Faults(Protocol):
    """Consulted at named points.

    ``method`` is the REST endpoint (public ones too) or the WebSocket method; ``connect`` is a WebSocket's upgrade,
    ``ping`` its ping. Those two, subscriptions and public endpoints are judged in phase ``before`` only.
    """

    async def on_request(self, transport: Transport, method: str, phase: Phase, number: int) -> Verdict:
        """Judge a request in one phase; ``number`` is the same in both and no other request has it."""
        ...

    def on_frame(self, channel: str) -> FrameVerdict:
        """Judge one outgoing frame of a channel; ``heartbeat`` is one of them."""
        ...


class NoFaults:
    """Nothing goes wrong."""

    async def on_request(self, transport: Transport, method: str, phase: Phase, number: int) -> Verdict:  # noqa: ARG002
        """Let everything pass."""
        return CLEAR

    def on_frame(self, channel: str) -> FrameVerdict:  # noqa: ARG002
        """Send everything."""
        return "send"


@dataclass(frozen=True, slots=True)
class Action:
    """A verdict for one phase of a request."""

    phase: Phase
    verdict: Verdict


class Pending:
    """What has been chosen for requests under way, until their second phase."""

    def __init__(self) -> None:
        self._actions: dict[int, list[Action]] = {}

    def begin(self, number: int, actions: list[Action]) -> Verdict:
        """Return what happens before, and keep the rest, unless the request is not to be done at all."""
        verdict = merged([action.verdict for action in actions if action.phase == "before"])
        later = [action for action in actions if action.phase == "after"]
        if later and not verdict.interferes:
            self._actions[number] = later
            if len(self._actions) > _MOST_PENDING:  # those of methods that are never judged afterwards
                del self._actions[next(iter(self._actions))]
        return verdict

    def end(self, number: int) -> Verdict:
        """Return what happens after."""
        return merged([action.verdict for action in self._actions.pop(number, [])])


def lose_answer() -> Action:
    """Do it, and never answer."""
    return Action("after", Verdict(drop=True))


def lose_request() -> Action:
    """Do nothing, and never answer."""
    return Action("before", Verdict(drop=True))


def kill_before() -> Action:
    """Break the connection before anything is done."""
    return Action("before", Verdict(kill=True))


def kill_after() -> Action:
    """Do it and break the connection instead of answering."""
    return Action("after", Verdict(kill=True))


def close_after() -> Action:
    """Do it and close the WebSocket with 1001 instead of answering."""
    return Action("after", Verdict(close=True))


def accept_late(delay_s: float) -> Action:
    """Take the request only after a while (its deadline is then judged), and answer then."""
    return Action("before", Verdict(delay_s=delay_s))


def fail_then_accept(
    delay_s: float, *, status: int | None = None, error: str | None = None, body: str = "", kill: bool = False
) -> Action:
    """Answer with a bare HTTP status, an error, a break or silence at once, and take the request after a while."""
    silent = status is None and error is None and not kill
    verdict = Verdict(http_status=status, error=error, body=body, kill=kill, drop=silent, later_s=delay_s)
    return Action("before", verdict)


def answer_late(delay_s: float) -> Action:
    """Do it at once and answer after a while."""
    return Action("after", Verdict(delay_s=delay_s))


def refuse_with(error: str) -> Action:
    """Do nothing and answer this error."""
    return Action("before", Verdict(error=error))


def lie_with(error: str) -> Action:
    """Do it and answer this error all the same."""
    return Action("after", Verdict(error=error))


def http_error(status: int, body: str = "<html><body>Bad gateway</body></html>", *, done: bool = False) -> Action:
    """Answer a REST call with a bare HTTP status, with the request done or not."""
    return Action("after" if done else "before", Verdict(http_status=status, body=body))


def stall_before(seconds: float = math.inf) -> Action:
    """Let the connection go half-open when the request arrives: it is done once that is over."""
    return Action("before", Verdict(stall_s=seconds))


def stall_after(seconds: float = math.inf) -> Action:
    """Do it, and let the connection go half-open in front of the answer."""
    return Action("after", Verdict(stall_s=seconds))


def strange_answer() -> Action:
    """Do it, and answer with members nobody knows."""
    return Action("after", Verdict(strange=True))
