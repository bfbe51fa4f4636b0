"""What can go wrong when an engine is asked.

::

    ClientError
    ├── Refused        the engine answered, and did not do it: code, reason, what to do
    └── Unreachable    no answer: a command may or may not have been done

``retryable`` says whether the same request may simply be sent again. A signal always may: its signal_id makes it one.
"""

from __future__ import annotations

import json
from typing import Any


class ClientError(Exception):
    """Base of both. ``retryable``: the same request, unchanged, may pass a moment later."""

    retryable = False


class Refused(ClientError):
    """The engine's own words.

    ``category`` is what to route on (usage, access, not_found, refused, busy, unavailable, internal), ``code`` names
    the case and is stable, ``status`` is HTTP's. ``retry_after_s`` is set where the engine says how long to wait.
    """

    def __init__(self, status: int, said: dict[str, Any], retry_after_s: float | None = None) -> None:
        self.status = status
        self.code = str(said.get("code", "NO_SENSE"))
        self.message = str(said.get("message", f"the engine answered {status}"))
        self.what_to_do = str(said.get("what_to_do", "see the engine's log"))
        self.category = str(said.get("category", "internal"))
        self.retryable = said.get("retryable") is True
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.code}: {self.message}: {self.what_to_do}")


class Unreachable(ClientError):
    """Nobody answered. ``sent`` False: the request certainly never left, and may be sent again."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent
        self.retryable = not sent


def refused(status: int, content: bytes, retry_after: str | None) -> Refused:
    """Read a refusal; whatever came instead of one is a refusal too."""
    try:
        said = json.loads(content)
    except ValueError:
        said = {}
    wait = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    return Refused(status, said if isinstance(said, dict) else {}, wait)
