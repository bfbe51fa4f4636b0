"""Signals drawn from a seed: every kind of entry and of exit that a strategy may ask for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any

import msgspec

from engine.chaos.market import MarketPlan
from engine.orders.signal import Signal, parse_signal

_Price = Callable[[float], str]
_SHARES = (("0.5", "0.5"), ("0.4", "0.3", "0.3"), ("0.6", "0.4"), ("0.25", "0.25", "0.25", "0.25"))


def draw_signal(rng: Random, number: int, market: MarketPlan, tick: Decimal) -> Signal:
    """Entry near the middle, stop and target some tenths of a percent away: things come about within minutes."""
    side = "buy" if rng.random() < 0.65 else "sell"
    sign = 1 if side == "buy" else -1

    def price(bps: float) -> str:
        return str(((market.start * (1 + Decimal(round(bps * 10)) / 100_000)) / tick).to_integral_value() * tick)

    qty = (market.lot * rng.randint(10, 500)).quantize(Decimal("1E-8"), ROUND_DOWN)
    entry_bps = -sign * rng.uniform(-6, 18)
    entry, entry_bps = _entry(rng, side, qty, entry_bps, price, market)
    stop_bps = entry_bps - sign * rng.uniform(12, 70)
    target_bps = entry_bps + sign * rng.uniform(15, 90)
    text: dict[str, Any] = {
        "signal_id": f"{rng.getrandbits(32):08x}-0000-4000-8000-{number:012d}",
        "strategy_id": rng.choice(("alpha", "beta")),
        "symbol": market.symbol,
        "side": side,
        **entry,
        "stop_loss": _stop(rng, sign, stop_bps, target_bps, price, market, tick),
        "take_profit": _targets(rng, sign, target_bps, price),
    }
    text |= _life(rng, text, entry_bps, target_bps, price)
    return parse_signal(json.dumps({name: value for name, value in text.items() if value is not None}))


def by_index(rng: Random, signals: Sequence[Signal], markets: Sequence[MarketPlan]) -> list[Signal]:
    """Where a market has an index of its own, some triggers look at it instead of at the last price."""
    of = {market.symbol for market in markets if market.index_bps is not None}
    return [_by_index(one) if one.symbol in of and rng.random() < 0.5 else one for one in signals]


def _by_index(signal: Signal) -> Signal:
    stop = signal.stop_loss and msgspec.structs.replace(signal.stop_loss, reference="index")
    entry = "index" if signal.trigger_price is not None else signal.trigger_reference
    return msgspec.structs.replace(signal, stop_loss=stop, trigger_reference=entry)


def _entry(
    rng: Random, side: str, qty: Decimal, bps: float, price: _Price, market: MarketPlan
) -> tuple[dict[str, Any], float]:
    """Draw the entry's own members; return them and where it is likely to come about."""
    kind, sign = rng.random(), 1 if side == "buy" else -1
    text: dict[str, Any] = {"order_type": "limit", "order_qty": format(qty.normalize(), "f")}
    if kind < 0.14:
        return text | {"order_type": "market"}, 0.0
    if kind < 0.20 and side == "buy":
        cash = (qty * market.start).quantize(Decimal("0.01"), ROUND_DOWN)
        return {"order_type": "market", "cash_order_qty": str(cash)}, 0.0
    if rng.random() < 0.6:
        text["entry_timeout_s"] = rng.randint(3, 30)
    if kind < 0.28:  # into a market that runs
        bps = sign * rng.uniform(2, 14)
        limited = {"order_type": "stop-loss-limit", "limit_price": price(bps + sign * 8)}
        return text | {"trigger_price": price(bps)} | (limited if kind < 0.24 else {"order_type": "stop-loss"}), bps
    text["limit_price"] = price(bps)
    if kind < 0.36:
        text["time_in_force"] = "fok" if kind < 0.30 else "ioc"
    elif kind < 0.42:
        text["post_only"] = True
    return text, bps


def _stop(
    rng: Random, sign: int, stop_bps: float, target_bps: float, price: _Price, market: MarketPlan, tick: Decimal
) -> dict[str, Any]:
    stop: dict[str, Any] = {"trigger_price": price(stop_bps)}
    kind = rng.random()
    if kind < 0.18:
        stop["limit_price"] = price(stop_bps - sign * 60)
    elif kind < 0.36:
        far = Decimal(rng.randint(15, 50))
        distance = max(tick, (market.start * far / 10_000 / tick).to_integral_value() * tick)
        by_percent = kind < 0.27
        stop["trail"] = {"percent": str(far / 100)} if by_percent else {"distance": str(distance)}
        if rng.random() < 0.5:
            stop["trail"]["activation_price"] = price((stop_bps + 3 * target_bps) / 4)
    return stop


def _targets(rng: Random, sign: int, bps: float, price: _Price) -> object:
    kind = rng.random()
    if kind < 0.12:
        return None
    if kind < 0.32:
        shares = rng.choice(_SHARES)
        return [{"price": price(bps + sign * 8 * at), "share": share} for at, share in enumerate(shares)]
    target: dict[str, Any] = {"price": price(bps)}
    if kind < 0.40:
        target["order_type"] = "take-profit"
    elif kind < 0.48:
        target |= {"order_type": "take-profit-limit", "limit_price": price(bps - sign * 10)}
    return target


def _life(rng: Random, text: dict[str, Any], entry_bps: float, target_bps: float, price: _Price) -> dict[str, Any]:
    """What goes with the stop and the targets that have been drawn: how they rest, how they move, when all ends."""
    life: dict[str, Any] = {}
    trail, targets = text["stop_loss"].get("trail"), text["take_profit"]
    kind = rng.random()
    if kind < 0.2 and targets is not None:
        life["exits"] = "both-rest"
    elif kind < 0.38 and (trail is None or "activation_price" in trail):
        life["exits"] = "conditional-close"
    elif kind < 0.48:
        life["protect_from"] = "full_fill"
    if rng.random() < 0.2 and trail is None:
        life["break_even"] = {"at_price": price((entry_bps + target_bps) / 2), "offset": "0"}
    if rng.random() < 0.15:
        life["exit_after_s"] = rng.randint(4, 40)
    if rng.random() < 0.15 and not isinstance(targets, list):
        life["contingency"] = "oco"
    return life
