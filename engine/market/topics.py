"""What can be subscribed to: a channel of one symbol, at one depth or interval."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.market.book import DEPTHS

MarketChannel = Literal["book", "trade", "ticker", "ohlc"]
"""The status of a market needs no subscription: every instrument's is known at all times."""
INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
"""Minutes of a candle that Kraken offers (§6.5)."""


class Topic(msgspec.Struct, frozen=True):
    """``variant`` is a book's depth or a candle's interval in minutes, 0 for the rest."""

    channel: MarketChannel
    symbol: str
    variant: int = 0

    def fault(self) -> str:
        """Say what is wrong with it, nothing when it can be subscribed to."""
        offered = {"book": DEPTHS, "ohlc": INTERVALS}.get(self.channel, (0,))
        if self.variant in offered:
            return ""
        what = {"book": "depth", "ohlc": "interval"}.get(self.channel, "variant")
        return f"{what} of {self.channel} is one of {', '.join(map(str, offered))}, not {self.variant}"

    def __str__(self) -> str:
        return f"{self.channel} {self.symbol}" + (f" {self.variant}" if self.variant else "")


class Held(msgspec.Struct, frozen=True):
    """A topic and who holds it. It ends with its last holder; nobody can take away what another holds.

    ``standing`` once the venue has acknowledged it; ``refusal`` is the venue's text when it will not send it.
    """

    topic: Topic
    holders: tuple[str, ...]
    standing: bool
    refusal: str = ""
