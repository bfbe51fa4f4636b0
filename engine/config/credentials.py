"""The keys of an account, as the adapter takes them."""

from __future__ import annotations

from typing import NamedTuple

from engine.kraken.settings import Secret

CREDENTIAL_NAMES = ("api_key", "api_secret")
QUERY_NAMES = ("query_key", "query_secret")
FORMER_NAME = "former_secrets"
WAY_NAMES = ("webhook_url", "notify_urls")
"""Addresses for alarms: secrets too, and no settings."""
OPTIONAL_NAMES = (*QUERY_NAMES, FORMER_NAME)


class Credentials(NamedTuple):
    """The trading key with its secret, and, if there is one, a second key of the same account for reads.

    ``former_secrets`` are those of trading keys that this account had before: their orders are still ours.
    """

    api_key: Secret
    api_secret: Secret
    query_key: Secret | None = None
    query_secret: Secret | None = None
    former_secrets: tuple[Secret, ...] = ()
