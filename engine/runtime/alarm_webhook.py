"""Alarms as JSON to an HTTP address: one POST a change."""

from __future__ import annotations

import ssl
from typing import Final

import httpx
import msgspec

from engine.errors import ConfigError
from engine.net.http import WireTransport
from engine.net.wire import Wire
from engine.runtime.alarm import AlarmChange
from engine.runtime.alarm_outbox import SinkFailed

WEBHOOK_BOUND_S: Final = 5.0


class WebhookSink:
    """Posts ``{"change": …, "alarm": {…}, "dropped": n}``; any 2xx answer means that it was taken.

    The address is a secret: it appears in no message, not even in those of the library.
    """

    name = "webhook"
    bound_s = WEBHOOK_BOUND_S

    def __init__(self, url: str, wire: Wire, tls: ssl.SSLContext | None) -> None:
        self._url, self._wire = _parsed(url), wire
        self._tls = tls if self._url.scheme == "https" else None

    async def deliver(self, change: AlarmChange, dropped: int) -> None:
        """Post one change."""
        body = msgspec.json.encode({"change": change.change, "alarm": change.alarm, "dropped": dropped})
        try:
            # a client for each: alarms are seldom, and a pool would leak places when its request is cut off
            transport = WireTransport(self._wire, self._tls, max_connections=1)
            async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=WEBHOOK_BOUND_S) as http:
                response = await http.post(self._url, content=body, headers={"content-type": "application/json"})
        except httpx.HTTPError as error:
            raise SinkFailed(type(error).__name__) from None  # its text may hold the address
        if not response.is_success:
            raise SinkFailed(f"answered {response.status_code}")


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ConfigError("the webhook's address is no URL") from None
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise ConfigError("the webhook's address must begin with https:// (or http:// for a receiver on this machine)")
    if parsed.scheme == "http" and parsed.host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError("the webhook's address must be https://: alarms do not travel in the clear")
    return parsed
