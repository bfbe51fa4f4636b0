"""What a signal says of its exits: stop, trail, targets, break-even. Prices in quote per base, durations in seconds."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.orders.commands import TriggerReference
from engine.values.money import Price

WATCHDOG_S = Decimal(2)
"""How long a triggered stop-loss-limit may stand unfilled: as long as any other quantity may stand bare."""


class Trail(msgspec.Struct, frozen=True):
    """How a stop follows the market: ``distance`` in quote, or ``percent`` of the peak; exactly one is set.

    Without ``activation_price`` it rests as Kraken's trailing stop. With it the plain stop rests until the executable
    side touches that price; from then on its trigger is amended after the peak, in steps.
    """

    distance: Decimal | None = None
    percent: Decimal | None = None
    activation_price: Price | None = None

    def behind(self, peak: Price) -> Decimal:
        """Quote units between a peak and its trigger."""
        return self.distance if self.distance is not None else peak * (self.percent or Decimal(0)) / 100


class StopLoss(msgspec.Struct, frozen=True):
    """Where the loss is cut. With ``limit_price`` a stop-loss-limit, else a market stop.

    ``watchdog_s`` belongs to the stop-loss-limit: one that has triggered and stands unfilled for longer is closed at
    market. Of a trail that Kraken carries, ``trigger_price`` is the level at which quantity without a stop is closed.
    """

    trigger_price: Price
    limit_price: Price | None = None
    reference: TriggerReference = "last"
    watchdog_s: Decimal = WATCHDOG_S
    trail: Trail | None = None

    @property
    def venue_trail(self) -> Trail | None:
        """The trail, if Kraken itself carries it."""
        return self.trail if self.trail is not None and self.trail.activation_price is None else None


class TakeProfit(msgspec.Struct, frozen=True):
    """Where the profit is taken: for the ``share`` of the quantity (None: all of it).

    Watched, ``limit`` sends a limit at ``price``, ``take-profit`` a market order, ``take-profit-limit`` a limit at
    ``limit_price``; resting, each is the venue's order of that name.
    """

    price: Price
    order_type: Literal["limit", "take-profit", "take-profit-limit"] = "limit"
    limit_price: Price | None = None
    share: Decimal | None = None


class BreakEven(msgspec.Struct, frozen=True):
    """Once the executable side touches ``at_price``, the stop goes to the average entry, ``offset`` to the good."""

    at_price: Price
    offset: Decimal = Decimal(0)
