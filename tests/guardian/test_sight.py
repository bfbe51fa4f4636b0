"""What a guardian concludes from looks: never from one alone, and never from time that it slept through itself."""

from __future__ import annotations

import msgspec
import pytest

from engine.errors import ConfigError
from engine.guardian.policy import Policy, parse_policy
from engine.guardian.sight import Watcher, judged_once
from engine.runtime.pulse import Pulse
from engine.seams.processes import ProcessMark
from engine.values.time import NS

MARK = ProcessMark(77, 123, "boot", "space")


def pulse(beat: int = 1, **changes: object) -> Pulse:
    """One beat of an engine that looks at itself after five seconds."""
    made = Pulse(
        state="running",
        mark=MARK,
        host="here",
        beat=beat,
        uptime_ns=100 * NS,
        at="2026-01-01T00:00:00.000Z",
        bound_s=5,
        venue="kraken",
        account="a",
        mode="simulated",
    )
    return msgspec.structs.replace(made, **changes)


def test_engine_that_does_not_beat_for_the_bound_stands_still() -> None:
    """Silence grows look by look; a new beat ends it."""
    watcher = Watcher(15)
    seen = [watcher.look(pulse(), "runs", at_s).health for at_s in range(0, 17, 2)]
    assert seen == ["beating"] * 2 + ["silent"] * 6 + ["still"]
    assert watcher.look(pulse(2), "runs", 18).health == "beating"


def test_guardian_that_slept_begins_to_count_anew() -> None:
    """A laptop that was closed: the engine has slept as long, and shall have its time to beat."""
    watcher = Watcher(15)
    watcher.look(pulse(), "runs", 0)
    assert watcher.look(pulse(), "runs", 3600).health == "beating"
    assert [watcher.look(pulse(), "runs", 3600 + at_s).dead for at_s in (4, 8, 12, 16)] == [False, False, False, True]


def test_bound_is_never_below_what_the_engine_needs_to_notice_itself() -> None:
    """However impatient a guardian is told to be, the engine's own bound and two beats come first."""
    assert Watcher(5).bound_s(pulse(bound_s=60)) == 62


@pytest.mark.parametrize(
    ("changes", "fate", "health"),
    [
        ({}, "gone", "gone"),
        ({}, "stopped", "beating"),
        ({"state": "ended"}, "gone", "ended"),
        ({"state": "failed"}, "gone", "failed"),
    ],
)
def test_end_is_told_from_death(changes, fate, health) -> None:
    """In order, by an error, or without a word: only the last two are dead."""
    sight = Watcher(15).look(pulse(**changes), fate, 0)
    assert (sight.health, sight.dead) == (health, health in ("gone", "failed"))


def test_no_pulse_is_no_death() -> None:
    """Nothing was ever there, or it cannot be read: there is nobody whose lease could be taken."""
    assert [Watcher(15).look(None, "unknown", 0, fault).health for fault in ("", "torn")] == ["absent", "unreadable"]


@pytest.mark.parametrize(
    ("uptime_s", "boot", "health"), [(101, "boot", "beating"), (200, "boot", "still"), (9, "b2", "gone")]
)
def test_single_look_judges_by_the_beats_own_time(uptime_s, boot, health) -> None:
    """For a check that ends at once: the age of the beat, and whether the machine was booted since."""
    assert judged_once(pulse(), "runs", uptime_s * NS, boot, 15).health == health


def test_policies_are_read() -> None:
    """Three words, one with a number."""
    assert [parse_policy(text) for text in ("alarm", "close", "close-after:600")] == [
        Policy("alarm"),
        Policy("close"),
        Policy("close", 600),
    ]


@pytest.mark.parametrize(
    "text", ["", "shut", "close:", "close-after", "close-after:", "close-after:0", "close-after:x", "alarm:3"]
)
def test_policy_that_means_nothing_is_refused(text) -> None:
    """A guardian that was told nonsense does not guess."""
    with pytest.raises(ConfigError, match="close-after:SECONDS"):
        parse_policy(text)
