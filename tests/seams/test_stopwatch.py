"""Measuring inline calls, for real and in virtual time."""

from __future__ import annotations

from engine.seams.stopwatch import SystemStopwatch, VirtualStopwatch


def test_system_stopwatch_never_goes_back() -> None:
    """Differences are durations."""
    stopwatch = SystemStopwatch()
    readings = [stopwatch.monotonic_ns() for _ in range(100)]
    assert readings == sorted(readings)


def test_virtual_stopwatch_moves_only_when_told() -> None:
    """An inline call takes no virtual time unless a simulated device says so."""
    stopwatch = VirtualStopwatch()
    assert stopwatch.monotonic_ns() == stopwatch.monotonic_ns() == 0
    stopwatch.add(0.25)
    assert stopwatch.monotonic_ns() == 250_000_000
