"""What live brackets may still need for their protection: points and slots that entries leave free (§10). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.kraken.open_orders import OpenOrders

COVER_POINTS = 2
"""A bracket's stop and one more: two adds."""
SWAP_POINTS = 10
"""The dearest swap a pair may need at one moment: cancel a young stop 8, exit 1, stop back 1. Kept once a pair: swaps
that come together go one after the other as the counter decays, and exits may fill it to its threshold."""
STOP_SLOTS = 2
"""A bracket's stop and one more, each an open order and a trigger order."""


@dataclass
class _Bracket:
    symbol: str
    booked: bool
    exits: set[str] = field(default_factory=set)


class Protection:
    """The brackets that are open, and which of them have booked their protection.

    A bracket books with its first entry that goes, or at once when it is resumed, and holds it until it is closed:
    a swap may come at any moment of its life, and then its stop is young again.
    """

    def __init__(self, open_orders: OpenOrders) -> None:
        self._open_orders = open_orders
        self._brackets: dict[str, _Bracket] = {}

    def open(self, bracket: str, symbol: str, *, booked: bool) -> None:
        """Take a bracket in."""
        self._brackets[bracket] = _Bracket(symbol, booked)

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

    def covered_by(self, bracket: str, cl_ord_id: str) -> None:
        """Note an exit of the bracket: while it rests it stands on one of the booked slots."""
        if (known := self._brackets.get(bracket)) is not None:
            known.exits = {name for name in known.exits if self._open_orders.rests(name)} | {cl_ord_id}

    def points(self, symbol: str, entering: str) -> int:
        """Return the points to leave free when an entry of bracket ``entering`` goes: all covers, one swap."""
        return COVER_POINTS * self._count(symbol, entering) + SWAP_POINTS

    def slots(self, symbol: str, entering: str) -> int:
        """Return the slots to leave free, without those on which the brackets' exits stand already."""
        standing = sum(
            min(STOP_SLOTS, sum(self._open_orders.rests(name) for name in one.exits))
            for one in self._brackets.values()
            if one.symbol == symbol and one.booked
        )
        return STOP_SLOTS * self._count(symbol, entering) - standing

    def _count(self, symbol: str, entering: str) -> int:
        booked = [name for name, one in self._brackets.items() if one.symbol == symbol and one.booked]
        return len(booked) + (entering not in booked)
