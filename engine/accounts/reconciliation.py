"""The venue's balances held against our own books. Pure: times come in as arguments.

For every asset: start + moved by our fills + moved by others + awaited + unexplained = balance now. What is left is a
mismatch, and nothing is invented to hide it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from engine.accounts.charges import MARGIN, ROLLOVER
from engine.accounts.exact import exactly
from engine.accounts.movement import SPOT, Movement
from engine.values.money import ZERO
from engine.values.time import NS

GRACE_NS: Final = 10 * NS
"""A fill and the ledger entry that belongs to it come over two channels: so long one may wait for the other."""
START_MARGIN_NS: Final = 10 * NS
"""Whether the balances at the start hold a fill from around then is not told by clocks, but by its ledger entry."""
REMEMBERED: Final = 10_000
"""So many trades of others stay known, should one of them turn out to be ours; and so many movements can be shown."""

TRADES: Final = frozenset({"trade", MARGIN, ROLLOVER})
"""The venue's words for entries whose reference is a fill, or may be."""

Changes = Mapping[str, Decimal]


class AssetLine(msgspec.Struct, frozen=True):
    """One asset since the start, in units of it. ``booked`` is what our fills moved, ``foreign`` what others did.

    ``awaited`` is what fills and ledger entries have moved whose other half is on its way.
    """

    asset: str
    start: Decimal
    booked: Decimal
    foreign: Decimal
    awaited: Decimal
    unexplained: Decimal
    total: Decimal


class _Fill(msgspec.Struct):
    """A fill of ours, by asset that a ledger entry is still to come for. ``counted``: the start certainly lacks it."""

    changes: dict[str, Decimal]
    since_ns: int
    counted: bool
    overdue: bool = False


class _Trade(msgspec.Struct):
    """Ledger entries of a trade that no fill of ours explains yet."""

    movements: list[Movement]
    since_ns: int


