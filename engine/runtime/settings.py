"""What the running engine may be told. Durations in seconds, capacities in messages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from engine.market.topics import MarketChannel
from engine.orders.bracket_events import Policy
from engine.risk.breaker import FAILURES, REST_S
from engine.risk.limits import UNLIMITED, Limits
from engine.runtime.alarm import AlarmSettings
from engine.runtime.margin_settings import MarginSettings


class MarketSettings(msgspec.Struct, frozen=True):
    """``pairs`` are subscribed from the start, to ``channels``; ``channels`` also where a program names none."""

    pairs: tuple[str, ...] = ()
    channels: tuple[MarketChannel, ...] = ("book", "trade", "ticker")
    reader_queue: int = 4096
    """What an Every reader may let wait: minutes of a busy symbol's trades."""


class EngineSettings(msgspec.Struct, frozen=True):
    """``data_dir`` holds the journal; the harness gives a journal instead and leaves it None."""

    data_dir: Path | None = None
    lease_dir: Path | None = None
    """Where the lease of the API key lies: one fixed place per user, so that two data directories cannot share a key.
    None for a loopback venue, whose lease is its journal's."""
    durability: Literal["power", "process"] = "power"
    policy: Policy = Policy()
    limits: Limits = UNLIMITED
    """What entries are held to. A live venue needs limits of its own: the built-in ones let everything pass."""
    book_wait_s: float = 10.0
    """How long a signal may wait for its symbol's first verified book before it is denied."""
    resume_bound_s: float = 5.0
    """How long protection waits for REST after a restart while the private stream stands: its bound is 10 s in all."""
    pulse_bound_s: float = 10.0
    """An engine whose own pulse is older stood still: it looks at its lease and halts entries before it sends on."""
    dead_man_s: int | None = None
    """Time-out of the venue's dead man's switch while only entries rest; None: it is never armed."""
    shutdown_bound_s: float = 15.0
    """From the wish to end to the last socket closed, also against a half-open venue."""
    close_wish_s: float = 10.0
    """How long a close keeps to its slippage; then it trades at market."""
    close_bound_s: float = 60.0
    """From the word to the report. What is not flat by then is told, and goes on being closed."""
    on_stop: Literal["detach", "flatten"] = "detach"
    """At shutdown: leave protection on the venue for the next start, or close everything first."""
    send_bound_s: float = 30.0
    """A sender gives up after this long: more than Kraken's longest default deadline (5 s) and any REST time-out."""
    breaker_failures: int = FAILURES
    """So many failures of the venue in a row keep entries back; exits always pass."""
    breaker_rest_s: float = REST_S
    """Then one entry may probe; until it has been answered well, the others wait."""
    poll_every_s: float = 1.0
    visibility_lag_s: float = 5.0
    """REST may lag an unbroken stream by this much; without one, by ``visibility_lag_broken_s`` (krakenex #60)."""
    visibility_lag_broken_s: float = 60.0
    silent_immediate_s: float = 1.0
    """Market, IOC, fired stop, pending cancel, and every order while the stream is away: asked for by REST after this
    long without news. With a round of ``poll_every_s`` that is within two seconds, and before a swap's bound."""
    silent_resting_s: float = 30.0
    silent_after_news_s: float = 5.0
    """A resting order is asked for once, this long after it changed: a lost frame with none behind it shows no gap."""
    order_inbox: int = 256
    """A burst of one frame's reports for one order is tens; beyond that the order is read by REST instead."""
    bracket_inbox: int = 1024
    """At most MAX_STOPS + 3 live orders tell a bracket, each bounded by its own inbox."""
    subscriber_queue: int = 4096
    snapshot_rows: int | None = 20_000
    """So many rows behind the last snapshot are proved and replayed at a start, in a second or so; None: every row of
    the journal is. It takes some kilobytes to keep."""
    market: MarketSettings = MarketSettings()
    margin: MarginSettings = MarginSettings()
    alarms: AlarmSettings = AlarmSettings()
