"""The public tape of one pair: last price, recent trades, the figures of the last 24 hours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from engine.sim.events import PublicTrade
from engine.sim.numbers import NS, ZERO

_BUCKET_NS = 900 * NS
_DAY_NS = 86_400 * NS
_KEPT = 1000  # trades kept for the Trades endpoint, its largest page


@dataclass(slots=True)
class Figures:
    """Open, high, low, volume, cost and count of some trades."""

    start_ns: int
    open: Decimal = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    volume: Decimal = ZERO
    cost: Decimal = ZERO
    count: int = 0

    def add(self, trade: PublicTrade) -> None:
        """Count a trade."""
        price = trade.price
        if not self.count:
            self.open = self.high = self.low = price
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += trade.qty
        self.cost += trade.qty * price
        self.count += 1

    @property
    def vwap(self) -> Decimal:
        """Volume-weighted average price, zero without volume."""
        return self.cost / self.volume if self.volume else ZERO


def _merged(start_ns: int, parts: list[Figures]) -> Figures:
    whole = Figures(start_ns)
    for part in parts:
        if not whole.count:
            whole.open, whole.high, whole.low = part.open, part.high, part.low
        whole.high, whole.low = max(whole.high, part.high), min(whole.low, part.low)
        whole.volume += part.volume
        whole.cost += part.cost
        whole.count += part.count
    return whole


class Tape:
    """Trades as they are printed. The 24 hours roll in steps of a quarter of an hour."""

    def __init__(self) -> None:
        self.last: PublicTrade | None = None
        self.trade_id = 0
        self.recent: deque[PublicTrade] = deque(maxlen=_KEPT)
        self._buckets: deque[Figures] = deque()

    @property
    def last_price(self) -> Decimal | None:
        """The price that triggers look at; None before the first trade."""
        return self.last.price if self.last is not None else None

    def next_trade_id(self) -> int:
        """Number the next trade of this book."""
        self.trade_id += 1
        return self.trade_id

    def print(self, trade: PublicTrade) -> None:
        """Write a trade on the tape."""
        self.last = trade
        self.recent.append(trade)
        start = trade.ts_ns - trade.ts_ns % _BUCKET_NS
        if not self._buckets or self._buckets[-1].start_ns < start:
            self._buckets.append(Figures(start))
        self._buckets[-1].add(trade)
        while self._buckets[0].start_ns <= trade.ts_ns - _DAY_NS:
            self._buckets.popleft()

    def since(self, start_ns: int) -> Figures:
        """Return the figures since a moment (to the quarter hour)."""
        return _merged(start_ns, [b for b in self._buckets if b.start_ns + _BUCKET_NS > start_ns])

    def day(self, now_ns: int) -> Figures:
        """Return the figures of the last 24 hours."""
        return self.since(now_ns - _DAY_NS)

    def today(self, now_ns: int) -> Figures:
        """Return the figures since midnight UTC."""
        return self.since(now_ns - now_ns % _DAY_NS)
