"""A scripted market: timed steps, read from TOML.

    [[step]]
    at_s = 1.0                    # seconds since the start; or after_s since the step before; or when = ...
    symbol = "BTC/USD"
    do = "quote"                  # quote | cancel_all | take | print | index | end
    side = "sell"
    price = "50010.0"
    qty = "0.5"

``when = "client_order_open"`` waits for an open order of a client on the symbol, ``when = "after_client_fill"`` until
the clients had ``fills`` (default 1) fills there since the start; ``after_s`` beside them waits on top. ``index`` sets
the index price, and without a ``price`` it silences the index.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.sim.instruments import DEFAULT_PAIRS, PairSpec
from engine.sim.numbers import amount, decimals_of
from engine.sim.orders import Side

_NEEDS = {
    "quote": ("symbol", "side", "price", "qty"),
    "cancel_all": ("symbol",),
    "take": ("symbol", "side", "qty"),
    "print": ("symbol", "side", "price", "qty"),
    "index": ("symbol",),
    "end": (),
}
_WHEN = ("client_order_open", "after_client_fill")
_MEMBERS = ("at_s", "after_s", "when", "fills", "do", "symbol", "side", "price", "qty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what to wait for, then what to do. ``side`` of take and print is the taker's."""

    do: str
    at_s: float | None = None
    after_s: float = 0.0
    when: str | None = None
    fills: int = 1
    symbol: str = ""
    side: Side = "buy"
    price: Decimal = Decimal(0)
    qty: Decimal = Decimal(0)


def read_script(path: Path, pairs: Sequence[PairSpec] = DEFAULT_PAIRS) -> tuple[Step, ...]:
    """Read a script file. Raises OSError, and ValueError as ``parse_script``."""
    return parse_script(path.read_text(encoding="utf-8"), pairs)


def parse_script(text: str, pairs: Sequence[PairSpec] = DEFAULT_PAIRS) -> tuple[Step, ...]:
    """Read a script. Raises one ValueError that lists every fault, a line each: ``step[2].price: ...``."""
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from error
    faults = [f"{name}: unknown" for name in table if name != "step"]
    rows = table.get("step", [])
    if not isinstance(rows, list) or not rows:
        faults.append("step: at least one [[step]] is needed")
        rows = []
    by_symbol = {pair.symbol: pair for pair in pairs}
    steps = [_StepReader(f"step[{index}]", row, faults).read(by_symbol) for index, row in enumerate(rows, 1)]
    if faults:
        raise ValueError("\n".join(faults))
    return tuple(steps)


class _StepReader:
    """Reads one step and notes every fault in it."""

    def __init__(self, path: str, row: object, faults: list[str]) -> None:
        self._path, self._faults = path, faults
        self._row: Mapping[str, Any] = row if isinstance(row, dict) else {}
        if not isinstance(row, dict):
            self._fault("", "must be a table")

    def _fault(self, member: str, text: str) -> None:
        self._faults.append(f"{self._path}{'.' if member else ''}{member}: {text}")

    def read(self, pairs: Mapping[str, PairSpec]) -> Step:
        """Return the step, with stand-ins where a fault was noted."""
        for name in self._row:
            if name not in _MEMBERS:
                self._fault(name, "unknown")
        do = self._choice("do", tuple(_NEEDS)) or "end"
        for name in _NEEDS[do]:
            if name not in self._row:
                self._fault(name, f"needed by {do}")
        symbol = self._choice("symbol", tuple(pairs)) or ""
        if "when" in self._row and not symbol and "symbol" not in self._row:
            self._fault("symbol", "needed by when")
        pair = pairs.get(symbol)
        price = self._amount("price", pair.price_precision if pair else 18, pair.tick if pair else None)
        qty = self._amount("qty", pair.qty_precision if pair else 18, None)
        if pair is not None:
            self._check_minima(do, pair, price, qty)
        side: Side = "sell" if self._choice("side", ("buy", "sell")) == "sell" else "buy"
        return Step(
            do=do,
            at_s=self._seconds("at_s"),
            after_s=self._seconds("after_s") or 0.0,
            when=self._choice("when", _WHEN),
            fills=self._count("fills"),
            symbol=symbol,
            side=side,
            price=price,
            qty=qty,
        )

    def _check_minima(self, do: str, pair: PairSpec, price: Decimal, qty: Decimal) -> None:
        if do in ("quote", "take") and 0 < qty < pair.qty_min:
            self._fault("qty", f"must be at least {pair.qty_min}")
        elif do == "quote" and 0 < price * qty < pair.cost_min:
            self._fault("qty", f"costs less than {pair.cost_min}")

    def _choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        value = self._row.get(name)
        if value is None and (name != "do"):
            return None
        if value in allowed:
            return str(value)
        self._fault(name, f"must be one of {', '.join(allowed)}")
        return None

    def _seconds(self, name: str) -> float | None:
        value = self._row.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 <= value < 10**9:
            self._fault(name, "must be seconds, zero or more")
            return None
        return float(value)

    def _count(self, name: str) -> int:
        value = self._row.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self._fault(name, "must be a whole number, one or more")
            return 1
        return value

    def _amount(self, name: str, places: int, tick: Decimal | None) -> Decimal:
        if name not in self._row:
            return Decimal(0)
        try:
            value = amount(self._row[name])
        except ValueError as error:
            self._fault(name, str(error))
            return Decimal(0)
        if value <= 0 or decimals_of(value) > places:
            self._fault(name, f"must be above zero with at most {places} decimals")
        elif tick is not None and value % tick:
            self._fault(name, f"must be a multiple of {tick}")
        return value
