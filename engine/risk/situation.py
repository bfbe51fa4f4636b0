"""What a limit is judged by: the order that asks, and everything that stands or may still come. Pure values."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.market.book import Book
from engine.risk.in_flight import NOTHING, Flow
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Price, Side, other_side, sign


class Standing(msgspec.Struct, frozen=True):
    """One market now: signed position in base units, what may still come, and what a base unit is worth.

    ``value`` is in the accounting currency; None when the market has no price. ``lent`` and ``lent_flow`` are the same
    on margin: coins and a margin position do not close each other, so they are added up.
    """

    position: Decimal = ZERO
    flow: Flow = NOTHING
    value: Decimal | None = None
    lent: Decimal = ZERO
    lent_flow: Flow = NOTHING

    def worst(self, side: Side, qty: Decimal = ZERO, *, margin: bool = False) -> Decimal:
        """Return the most base units that may come to be held on one side, with ``qty`` more on it.

        Everything on that side fills, exits of what is held the other way included, and nothing on the other.
        """
        coins = sign(side) * self.position + self.flow.at_most(side) + (ZERO if margin else qty)
        lent = sign(side) * self.lent + self.lent_flow.at_most(side) + (qty if margin else ZERO)
        return max(ZERO, coins) + max(ZERO, lent)

    @property
    def exposure_qty(self) -> Decimal:
        """Return the most base units that either side may come to."""
        return max(self.worst("buy"), self.worst("sell"))

    @property
    def held(self) -> Decimal:
        """Return the base units held now, coins and margin added up."""
        return abs(self.position) + abs(self.lent)

    def exposure(self, side: Side = "buy", qty: Decimal = ZERO, *, margin: bool = False) -> Decimal:
        """Return what the larger side would be worth, with ``qty`` more on ``side``."""
        return max(self.worst(side, qty, margin=margin), self.worst(other_side(side))) * (self.value or ZERO)


class Candidate(msgspec.Struct, frozen=True):
    """An order that asks to pass. ``price`` in quote per base is what it would trade at, ``limit_price`` what it asks.

    ``qty`` base units that are not yet counted in flight. ``born_ns`` is when its signal was decided or came. Exits
    (``reduces``) need neither margin nor leave to borrow.
    """

    symbol: str
    strategy_id: str
    side: Side
    qty: Decimal
    price: Decimal
    limit_price: Price | None = None
    born_ns: int = 0
    leverage: int | None = None
    reduces: bool = False

    @property
    def margin(self) -> bool:
        """Whether it trades on margin."""
        return self.leverage is not None


class MarginStanding(msgspec.Struct, frozen=True):
    """What the account can bear, in the accounting currency, as the venue has told since our last fill on margin.

    ``coming`` is what other entries of ours may still bind. ``opposed`` says which position of the other side there is
    or may come on the market ("": none), ``mismatch`` what the venue holds there beyond our books.
    """

    equity: Decimal
    used: Decimal
    free: Decimal
    coming: Decimal = ZERO
    opposed: str = ""
    mismatch: Decimal = ZERO


class Situation(msgspec.Struct, frozen=True):
    """Everything a check may know, without the candidate. Money in the accounting currency, losses positive.

    ``standings`` and ``own`` are all markets with a position or a flow, of everybody and of the candidate's strategy;
    the candidate's own market is always among them. ``free`` is the balance that no order of ours may take, of the
    asset the candidate pays with; None when nobody has told. ``margin`` likewise, for a candidate with leverage.
    """

    now_ns: int
    instrument: Instrument
    book: Book
    rate: Decimal | None
    standings: dict[str, Standing]
    own: dict[str, Standing]
    orders: int = 0
    own_orders: int = 0
    sent_lately: int = 0
    realized_loss: Decimal = ZERO
    loss: Decimal = ZERO
    own_realized_loss: Decimal = ZERO
    own_loss: Decimal = ZERO
    drawdown: Decimal = ZERO
    free: Decimal | None = None
    margin: MarginStanding | None = None
