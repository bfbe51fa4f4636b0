"""The public tape of one pair: last price, recent trades and spreads, candles, the figures of the last 24 hours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from engine.sim.candles import Candle, Candles
from engine.sim.events import PublicTrade

KEPT = 1000  # trades kept for the Trades endpoint, its largest page
_SPREADS = 200


@dataclass(frozen=True, slots=True)
class Spread:
    """The best bid and ask from a moment on; zero for an empty side."""

    ts_ns: int
    bid: Decimal
    ask: Decimal


class Tape:
    """Trades as they are printed."""

    def __init__(self) -> None:
        self.last: PublicTrade | None = None
        self.trade_id = 0
        self.recent: deque[PublicTrade] = deque(maxlen=KEPT)
        self.spreads: deque[Spread] = deque(maxlen=_SPREADS)
        self.candles = Candles()

    @property
    def last_price(self) -> Decimal | None:
        """The price that triggers look at; None before the first trade."""
        return self.last.price if self.last is not None else None

    def next_trade_id(self) -> int:
        """Number the next trade of this book."""
        self.trade_id += 1
        return self.trade_id

    def stamp(self, now_ns: int) -> int:
        """Return the time of the next trade: its own, and so a place to go on from, even within one command."""
        return now_ns if self.last is None else max(now_ns, self.last.ts_ns + 1)

    def print(self, trade: PublicTrade) -> None:
        """Write a trade on the tape."""
        self.last = trade
        self.recent.append(trade)
        self.candles.add(trade.price, trade.qty, trade.ts_ns)

    def recall(self, trade: PublicTrade) -> None:
        """Put a trade of before a restart on the tape; its candles are remembered by themselves."""
        self.last, self.trade_id = trade, trade.trade_id
        self.recent.append(trade)

    def note_spread(self, ts_ns: int, bid: Decimal, ask: Decimal) -> None:
        """Remember the best prices, if they are others than before."""
        last = self.spreads[-1] if self.spreads else None
        if last is None or (last.bid, last.ask) != (bid, ask):
            self.spreads.append(Spread(ts_ns, bid, ask))

    def day(self, now_ns: int) -> Candle:
        """Return the figures of the last 24 hours, to the minute."""
        return self.candles.day(now_ns)

    def today(self, now_ns: int) -> Candle:
        """Return the figures since midnight UTC."""
        return self.candles.today(now_ns)
