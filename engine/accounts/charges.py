"""What margin costs beside the fees that fills tell: opening fees and rollovers, by the venue's own ledger. Pure.

An entry names the fill that opened its position. Whose fill that was is whose loss it is, in that market; what nobody
can be named for stands under ``UNATTRIBUTED``, in full view.
"""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from typing import Final

import msgspec

from engine.accounts.exact import exactly
from engine.accounts.movement import Movement
from engine.orders.reports import Fee
from engine.values.money import ZERO
from engine.values.time import NS

MARGIN: Final = "margin"
"""The venue's word for the entries of a fill on margin: its fees, and the profit of what it closed."""
ROLLOVER: Final = "rollover"
"""The venue's word for what keeping a position open costs."""
UNATTRIBUTED: Final = "unattributed"
"""Stands for strategy and market of a charge that is ours, of which no entry says whose."""
BOOKED_MOST: Final = 10_000
"""So many entries wait for the moment up to which all have been heard of; a venue that never tells it costs no more."""
LOTS_MOST: Final = 1000
"""So many fills stay known by their names; whose an older one was, the venue's own list of trades tells."""
CUT_NS: Final = NS
"""A ledger's times may be cut: the entry of a fill is looked for from so long before it."""


class Lot(msgspec.Struct, frozen=True):
    """A fill of ours on margin. ``told`` are its fees while the ledger entry that holds them is still to come."""

    signal_id: str
    strategy_id: str
    symbol: str
    base: str
    quote: str
    told: tuple[Fee, ...] = ()


class Charge(msgspec.Struct, frozen=True):
    """An entry of the venue's ledger that belongs to a lot of ours, learnt at ``ts_ns``. ``qty`` units of its asset
    are lost beside the fees that the fill has told (negative: given back; zero: the entry adds nothing).

    Up to ``known_ns``, the venue's time, every entry has been heard of.
    """

    movement: Movement
    lot: Lot
    qty: Decimal
    ts_ns: int
    known_ns: int


class ChargeBooks(msgspec.Struct, frozen=True):
    """Lots by exec_id, and the entries booked since ``known_ns`` with their times: a replay begins here.

    ``known_ns`` 0: nothing was ever traded on margin.
    """

    known_ns: int = 0
    lots: dict[str, Lot] = {}
    booked: dict[str, int] = {}


class Charges:
    """Lots whose entries may come, and which have come. Each entry is taken once, over every restart."""

    def __init__(self, books: ChargeBooks) -> None:
        self.known_ns = books.known_ns
        self.lots: OrderedDict[str, Lot] = OrderedDict(books.lots)
        self._booked = dict(books.booked)
        # Of this process: what was asked for once may be told again, of a gap in the stream, long after that moment.
        self._taken = OrderedDict.fromkeys(books.booked)

    def books(self) -> ChargeBooks:
        """Copy everything, for the journal."""
        return ChargeBooks(self.known_ns, dict(self.lots), dict(self._booked))

    def note(self, exec_id: str, lot: Lot, traded_ns: int) -> None:
        """Take a fill on margin; ``traded_ns`` is the venue's time of it. One that is known stays as it is."""
        self.known_ns = self.known_ns or traded_ns - CUT_NS
        if self.lots.setdefault(exec_id, lot) is lot and len(self.lots) > LOTS_MOST:
            self.lots.popitem(last=False)

    def charge(self, movement: Movement, ts_ns: int, known_ns: int) -> Charge | None:
        """Return what an entry comes to; None for one that is booked already, or that names no lot of ours."""
        lot = self.lots.get(movement.ref_id)
        if lot is None or movement.ledger_id in self._taken:
            return None
        with exactly():
            if movement.kind == ROLLOVER:
                qty = -movement.change
            else:  # its amount is the profit by the venue's choice of positions: ours stands in the books of the fills
                qty = movement.fee - sum((fee.qty for fee in lot.told if fee.asset == movement.asset), ZERO)
        return Charge(movement, lot, qty, ts_ns, max(self.known_ns, known_ns))

    def take(self, charge: Charge) -> None:
        """Note that an entry is booked."""
        movement, lot = charge.movement, charge.lot
        if movement.kind != ROLLOVER:  # a further entry of the same fill is a charge in full
            lot = msgspec.structs.replace(lot, told=tuple(one for one in lot.told if one.asset != movement.asset))
        self.note(movement.ref_id, lot, movement.ts_ns)
        self.lots[movement.ref_id] = lot
        self._booked[movement.ledger_id] = movement.ts_ns
        self._taken[movement.ledger_id] = None
        if len(self._taken) > BOOKED_MOST:
            self._taken.popitem(last=False)
        self.know(charge.known_ns)
        if len(self._booked) > BOOKED_MOST:
            self.know(next(iter(self._booked.values())) + 1)

    def know(self, known_ns: int) -> None:
        """Take note that every entry up to a moment has been heard of: nobody asks for those again."""
        if not self.known_ns or known_ns <= self.known_ns:
            return
        self.known_ns = known_ns
        if any(ts_ns < known_ns for ts_ns in self._booked.values()):
            self._booked = {name: ts_ns for name, ts_ns in self._booked.items() if ts_ns >= known_ns}
