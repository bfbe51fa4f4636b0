"""What may still come: quantity of entries decided, sent or resting, from the decision on until it is filled or dead.

And what may go again: all that a living bracket holds, whether its exits rest or are still to be sent. They may trade
while nothing else does, so what one bracket has sold makes no room for what others may buy.

Kept as sums beside each other, so that a check costs the same however many brackets live. Exact: quantities are added
and taken away, never valued here.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec

from engine.orders.brackets import Bracket
from engine.orders.view import OrderView
from engine.values.money import ZERO, Side, sign


class Commitment(msgspec.Struct, frozen=True):
    """What one bracket may still bring. ``qty`` base units of entry, ``cost`` quote units they may take or bring.

    ``exit_qty`` base units that its living exits may trade; ``orders`` counts those that live and one that is due.
    ``net`` base units have come of it so far, by the fills that are booked: bought is positive, sold negative.
    With ``leverage`` the entry takes no cost from the balance, it binds margin.
    """

    strategy_id: str
    symbol: str
    base: str
    quote: str
    side: Side
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    exit_qty: Decimal = ZERO
    orders: int = 0
    leverage: int | None = None
    net: Decimal = ZERO

    @property
    def margin(self) -> bool:
        """Whether it trades on margin."""
        return self.leverage is not None

    @property
    def flow(self) -> Flow:
        """What it may still trade: its exits undo at most what it has brought."""
        back, out = max(ZERO, -self.net), max(ZERO, self.net)
        return Flow(self.qty, ZERO, back, out) if self.side == "buy" else Flow(ZERO, self.qty, back, out)


class Flow(msgspec.Struct, frozen=True):
    """Base units that entries may still buy and sell, and that exits may buy back and sell out."""

    buying: Decimal = ZERO
    selling: Decimal = ZERO
    buying_back: Decimal = ZERO
    selling_out: Decimal = ZERO

    def on(self, side: Side) -> Decimal:
        """Return what entries may bring on one side."""
        return self.buying if side == "buy" else self.selling

    def at_most(self, side: Side) -> Decimal:
        """Return what entries and exits together may trade on one side, with nothing on the other."""
        return self.buying + self.buying_back if side == "buy" else self.selling + self.selling_out

    def less(self, other: Flow) -> Flow:
        """Return what is left without another's part."""
        return Flow(
            self.buying - other.buying,
            self.selling - other.selling,
            self.buying_back - other.buying_back,
            self.selling_out - other.selling_out,
        )


NOTHING = Flow()


def commitment_of(bracket: Bracket, price: Decimal) -> Commitment:
    """Sum up a bracket. ``price`` values an entry without a limit.

    An entry still to be sent counts with its whole quantity, a sent one with what may rest and with what the venue has
    counted and we have not booked.
    """
    signal, instrument = bracket.signal, bracket.instrument
    entries = [view for view in bracket.orders.values() if view.role == "entry"]
    exits = [view for view in bracket.orders.values() if view.role != "entry" and not view.ended]
    qty = sum((_coming(view) for view in entries), ZERO)
    due = awaited(bracket, entries)
    if due:
        qty += instrument.lots(signal.order_qty)
    return Commitment(
        strategy_id=signal.strategy_id,
        symbol=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        side=signal.side,
        qty=qty,
        cost=qty * (_limit_of(entries) or signal.limit_price or signal.trigger_price or price),
        exit_qty=sum((view.most for view in exits), ZERO),
        orders=len(exits) + sum(not view.ended for view in entries) + due,
        leverage=signal.leverage,
        net=_booked(bracket) if signal.entered else ZERO,
    )


def _booked(bracket: Bracket) -> Decimal:
    """Return what the books hold of a bracket: what the venue counts beyond its fills is not in a position yet."""
    net = ZERO
    for view in bracket.orders.values():
        net += sign(view.spec.side) * view.cum_qty - view.fees.get(bracket.instrument.base, ZERO)
    return net


