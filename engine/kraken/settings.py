"""What the Kraken adapter is told. Checked once, before anything connects."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

import engine
from engine.errors import ConfigError
from engine.net.link_policy import LinkPolicy

Tier = Literal["starter", "intermediate", "pro"]
OrdersVia = Literal["auto", "ws", "rest"]

_KRAKEN = ".kraken.com"
SECRET_BYTES = 64
"""Kraken's private keys are 64 bytes in base64: 88 characters."""


class Secret:
    """A text that prints as stars; only ``reveal`` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself. Never log it or put it into an exception."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class KrakenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses, key and patience. Times in seconds of trio's clock unless the name says otherwise.

    ``mode`` live goes to ``*.kraken.com`` and to ``extra_live_hosts``; simulated never goes to Kraken.
    ``plain_host`` is the virtual wire's host: in mode simulated it is allowed without TLS, as loopback is.
    """

    api_key: Secret
    api_secret: Secret
    query_key: Secret | None = None  # a second key of the same account, for reads: then they never hold up an order
    query_secret: Secret | None = None
    former_secrets: tuple[Secret, ...] = ()  # of earlier keys of this account: orders marked with them are ours
    mode: Literal["live", "simulated"] = "live"
    rest_url: str = "https://api.kraken.com"
    ws_url: str = "wss://ws.kraken.com/v2"
    ws_auth_url: str = "wss://ws-auth.kraken.com/v2"
    ca_file: Path | None = None
    extra_live_hosts: tuple[str, ...] = ()
    plain_host: str = ""
    user_agent: str = f"kraken-order-engine/{engine.__version__}"

    connect_timeout_s: float = 3
    total_timeout_s: float = 10
    read_timeout_s: float = 25  # a read with its retries
    open_timeout_s: float = 30  # until instruments are known and the private stream is complete
    max_connections: int = 4

    entry_deadline_s: float = 5
    exit_deadline_s: float = 1
    cancel_deadline_s: float = 5
    rest_deadline_s: float = 3  # the least over REST: Kraken wants 2..60 s, measured when it arrives
    answer_grace_s: float = 2  # waited beyond a deadline before an answer counts as missing
    admit_timeout_s: float = 10  # the longest wait for room in the venue's counters

    heartbeat_bound_s: float = 10  # a subscribed stream is never silent for more than about a second
    backoff_first_s: float = 1
    backoff_most_s: float = 60
    link: LinkPolicy = LinkPolicy()  # what makes a stream degraded or unhealthy, and its budgets

    check_key: bool = True  # ask GetApiKeyInfo at the start; off for venues that lack it
    may_withdraw: bool = False  # accept a key that may withdraw funds
    clock_skew_bound_s: float = 5  # the most that our clock may differ from the venue's

    tier: Tier = "intermediate"
    max_trigger_orders: int | None = None  # per pair; Kraken publishes no number
    orders_via: OrdersVia = "auto"
    book_depth: int = 10

    def check(self) -> None:
        """Refuse what cannot work or would send a key to the wrong place. Raises ConfigError naming the setting."""
        self._check_numbers()
        rest = self._check_url("rest_url", self.rest_url, secure="https", plain="http")
        if rest.path.strip("/"):
            raise ConfigError(f"rest_url must end after the host, without a path: {self.rest_url!r}")
        self._check_url("ws_url", self.ws_url, secure="wss", plain="ws")
        self._check_url("ws_auth_url", self.ws_auth_url, secure="wss", plain="ws")
        self._check_secret()

    def _check_secret(self) -> None:
        _check_pair("api_key", self.api_key, "api_secret", self.api_secret, live=self.mode == "live")
        if (self.query_key is None) != (self.query_secret is None):
            raise ConfigError("query_key and query_secret belong together: give both, or neither")
        if self.query_key is not None and self.query_secret is not None:
            _check_pair("query_key", self.query_key, "query_secret", self.query_secret, live=self.mode == "live")
            if self.query_key == self.api_key:
                raise ConfigError("query_key is api_key again; make a second key for reads, or leave query_key out")

        for secret in self.former_secrets:
            if not _decoded(secret.reveal()):
                raise ConfigError("one of former_secrets is not base64; each is a whole private key of before")

    def _check_numbers(self) -> None:
        for name in ("entry_deadline_s", "exit_deadline_s", "cancel_deadline_s"):
            if not 0.5 <= getattr(self, name) <= 60:
                raise ConfigError(
                    f"{name} must lie between 0.5 and 60 seconds (Kraken's bounds), is {getattr(self, name)}"
                )
        if not 2 < self.rest_deadline_s <= 60:
            raise ConfigError(f"rest_deadline_s must be above 2 and at most 60 seconds, is {self.rest_deadline_s}")
        self.link.check()
        if self.book_depth not in (10, 25, 100, 500, 1000):
            raise ConfigError(f"book_depth must be one of 10, 25, 100, 500, 1000, is {self.book_depth}")

    def _check_url(self, name: str, url: str, *, secure: str, plain: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"{name} is not an address: {error}") from error
        if parts.scheme not in (secure, plain) or not host or parts.username or parts.query or parts.fragment:
            raise ConfigError(f"{name} must look like {secure}://host[:port]/…, without user, query or fragment")
        if parts.scheme == plain and not self._may_be_plain(host):
            raise ConfigError(f"{name} must use {secure}:// : {host} is not this machine, and keys go there")
        self._check_mode(name, host)
        return parts

    def _may_be_plain(self, host: str) -> bool:
        return is_loopback(host) or (self.mode == "simulated" and host == self.plain_host)

    def _check_mode(self, name: str, host: str) -> None:
        kraken = host.endswith(_KRAKEN)
        if self.mode == "live" and not kraken and host not in self.extra_live_hosts:
            raise ConfigError(
                f"{name}: a live key must not go to {host}; use a *.kraken.com address, mode = simulated,"
                " or name the host in extra_live_hosts"
            )
        if self.mode == "simulated" and kraken:
            raise ConfigError(f"{name}: mode is simulated but {host} is Kraken itself; set mode = live with a live key")


def _check_pair(key_name: str, key: Secret, secret_name: str, secret: Secret, *, live: bool) -> None:
    """Check the shapes of a key and its secret; no message holds any part of either. Raises ConfigError."""
    if not key.reveal() or not key.reveal().isascii() or any(c.isspace() for c in key.reveal()):
        raise ConfigError(f"{key_name} is empty or not plain text; copy the public key from Kraken's settings page")
    decoded = _decoded(secret.reveal())
    if not decoded:
        raise ConfigError(f"{secret_name} is not base64; copy the private key from Kraken's settings page in full")
    if not live:
        return
    if len(_decoded(key.reveal())) == SECRET_BYTES and len(decoded) < SECRET_BYTES:
        raise ConfigError(f"{key_name} and {secret_name} look swapped: the longer one is the private key")
    if len(decoded) != SECRET_BYTES:
        raise ConfigError(
            f"{secret_name} holds {len(decoded)} bytes, a private key of Kraken holds {SECRET_BYTES};"
            " copy it from Kraken's settings page in full"
        )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` is this machine, without asking a resolver."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
