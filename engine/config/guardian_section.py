"""The table ``guardian``: what the watching process may do, and Kraken's own dead man's switch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.config.section import Place, Section

StaleAfter = Annotated[float, Field(ge=5, le=3600)]
SwitchTimeout = Annotated[int, Field(ge=30, le=3600)]


class GuardianSection(Section):
    """``guardian``: policy and patience of ``python -m engine guardian``; the switch is the engine's own."""

    policy: Annotated[
        str, Field(pattern=r"^(alarm|close|close-after:[0-9.]+)$", description="alarm, close or close-after:SECONDS")
    ] = "alarm"
    stale_after_s: StaleAfter = 15.0
    may_kill: bool = True
    key_file: Place | None = None
    dead_man_switch: Literal["off", "entries-only"] = "off"
    dead_man_timeout_s: SwitchTimeout = 60

    @property
    def dead_man_s(self) -> int | None:
        """Return what the engine is told: the switch's time-out, None for off."""
        return None if self.dead_man_switch == "off" else self.dead_man_timeout_s
