"""Watches one link: feeds its machine, counts its traffic, keeps its gaps. Times come in as arguments."""

from __future__ import annotations

import math

import structlog

from engine.net.link import COMPLETE, LinkMachine, fire
from engine.net.link_policy import Judgement, LinkPolicy, Vitals, judge
from engine.net.link_view import Gap, LinkView
from engine.net.traffic import Tally, Traffic

log = structlog.get_logger()

_EVENT_OF_GRADE = {"healthy": "recover", "degraded": "degrade", "unhealthy": "sicken"}
_WATCHED = COMPLETE | {"connected", "authenticated"}
_RANK = {"healthy": 0, "degraded": 1, "unhealthy": 2}


class LinkMonitor:
    """One link's machine and figures. The link tells what happens; ``look`` judges, and says when to give up.

    Every change of state is logged once (``link.state``), the fifth failure in a row raises ``link.alarm`` once.
    """

    def __init__(self, name: str, policy: LinkPolicy) -> None:
        self.name, self.policy = name, policy
        self.state = "disconnected"
        self.why = ""
        self.failures_in_a_row = 0
        self._machine = LinkMachine(model=self)
        self._traffic = Traffic(policy.rate_window_s)
        self._gap_tally = Tally(policy.gap_window_s)
        self._gaps: dict[str, Gap] = {}
        self._healed = self._attempts = self._disconnects = 0
        self._since_s = self._first_try_s = 0.0
        self._up_s = 0.0
        self._heard_s = -math.inf
        self._latency_s: float | None = None
        self._pings: dict[int, float] = {}
        self._better_since_s: float | None = None
        self._alarm = False

    # the life of a connection

    def dial(self, now_s: float) -> None:
        """A connection is being tried."""
        self._attempts += 1
        if self._attempts == 1:
            self._first_try_s = now_s
        self._move("dial", now_s)

    def connected(self, now_s: float) -> None:
        """It is open."""
        self._pings.clear()
        self._latency_s, self._better_since_s = None, None
        self._heard_s = now_s
        self._move("connect", now_s)

    def authenticated(self, now_s: float) -> None:
        """The venue has accepted who we are."""
        self._move("authenticate", now_s)

    def complete(self, now_s: float) -> None:
        """The stream says everything up to now."""
        self._move("complete", now_s)
        self.failures_in_a_row, self._alarm = 0, False

    def lost(self, now_s: float, why: str) -> None:
        """The connection ended, or did not come about."""
        if self.state in COMPLETE:
            self._disconnects += 1
        else:
            self.failures_in_a_row += 1
        self._move("lose", now_s, why)
        if self.failures_in_a_row >= self.policy.alarm_after and not self._alarm:
            self._alarm = True
            log.error("link.alarm", link=self.name, failures=self.failures_in_a_row, why=why)

    def stopped(self, now_s: float) -> None:
        """Nobody keeps the link up any more."""
        if self.state != "disconnected":
            self._move("stop", now_s, "stopped")

    def look(self, now_s: float) -> str:
        """Judge the link now. Returns why the connection is to be given up, or nothing."""
        if self.state not in _WATCHED:
            return ""
        judgement = judge(self._vitals(now_s), self.policy)
        if self.state in COMPLETE:
            self._grade(judgement, now_s)
        return judgement.why if judgement.give_up else ""

    def _grade(self, judgement: Judgement, now_s: float) -> None:
        step = _RANK[judgement.grade] - _RANK[self.state]
        if step >= 0:
            self._better_since_s = None
        elif self._better_since_s is None:
            self._better_since_s = now_s
        if step > 0 or (self._better_since_s is not None and now_s - self._better_since_s >= self.policy.steady_s):
            self._better_since_s = None
            self._move(_EVENT_OF_GRADE[judgement.grade], now_s, judgement.why)

    def _move(self, event: str, now_s: float, why: str = "") -> None:
        before = self.state
        if before in ("healthy", "degraded"):
            self._up_s += now_s - self._since_s
        fire(self._machine, event)
        self.why, self._since_s = why, now_s
        told = log.warning if self.state in ("degraded", "unhealthy") else log.info
        told("link.state", link=self.name, state=self.state, before=before, why=why)

    # what goes over it

    def received(self, size: int, now_s: float) -> None:
        """A message of ``size`` bytes came."""
        self._traffic.messages_in.add(now_s)
        self._traffic.bytes_in += size

    def sent(self, size: int) -> None:
        """A message of ``size`` bytes was written."""
        self._traffic.messages_out += 1
        self._traffic.bytes_out += size

    def beat(self, now_s: float) -> None:
        """A heartbeat or a data frame came: the venue knows of our subscriptions."""
        self._heard_s = now_s

    def pinged(self, number: int, now_s: float) -> None:
        """A ping was written. Those without an answer are as many as fit between two looks at the oldest."""
        self._pings[number] = now_s

    def ponged(self, number: int | None, now_s: float) -> None:
        """Its answer came, and with it those of the pings before it."""
        sent_s = self._pings.get(number) if number is not None else None
        if sent_s is not None:
            self._latency_s = now_s - sent_s
            self._pings = {one: at for one, at in self._pings.items() if at > sent_s}

    def error(self, now_s: float) -> None:
        """The venue dropped or refused something it should have taken."""
        self._traffic.errors.add(now_s)

    def invalid(self, now_s: float) -> None:
        """A message broke the contract."""
        self._traffic.errors.add(now_s)
        self._traffic.invalid.add(now_s)

    def duplicate(self, now_s: float) -> None:
        """A message came a second time and was dropped."""
        self._traffic.duplicates.add(now_s)

    # what is missing

    def gap(self, channel: str, first: int, last: int | None, now_s: float) -> None:
        """Messages went missing; an older range of the channel that is still open stays as it is."""
        self._gap_tally.add(now_s)
        self.away(channel, first, last, now_s)

    def away(self, channel: str, first: int, last: int | None, now_s: float) -> None:
        """The connection went and with it what followed ``first``: a gap that no number proves."""
        self._gaps.setdefault(channel, Gap(channel, first, last, now_s))

    def heal(self, channel: str) -> None:
        """What was missing in a channel has been made up for."""
        if self._gaps.pop(channel, None) is not None:
            self._healed += 1

    # how it stands

    def _vitals(self, now_s: float) -> Vitals:
        waits_s = now_s - next(iter(self._pings.values()), now_s)
        return Vitals(
            heartbeat_age_s=now_s - self._heard_s,
            ping_s=max(self._latency_s or 0.0, waits_s),
            ping_waits_s=waits_s,
            messages=self._traffic.messages_in.recent(now_s),
            errors=self._traffic.errors.recent(now_s),
            gaps=self._gap_tally.recent(now_s),
        )

    def view(self, now_s: float) -> LinkView:
        """Return the figures of this moment."""
        traffic = self._traffic
        up_s = self._up_s + (now_s - self._since_s if self.state in ("healthy", "degraded") else 0.0)
        known_s = now_s - self._first_try_s if self._attempts else 0.0
        return LinkView(
            name=self.name,
            state=self.state,
            why=self.why,
            since_s=self._since_s,
            state_for_s=now_s - self._since_s,
            alarm=self._alarm,
            messages_in=traffic.messages_in.total,
            messages_out=traffic.messages_out,
            bytes_in=traffic.bytes_in,
            bytes_out=traffic.bytes_out,
            rate_in=traffic.messages_in.recent(now_s) / traffic.span_s,
            errors=traffic.errors.total,
            error_rate=traffic.share(traffic.errors, now_s),
            invalid=traffic.invalid.total,
            invalid_rate=traffic.share(traffic.invalid, now_s),
            duplicates=traffic.duplicates.total,
            duplicate_rate=traffic.share(traffic.duplicates, now_s),
            attempts=self._attempts,
            failures_in_a_row=self.failures_in_a_row,
            disconnects=self._disconnects,
            uptime_share=up_s / known_s if known_s > 0 else 0.0,
            latency_s=self._latency_s,
            heartbeat_age_s=now_s - self._heard_s if self.state in COMPLETE else None,
            gaps=tuple(self._gaps.values()),
            gaps_total=self._gap_tally.total,
            gaps_healed=self._healed,
        )
