"""How the market's source is, told to whoever asks and to a person when it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Standing = Literal["own", "waiting", "moving", "away", "ended"]


class SourceState:
    """``own``: the exchange makes its market itself. ``away`` and ``ended``: the market stands still."""

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell
        self.standing: Standing = "own"
        self.source, self.why = "", ""
        self.frames = self.mismatches = self.connections = 0

    def begin(self, source: str) -> None:
        """Name the source; nothing has come of it yet."""
        self.source, self.standing = source, "waiting"

    def become(self, standing: Standing, why: str = "") -> None:
        """Note how it is now, and say so if that is news."""
        if standing == self.standing and why == self.why:
            return
        self.standing, self.why = standing, why
        self.say(
            {
                "moving": f"the market follows {self.source}",
                "away": f"the market stands still: {self.source} is away ({why})",
                "ended": f"the market stands still: {self.source} has ended{why and f' ({why})'}",
            }.get(standing, "")
        )

    def say(self, text: str) -> None:
        """Tell a person."""
        if text and self._tell is not None:
            self._tell(text)

    def shown(self) -> dict[str, object]:
        """Return it as the control endpoint writes it."""
        counters = {"frames": self.frames, "mismatches": self.mismatches, "connections": self.connections}
        return {"standing": self.standing, "source": self.source, "why": self.why, **counters}
