"""The table ``alarms``: when a link counts as slow or restless, and who is told of alarms."""

from __future__ import annotations

from typing import Literal

from engine.config.section import Count, Pause, Place, Seconds, Section
from engine.runtime.alarm import AlarmSettings

_ALARMS = AlarmSettings()


class AlarmsSection(Section):
    """``alarms``: the addresses themselves are secrets, and stand in ``ways_file`` or with the credentials."""

    ways_file: Place | None = None
    tell_from: Literal["info", "warning", "critical"] = _ALARMS.tell_from
    latency_s: Seconds = _ALARMS.latency_s
    reconnects_most: Count = _ALARMS.reconnects_most
    reconnects_window_s: Seconds = _ALARMS.reconnects_window_s
    clear_after_s: Pause = _ALARMS.clear_after_s

    def alarm_settings(self) -> AlarmSettings:
        """Return what engine.runtime takes."""
        return AlarmSettings(**self.model_dump(exclude={"ways_file"}))
