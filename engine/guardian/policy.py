"""What a guardian does when its engine is dead, and when."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from engine.errors import ConfigError

STALE_AFTER_S: Final = 15.0
MARGIN_S: Final = 2.0
"""An engine looks at itself at the latest so long before its guardian may act: two beats."""
MOST_AFTER_S: Final = 86_400.0


class Policy(msgspec.Struct, frozen=True):
    """``alarm`` tells and does no more. ``close`` makes everything of ours flat, ``after_s`` after it is sure."""

    action: Literal["alarm", "close"] = "alarm"
    after_s: float = 0.0

    def __str__(self) -> str:
        return f"close-after:{self.after_s:g}" if self.after_s else self.action


def parse_policy(text: str) -> Policy:
    """Read ``alarm``, ``close`` or ``close-after:SECONDS``. Raises ConfigError."""
    action, colon, seconds = text.strip().partition(":")
    if not colon and action in ("alarm", "close"):
        return Policy(action)  # type: ignore[arg-type]  # one of the two
    if action == "close-after":
        try:
            after_s = float(seconds)
        except ValueError:
            after_s = -1.0
        if 0 < after_s <= MOST_AFTER_S:
            return Policy("close", after_s)
    raise ConfigError(
        f"a guardian's policy is alarm, close or close-after:SECONDS (above 0, at most {MOST_AFTER_S:g}), not {text!r}"
    )
