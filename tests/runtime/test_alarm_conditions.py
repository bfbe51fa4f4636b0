"""What counts as wrong: links by their figures, restlessness by its memory, a lock file that was taken away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trio

from engine.net.link_view import Gap, LinkView
from engine.runtime.alarm import AlarmSettings
from engine.runtime.alarm_codes import CODES
from engine.runtime.alarm_conditions import link_conditions
from tests.runtime.test_alarms_told import Ear, OpenPlace, opened

ENGINE = Path(__file__).parents[2] / "engine"
FIGURES: dict[str, Any] = {
    **dict.fromkeys(("messages_in", "messages_out", "bytes_in", "bytes_out", "errors", "invalid", "duplicates"), 0),
    **dict.fromkeys(("attempts", "failures_in_a_row", "disconnects", "gaps_total", "gaps_healed"), 0),
    **dict.fromkeys(("since_s", "state_for_s", "rate_in", "error_rate", "invalid_rate", "duplicate_rate"), 0.0),
    "name": "private",
    "state": "healthy",
    "why": "",
    "alarm": False,
    "uptime_share": 1.0,
    "latency_s": 0.02,
    "heartbeat_age_s": 0.5,
    "gaps": (),
}


@pytest.mark.parametrize(
    ("figures", "codes"),
    [
        ({}, []),
        ({"state": "disconnected"}, []),
        ({"state": "degraded", "why": "heartbeat 16 s old"}, ["LINK_DEGRADED"]),
        ({"state": "unhealthy"}, ["LINK_UNHEALTHY"]),
        ({"state": "reconnecting", "why": "reset"}, ["LINK_DOWN"]),
        ({"state": "connecting", "alarm": True, "failures_in_a_row": 5}, ["LINK_FAILING", "LINK_DOWN"]),
        ({"latency_s": 1.01}, ["LINK_SLOW"]),
        ({"latency_s": None}, []),
        ({"gaps": (Gap("executions", 3, 5, 1.0),)}, ["LINK_GAPS"]),
    ],
)
def test_a_link_s_figures_are_judged(figures: dict[str, Any], codes: list[str]):
    """Each by a code of its own, with its link as the subject."""
    found = list(link_conditions(LinkView(**{**FIGURES, **figures}), AlarmSettings(latency_s=1.0)))
    assert [one.code for one in found] == codes
    assert {one.subject for one in found} <= {"private"}


async def test_a_link_that_is_lost_again_and_again_is_told(open_place: OpenPlace, autojump_clock):
    """More than so many times within the window; once the window has passed it is over."""
    ear = Ear()
    async with open_place() as place:
        settings = AlarmSettings(reconnects_most=2, reconnects_window_s=120)
        async with opened(place, ear, alarms=settings):
            for _ in range(3):
                for one in place.wire.connections:
                    one.reset()
                await trio.sleep(20)
            assert len(ear.times("LINK_RECONNECTS")) == 2  # both streams
            await trio.sleep(180)
            assert len(ear.times("LINK_RECONNECTS", "cleared")) == 2


async def test_a_lease_that_was_taken_away_is_told(open_place: OpenPlace, autojump_clock):
    """In the lease's own words."""

    class Robbed:
        def lost(self) -> str:
            return "the lock file was put there anew by somebody else"

    ear = Ear()
    async with open_place() as place, opened(place, ear) as engine:
        engine.journal.lease = Robbed()  # type: ignore[assignment]
        await trio.sleep(3)
        (alarm,) = engine.alarms.alarms()
        assert (alarm.code, alarm.level) == ("LEASE_LOST", "critical")
        assert "somebody else" in alarm.text
        engine.journal.lease = None
        await trio.sleep(15)
        assert ear.times("LEASE_LOST", "cleared")


def test_every_code_that_is_raised_anywhere_is_listed():
    """With its level and what to do; an alarm that orders and brackets conclude as well."""
    said = re.compile(r"(?:occurred|Condition)\(\s*\"([A-Z_]+)\"|alarm\s*=\s*(?:alarm or )?\"([A-Z_]+)\"")
    raised = {one or other for file in ENGINE.rglob("*.py") for one, other in said.findall(file.read_text())}
    assert len(raised) > 20
    assert raised - {"JOURNAL_CORRUPT"} <= set(CODES)  # a corrupt journal is a halt, and told as one