class Reconciliation:
    """Feed it every balance the venue tells and every fill we book. ``movements`` are those of others, the last ones,
    ``lent`` those of our fills on margin, for whoever books them.

    ``started_ns`` is our time of the first opening state; 0 before it. ``gap_ns`` is the time from which on the venue's
    ledger must be asked, since the stream was away; 0: it never was, or that has been done.
    """

    def __init__(self) -> None:
        self.started_ns = 0
        self.movements: deque[Movement] = deque(maxlen=REMEMBERED)
        self.lent: deque[Movement] = deque(maxlen=REMEMBERED)
        self.gap_ns = 0
        self._opened_ns = self._heard_ns = 0
        self._start: dict[str, Decimal] = {}
        self._total: dict[str, Decimal] = {}
        self._booked: dict[str, Decimal] = {}
        self._foreign: dict[str, Decimal] = {}
        self._early: deque[tuple[str, Changes, int]] = deque(maxlen=REMEMBERED)
        self._fills: OrderedDict[str, _Fill] = OrderedDict()
        self._trades: dict[str, _Trade] = {}
        self._others: OrderedDict[str, list[Movement]] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()  # ledger entries
        self._ours: OrderedDict[str, None] = OrderedDict()  # fills
        self._lent: OrderedDict[str, None] = OrderedDict()  # those on margin
        self.nameless: OrderedDict[str, Movement] = OrderedDict()
        """Rollovers, the first by each reference, that no fill of ours explains: until somebody has looked whose."""

    # --- what it is told --------------------------------------------------------------------------------------------

    def opened(self, totals: Changes, now_ns: int) -> None:
        """Take an opening state: every asset of the spot wallet. The first one is the start."""
        first, heard_ns = not self.started_ns, self._heard_ns
        self._opened_ns = self._heard_ns = now_ns
        self._total = dict(totals)
        if not first:
            self.gap_ns = self.gap_ns or max(self.started_ns, heard_ns - START_MARGIN_NS)
            return
        self.started_ns, self._start = now_ns, dict(totals)
        for exec_id, changes, ts_ns in self._early:
            self.filled(exec_id, changes, ts_ns, now_ns)
        self._early.clear()

    def moved(self, movement: Movement, total: Decimal, now_ns: int) -> bool:
        """Take a ledger entry of the spot wallet and the balance after it; returns whether it is foreign at once."""
        self._total[movement.asset], self._heard_ns = total, now_ns
        self._remember(self._told, movement.ledger_id)
        if movement.ref_id in self._lent:
            self._count_lent([movement])
            return False
        if movement.kind not in TRADES:
            self._count_foreign([movement])
            return True
        self._note_rollover(movement)
        fill = self._fills.get(movement.ref_id)
        if fill is None:
            self._trades.setdefault(movement.ref_id, _Trade([], now_ns)).movements.append(movement)
            return False
        self._show(movement.ref_id, fill, [movement])
        return False

    def explained(self, movements: list[Movement], opened_ns: int) -> list[Movement]:
        """Take what the venue's ledger holds since ``gap_ns``; returns what others moved while the stream was away.

        ``opened_ns`` is when the stream was last opened as the ledger was asked: opened since, the gap is still there.
        """
        if opened_ns == self._opened_ns:
            self.gap_ns = 0
        new: list[Movement] = []
        for one in movements:
            if one.ledger_id in self._told:
                continue
            self._remember(self._told, one.ledger_id)
            fill = self._fills.get(one.ref_id)
            if one.ref_id in self._lent:
                self._count_lent([one])
            elif fill is not None:
                self._show(one.ref_id, fill, [one])
            elif one.ref_id not in self._ours:
                new.append(one)
                self._note_rollover(one)
                if one.kind in TRADES:
                    self._others.setdefault(one.ref_id, []).append(one)
        self._count_foreign(new)
        return new

    def moved_elsewhere(self, movement: Movement) -> None:
        """Remember a ledger entry of another wallet: no order of ours moves those."""
        self.movements.append(movement)

    def filled(self, exec_id: str, changes: Changes, ts_ns: int, now_ns: int) -> None:
        """Take what one fill of ours moved, each fill once; ``ts_ns`` is the venue's time of it."""
        if not self.started_ns:
            self._early.append((exec_id, changes, ts_ns))
            return
        if ts_ns < self.started_ns - START_MARGIN_NS:
            return
        self._remember(self._ours, exec_id)
        left = {asset: change for asset, change in changes.items() if change}
        fill = _Fill(left, now_ns, counted=ts_ns > self.started_ns + START_MARGIN_NS)
        if fill.counted:
            _add(self._booked, left)
        told = self._trades.pop(exec_id, None)
        shown = self._others.pop(exec_id, []) if told is None else told.movements
        if told is None and shown:  # it was taken for another's
            _add(self._foreign, _sum(shown), -1)
            self.movements = deque((m for m in self.movements if m.ref_id != exec_id), maxlen=REMEMBERED)
        if not fill.counted or ts_ns >= self._opened_ns - START_MARGIN_NS:
            self._fills[exec_id] = fill  # else the balances hold it since the stream was last opened
        self._show(exec_id, fill, shown)

    def filled_on_margin(self, exec_id: str) -> None:
        """Take a fill of ours that moved no coins. What it moved is the venue's to say: which position an exit closes,
        and so its profit, is its choice; its entries, and later fees of the position that the fill opened, name it.
        """
        self._remember(self._lent, exec_id)
        self.nameless.pop(exec_id, None)
        told = self._trades.pop(exec_id, None)
        shown = self._others.pop(exec_id, []) if told is None else told.movements
        self._count_lent(shown)
        if told is None and shown:  # it was taken for another's
            _add(self._foreign, _sum(shown), -1)
            self.movements = deque((m for m in self.movements if m.ref_id != exec_id), maxlen=REMEMBERED)

    def look(self, now_ns: int) -> list[Movement]:
        """Give up waiting for what has waited too long; returns the trades that are now held for others'."""
        for fill in self._fills.values():
            fill.overdue = now_ns - fill.since_ns >= GRACE_NS
        while len(self._fills) > REMEMBERED:
            self._fills.popitem(last=False)
        found: list[Movement] = []
        for ref_id, trade in list(self._trades.items()):
            if now_ns - trade.since_ns >= GRACE_NS:
                del self._trades[ref_id]
                self._count_foreign(trade.movements)
                self._others[ref_id] = trade.movements
                found += trade.movements
        while len(self._others) > REMEMBERED:
            self._others.popitem(last=False)
        return found

    # --- what it says -----------------------------------------------------------------------------------------------

    @property
    def opened_ns(self) -> int:
        """Our time of the last opening state; 0 before the first."""
        return self._opened_ns

    def steady(self, now_ns: int) -> bool:
        """Tell whether the last opening state is old enough for what is unexplained to mean anything."""
        return self.started_ns != 0 and now_ns - self._opened_ns >= 2 * GRACE_NS

    def lines(self) -> list[AssetLine]:
        """Return every asset there is or was."""
        awaited: dict[str, Decimal] = {}
        for fill in self._fills.values():
            if fill.counted and not fill.overdue:
                _add(awaited, fill.changes, -1)
        for trade in self._trades.values():
            _add(awaited, _sum(trade.movements))
        names = dict.fromkeys((*self._start, *self._total, *self._booked, *self._foreign))
        return [self._line(name, awaited.get(name, ZERO)) for name in names]

    def unexplained(self) -> dict[str, Decimal]:
        """Return what neither our fills nor anybody's ledger entries account for, by asset."""
        return {line.asset: line.unexplained for line in self.lines() if line.unexplained}

    def _line(self, asset: str, awaited: Decimal) -> AssetLine:
        start, total = self._start.get(asset, ZERO), self._total.get(asset, ZERO)
        booked, foreign = self._booked.get(asset, ZERO), self._foreign.get(asset, ZERO)
        with exactly():
            unexplained = total - start - booked - foreign - awaited
        return AssetLine(asset, start, booked, foreign, awaited, unexplained, total)

    def _show(self, exec_id: str, fill: _Fill, movements: list[Movement]) -> None:
        """Match ledger entries with a fill: from the first of them on the start certainly does not hold it."""
        if movements and not fill.counted:
            fill.counted = True
            _add(self._booked, fill.changes)
        for movement in movements:
            fill.changes.pop(movement.asset, None)
        if not fill.changes:
            self._fills.pop(exec_id, None)

    @staticmethod
    def _remember(known: OrderedDict[str, None], name: str) -> None:
        known[name] = None
        if len(known) > REMEMBERED:
            known.popitem(last=False)

    def _note_rollover(self, movement: Movement) -> None:
        if movement.kind == ROLLOVER:
            self.nameless.setdefault(movement.ref_id, movement)
            if len(self.nameless) > REMEMBERED:
                self.nameless.popitem(last=False)

    def _count_lent(self, movements: list[Movement]) -> None:
        _add(self._booked, _sum(movements))
        self.lent.extend(movements)

    def _count_foreign(self, movements: list[Movement]) -> None:
        _add(self._foreign, _sum(movements))
        self.movements.extend(movements)


def _sum(movements: list[Movement]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    with exactly():
        for one in movements:
            if one.wallet == SPOT:
                sums[one.asset] = sums.get(one.asset, ZERO) + one.change
    return sums


def _add(sums: dict[str, Decimal], changes: Changes, times: int = 1) -> None:
    with exactly():
        for asset, change in changes.items():
            sums[asset] = sums.get(asset, ZERO) + times * change
