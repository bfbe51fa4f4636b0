"""The parent: what is to be worked in the end, and the children that are cut from it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from engine import ConfigError, Instrument, Signal, SignalFault, parse_signal

NS = 1_000_000_000
FEE_ROOM = Decimal("0.01")
"""What a fee in the bought coin may take away, and a little: a slice must be worth a stop after it, too."""
BACKSTOP_S = 5
"""A resting child expires on the venue this long after we meant to cancel it: that counts when nobody is there to."""


class ParentFault(ConfigError):
    """A signal that no algorithm can work: it says why."""


@dataclass(frozen=True)
class Parent:
    """A limit signal with the members it was written with. Make it with ``read``."""

    signal: Signal
    members: Mapping[str, Any]

    @classmethod
    def read(cls, text: str) -> Parent:
        """Read one line of JSON, as ``parse_signal`` does. Raises ParentFault."""
        try:
            signal = parse_signal(text)
        except SignalFault as fault:
            raise ParentFault(f"no signal: {fault}") from None
        _check(signal)
        return cls(signal, json.loads(text))

    @property
    def worst(self) -> Decimal:
        """The worst price that may be paid, in quote per base."""
        assert self.signal.limit_price is not None  # noqa: S101 - a limit signal has one
        return self.signal.limit_price

    def child_id(self, number: int) -> str:
        """Return the id of a child, counted from 0: the same in every process and whatever the algorithm.

        So another algorithm on the same parent, or this one after a restart, goes on where the first was stopped.
        """
        return str(uuid.uuid5(uuid.UUID(self.signal.signal_id), f"child/{number}"))

    def child(self, number: int, qty: Decimal, end_ns: int, **changes: Any) -> str:
        """Write a child as one line of JSON. ``end_ns`` is the parent's end: later it is not even looked at."""
        members = {**self.members, "signal_id": self.child_id(number), "order_qty": f"{qty:f}"}
        members |= {"valid_until": moment(end_ns), "created_at": None}
        return json.dumps({**members, **changes})

    def resting(self, until_ns: int, now_ns: int) -> dict[str, Any]:
        """Return the members of a child that rests until a moment: canceled by us then, else by the venue soon after.

        A parent that is immediate-or-cancel has children that are.
        """
        if self.signal.time_in_force != "gtc":
            return {}
        left_ms = max(1, -(-(until_ns - now_ns) // 1_000_000))
        expires_ns = -(-until_ns // NS) * NS + BACKSTOP_S * NS  # the venue knows whole seconds
        return {
            "time_in_force": "gtd",
            "expire_time": moment(expires_ns),
            "entry_timeout_s": left_ms / 1000,
        }

    def least(self, instrument: Instrument) -> Decimal:
        """Return the least quantity worth a child: entry and stop must meet the market's minima, after fees too."""
        stop = self.signal.stop_loss
        price = min(self.worst, stop.trigger_price) if stop is not None else self.worst
        qty = max(instrument.qty_min, instrument.cost_min / price) * (1 + FEE_ROOM)
        step = instrument.qty_increment
        return (qty / step).to_integral_value(ROUND_UP) * step

    def sized(self, wanted: Decimal, left: Decimal, instrument: Instrument) -> Decimal:
        """Return whole lots near ``wanted`` that leave no remainder too small to trade; 0 where nothing can be sent.

        What would be left below the minima goes along. Never more than ``left``.
        """
        least, step = self.least(instrument), instrument.qty_increment
        qty = (min(wanted, left) / step).to_integral_value(ROUND_DOWN) * step
        if 0 < left - qty < least:
            qty = (left / step).to_integral_value(ROUND_DOWN) * step
        return qty if qty >= least else Decimal(0)


def moment(ts_ns: int) -> str:
    """Write UTC nanoseconds as RFC 3339, to the microsecond."""
    seconds, rest = divmod(ts_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}.{rest // 1000:06d}Z"


def _check(signal: Signal) -> None:
    if signal.order_type != "limit":
        raise ParentFault(f"order_type: {signal.order_type} names no worst price; write limit with a limit_price")
    if signal.time_in_force not in ("gtc", "ioc"):
        raise ParentFault(f"time_in_force: {signal.time_in_force}; an algorithm works with gtc or ioc")
    for name, given in (("entry_timeout_s", signal.entry_timeout_s), ("valid_until", signal.valid_until_ns)):
        if given is not None:
            raise ParentFault(f"{name}: its time is told to the algorithm, not in the signal")
