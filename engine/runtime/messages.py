"""What travels on the engine's inner channels. Frozen."""

from __future__ import annotations

from typing import Literal

import msgspec
import trio

from engine.orders.commands import Request
from engine.orders.events import OrderEvent
from engine.orders.reports import Answer, OrderReport
from engine.orders.view import OrderView
from engine.risk.denials import Denial
from engine.values.money import Price, Qty


class Sent(msgspec.Struct, frozen=True):
    """The request's row is appended; its bytes leave once it is synced. ``row`` is that row.

    ``stamped_ns`` is venue time by our reckoning, before which nothing of it left (0: not told).
    """

    request: Request
    row: int
    stamped_ns: int = 0


class Answered(msgspec.Struct, frozen=True):
    """An answer and the journal row that holds it."""

    answer: Answer
    row: int


class Denied(msgspec.Struct, frozen=True):
    """Sender to order: a check of ours refused it before anything was written."""

    denial: Denial


class Cancel(msgspec.Struct, frozen=True):
    """Bracket to order: take it back. ``urgent``: before all else, whatever the counter says."""

    why: str
    urgent: bool = False


class Amend(msgspec.Struct, frozen=True):
    """Bracket to order: set the total quantity; of a stop that moves, trigger and limit with it."""

    order_qty: Qty
    why: str
    trigger_price: Price | None = None
    limit_price: Price | None = None


class Withdraw(msgspec.Struct, frozen=True):
    """Bracket to order: take back the change that waits to be let go; one that has gone is answered as any other."""


class AmendReply:
    """What became of an amend of an entry, once ``done`` is set; until then it is unknown."""

    def __init__(self) -> None:
        self.outcome: Literal["amended", "unknown", "refused"] = "unknown"
        self.code, self.reason = "NO_ANSWER", "not answered yet: the venue is being asked"
        self.done = trio.Event()

    def settle(self, outcome: Literal["amended", "refused"], code: str = "", reason: str = "") -> None:
        """Tell whoever waits."""
        self.outcome, self.code, self.reason = outcome, code, reason
        self.done.set()


class AmendEntry(msgspec.Struct, frozen=True):
    """Operator to entry: set its limit and its total quantity, if it rests and nothing else is under way."""

    order_qty: Qty
    limit_price: Price
    why: str
    reply: AmendReply


class ProvenDead(msgspec.Struct, frozen=True):
    """Every proof holds that the venue never took the order, or an operator has decided so."""

    why: str


class ProvenEnded(msgspec.Struct, frozen=True):
    """The venue disowns an order that it had shown, and every fill it can have has been told."""

    why: str


class DeclaredLive(msgspec.Struct, frozen=True):
    """An operator says that an unknown order rests on the venue."""

    why: str


class Shown(msgspec.Struct, frozen=True):
    """A state asked for late enough that an unanswered amend or cancel must show in it, or was not applied."""

    report: OrderReport


class Barrier(msgspec.Struct, frozen=True):
    """Recovery to order: ``passed`` is set once everything queued before this was taken and the bracket was told."""

    passed: trio.Event


OrderMessage = (
    OrderReport
    | Sent
    | Answered
    | Denied
    | Cancel
    | Amend
    | Withdraw
    | AmendEntry
    | ProvenDead
    | ProvenEnded
    | DeclaredLive
    | Shown
    | Barrier
)


class OrderChanged(msgspec.Struct, frozen=True):
    """Order to bracket: what it is now, and the events that led there. ``taken`` counts commands it has looked at."""

    view: OrderView
    events: tuple[OrderEvent, ...]
    taken: int


class MarketMoved(msgspec.Struct, frozen=True):
    """Market desk to bracket: its facts differ from those last told. At most one waits in an inbox."""


class EndEntry(msgspec.Struct, frozen=True):
    """Operator or shutdown to bracket: cancel what is left of the entry."""

    why: str


class LateReport(msgspec.Struct, frozen=True):
    """Desk to bracket: there are reports on orders whose scopes have ended."""


class Adopted(msgspec.Struct, frozen=True):
    """Recovery to bracket: an order of yours that the journal had lost has a scope again; run it."""

    cl_ord_id: str


class ChildrenAsked(msgspec.Struct, frozen=True):
    """To a bracket: the venue was asked for stops of a conditional close.

    Of ``childless_of`` entered quantity it has made none but those known by now; None: that is not proved yet.
    """

    childless_of: Qty | None


BracketMessage = OrderChanged | MarketMoved | EndEntry | LateReport | Adopted | ChildrenAsked
