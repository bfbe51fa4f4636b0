"""A link as others see it: frozen, one moment."""

from __future__ import annotations

import msgspec


class Gap(msgspec.Struct, frozen=True):
    """Messages of one channel that did not reach us: ``first`` to ``last`` inclusive, open-ended while None.

    The numbers are the channel's own (``sequence``; for a book its version here). ``at_s`` is trio's clock.
    """

    channel: str
    first: int
    last: int | None
    at_s: float


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of one link over all its connections. Times of trio's clock end in ``_s``; rates are shares."""

    name: str
    state: str
    why: str
    """Why it is in this state, empty while healthy."""
    since_s: float
    state_for_s: float
    alarm: bool
    """Five tries in a row (``alarm_after``) have failed."""
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    rate_in: float
    """Messages a second over the window."""
    errors: int
    error_rate: float
    invalid: int
    invalid_rate: float
    duplicates: int
    duplicate_rate: float
    attempts: int
    failures_in_a_row: int
    disconnects: int
    uptime_share: float
    """Time with a complete stream since the first try, 0..1; unhealthy does not count."""
    latency_s: float | None
    heartbeat_age_s: float | None
    gaps: tuple[Gap, ...]
    """Not healed yet."""
    gaps_total: int
    gaps_healed: int
