"""Stops that move: to break-even, and after the market in steps. Pure. They are only ever tightened.

Kraken carries a trail without activation itself. One with activation is carried by us, by amending the trigger of the
stop that rests: an amend never takes its quantity out of protection, where a swap would leave it bare or rest two
exits, and costs 1 point against a swap's 10. While the engine is away the stop stays at the last step.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.orders.signal import Signal
from engine.orders.terms import StopLoss, Trail
from engine.values.instrument import Instrument
from engine.values.money import Price, other_side, trigger_not_later
from engine.values.time import NS

TRAIL_PAUSE_NS: Final = 15 * NS
"""Between two steps of a trail: from this age on an amend costs Kraken's counter 1 point, which decays meanwhile."""
STEPS_PER_DISTANCE: Final = 10
"""A step is worth an amend when it is a tenth of the distance: nine steps out of ten of the profit are kept."""


def reached(signal: Signal, price: Price, best: Price) -> bool:
    """Tell whether the executable side has moved to ``price`` in the bracket's favour."""
    return best >= price if signal.side == "buy" else best <= price


def better(signal: Signal, one: Price, other: Price) -> Price:
    """Return the price that lies further in the bracket's favour."""
    return Price(max(one, other)) if signal.side == "buy" else Price(min(one, other))


def tightens(signal: Signal, new: Price, old: Price) -> bool:
    """Tell whether a stop at ``new`` loses less than one at ``old``."""
    return new > old if signal.side == "buy" else new < old


def break_even_stop(signal: Signal, instrument: Instrument, entry_px: Decimal, best: Price) -> Price | None:
    """Return where the stop goes at break-even; None while the market is not there, or the stop would fire at once."""
    even = signal.break_even
    if even is None or not entry_px or not reached(signal, even.at_price, best):
        return None
    wanted = Price(entry_px + even.offset if signal.side == "buy" else entry_px - even.offset)
    stop = trigger_not_later(other_side(signal.side), wanted, instrument.price_increment)
    return stop if tightens(signal, best, stop) else None


def activates(signal: Signal, best: Price) -> bool:
    """Tell whether the executable side has reached the price at which the trail begins."""
    trail = carried_trail(signal)
    return trail is not None and trail.activation_price is not None and reached(signal, trail.activation_price, best)


def trailed_stop(signal: Signal, instrument: Instrument, peak: Price) -> Price | None:
    """Return the stop behind this peak; None when that is no whole step better than where it stands."""
    stop, trail = signal.stop_loss, carried_trail(signal)
    if stop is None or trail is None:
        return None
    behind = trail.behind(peak)
    wanted = Price(peak - behind if signal.side == "buy" else peak + behind)
    if wanted <= 0:
        return None
    placed = trigger_not_later(other_side(signal.side), wanted, instrument.price_increment)
    step = max(instrument.price_increment, behind / STEPS_PER_DISTANCE)
    return placed if tightens(signal, placed, stop.trigger_price) and abs(placed - stop.trigger_price) >= step else None


def carried_trail(signal: Signal) -> Trail | None:
    """Return the trail that we carry ourselves."""
    trail = signal.stop_loss.trail if signal.stop_loss is not None else None
    return trail if trail is not None and trail.activation_price is not None else None


def moved_to(stop: StopLoss, trigger: Price) -> StopLoss:
    """Return a stop at another trigger; its limit keeps its distance from there."""
    limit = None if stop.limit_price is None else Price(stop.limit_price + (trigger - stop.trigger_price))
    return StopLoss(trigger, limit, stop.reference, stop.watchdog_s, stop.trail)
