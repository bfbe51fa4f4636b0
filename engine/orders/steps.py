"""What the planner may ask for: each step names the command it stands for, so that a refused one is not repeated."""

from __future__ import annotations

from typing import Final

import msgspec

from engine.values.money import Price, Qty, Side

NO_FUNDS: Final = "INSUFFICIENT_FUNDS"
NO_POSITION: Final = frozenset({"REDUCE_ONLY_NO_POSITION", "REDUCE_ONLY_NON_PC", "UNKNOWN_POSITION"})
"""Refusals of a margin exit that say that nothing is there to reduce."""
SHRUNK: Final = "SHRUNK_BY_VENUE"
"""Code of a resting margin exit that the venue has cut to what there is to reduce."""
UNKNOWN_ORDER: Final = "UNKNOWN_ORDER"
"""Refusal of a change: nothing of that id is open, or not yet."""
NOT_APPLIED: Final = "NOT_APPLIED"
"""Code of an unanswered change that did not show when it was asked for."""
NO_INDEX: Final = "INDEX_UNAVAILABLE"
TRANSIENT_CODES: Final = frozenset(
    {
        "RATE_LIMIT",
        "ORDERS_LIMIT",
        "DOMAIN_RATE_LIMIT",
        "REST_RATE_LIMIT",
        "AUTH_RATE_LIMIT",
        "MESSAGE_RATE",
        "TOO_MANY_REQUESTS",
        "THROTTLED",
        "CANCEL_ONLY",
        "POST_ONLY_MODE",
        "DEADLINE_ELAPSED",
        "NOT_SENT",
        NOT_APPLIED,
        "INVALID_NONCE",
        "INVALID_SESSION",
        UNKNOWN_ORDER,
    }
)
"""Refusals that say "not now": the same command may be sent again after a pause."""


class PlaceStop(msgspec.Struct, frozen=True, tag="place_stop"):
    """Rest a further stop for ``qty``."""

    qty: Qty

    def key(self) -> tuple[str, ...]:
        """Name the command: refused once, it is not sent again unchanged."""
        return ("place_stop", str(self.qty.normalize()))


class AmendStop(msgspec.Struct, frozen=True, tag="amend_stop"):
    """Set a resting exit's total quantity, its fills included; of a stop that moves, trigger and limit with it."""

    cl_ord_id: str
    order_qty: Qty
    trigger_price: Price | None = None
    limit_price: Price | None = None

    def key(self) -> tuple[str, ...]:
        """Name the command."""
        prices = (self.trigger_price, self.limit_price)
        moved = tuple(str(price.normalize()) for price in prices if price is not None)
        return ("amend", self.cl_ord_id, str(self.order_qty.normalize()), *moved)


class CancelExit(msgspec.Struct, frozen=True, tag="cancel_exit"):
    """Take a stop, target or close back."""

    cl_ord_id: str
    why: str

    def key(self) -> tuple[str, ...]:
        """Name the command."""
        return ("cancel", self.cl_ord_id)


class WithdrawChange(msgspec.Struct, frozen=True, tag="withdraw_change"):
    """Take back an amend or cancel of an exit that has not been let go; one that has goes its way."""

    cl_ord_id: str

    def key(self) -> tuple[str, ...]:
        """Name the command."""
        return ("withdraw", self.cl_ord_id)


class CancelEntry(msgspec.Struct, frozen=True, tag="cancel_entry"):
    """Take the entry's remainder back."""

    why: str

    def key(self) -> tuple[str, ...]:
        """Name the command."""
        return ("cancel_entry",)


class PlaceTarget(msgspec.Struct, frozen=True, tag="place_target"):
    """Send the target at ``place`` (0 is the nearest) for ``qty``: at once or not at all, or to ``rest``."""

    qty: Qty
    place: int = 0
    rest: bool = False

    def key(self) -> tuple[str, ...]:
        """Name the command."""
        how = (str(self.place), "rest" if self.rest else "now") if self.place or self.rest else ()
        return ("place_target", str(self.qty.normalize()), *how)


class PlaceClose(msgspec.Struct, frozen=True, tag="place_close"):
    """Trade ``qty`` on ``side`` through the emergency lane: at market, or at once at ``limit_price`` or better."""

    qty: Qty
    side: Side
    why: str
    limit_price: Price | None = None

    def key(self) -> tuple[str, ...]:
        """Name the command."""
        limit = () if self.limit_price is None else (str(self.limit_price.normalize()),)
        return ("place_close", self.side, str(self.qty.normalize()), *limit)


Step = PlaceStop | AmendStop | CancelExit | WithdrawChange | CancelEntry | PlaceTarget | PlaceClose
ExitStep = AmendStop | CancelExit | PlaceClose
"""Steps for which there is no other when they are refused: a missing stop is planned anew, and told as bare."""


class Swap(msgspec.Struct, frozen=True):
    """Stop out, target in: ``qty`` leaves the stop's protection until ``target`` (its cl_ord_id) has ended."""

    qty: Qty
    started_ns: int
    target: str = ""
    place: int = 0
