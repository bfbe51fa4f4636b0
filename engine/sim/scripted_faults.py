"""Faults by plan: at the n-th request or frame of a name, during a span of time, or by chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import trio

from engine.sim.faults import EVERY, Action, FrameVerdict, Pending, Phase, Transport, Verdict


@dataclass(frozen=True, slots=True)
class _Rule:
    """Whom it concerns: a name (or every one), over one transport or both, when ``applies`` says so.

    ``applies`` gets the number of this request or frame among those of its name, from 1.
    """

    name: str
    applies: Callable[[int], bool]
    actions: tuple[Action, ...] = ()
    frame: FrameVerdict = "send"
    transport: Transport | None = None

    def concerns(self, name: str, transport: Transport | None = None) -> bool:
        """Tell whether the name (and transport) is meant."""
        return self.name in (name, EVERY) and self.transport in (None, transport)


class ScriptedFaults:
    """Rules by name; all that apply to a request act together, of those for a frame the first. They may be added
    while the exchange runs. ``*`` means every name; times are seconds from the call that makes the rule.
    """

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._frame_rules: list[_Rule] = []
        self._seen: dict[str, int] = {}
        self._frames_seen: dict[str, int] = {}
        self._pending = Pending()

    # --- requests

    def at(self, method: str, nth: int, *actions: Action) -> ScriptedFaults:
        """At the nth request of ``method``, counted from 1 by arrival, over both transports."""
        self._rules.append(_Rule(method, lambda n: n == nth, actions))
        return self

    def during(
        self,
        method: str,
        start_s: float,
        end_s: float,
        *actions: Action,
        transport: Transport | None = None,
    ) -> ScriptedFaults:
        """At every request from ``start_s`` until ``end_s`` (``math.inf``: for ever) from now."""
        self._rules.append(_Rule(method, _within(start_s, end_s), actions, transport=transport))
        return self

    def always(self, method: str, *actions: Action, transport: Transport | None = None) -> ScriptedFaults:
        """At every request."""
        return self.during(method, 0, math.inf, *actions, transport=transport)

    def sometimes(
        self, method: str, probability: float, stream: Random, *actions: Action, transport: Transport | None = None
    ) -> ScriptedFaults:
        """With a probability at each request, drawn from a stream of the chance seam."""
        self._rules.append(_Rule(method, lambda _: stream.random() < probability, actions, transport=transport))
        return self

    # --- frames

    def at_frame(self, channel: str, nth: int, verdict: FrameVerdict) -> ScriptedFaults:
        """To the nth frame of a channel, counted over all connections."""
        self._frame_rules.append(_Rule(channel, lambda n: n == nth, frame=verdict))
        return self

    def frames_during(self, channel: str, start_s: float, end_s: float, verdict: FrameVerdict) -> ScriptedFaults:
        """To every frame from ``start_s`` until ``end_s`` from now."""
        self._frame_rules.append(_Rule(channel, _within(start_s, end_s), frame=verdict))
        return self

    def frames_sometimes(
        self, channel: str, probability: float, stream: Random, verdict: FrameVerdict
    ) -> ScriptedFaults:
        """With a probability to each frame."""
        self._frame_rules.append(_Rule(channel, lambda _: stream.random() < probability, frame=verdict))
        return self

    # --- consulted by the exchange

    async def on_request(self, transport: Transport, method: str, phase: Phase, number: int) -> Verdict:
        """Choose a request's actions when it arrives, and give them phase by phase."""
        if phase == "before":
            self._seen[method] = nth = self._seen.get(method, 0) + 1
            met = [rule for rule in self._rules if rule.concerns(method, transport) and rule.applies(nth)]
            actions = [action for rule in met for action in rule.actions]
            return self._pending.begin(number, actions)
        return self._pending.end(number)

    def on_frame(self, channel: str) -> FrameVerdict:
        """Look up the verdict of this frame."""
        self._frames_seen[channel] = nth = self._frames_seen.get(channel, 0) + 1
        for rule in self._frame_rules:
            if rule.concerns(channel) and rule.applies(nth):
                return rule.frame
        return "send"


def _within(start_s: float, end_s: float) -> Callable[[int], bool]:
    made = trio.current_time()
    return lambda _: made + start_s <= trio.current_time() < made + end_s
