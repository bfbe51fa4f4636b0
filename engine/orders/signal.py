"""A signal: an approved intent from a strategy, and its one-line JSON form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import msgspec

from engine.orders.commands import TimeInForce
from engine.values.money import Price, Qty, Side
from engine.values.time import parse_rfc3339

_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_STRATEGY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
MAX_SHOWN = 80
MAX_ENTRY_TIMEOUT_S = Decimal(30 * 24 * 3600)


class StopLoss(msgspec.Struct, frozen=True):
    """Where the loss is cut. With ``limit_price`` a stop-loss-limit, else a market stop."""

    trigger_price: Price
    limit_price: Price | None = None


class TakeProfit(msgspec.Struct, frozen=True):
    """Where the profit is taken."""

    price: Price


class Signal(msgspec.Struct, frozen=True):
    """One approved intent. Quantities in base units, prices in quote per base, ``valid_until_ns`` in UTC nanoseconds.

    ``entry_timeout_s`` counts from the moment the entry is sent; None waits for ever.
    """

    signal_id: str
    symbol: str
    side: Side
    order_type: Literal["market", "limit"]
    order_qty: Qty
    stop_loss: StopLoss | None
    strategy_id: str = "default"
    limit_price: Price | None = None
    take_profit: TakeProfit | None = None
    time_in_force: TimeInForce = "gtc"
    entry_timeout_s: Decimal | None = None
    valid_until_ns: int | None = None


class SignalFault(ValueError):
    """A line that is no signal. ``errors`` names every fault in it."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


_MISSING = object()
_MEMBERS = frozenset(Signal.__struct_fields__) - {"valid_until_ns"} | {"valid_until"}


class _Reader:
    """Reads members of one JSON object and collects what is wrong with them."""

    def __init__(self, members: dict[str, Any], path: str, errors: list[str]) -> None:
        self.members, self.path, self.errors = members, path, errors

    def refuse_unknown(self, known: frozenset[str]) -> None:
        for name in self.members:
            if name not in known:
                self.errors.append(f"{self.path}{_shown(name)}: unknown member")

    def take(self, name: str, parse: Callable[[Any], Any], default: Any = _MISSING) -> Any:
        value = self.members.get(name, _MISSING)
        if default is not _MISSING and (value is _MISSING or value is None):
            return default  # an optional member may be null
        if value is _MISSING:
            self.errors.append(f"{self.path}{name}: missing")
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.errors.append(f"{self.path}{name}: {error}")
            return None

    def part(self, name: str, known: frozenset[str], *, required: bool) -> _Reader | None:
        value = self.members.get(name, _MISSING)
        if value is _MISSING and required:
            self.errors.append(f'{self.path}{name}: missing (write "{name}": null to do without)')
        if value is _MISSING or value is None:
            return None
        if not isinstance(value, dict):
            self.errors.append(f"{self.path}{name}: must be an object or null")
            return None
        reader = _Reader(value, f"{self.path}{name}.", self.errors)
        reader.refuse_unknown(known)
        return reader


def _amount(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise ValueError('must be a string such as "0.02"')
    if not _AMOUNT.fullmatch(value):
        raise ValueError(f"not a plain positive decimal: {_shown(value)}")
    amount = Decimal(value)
    if amount <= 0:
        raise ValueError("must be more than zero")
    return amount


def _shown(text: str) -> str:
    """Somebody's text in a message: printable whatever it holds, and never a page of it."""
    shown = text[:MAX_SHOWN]
    return shown if shown.isprintable() and shown else ascii(shown)


def _one_of(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices or not isinstance(value, str):
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {what}")
        return value

    return parse


def _uuid(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a UUID string")
    if not _UUID.fullmatch(value):
        raise ValueError(f"not a UUID: {_shown(value)}")
    return value.lower()


def _seconds(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number of seconds")
    seconds = Decimal(value)
    if not 0 < seconds <= MAX_ENTRY_TIMEOUT_S:
        raise ValueError(f"must be more than 0 and at most {MAX_ENTRY_TIMEOUT_S} s")
    return seconds


def _moment(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError('must be an RFC3339 time such as "2099-01-01T00:00:00Z"')
    return parse_rfc3339(value)


_symbol = _matching(re.compile(r"[A-Za-z0-9.]{1,20}/?[A-Za-z0-9.]{1,20}"), "a symbol such as BTC/USD")
_strategy = _matching(_STRATEGY, "1 to 64 of letters, digits, _ . : -")


def _members(text: str, errors: list[str]) -> dict[str, Any]:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for name, value in items:
            if name in seen:
                errors.append(f"{_shown(name)}: written twice")
            seen[name] = value
        return seen

    def constant(name: str) -> None:
        raise ValueError(f"{name} is not a number")

    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=constant, object_pairs_hook=pairs)
    except (ValueError, ArithmeticError, RecursionError) as error:  # a number beyond Decimal's exponents is arithmetic
        raise SignalFault([f"not JSON: {error}"]) from None
    if not isinstance(value, dict):
        raise SignalFault(["must be a JSON object"])
    return value


def parse_signal(text: str) -> Signal:
    """Read one line of JSON. Amounts are strings; unknown or doubled members are faults.

    Raises SignalFault with every fault of the line. Order of prices and validity are not judged here: that needs a
    market and a clock, and ends in a denial instead.
    """
    errors: list[str] = []
    reader = _Reader(_members(text, errors), "", errors)
    reader.refuse_unknown(_MEMBERS)
    stop = reader.part("stop_loss", frozenset({"trigger_price", "limit_price"}), required=True)
    target = reader.part("take_profit", frozenset({"price"}), required=False)
    order_type = reader.take("order_type", _one_of("market", "limit"))
    fields: dict[str, Any] = {
        "signal_id": reader.take("signal_id", _uuid),
        "strategy_id": reader.take("strategy_id", _strategy, "default"),
        "symbol": reader.take("symbol", _symbol),
        "side": reader.take("side", _one_of("buy", "sell")),
        "order_type": order_type,
        "order_qty": reader.take("order_qty", _amount),
        "limit_price": reader.take("limit_price", _amount, None),
        "stop_loss": stop and StopLoss(stop.take("trigger_price", _amount), stop.take("limit_price", _amount, None)),
        "take_profit": target and TakeProfit(target.take("price", _amount)),
        "time_in_force": reader.take("time_in_force", _one_of("gtc", "ioc"), "gtc"),
        "entry_timeout_s": reader.take("entry_timeout_s", _seconds, None),
        "valid_until_ns": reader.take("valid_until", _moment, None),
    }
    if order_type == "limit" and reader.members.get("limit_price") is None:
        errors.append("limit_price: missing (a limit order needs one)")
    if order_type == "market" and reader.members.get("limit_price") is not None:
        errors.append("limit_price: a market order takes none")
    if errors:
        raise SignalFault(errors)
    return Signal(**fields)
