"""What both sides know of our orders at this moment: the journal's word beside the exchange's, by cl_ord_id."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from engine.chaos.moments import Moments
from engine.orders.commands import NewOrder
from engine.orders.events import Role
from engine.orders.replay import Closed
from engine.orders.signal import Signal
from engine.sim import SimOrder
from engine.values.instrument import Instrument

ZERO = Decimal(0)


@dataclass
class Twin:
    """One order of ours, seen from both sides. ``requests`` are rows (kind, sequence number) that announced a request.

    ``venue`` is the exchange's live record, None while it has none; ``filled_s`` is when it last traded there.
    ``told_fees`` are those of the fills in the journal, by asset.
    """

    cl_ord_id: str
    signal_id: str
    role: Role
    spec: NewOrder
    state: str = "new"
    state_since_s: float = 0.0
    cum_qty: Decimal = ZERO
    counted: Decimal = ZERO
    """What the venue has counted as filled, by the journal: its fills may still be missing there."""
    told_qty: Decimal | None = None
    """What the journal last told of an amend's quantity."""
    told_fees: dict[str, Decimal] = field(default_factory=dict)
    exec_ids: set[str] = field(default_factory=set)
    requests: list[tuple[str, int]] = field(default_factory=list)
    deadline_ns: int = 0
    """Of the request that is to place it, in the venue's time."""
    venue: SimOrder | None = None
    venue_ids: set[str] = field(default_factory=set)
    venue_cum: Decimal = ZERO
    filled_s: float = 0.0
    decided_s: float = 0.0
    alarmed: bool = False
    child: bool = False
    """The venue made it, of a conditional close: it has an intent only once the engine has learnt of it."""
    misled: bool = False
    """It was proved dead while it lived, and REST lagged further than it may: that is damage."""
    intended: bool = True
    """Its intent stands in the journal: a loss of power may take one back that was never sent."""

    @property
    def leaves(self) -> Decimal:
        """Quantity that rests on the exchange."""
        return ZERO if self.venue is None else self.venue.leaves_qty


@dataclass
class Case:
    """One signal and everything that came of it. Base units."""

    signal: Signal
    instrument: Instrument
    opened_s: float
    orders: dict[str, Twin] = field(default_factory=dict)
    closed: Closed | None = None
    state: str = "entering"
    heights: deque[tuple[Decimal, float]] = field(default_factory=deque)
    """What was held, and since when, of all that lies above the covered part: stops cover what came first."""
    alarmed_s: float = -math.inf
    """When the bracket last told an alarm."""
    opened: bool = True
    unwanted: bool = False
    """A row says that its entry has been taken back."""
    why: str = ""
    """What the bracket gave as the reason of its last move."""

    @property
    def signal_id(self) -> str:
        """Which signal this is."""
        return self.signal.signal_id

    def see_bare(self, bare: Decimal, now_s: float) -> None:
        """Note what stands bare now; none ends it."""
        held = self.held
        while self.heights and (not bare or self.heights[0][0] <= held - bare):
            self.heights.popleft()
        if bare and (not self.heights or held > self.heights[-1][0]):
            self.heights.append((held, now_s))

    @property
    def bare_since_s(self) -> float | None:
        """Since when the oldest quantity that is bare now has been so; None: nothing is."""
        return self.heights[0][1] if self.heights else None

    def of(self, role: str) -> list[Twin]:
        """Return its orders of a role, oldest first."""
        return [twin for twin in self.orders.values() if twin.role == role]

    @property
    def held(self) -> Decimal:
        """What its fills on the exchange come to, after base fees, in the direction of the entry."""
        held = ZERO
        for twin in self.orders.values():
            venue = twin.venue
            if venue is None:
                continue
            held += venue.cum_qty if venue.side == self.signal.side else -venue.cum_qty
            if venue.fee_asset == self.instrument.base:
                held -= venue.fee if self.signal.side == "buy" else -venue.fee
        return held if self.signal.entered else held + self.signal.order_qty

    @property
    def net(self) -> Decimal:
        """What it holds by the exchange: bought is positive, sold negative."""
        return self.held if self.signal.side == "buy" else -self.held

    def resting(self, *roles: str) -> Decimal:
        """Quantity on the exchange of its exits, or of those of some roles."""
        wanted = roles or ("stop", "target", "close")
        exits = (t for t in self.orders.values() if t.role in wanted and t.venue is not None)
        return sum((t.leaves for t in exits if t.spec.side != self.signal.side), ZERO)

    @property
    def told_held(self) -> Decimal:
        """What has filled comes to by the journal, after base fees, in the direction of the entry."""
        sums = [(t.spec.side, max(t.cum_qty, t.counted)) for t in self.orders.values()]
        filled = (qty if side == self.signal.side else -qty for side, qty in sums)
        paid = sum((t.told_fees.get(self.instrument.base, ZERO) for t in self.orders.values()), ZERO)
        held = sum(filled, ZERO if self.signal.entered else self.signal.order_qty)
        return held - paid if self.signal.side == "buy" else held + paid

    def told_resting(self, *roles: str) -> Decimal:
        """Quantity of these roles that rests by the journal's word: what nobody has told the engine otherwise of."""
        alive = ("open", "partial", "pending_amend")
        told = [t for t in self.orders.values() if t.role in roles and t.state in alive]
        return sum((t.leaves or (t.told_qty or t.spec.order_qty) - t.cum_qty for t in told), ZERO)

    def dust(self) -> Decimal:
        """Quantity too small to be ordered."""
        return self.instrument.qty_min

    def base_fees(self) -> Decimal:
        """What its exits have paid in base: bought back, and gone."""
        exits = [t.venue for t in self.orders.values() if t.role != "entry" and t.venue is not None]
        return sum((venue.fee for venue in exits if venue.fee_asset == self.instrument.base), ZERO)


