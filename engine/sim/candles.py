"""Candles of one pair at every interval, and the figures of the last 24 hours; both from the tape alone.

Trades are counted once, into the running minute. When a minute is over it goes into the running candle of each longer
interval. Bounds: 720 candles an interval, and the minutes of one day. A candle begins at a multiple of its interval
since the epoch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.sim.numbers import NS, ZERO

INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)  # minutes
MOST = 720
MINUTE_NS = 60 * NS
DAY_MINUTES = 1440
_DAY_NS = 86_400 * NS


@dataclass(slots=True)
class Candle:
    """Open, high, low, close, volume, cost and count of the trades from ``start_ns`` on."""

    start_ns: int
    open: Decimal = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    close: Decimal = ZERO
    volume: Decimal = ZERO
    cost: Decimal = ZERO
    count: int = 0

    def add(self, price: Decimal, qty: Decimal) -> None:
        """Count a trade."""
        if not self.count:
            self.open = self.high = self.low = price
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += qty
        self.cost += qty * price
        self.count += 1

    def join(self, later: Candle) -> None:
        """Count what came after this."""
        if not later.count:
            return
        if not self.count:
            self.open, self.high, self.low = later.open, later.high, later.low
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.cost += later.cost
        self.count += later.count

    @property
    def vwap(self) -> Decimal:
        """Volume-weighted average price, zero without volume."""
        return self.cost / self.volume if self.volume else ZERO


class Series:
    """The candles of one interval; the last of them lacks the running minute."""

    def __init__(self, minutes: int) -> None:
        self.length_ns = minutes * MINUTE_NS
        self.rows: deque[Candle] = deque(maxlen=MOST)

    def take(self, minute: Candle) -> None:
        """Count a minute that is over."""
        start_ns = minute.start_ns - minute.start_ns % self.length_ns
        if not self.rows or self.rows[-1].start_ns < start_ns:
            self.rows.append(Candle(start_ns))
        self.rows[-1].join(minute)

    def with_running(self, minute: Candle) -> list[Candle]:
        """Return the candles there are, the running minute among them, oldest first."""
        rows = list(self.rows)
        if not minute.count:
            return rows
        start_ns = minute.start_ns - minute.start_ns % self.length_ns
        running = replace(rows.pop()) if rows and rows[-1].start_ns == start_ns else Candle(start_ns)
        running.join(minute)
        return [*rows, running][-MOST:]


class Day:
    """The minutes of the last 24 hours. Sums are kept as they come and go; high and low by falling and rising runs."""

    def __init__(self) -> None:
        self._minutes: deque[Candle] = deque()
        self._highs: deque[tuple[int, Decimal]] = deque()
        self._lows: deque[tuple[int, Decimal]] = deque()
        self._volume = self._cost = ZERO
        self._count = 0

    def take(self, minute: Candle) -> None:
        """Count a minute that is over."""
        self._minutes.append(minute)
        self._volume += minute.volume
        self._cost += minute.cost
        self._count += minute.count
        while self._highs and self._highs[-1][1] <= minute.high:
            self._highs.pop()
        self._highs.append((minute.start_ns, minute.high))
        while self._lows and self._lows[-1][1] >= minute.low:
            self._lows.pop()
        self._lows.append((minute.start_ns, minute.low))

    def figures(self, now_ns: int, minute: Candle) -> Candle:
        """Return what was traded within 24 hours (to the minute), the running minute among it."""
        self._forget(now_ns - _DAY_NS)
        day = Candle(now_ns - _DAY_NS)
        if self._minutes:
            day = Candle(
                self._minutes[0].start_ns,
                self._minutes[0].open,
                self._highs[0][1],
                self._lows[0][1],
                self._minutes[-1].close,
                self._volume,
                self._cost,
                self._count,
            )
        if minute.start_ns > now_ns - _DAY_NS:
            day.join(minute)
        return day

    def _forget(self, start_ns: int) -> None:
        while self._minutes and self._minutes[0].start_ns <= start_ns:
            gone = self._minutes.popleft()
            self._volume -= gone.volume
            self._cost -= gone.cost
            self._count -= gone.count
        for runs in (self._highs, self._lows):
            while runs and runs[0][0] <= start_ns:
                runs.popleft()


class Candles:
    """Every interval of one pair."""

    def __init__(self) -> None:
        self._series = {minutes: Series(minutes) for minutes in INTERVALS}
        self._day = Day()
        self._minute = Candle(0)
        self._unsaved = False  # a minute has ended since ``take_ended``

    def add(self, price: Decimal, qty: Decimal, ts_ns: int) -> None:
        """Count a trade. A clock that was set back counts it into the running minute."""
        if ts_ns >= self._minute.start_ns + MINUTE_NS:
            self._close()
            self._minute = Candle(ts_ns - ts_ns % MINUTE_NS)
        self._minute.add(price, qty)

    def _close(self) -> None:
        if self._minute.count:
            for series in self._series.values():
                series.take(self._minute)
            self._day.take(self._minute)
            self._unsaved = True

    @property
    def running(self) -> Candle:
        """The minute that may still change."""
        return self._minute

    def take_ended(self) -> list[tuple[int, Candle]]:
        """Return the newest candle of each interval, without the running minute, once after every minute's end."""
        unsaved, self._unsaved = self._unsaved, False
        return [(minutes, series.rows[-1]) for minutes, series in self._series.items()] if unsaved else []

    def recall(self, minutes: int, ended: Iterable[Candle]) -> None:
        """Put candles of before a restart back, oldest first, as ``take_ended`` gave them."""
        for candle in ended:
            self._series[minutes].rows.append(candle)
            if minutes == 1:
                self._day.take(replace(candle))

    def go_on(self, running: Candle) -> None:
        """Go on with the minute that was running at a restart."""
        self._minute = running

    def rows(self, minutes: int) -> list[Candle]:
        """Return the candles of an interval that had trades, oldest first, the running one last."""
        return self._series[minutes].with_running(self._minute)

    def last(self, minutes: int) -> Candle | None:
        """Return the newest candle of an interval."""
        series, minute = self._series[minutes], self._minute
        start_ns = minute.start_ns - minute.start_ns % series.length_ns
        before = series.rows[-1] if series.rows else None
        if not minute.count:
            return before
        running = replace(before) if before is not None and before.start_ns == start_ns else Candle(start_ns)
        running.join(minute)
        return running

    def day(self, now_ns: int) -> Candle:
        """Return the figures of the last 24 hours, to the minute."""
        return self._day.figures(now_ns, self._minute)

    def today(self, now_ns: int) -> Candle:
        """Return the figures since midnight UTC."""
        last, midnight_ns = self.last(1440), now_ns - now_ns % _DAY_NS
        return last if last is not None and last.start_ns == midnight_ns else Candle(midnight_ns)


def without_gaps(rows: Iterable[Candle], minutes: int, until_ns: int) -> list[Candle]:
    """Return the newest 720 candles up to a moment, an interval without trades as a flat one at the last price."""
    length_ns, whole = minutes * MINUTE_NS, list(rows)
    if not whole:
        return []
    newest_ns = max(whole[-1].start_ns, until_ns - until_ns % length_ns)
    oldest_ns = max(whole[0].start_ns, newest_ns - (MOST - 1) * length_ns)
    by_start = {row.start_ns: row for row in whole}
    close = next((row.close for row in reversed(whole) if row.start_ns <= oldest_ns), whole[0].open)
    filled: list[Candle] = []
    for start_ns in range(oldest_ns, newest_ns + 1, length_ns):
        row = by_start.get(start_ns) or Candle(start_ns, close, close, close, close)
        close = row.close
        filled.append(row)
    return filled
