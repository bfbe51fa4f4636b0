"""The ways out for alarms, made from the settings."""

from __future__ import annotations

from collections.abc import Callable

from engine.config import Settings
from engine.config.alarm_ways import load_alarm_ways
from engine.net.http import verified_tls
from engine.net.wire import TcpWire
from engine.runtime.alarm_notify import NotifySink
from engine.runtime.alarm_outbox import AlarmSink
from engine.runtime.alarm_webhook import WebhookSink


def alarm_sinks(settings: Settings, hide: Callable[[str], object]) -> list[AlarmSink]:
    """Return the sinks that are set; ``hide`` is told every address before it is used. Raises ConfigError."""
    ways = load_alarm_ways(settings)
    sinks: list[AlarmSink] = []
    for secret in (*((ways.webhook,) if ways.webhook else ()), *ways.notify):
        address = secret.reveal()
        hide(address)
        hide(address.partition("://")[2].partition("/")[2])  # libraries may tell host and path apart
    if ways.webhook is not None:
        sinks.append(WebhookSink(ways.webhook.reveal(), TcpWire(), verified_tls(settings.kraken.ca_file)))
    if ways.notify:
        sinks.append(NotifySink([secret.reveal() for secret in ways.notify]))
    return sinks
