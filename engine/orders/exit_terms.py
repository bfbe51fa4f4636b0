"""The exits of one bracket as they stand now: what its signal asked for, and every move since. Pure."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Final, Literal

import msgspec

from engine.orders.signal import Signal
from engine.orders.trailing import (
    TRAIL_PAUSE_NS,
    activates,
    better,
    break_even_stop,
    carried_trail,
    moved_to,
    reached,
    tightens,
    trailed_stop,
)
from engine.values.instrument import Instrument
from engine.values.money import Price, limit_not_worse, other_side, trigger_not_later, trimmed

Mover = Literal["", "command", "break_even", "trail"]


class Moved(msgspec.Struct, frozen=True):
    """One move of a bracket's exits. None = unchanged; ``place`` tells which target (0 is the nearest)."""

    by: Mover
    stop: Price | None = None
    target: Price | None = None
    place: int = 0


STILL: Final = Moved("")


class ExitTerms:
    """``signal`` is the bracket's signal with its exits where they stand now; it is folded from moves alone.

    ``past_triggers`` are triggers that its stops had before, as orders carry them.
    """

    def __init__(self, signal: Signal, instrument: Instrument) -> None:
        self.signal, self._instrument = signal, instrument
        self.past_triggers: frozenset[Price] = frozenset()
        self.no_index = False  # the venue has none for this market
        self._trailing = False  # the activation price was reached
        self._peak: Price | None = None
        self._trailed_ns = -TRAIL_PAUSE_NS

    @property
    def now(self) -> Signal:
        """The signal as orders are made from it; without an index price its stop looks at the last one."""
        signal, stop = self.signal, self.signal.stop_loss
        if stop is None or stop.reference == "last" or not self.no_index:
            return signal
        return msgspec.structs.replace(signal, stop_loss=msgspec.structs.replace(stop, reference="last"))

    def checked(self, stop: Price | None, target: Price | None, place: int) -> Moved:
        """Return a move by command. Raises ValueError with the reason when these exits cannot move so."""
        signal, side, tick = self.signal, other_side(self.signal.side), self._instrument.price_increment
        if stop is not None and signal.stop_loss is None:
            raise ValueError("the bracket has no stop to move")
        if stop is not None and signal.stop_loss is not None and signal.stop_loss.venue_trail is not None:
            raise ValueError("Kraken moves this stop: it trails")
        if target is not None and place >= len(signal.targets):
            raise ValueError("the bracket has no target to move")
        moved = Moved(
            "command",
            None if stop is None else trigger_not_later(side, stop, tick),
            None if target is None else limit_not_worse(side, target, tick),
            place,
        )
        self._check_order(_with(signal, moved))
        return moved

    def _check_order(self, signal: Signal) -> None:
        stop = [] if signal.stop_loss is None else [("stop", signal.stop_loss.trigger_price)]
        named = [*stop, *(("target", target.price) for target in signal.targets)]
        for (low_name, low), (high_name, high) in pairwise(named):
            if not tightens(signal, high, low):
                sign = "<" if signal.side == "buy" else ">"
                raise ValueError(
                    f"a {signal.side} needs {low_name} {sign} {high_name}: {trimmed(low)} and {trimmed(high)}"
                )

    def follow(self, best: Price, entry_px: Decimal, now_ns: int) -> Moved | None:
        """Return the move that the executable side at ``best`` calls for, None when it calls for none."""
        even = self.signal.break_even
        if even is not None and entry_px and reached(self.signal, even.at_price, best):
            return self._to_break_even(best, entry_px)
        return self._trail(best, now_ns) if carried_trail(self.signal) is not None and entry_px else None

    def _to_break_even(self, best: Price, entry_px: Decimal) -> Moved | None:
        stop, now = break_even_stop(self.signal, self._instrument, entry_px, best), self.signal.stop_loss
        if stop is None or now is None:
            return None
        return Moved("break_even", stop if tightens(self.signal, stop, now.trigger_price) else None)

    def _trail(self, best: Price, now_ns: int) -> Moved | None:
        begins = not self._trailing and activates(self.signal, best)
        if not self._trailing and not begins:
            return None
        self._peak = better(self.signal, best, self._peak or best)
        stop = trailed_stop(self.signal, self._instrument, self._peak)
        due = stop is not None and tightens(self.signal, best, stop) and now_ns >= self._trailed_ns + TRAIL_PAUSE_NS
        if not due:
            return Moved("trail") if begins else None
        self._trailed_ns = now_ns
        return Moved("trail", stop)

    def wake_ns(self) -> int | None:
        """Next moment at which the trail takes a step without any news."""
        waiting = self._trailing and self._peak is not None
        if not waiting or self._peak is None or trailed_stop(self.signal, self._instrument, self._peak) is None:
            return None
        return self._trailed_ns + TRAIL_PAUSE_NS

    def fold(self, moved: Moved) -> None:
        """Take a move over."""
        self._trailing |= moved.by == "trail"
        stop = self.signal.stop_loss
        if moved.stop is not None and stop is not None:
            side, tick = other_side(self.signal.side), self._instrument.price_increment
            past = self.past_triggers | {trigger_not_later(side, stop.trigger_price, tick)}
            self.past_triggers = past - {moved.stop}
        self.signal = _with(self.signal, moved)


def _with(signal: Signal, moved: Moved) -> Signal:
    """A stop that was moved by a person, or is at break-even, does not move there again."""
    stop, targets = signal.stop_loss, list(signal.targets)
    if moved.stop is not None and stop is not None:
        stop = moved_to(stop, moved.stop)
    if moved.target is not None:
        old = targets[moved.place]
        limit = None if old.limit_price is None else Price(old.limit_price + (moved.target - old.price))
        targets[moved.place] = msgspec.structs.replace(old, price=moved.target, limit_price=limit)
    over = moved.by == "break_even" or (moved.by == "command" and moved.stop is not None)
    return msgspec.structs.replace(
        signal,
        stop_loss=stop,
        take_profit=targets[0] if targets else None,
        more_targets=tuple(targets[1:]),
        break_even=None if over else signal.break_even,
    )
