"""What live brackets may still need for their protection: points and slots that entries leave free (§10). Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from engine.kraken.open_orders import OpenOrders

COVER_POINTS = 2
"""A bracket's stop and one more: two adds."""
SWAP_POINTS = 10
"""The dearest swap a pair may need at one moment: cancel a young stop 8, exit 1, stop back 1. Kept once a pair: swaps
that come together go one after the other as the counter decays, and exits may fill it to its threshold."""
STOP_SLOTS = 2
"""A bracket's stop and one more, each an open order and a trigger order."""
COVERED_SLOTS = 1
"""Once a bracket is covered: its stop's own. A swap gives it up for moments, and no entry may take it meanwhile."""
SETTLED_S = 5.0
"""Its entry gone and an exit resting for so long, a bracket is covered: past a fraction of that it would count as naked
and be closed, and closing may fill the counter."""
SWAP_S = 1.0
"""So long after an exit's cancel was let go its bracket may want a new one: two round trips, slow ones."""


@dataclass
class _Bracket:
    symbol: str
    booked: bool
    targets: int = 0
    entries: set[str] = field(default_factory=set)
    exits: set[str] = field(default_factory=set)
    resting_since_s: float | None = None
    swapping_until_s: float = -math.inf


class Protection:
    """The brackets that are open, and which of them have booked their protection.

    A bracket books with its first entry that goes, or at once when it is resumed. What its cover needs is free again
    when an exit that the venue has taken covers it for good, unless it was resumed: then its entry is not known here.
    One swap a pair stays kept: it may come at any moment of a bracket's life, and then its stop is young again.
    """

    def __init__(self, open_orders: OpenOrders) -> None:
        self._open_orders = open_orders
        self._brackets: dict[str, _Bracket] = {}

    def open(self, bracket: str, symbol: str, *, booked: bool, targets: int = 0) -> None:
        """Take a bracket in. ``targets`` will rest beside its stop, each an order and a slot more for all its life."""
        self._brackets[bracket] = _Bracket(symbol, booked, targets)

    def close(self, bracket: str) -> None:
        """Release what a bracket holds: it is flat."""
        self._brackets.pop(bracket, None)

    def book(self, bracket: str) -> bool:
        """Book for an entry that goes now; returns whether that is news."""
        known = self._brackets.get(bracket)
        if known is None or known.booked:
            return False
        known.booked = True
        return True

    def unbook(self, bracket: str) -> None:
        """Take a booking back: its entry certainly does not rest."""
        if (known := self._brackets.get(bracket)) is not None:
            known.booked = False

    def entered_by(self, bracket: str, cl_ord_id: str) -> None:
        """Note an entry of the bracket: while it may rest, more cover may be wanted."""
        if (known := self._brackets.get(bracket)) is not None:
            known.entries = {name for name in known.entries if self._open_orders.rests(name)} | {cl_ord_id}

    def covered_by(self, bracket: str, cl_ord_id: str) -> None:
        """Note an exit of the bracket: while it rests it stands on one of the booked slots."""
        if (known := self._brackets.get(bracket)) is not None:
            known.exits = {name for name in known.exits if self._open_orders.rests(name)} | {cl_ord_id}
            known.swapping_until_s = -math.inf

    def taken_away(self, cl_ord_id: str, now_s: float) -> None:
        """Note that an order is to be canceled: where it is an exit, another one may be wanted right behind."""
        for known in self._brackets.values():
            if cl_ord_id in known.exits:
                known.swapping_until_s = now_s + SWAP_S

    def swaps(self, symbol: str, now_s: float) -> bool:
        """Tell whether a bracket's exit is going and the next one has not been let go yet."""
        return any(one.symbol == symbol and now_s < one.swapping_until_s for one in self._brackets.values())

    def points(self, symbol: str, entering: str, now_s: float) -> int:
        """Return the points to leave free when an entry of bracket ``entering`` goes: all covers, one swap."""
        own = self._brackets.get(entering)
        bare = [one for one in self._others(symbol, entering) if not self._covered(one, now_s)]
        targets = sum(one.targets for one in bare) + (0 if own is None else own.targets)
        return COVER_POINTS * (len(bare) + 1) + targets + SWAP_POINTS

    def covers(self, symbol: str, now_s: float) -> int:
        """Return the points that a change in no haste leaves free: a stop's for each bracket whose entry may fill."""
        return sum(not self._covered(one, now_s) for one in self._others(symbol, ""))

    def slots(self, symbol: str, entering: str, now_s: float) -> int:
        """Return the slots to leave free, without those on which the brackets' exits stand already."""
        own = self._brackets.get(entering)
        wanted = STOP_SLOTS if own is None or own.symbol != symbol else self._free(own, STOP_SLOTS + own.targets)
        return wanted + sum(
            self._free(one, one.targets + (COVERED_SLOTS if self._covered(one, now_s) else STOP_SLOTS))
            for one in self._others(symbol, entering)
        )

    def _others(self, symbol: str, entering: str) -> list[_Bracket]:
        found = self._brackets.items()
        return [one for name, one in found if one.symbol == symbol and one.booked and name != entering]

    def _free(self, bracket: _Bracket, wanted: int) -> int:
        """Return how many of the slots wanted its exits do not stand on already."""
        return max(0, wanted - sum(self._open_orders.rests(name) for name in bracket.exits))

    def _covered(self, bracket: _Bracket, now_s: float) -> bool:
        rests = self._open_orders.rests
        entered = not bracket.entries or any(rests(name) for name in bracket.entries)
        if entered or not any(self._open_orders.stands(name) for name in bracket.exits):
            bracket.resting_since_s = None
            return False
        if bracket.resting_since_s is None:
            bracket.resting_since_s = now_s
        return now_s >= bracket.resting_since_s + SETTLED_S
