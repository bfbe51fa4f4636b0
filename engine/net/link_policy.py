"""What makes a link healthy, degraded or unhealthy, and when it is given up. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from engine.errors import ConfigError

Grade = Literal["healthy", "degraded", "unhealthy"]


class LinkPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of every link. Rates are shares of the messages received in a window, 0..1."""

    heartbeat_degraded_s: float = 15  # since the last heartbeat or data frame
    heartbeat_unhealthy_s: float = 30  # and then the connection is given up
    ping_every_s: float = 5
    ping_degraded_s: float = 1  # the last answer's latency, or the age of a ping without one
    ping_unhealthy_s: float = 5
    ping_lost_s: float = 10  # a ping without an answer for so long gives the connection up
    error_rate_degraded: float = 0.10
    error_rate_unhealthy: float = 0.50
    rate_window_s: float = 60
    rate_least: int = 20  # with fewer messages in the window a rate says nothing
    gaps_degraded: int = 2  # frames went missing so many times within the window
    gaps_unhealthy: int = 5
    gap_window_s: float = 600
    steady_s: float = 5  # an improvement must have held for so long
    look_every_s: float = 1

    alarm_after: int = 5  # tries in a row that did not bring a complete stream
    connections_most: int = 120  # both streams together; Kraken bans an address after about 150 in 10 minutes
    connections_private: int = 20  # of which the public stream leaves so many to the private one
    connections_within_s: float = 600
    messages_most: int = 10  # subscriptions on one connection; Kraken once said about 20 a second
    messages_within_s: float = 1
    requests_most: int = 18  # orders, cancels, pings and private subscriptions on one connection: just below that
    requests_within_s: float = 1.1  # a little more than a second, for messages may catch up with each other
    requests_reserved: int = 4  # of which entries leave so many to exits, cancels and pings

    def check(self) -> None:
        """Refuse bounds that contradict each other. Raises ConfigError naming the setting."""
        for name in ("heartbeat", "ping", "error_rate", "gaps"):
            unit = "_s" if name in ("heartbeat", "ping") else ""
            low, high = f"{name}_degraded{unit}", f"{name}_unhealthy{unit}"
            if not 0 < getattr(self, low) <= getattr(self, high):
                raise ConfigError(f"link: {low} must be above 0 and not above {high}")
        for name in ("ping_every_s", "rate_window_s", "gap_window_s", "look_every_s", "connections_most",
                     "connections_within_s", "messages_most", "messages_within_s", "requests_most",
                     "requests_within_s", "alarm_after"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ConfigError(f"link: {name} must be above 0, is {getattr(self, name)}")
        if not 0 <= self.connections_private < self.connections_most:
            raise ConfigError("link: connections_private must be below connections_most, or no feed could ever connect")
        if not 0 <= self.requests_reserved < self.requests_most:
            raise ConfigError("link: requests_reserved must be below requests_most, or no entry could ever be sent")


class Vitals(NamedTuple):
    """What is measured of a link at one moment. ``ping_s`` is the worse of last latency and waiting ping."""

    heartbeat_age_s: float
    ping_s: float = 0.0
    ping_waits_s: float = 0.0
    messages: int = 0  # received in the window
    errors: int = 0  # in the same window
    gaps: int = 0  # in theirs


class Judgement(NamedTuple):
    """The grade, the measure that decided it (empty when healthy), and whether the connection is to be given up."""

    grade: Grade
    why: str = ""
    give_up: bool = False


def judge(vitals: Vitals, policy: LinkPolicy) -> Judgement:
    """Grade a link whose stream is complete; the worst measure decides, the first of equals gives the reason."""
    rate = vitals.errors / vitals.messages if vitals.messages >= max(policy.rate_least, 1) else 0.0
    measures = (
        (f"no heartbeat for {vitals.heartbeat_age_s:.1f} s", vitals.heartbeat_age_s,
         policy.heartbeat_degraded_s, policy.heartbeat_unhealthy_s),
        (f"ping took {vitals.ping_s:.2f} s", vitals.ping_s, policy.ping_degraded_s, policy.ping_unhealthy_s),
        (f"errors in {rate:.0%} of {vitals.messages} messages", rate,
         policy.error_rate_degraded, policy.error_rate_unhealthy),
        (f"{vitals.gaps} gaps in {policy.gap_window_s:g} s", vitals.gaps,
         policy.gaps_degraded, policy.gaps_unhealthy),
    )  # fmt: skip
    if vitals.heartbeat_age_s >= policy.heartbeat_unhealthy_s:
        return Judgement("unhealthy", measures[0][0], give_up=True)
    if vitals.ping_waits_s >= policy.ping_lost_s:
        return Judgement("unhealthy", f"no answer to a ping for {vitals.ping_waits_s:.1f} s", give_up=True)
    for why, value, _, unhealthy in measures:
        if value >= unhealthy:
            return Judgement("unhealthy", why)
    for why, value, degraded, _ in measures:
        if value >= degraded:
            return Judgement("degraded", why)
    return Judgement("healthy")
