"""The tables that shape the engine itself: log, patience and queues, the behaviour of brackets."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from engine.config.section import Pause, Place, Seconds, Section
from engine.market.topics import MarketChannel
from engine.orders.bracket_events import Policy
from engine.runtime.settings import EngineSettings

Queue = Annotated[int, Field(ge=16, le=1_000_000)]
Failures = Annotated[int, Field(ge=1, le=1000)]

SnapshotRows = Annotated[int, Field(ge=1000, le=10_000_000)]
"""Closer together they would cost more than a start gains."""
PulseBound = Annotated[float, Field(ge=3, le=600)]
"""Not below a few beats, or a slow disk would look like a standstill."""
CloseBound = Annotated[float, Field(ge=15, le=300)]
"""Not below what a lost answer's proof takes, nor beyond what the door waits for."""

_ENGINE, _POLICY = EngineSettings(), Policy()


class LogSection(Section):
    """``log``: what is told on stderr and into a file."""

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    file: Place | None = None


class EngineSection(Section):
    """``engine``: the running engine's patience and queues."""

    durability: Literal["power", "process"] = _ENGINE.durability
    snapshot_rows: SnapshotRows | None = _ENGINE.snapshot_rows
    book_wait_s: Seconds = _ENGINE.book_wait_s
    resume_bound_s: Seconds = _ENGINE.resume_bound_s
    pulse_bound_s: PulseBound = _ENGINE.pulse_bound_s
    shutdown_bound_s: Seconds = _ENGINE.shutdown_bound_s
    close_wish_s: Seconds = _ENGINE.close_wish_s
    close_bound_s: CloseBound = _ENGINE.close_bound_s
    on_stop: Literal["detach", "flatten"] = _ENGINE.on_stop
    send_bound_s: Seconds = _ENGINE.send_bound_s
    breaker_failures: Failures = _ENGINE.breaker_failures
    breaker_rest_s: Seconds = _ENGINE.breaker_rest_s
    poll_every_s: Seconds = _ENGINE.poll_every_s
    visibility_lag_s: Pause = _ENGINE.visibility_lag_s
    visibility_lag_broken_s: Pause = _ENGINE.visibility_lag_broken_s
    silent_immediate_s: Seconds = _ENGINE.silent_immediate_s
    silent_resting_s: Seconds = _ENGINE.silent_resting_s
    silent_after_news_s: Seconds = _ENGINE.silent_after_news_s
    order_inbox: Queue = _ENGINE.order_inbox
    bracket_inbox: Queue = _ENGINE.bracket_inbox
    subscriber_queue: Queue = _ENGINE.subscriber_queue


class MarketSection(Section):
    """``market``: what is subscribed from the start, and how far readers may fall behind."""

    pairs: tuple[str, ...] = _ENGINE.market.pairs
    channels: tuple[MarketChannel, ...] = _ENGINE.market.channels
    reader_queue: Queue = _ENGINE.market.reader_queue


class MarginSection(Section):
    """``margin``: how it is watched. That it may be used at all stands in limits.toml."""

    poll_s: Annotated[float, Field(ge=2, le=300)] = _ENGINE.margin.poll_s
    level_alarm_pct: Annotated[Decimal, Field(ge=40, le=10_000)] = _ENGINE.margin.level_alarm_pct
    liquidation_alarm_pct: Annotated[Decimal, Field(gt=0, le=100)] = _ENGINE.margin.liquidation_alarm_pct


class PolicySection(Section):
    """``policy``: how brackets behave."""

    cover_window_s: Pause = _POLICY.cover_window_s
    cover_bound_s: Seconds = _POLICY.cover_bound_s
    swap_bound_s: Seconds = _POLICY.swap_bound_s
    swap_pause_s: Pause = _POLICY.swap_pause_s
    retry_pause_s: Pause = _POLICY.retry_pause_s
    naked_action: Literal["alert", "close"] = _POLICY.naked_action
