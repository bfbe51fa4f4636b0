"""How a bracket has ended, in a word and in the words of the order that ended it."""

from __future__ import annotations

from engine.orders.brackets import Bracket
from engine.orders.endings import Outcome
from engine.orders.specs import made_by_venue


def outcome_of(bracket: Bracket) -> Outcome:
    """Name how a bracket ended: by the exit of ours that traded last, or that the venue alone has closed it."""
    if bracket.state == "taken_over":
        return "taken_over"
    exits = [o for o in bracket.orders.values() if o.role != "entry" and o.done_qty]
    if not exits:
        return "abandoned"
    ours = [o for o in exits if o.role != "close" or not made_by_venue(o.spec)]
    if not ours:
        return "liquidated"
    last = ours[-1]
    if last.role == "close":
        return "stop" if "stop" in bracket.closing else "flattened"
    return "target" if last.role == "target" else "stop"


def end_reason(bracket: Bracket) -> str:
    """Say why it ended, in the words of the order that ended it."""
    if bracket.state == "abandoned":
        entries = [o for o in bracket.orders.values() if o.role == "entry"]
        return entries[-1].reason if entries else "no entry"
    return bracket.closing
