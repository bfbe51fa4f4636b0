"""Where faults come in: an object consulted before a request is committed, before it is answered, per private frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Transport = Literal["ws", "rest"]
Phase = Literal["before", "after"]  # before the engine acts; after it acted, before the answer
FrameVerdict = Literal["send", "drop", "duplicate", "skip_sequence", "kill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do at one point of a request: first wait, then at most one of the others.

    In phase ``before`` an error, a drop or a kill means that the request never takes effect.
    """

    delay_s: float = 0.0
    drop: bool = False  # no answer, the connection stays
    kill: bool = False  # no answer, the connection breaks
    error: str | None = None  # this error text instead of the answer
    http_status: int | None = None  # REST: this status with ``body`` instead of the answer
    body: str = ""

    @property
    def interferes(self) -> bool:
        """Tell whether the ordinary answer is replaced."""
        return self.drop or self.kill or self.error is not None or self.http_status is not None


CLEAR = Verdict()


class Faults(Protocol):
    """Consulted at named points; ``method`` is the REST endpoint or the WebSocket method."""

    async def on_request(self, transport: Transport, method: str, phase: Phase) -> Verdict:
        """Judge a private request (or a WebSocket subscription) in one phase."""
        ...

    def on_frame(self, channel: str) -> FrameVerdict:
        """Judge one outgoing frame of a private channel."""
        ...


class NoFaults:
    """Nothing goes wrong."""

    async def on_request(self, transport: Transport, method: str, phase: Phase) -> Verdict:  # noqa: ARG002
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


def accept_late(delay_s: float) -> Action:
    """Take the request only after a while (its deadline is then judged)."""
    return Action("before", Verdict(delay_s=delay_s))


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


class ScriptedFaults:
    """Faults at the n-th request of a method or the n-th frame of a channel, counted from 1 per name."""

    def __init__(self) -> None:
        self._actions: dict[tuple[str, int], Action] = {}
        self._frames: dict[tuple[str, int], FrameVerdict] = {}
        self._requests_seen: dict[str, int] = {}
        self._frames_seen: dict[str, int] = {}

    def at(self, method: str, nth: int, action: Action) -> ScriptedFaults:
        """Let ``action`` happen at the nth request of ``method``, counted over both transports."""
        self._actions[method, nth] = action
        return self

    def at_frame(self, channel: str, nth: int, verdict: FrameVerdict) -> ScriptedFaults:
        """Let ``verdict`` happen to the nth frame of a private channel, counted over all connections."""
        self._frames[channel, nth] = verdict
        return self

    async def on_request(self, transport: Transport, method: str, phase: Phase) -> Verdict:  # noqa: ARG002
        """Look up the action of this request; requests of one method are taken as not overlapping."""
        if phase == "before":
            self._requests_seen[method] = self._requests_seen.get(method, 0) + 1
        action = self._actions.get((method, self._requests_seen.get(method, 0)))
        return action.verdict if action is not None and action.phase == phase else CLEAR

    def on_frame(self, channel: str) -> FrameVerdict:
        """Look up the verdict of this frame."""
        self._frames_seen[channel] = nth = self._frames_seen.get(channel, 0) + 1
        return self._frames.get((channel, nth), "send")
