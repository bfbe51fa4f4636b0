"""The tables ``kraken`` and ``kraken.link``: addresses, key checks and patience of the adapter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.config.section import Count, Pause, Place, Seconds, Section, Share
from engine.kraken.settings import KrakenSettings, OrdersVia, Secret, Tier
from engine.net.link_policy import LinkPolicy

Deadline = Annotated[float, Field(ge=0.5, le=60)]
Rest = Annotated[int, Field(ge=0, le=1_000_000)]

_KRAKEN = KrakenSettings(api_key=Secret(""), api_secret=Secret(""))
_LINK = LinkPolicy()


class LinkSection(Section):
    """``kraken.link``: what makes a stream degraded or unhealthy, and its budgets."""

    heartbeat_degraded_s: Seconds = _LINK.heartbeat_degraded_s
    heartbeat_unhealthy_s: Seconds = _LINK.heartbeat_unhealthy_s
    ping_every_s: Seconds = _LINK.ping_every_s
    ping_degraded_s: Seconds = _LINK.ping_degraded_s
    ping_unhealthy_s: Seconds = _LINK.ping_unhealthy_s
    ping_lost_s: Seconds = _LINK.ping_lost_s
    error_rate_degraded: Share = _LINK.error_rate_degraded
    error_rate_unhealthy: Share = _LINK.error_rate_unhealthy
    rate_window_s: Seconds = _LINK.rate_window_s
    rate_least: Count = _LINK.rate_least
    gaps_degraded: Count = _LINK.gaps_degraded
    gaps_unhealthy: Count = _LINK.gaps_unhealthy
    gap_window_s: Seconds = _LINK.gap_window_s
    steady_s: Pause = _LINK.steady_s
    look_every_s: Seconds = _LINK.look_every_s
    alarm_after: Count = _LINK.alarm_after
    connections_most: Count = _LINK.connections_most
    connections_private: Rest = _LINK.connections_private
    connections_within_s: Seconds = _LINK.connections_within_s
    messages_most: Count = _LINK.messages_most
    messages_within_s: Seconds = _LINK.messages_within_s
    requests_most: Count = _LINK.requests_most
    requests_within_s: Seconds = _LINK.requests_within_s
    requests_reserved: Rest = _LINK.requests_reserved


class KrakenSection(Section):
    """``kraken``: addresses and patience of the adapter, whatever it talks to."""

    rest_url: str = _KRAKEN.rest_url
    ws_url: str = _KRAKEN.ws_url
    ws_auth_url: str = _KRAKEN.ws_auth_url
    key_file: Place | None = None
    ca_file: Place | None = None
    extra_live_hosts: tuple[str, ...] = _KRAKEN.extra_live_hosts
    check_key: bool = _KRAKEN.check_key
    may_withdraw: bool = _KRAKEN.may_withdraw
    clock_skew_bound_s: Seconds = _KRAKEN.clock_skew_bound_s
    connect_timeout_s: Seconds = _KRAKEN.connect_timeout_s
    total_timeout_s: Seconds = _KRAKEN.total_timeout_s
    read_timeout_s: Seconds = _KRAKEN.read_timeout_s
    open_timeout_s: Seconds = _KRAKEN.open_timeout_s
    max_connections: Annotated[int, Field(ge=1, le=64)] = _KRAKEN.max_connections
    entry_deadline_s: Deadline = _KRAKEN.entry_deadline_s
    exit_deadline_s: Deadline = _KRAKEN.exit_deadline_s
    cancel_deadline_s: Deadline = _KRAKEN.cancel_deadline_s
    rest_deadline_s: Annotated[float, Field(gt=2, le=60)] = _KRAKEN.rest_deadline_s
    answer_grace_s: Pause = _KRAKEN.answer_grace_s
    admit_timeout_s: Pause = _KRAKEN.admit_timeout_s
    heartbeat_bound_s: Seconds = _KRAKEN.heartbeat_bound_s
    backoff_first_s: Seconds = _KRAKEN.backoff_first_s
    backoff_most_s: Seconds = _KRAKEN.backoff_most_s
    tier: Tier = _KRAKEN.tier
    max_trigger_orders: Count | None = _KRAKEN.max_trigger_orders
    orders_via: OrdersVia = _KRAKEN.orders_via
    book_depth: Literal[10, 25, 100, 500, 1000] = 10
    link: LinkSection = LinkSection()