def _limit_of(entries: list[OrderView]) -> Decimal | None:
    """Return the limit of the entry that lives, as it stands now: it may have been amended."""
    return next((view.limit_price for view in entries if not view.ended), None)


def awaited(bracket: Bracket, entries: list[OrderView]) -> bool:
    """Tell whether an attempt at the entry is still to be made."""
    if bracket.ended or bracket.closing or not bracket.signal.entered:
        return False
    return not entries or (bracket.entry_pending and all(view.ended for view in entries))


def _coming(view: OrderView) -> Decimal:
    return view.most + max(ZERO, view.done_qty - view.cum_qty)


class InFlight:
    """Sums over the commitments of all living brackets, each replaced as it changes."""

    def __init__(self) -> None:
        self._known: dict[str, Commitment] = {}
        self._flows: dict[tuple[str | None, str, bool], list[Decimal]] = {}
        self._orders: Counter[str | None] = Counter()
        self._assets: dict[str, Decimal] = {}
        self._margin: dict[str, Decimal] = {}

    def put(self, signal_id: str, commitment: Commitment) -> None:
        """Set what a bracket may still bring."""
        before = self._known.get(signal_id)
        if before == commitment:
            return
        if before is not None:
            self._add(before, -1)
        self._known[signal_id] = commitment
        self._add(commitment, 1)

    def drop(self, signal_id: str) -> None:
        """Forget a bracket that has ended."""
        before = self._known.pop(signal_id, None)
        if before is not None:
            self._add(before, -1)

    def without(self, signal_id: str) -> Commitment | None:
        """Return what a bracket is counted with, so that its own order is not counted twice."""
        return self._known.get(signal_id)

    def flow(self, symbol: str, strategy_id: str | None = None, *, margin: bool = False) -> Flow:
        """Return what may come on a market, in coins or on margin, of all strategies or of one."""
        sums = self._flows.get((strategy_id, symbol, margin))
        return NOTHING if sums is None else Flow(*sums)

    def symbols(self, strategy_id: str | None = None) -> list[str]:
        """Return the markets on which anything may come."""
        return list(dict.fromkeys(symbol for strategy, symbol, _ in self._flows if strategy == strategy_id))

    def orders(self, strategy_id: str | None = None) -> int:
        """Count orders that live or are due, exits included."""
        return self._orders[strategy_id]

    def bound(self, asset: str) -> Decimal:
        """Return the units of an asset that our living orders may take from the balance."""
        return self._assets.get(asset, ZERO)

    def margin(self) -> dict[str, Decimal]:
        """Return the margin that our living entries may still bind, in units of each quote currency."""
        return dict(self._margin)

    def _add(self, one: Commitment, times: int) -> None:
        flow = one.flow
        for strategy_id in (None, one.strategy_id):
            self._orders[strategy_id] += times * one.orders
            key = (strategy_id, one.symbol, one.margin)
            sums = self._flows.setdefault(key, [ZERO] * 4)
            for place, units in enumerate((flow.buying, flow.selling, flow.buying_back, flow.selling_out)):
                if units:
                    sums[place] += times * units
            if not any(sums):
                del self._flows[key]
        for asset, units in bound_of(one):
            _sum_up(self._assets, asset, times * units)
        if one.leverage is not None:
            _sum_up(self._margin, one.quote, times * one.cost / one.leverage)


def _sum_up(sums: dict[str, Decimal], asset: str, units: Decimal) -> None:
    sums[asset] = sums.get(asset, ZERO) + units
    if not sums[asset]:
        del sums[asset]


def bound_of(one: Commitment) -> tuple[tuple[str, Decimal], ...]:
    """Return what one bracket's orders may take: quote for a buy and base for its exits, or the other way round.

    What a short's exits will buy back is paid from what its entry brought. On margin no coins are taken.
    """
    if one.margin:
        return ()
    if one.side == "buy":
        return (one.quote, one.cost), (one.base, one.exit_qty)
    return ((one.base, one.qty),)
