"""An alarm as others see it: what is wrong, with what, how bad, since when, and whether a person has seen it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Level = Literal["info", "warning", "critical"]
RANK: Final[dict[str, int]] = {"info": 0, "warning": 1, "critical": 2}


class AlarmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a link counts as slow or restless, and what is told to the outside."""

    latency_s: float = 1.0
    """A ping's answer that takes longer raises LINK_SLOW."""
    reconnects_most: int = 5
    reconnects_window_s: float = 600.0
    """More lost connections of one link within this raise LINK_RECONNECTS."""
    clear_after_s: float = 10.0
    """A condition that has been gone for so long is over; one that comes back sooner is the same alarm."""
    tell_from: Level = "warning"
    """What a webhook or a messenger is told: this level and those above it."""


class Condition(msgspec.Struct, frozen=True):
    """Something that stands now. ``subject`` is whose it is: a link, an order, a signal, a strategy."""

    code: str
    subject: str
    text: str


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is or was wrong; ``code`` and ``subject`` together are its identity. Times in UTC nanoseconds.

    ``number`` is this process's own. ``count`` is how often it came. ``standing``: it is not over; an alarm about
    something that has happened, and cannot end by itself, stands until it is acknowledged.
    """

    number: int
    code: str
    subject: str
    level: Level
    text: str
    what_to_do: str
    first_ns: int
    last_ns: int
    count: int = 1
    standing: bool = True
    cleared_ns: int = 0
    acked_ns: int = 0
    acked_why: str = ""


class AlarmChange(msgspec.Struct, frozen=True):
    """What has just happened to an alarm. ``repeated`` is one that was raised already and came again."""

    change: Literal["raised", "repeated", "cleared", "acknowledged"]
    alarm: Alarm
