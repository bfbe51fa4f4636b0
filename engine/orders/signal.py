"""A signal: an approved intent from a strategy, and its one-line JSON form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec

from engine.orders import members
from engine.orders.commands import TimeInForce, TriggerReference
from engine.orders.members import Reader, amount, one_of
from engine.orders.terms import WATCHDOG_S, BreakEven, Trail
from engine.orders.terms import StopLoss as StopLoss  # what a signal is made of is had from here
from engine.orders.terms import TakeProfit as TakeProfit
from engine.values.money import NO_QTY, Price, Qty, Side

EntryType = Literal["market", "limit", "stop-loss", "stop-loss-limit", "take-profit", "take-profit-limit"]
ProtectFrom = Literal["first_fill", "full_fill"]
Exits = Literal["stop-rests", "both-rest", "conditional-close"]
Contingency = Literal["ouo", "oco"]

MAX_TARGETS = 4
"""Each resting target takes an open-order slot, each watched one a swap; more shares than four are mostly dust."""


class Signal(msgspec.Struct, frozen=True):
    """One approved intent. Quantities in base units, prices in quote per base, times in UTC nanoseconds.

    ``entry_timeout_s`` counts from the moment the entry is sent; None waits for ever. ``take_profit`` is the nearest
    target, ``more_targets`` those beyond it. Of a quote quantity (``cash_order_qty``) ``order_qty`` is zero until the
    engine takes the signal in. ``exit_after_s`` counts from the first fill. ``entered`` is False for coins that are
    there already: nothing is bought or sold for them, ``order_qty`` is protected from the start. ``created_ns`` is when
    its strategy decided; None: its age counts from its arrival. With ``leverage`` entry and exits trade on margin.
    """

    signal_id: str
    symbol: str
    side: Side
    order_type: EntryType
    order_qty: Qty
    stop_loss: StopLoss | None
    strategy_id: str = "default"
    limit_price: Price | None = None
    take_profit: TakeProfit | None = None
    time_in_force: TimeInForce = "gtc"
    entry_timeout_s: Decimal | None = None
    valid_until_ns: int | None = None
    trigger_price: Price | None = None
    trigger_reference: TriggerReference = "last"
    expire_time_ns: int | None = None
    post_only: bool = False
    cash_order_qty: Decimal | None = None
    more_targets: tuple[TakeProfit, ...] = ()
    break_even: BreakEven | None = None
    exit_after_s: Decimal | None = None
    exit_at_ns: int | None = None
    protect_from: ProtectFrom = "first_fill"
    exits: Exits = "stop-rests"
    contingency: Contingency = "ouo"
    entered: bool = True
    created_ns: int | None = None
    leverage: int | None = None

    @property
    def margin(self) -> bool:
        """Whether it trades on margin: its position is a loan's, no coins move."""
        return self.leverage is not None

    @property
    def targets(self) -> tuple[TakeProfit, ...]:
        """All targets, the nearest first."""
        return () if self.take_profit is None else (self.take_profit, *self.more_targets)