class Ledger:
    """Cases by signal, twins by cl_ord_id and by the exchange's order id; the journal's head and its durable part."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.orders: dict[str, Twin] = {}
        self.by_order_id: dict[str, Twin] = {}
        self.foreign: dict[str, SimOrder] = {}
        self.unclaimed: dict[str, SimOrder] = {}
        """Orders with a cl_ord_id on the exchange that no intent has named yet: a lost tail's."""
        self.head = self.durable = 0
        self.up = False
        """An engine accepts signals."""
        self.halted: dict[str, str] = {}
        self.reducing: set[str] = set()
        """Strategies, "" for all, under a latch that lets pass what reduces."""
        self.moments = Moments()
        self.taken_back: dict[str, float] = {}
        """Signals whose entry a person has canceled, and when; a loss of power may take back what was not durable."""
        self.given_up: set[str] = set()
        """Orders that a person has canceled by name."""
        self.taken: set[str] = set()
        """Orders that somebody has canceled at the exchange."""
        self.up_since_s = 0.0
        self.in_force = 0
        """Faults that last and have not ended."""
        self._undisturbed_s = -math.inf
        self.struck: dict[str, int] = {}
        self.struck_s: dict[str, float] = {}
        """When each kind of fault struck last."""
        self.alarms: list[tuple[float, str]] = []

    @property
    def quiet_since_s(self) -> float:
        """Since when no fault has worked and an engine has been up; infinite while that is not so."""
        return self._undisturbed_s if self.up and not self.in_force else math.inf

    def disturb(self, until_s: float) -> None:
        """Note that something works, or may still work, until this moment."""
        self._undisturbed_s = max(self._undisturbed_s, until_s)

    def count(self, kind: str, now_s: float) -> None:
        """Count what has come about."""
        self.struck[kind] = self.struck.get(kind, 0) + 1
        self.struck_s[kind] = now_s

    def works(self, kind: str, now_s: float, works_s: float) -> None:
        """Note that a fault which struck before still works, and may for so long from now."""
        self.struck_s[kind] = now_s
        self.disturb(now_s + works_s)

    def strike(self, kind: str, now_s: float, *, works_s: float = 0.0) -> None:
        """Count a fault that has met something, and may work for so long from now."""
        self.count(kind, now_s)
        self.disturb(now_s + works_s)

    def had_since(self, since_s: float, *kinds: str) -> bool:
        """Tell whether any of these faults has struck since this moment."""
        return any(self.struck_s.get(kind, -math.inf) >= since_s for kind in kinds)

    def had(self, *kinds: str) -> bool:
        """Tell whether any of these faults has struck in this run."""
        return any(self.struck.get(kind) for kind in kinds)
