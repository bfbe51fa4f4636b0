"""What a fill costs: the fee schedule by 30-day volume, and the volumes (protocol sections 1.3, 1.4, 11.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.sim.numbers import NS, ZERO

_DAYS = 30
_DAY_NS = 86_400 * NS


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeStep:
    """One step of a schedule: from this USD volume of 30 days on, fees in percent."""

    volume: Decimal
    taker_pct: Decimal
    maker_pct: Decimal


def _recorded() -> tuple[FeeStep, ...]:
    volumes = (0, 10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000)
    taker = ["0.40", "0.35", "0.24", "0.22", "0.20", "0.18", "0.16", "0.14", "0.12", "0.10"]
    maker = ["0.25", "0.20", "0.14", "0.12", "0.10", "0.08", "0.06", "0.04", "0.02", "0.00"]
    rows = zip(volumes, taker, maker, strict=True)
    return tuple(FeeStep(volume=Decimal(v), taker_pct=Decimal(t), maker_pct=Decimal(m)) for v, t, m in rows)


RECORDED_FEES = _recorded()
"""Kraken's schedule as recorded in November 2025. It changes with time: no client may depend on it."""


class FeeSchedule:
    """The steps in rising order; the first begins at zero."""

    def __init__(self, steps: Sequence[FeeStep]) -> None:
        """Take the steps. Raises ValueError when they do not begin at zero and rise."""
        volumes = [step.volume for step in steps]
        if not steps or volumes[0] != 0 or volumes != sorted(set(volumes)):
            raise ValueError("a fee schedule begins at volume 0 and rises")
        self.steps = tuple(steps)

    def place(self, volume: Decimal) -> int:
        """Return the index of the step that a volume has reached."""
        return max(index for index, step in enumerate(self.steps) if step.volume <= volume)

    def rate(self, volume: Decimal, liquidity: str) -> Decimal:
        """Return the percent for a maker (``m``) or taker."""
        step = self.steps[self.place(volume)]
        return step.maker_pct if liquidity == "m" else step.taker_pct

    @property
    def worst_pct(self) -> Decimal:
        """The dearest fee of the schedule: what is set aside for an order covers it, whatever its volume becomes."""
        return max(max(step.taker_pct, step.maker_pct) for step in self.steps)


class Volumes:
    """USD traded by account and day (UTC). Thirty days count, today among them."""

    def __init__(self) -> None:
        self._days: dict[str, dict[int, Decimal]] = {}

    def add(self, account: str, ts_ns: int, usd: Decimal) -> None:
        """Count a fill, and forget the days that count no more."""
        day, days = ts_ns // _DAY_NS, self._days.setdefault(account, {})
        if day not in days:
            for old in [other for other in days if other <= day - _DAYS]:
                del days[old]
        days[day] = days.get(day, ZERO) + usd

    def put(self, account: str, day: int, usd: Decimal) -> None:
        """Set what was traded on a day (days since the epoch)."""
        self._days.setdefault(account, {})[day] = usd

    def of_day(self, account: str, ts_ns: int) -> tuple[int, Decimal]:
        """Return (day, USD) of the day of a moment."""
        day = ts_ns // _DAY_NS
        return day, self._days.get(account, {}).get(day, ZERO)

    def total(self, account: str, now_ns: int) -> Decimal:
        """Return the volume of the last thirty days."""
        today = now_ns // _DAY_NS
        return sum((usd for day, usd in self._days.get(account, {}).items() if day > today - _DAYS), ZERO)