class SignalFault(ValueError):
    """A line that is no signal. ``errors`` names every fault in it."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


_RENAMED = {
    "valid_until_ns": "valid_until",
    "expire_time_ns": "expire_time",
    "exit_at_ns": "exit_at",
    "created_ns": "created_at",
}
_MEMBERS = frozenset(_RENAMED.get(name, name) for name in Signal.__struct_fields__) - {"more_targets", "entered"}
_STOP = frozenset({"trigger_price", "limit_price", "reference", "watchdog_s", "trail"})
_TRAIL = frozenset({"distance", "percent", "activation_price"})
_TARGET = frozenset({"price", "order_type", "limit_price", "share"})
_BREAK_EVEN = frozenset({"at_price", "offset"})
_NOT_OFFERED = {
    "hidden": "Kraken has no hidden orders",
    "display": "Kraken shows part of an order only for its iceberg type, which this engine does not send",
    "display_qty": "Kraken shows part of an order only for its iceberg type, which this engine does not send",
    "peg": "Kraken has no pegged orders",
    "min_qty": "Kraken has no minimum quantity; fok fills all or nothing",
    "max_slippage": "Kraken bounds no slippage of market orders; use a limit with time_in_force ioc",
    "margin": 'write "leverage" instead: the number says how much is borrowed',
    "reduce_only": "every exit of a margin entry is sent so; of an entry it would be none",
}
"""What people ask of other venues, and why it is refused here."""


def parse_signal(text: str) -> Signal:
    """Read one line of JSON. Amounts are strings; unknown or doubled members are faults.

    Raises SignalFault with every fault of the line. Order of prices and validity are not judged here: that needs a
    market and a clock, and ends in a denial instead.
    """
    errors: list[str] = []
    try:
        reader = Reader(members.object_of(text, errors), "", errors)
    except ValueError as error:
        raise SignalFault([str(error)]) from None
    reader.refuse_unknown(_MEMBERS, _NOT_OFFERED)
    stop, targets = _stop(reader), _targets(reader)
    fields: dict[str, Any] = {
        "signal_id": reader.take("signal_id", members.uuid),
        "leverage": reader.take("leverage", members.leverage, None),
        "strategy_id": reader.take("strategy_id", members.strategy, "default"),
        "symbol": reader.take("symbol", members.symbol),
        "side": reader.take("side", one_of("buy", "sell")),
        **_entry(reader),
        "stop_loss": stop,
        "take_profit": targets[0] if targets else None,
        "more_targets": targets[1:],
        "entry_timeout_s": reader.take("entry_timeout_s", members.seconds, None),
        "valid_until_ns": reader.take("valid_until", members.moment, None),
        "created_ns": reader.take("created_at", members.moment, None),
        **_life(reader),
    }
    _check_entry(reader, fields)
    _check_exits(reader, fields)
    if errors:
        raise SignalFault(errors)
    far_first = fields["side"] == "sell"
    if targets:
        nearest, *beyond = sorted(targets, key=lambda one: one.price, reverse=far_first)
        fields |= {"take_profit": nearest, "more_targets": tuple(beyond)}
    return Signal(**fields)


def protecting(
    signal_id: str,
    strategy_id: str,
    symbol: str,
    side: Side,
    held: Qty,
    stop: StopLoss | None,
    target: TakeProfit | None,
    worth: Price | None = None,
) -> Signal:
    """Make the signal of coins that are there already: ``side`` is how they came, its opposite takes them out.

    ``worth`` is a coin's price now: profit is counted from it. None: from nothing.
    """
    return Signal(
        signal_id=signal_id,
        symbol=symbol,
        side=side,
        order_type="market" if worth is None else "limit",
        order_qty=held,
        limit_price=worth,
        stop_loss=stop,
        strategy_id=strategy_id,
        take_profit=target,
        entered=False,
    )


def _entry(reader: Reader) -> dict[str, Any]:
    cash = reader.take("cash_order_qty", amount, None)
    left_out = "order_qty" not in reader.members and "cash_order_qty" in reader.members
    return {
        "order_type": reader.take("order_type", one_of(*get_args(EntryType))),
        "order_qty": NO_QTY if left_out else reader.take("order_qty", amount),
        "cash_order_qty": cash,
        "limit_price": reader.take("limit_price", amount, None),
        "trigger_price": reader.take("trigger_price", amount, None),
        "trigger_reference": reader.take("trigger_reference", one_of("last", "index"), "last"),
        "time_in_force": reader.take("time_in_force", one_of("gtc", "ioc", "fok", "gtd"), "gtc"),
        "expire_time_ns": reader.take("expire_time", members.moment, None),
        "post_only": reader.take("post_only", members.flag, False),
    }


def _life(reader: Reader) -> dict[str, Any]:
    even = reader.part("break_even", _BREAK_EVEN, required=False)
    return {
        "break_even": even
        and BreakEven(even.take("at_price", amount), even.take("offset", members.amount_or_zero, Decimal(0))),
        "exit_after_s": reader.take("exit_after_s", members.seconds, None),
        "exit_at_ns": reader.take("exit_at", members.moment, None),
        "protect_from": reader.take("protect_from", one_of("first_fill", "full_fill"), "first_fill"),
        "exits": reader.take("exits", one_of("stop-rests", "both-rest", "conditional-close"), "stop-rests"),
        "contingency": reader.take("contingency", one_of("ouo", "oco"), "ouo"),
    }


def _stop(reader: Reader) -> StopLoss | None:
    stop = reader.part("stop_loss", _STOP, required=True)
    if stop is None:
        return None
    if stop.has("watchdog_s") and not stop.has("limit_price"):
        stop.fault("watchdog_s", "belongs to a stop with a limit_price")
    return StopLoss(
        trigger_price=stop.take("trigger_price", amount),
        limit_price=stop.take("limit_price", amount, None),
        reference=stop.take("reference", one_of("last", "index"), "last"),
        watchdog_s=stop.take("watchdog_s", members.seconds, WATCHDOG_S),
        trail=_trail(stop),
    )


def _trail(stop: Reader) -> Trail | None:
    trail = stop.part("trail", _TRAIL, required=False)
    if trail is None:
        return None
    if trail.has("distance") == trail.has("percent"):
        stop.fault("trail", "needs one of distance and percent")
    if stop.has("limit_price") and not trail.has("activation_price"):
        stop.fault("trail", "without activation_price it takes no limit_price: Kraken's trailing stop ends at market")
    return Trail(
        distance=trail.take("distance", amount, None),
        percent=trail.take("percent", members.below(100), None),
        activation_price=trail.take("activation_price", amount, None),
    )


def _targets(reader: Reader) -> tuple[TakeProfit, ...]:
    parts = reader.parts("take_profit", _TARGET, MAX_TARGETS)
    targets = [_target(part) for part in parts]
    shares = [target.share for target in targets]
    if len(targets) > 1 and not all(part.has("share") for part in parts):
        reader.fault("take_profit", "of several targets each needs a share")
    elif None not in shares and shares and sum(share for share in shares if share is not None) != 1:
        reader.fault("take_profit", "the shares must sum to 1")
    return tuple(targets)


def _target(part: Reader) -> TakeProfit:
    kind = part.take("order_type", one_of("limit", "take-profit", "take-profit-limit"), "limit")
    if kind == "take-profit-limit" and not part.has("limit_price"):
        part.fault("limit_price", "missing (a take-profit-limit needs one)")
    elif kind != "take-profit-limit" and part.has("limit_price"):
        part.fault("limit_price", "belongs to a take-profit-limit")
    return TakeProfit(
        price=part.take("price", amount),
        order_type=kind,
        limit_price=part.take("limit_price", amount, None),
        share=part.take("share", members.below(1, or_equal=True), None),
    )


def _check_entry(reader: Reader, fields: dict[str, Any]) -> None:
    kind, time_in_force = fields["order_type"], fields["time_in_force"]
    if kind is not None:
        _check_prices(reader, kind)
    if reader.has("order_qty") and reader.has("cash_order_qty"):
        reader.fault("cash_order_qty", "takes the place of order_qty: give one of them")
    if reader.has("cash_order_qty") and (kind != "market" or fields["side"] == "sell"):
        reader.fault("cash_order_qty", "Kraken takes a quote quantity for market buys only")
    if (time_in_force == "gtd") != reader.has("expire_time"):
        reader.fault("expire_time", "missing (gtd needs one)" if time_in_force == "gtd" else "belongs to gtd")
    if time_in_force == "fok" and kind != "limit":
        reader.fault("time_in_force", "Kraken takes fok for limit orders only")
    if time_in_force == "gtd" and kind == "market":
        reader.fault("time_in_force", "a market order does not wait")
    if fields["post_only"] and (kind != "limit" or time_in_force in ("ioc", "fok")):
        reader.fault("post_only", "belongs to limit orders that may rest")


def _check_prices(reader: Reader, kind: str) -> None:
    """A limit where the type has one, a trigger where it has one, and nowhere else."""
    what = {"limit": "a limit order", "market": "a market order"}.get(kind, f"a {kind}")
    for name, wanted in (("limit_price", "limit" in kind), ("trigger_price", kind not in ("market", "limit"))):
        if wanted and not reader.has(name):
            reader.fault(name, f"missing ({what} needs one)")
        elif reader.has(name) and not wanted:
            reader.fault(name, f"{what} takes none")
    if reader.has("trigger_reference") and kind in ("market", "limit"):
        reader.fault("trigger_reference", f"{what} takes none")


def _check_exits(reader: Reader, fields: dict[str, Any]) -> None:
    stop: StopLoss | None = fields["stop_loss"]
    if reader.has("exit_after_s") and reader.has("exit_at"):
        reader.fault("exit_at", "give one of exit_after_s and exit_at")
    if fields["contingency"] == "oco" and fields["more_targets"]:
        reader.fault("contingency", "oco takes one target: several shrink each other")
    if reader.has("break_even") and stop is None:
        reader.fault("break_even", "moves a stop, and there is none")
    if reader.has("break_even") and stop is not None and stop.trail is not None:
        reader.fault("break_even", "a trail moves the stop already")
    if fields["exits"] == "both-rest" and (stop is None or not reader.has("take_profit")):
        reader.fault("exits", "both-rest needs a stop and a target")
    if fields["exits"] == "conditional-close":
        _check_conditional(reader, fields, stop)


def _check_conditional(reader: Reader, fields: dict[str, Any], stop: StopLoss | None) -> None:
    if stop is None:
        reader.fault("exits", "conditional-close needs a stop")
    elif stop.venue_trail is not None:
        reader.fault("exits", "conditional-close takes a plain stop: a trail begins with its activation_price")
    if fields["protect_from"] == "full_fill":
        reader.fault("protect_from", "a conditional close protects from the first fill")
    if reader.has("leverage"):
        reader.fault("exits", "a conditional close is not reduce-only: on margin it could open a position")
