"""When signals come, and until when what they ask for is good: all of it by the clock of the engine's machine."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from engine.orders.signal import Signal
from engine.seams.clock import VirtualClock

_MOMENTS: Final = ("valid_until_ns", "expire_time_ns", "exit_at_ns")


def bunched(rng: Random, times: list[float]) -> list[float]:
    """Many strategies decide in the same moment: what one asks for is still under way when the next one comes."""
    for at in range(1, len(times)):
        if rng.random() < 0.25:
            times[at] = times[at - 1] + rng.uniform(0, 0.02)
    return times


def dated(rng: Random, at_s: float, signal: Signal) -> Signal:
    """Some signals are good for seconds only."""
    if rng.random() > 0.12:
        return signal
    return msgspec.structs.replace(signal, valid_until_ns=_moment(at_s + rng.uniform(0.05, 6)))


def ended(rng: Random, at_s: float, signal: Signal) -> Signal:
    """Some entries rest until a moment, and some brackets are over at one, wherever the price is then."""
    if signal.order_type != "market" and signal.time_in_force == "gtc" and rng.random() < 0.12:
        until_ns = _moment(at_s + rng.uniform(3, 30))
        signal = msgspec.structs.replace(signal, time_in_force="gtd", expire_time_ns=until_ns)
    if signal.exit_after_s is None and rng.random() < 0.1:
        signal = msgspec.structs.replace(signal, exit_at_ns=_moment(at_s + rng.uniform(5, 50)))
    return signal


def later(signal: Signal, by_s: float) -> Signal:
    """Put a signal off, with every moment that it names."""
    named = {name: getattr(signal, name) for name in _MOMENTS}
    moved = {name: at_ns + round(by_s * 1e9) for name, at_ns in named.items() if at_ns is not None}
    return msgspec.structs.replace(signal, **moved)


def _moment(at_s: float) -> int:
    """Return the UTC nanoseconds of this second of a run."""
    return VirtualClock().epoch_ns + round(at_s * 1e9)
