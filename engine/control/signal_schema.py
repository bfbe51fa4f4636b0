"""The JSON Schema of a signal as it comes in: what ``engine.orders.signal.parse_signal`` reads, member by member.

What depends on two members at once (a limit order has a limit price) is told by the answer, not by the schema.
"""

from __future__ import annotations

from typing import Any, get_args

from engine.orders.commands import TriggerReference
from engine.orders.signal import MAX_TARGETS, Contingency, EntryType, Exits, ProtectFrom

_DIGITS = r"[0-9]{1,18}(\.[0-9]{1,18})?"
MONTH_S = 30 * 24 * 3600


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _words(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _object(members: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


_AMOUNT = {"type": "string", "pattern": f"^(?=.*[1-9]){_DIGITS}$"}
_AMOUNT_OR_ZERO = {"type": "string", "pattern": f"^{_DIGITS}$"}
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": MONTH_S}
_MOMENT = {"type": "string", "format": "date-time"}
_REFERENCE = _words(*get_args(TriggerReference))

_TRAIL = _object(
    {
        "distance": {**_AMOUNT, "description": "behind the peak, in quote units"},
        "percent": {**_AMOUNT, "description": "behind the peak, below 100; one of the two"},
        "activation_price": _nullable({**_AMOUNT, "description": "the trail begins when this is touched"}),
    }
)
_STOP = _object(
    {
        "trigger_price": _AMOUNT,
        "limit_price": _nullable(_AMOUNT),
        "reference": _nullable(_REFERENCE),
        "watchdog_s": _nullable(_SECONDS),
        "trail": _nullable(_TRAIL),
    },
    "trigger_price",
)
_TARGET = _object(
    {
        "price": _AMOUNT,
        "order_type": _nullable(_words("limit", "take-profit", "take-profit-limit")),
        "limit_price": _nullable(_AMOUNT),
        "share": _nullable({**_AMOUNT, "description": "of the quantity, at most 1; several sum to 1"}),
    },
    "price",
)
_EVEN = _object({"at_price": _AMOUNT, "offset": _nullable(_AMOUNT_OR_ZERO)}, "at_price")

SIGNAL = {
    **_object(
        {
            "signal_id": {
                "type": "string",
                "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
                "description": "a UUID; one id is one order, however often it is sent",
            },
            "strategy_id": _nullable({"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,64}$"}),
            "symbol": {"type": "string", "pattern": "^[A-Za-z0-9.]{1,20}/?[A-Za-z0-9.]{1,20}$"},
            "side": _words("buy", "sell"),
            "order_type": _words(*get_args(EntryType)),
            "order_qty": {**_AMOUNT, "description": "units of the base; or cash_order_qty instead"},
            "cash_order_qty": _nullable({**_AMOUNT, "description": "units of the quote; market buys only"}),
            "limit_price": _nullable(_AMOUNT),
            "trigger_price": _nullable(_AMOUNT),
            "trigger_reference": _nullable(_REFERENCE),
            "time_in_force": _nullable(_words("gtc", "ioc", "fok", "gtd")),
            "expire_time": _nullable({**_MOMENT, "description": "of gtd"}),
            "post_only": _nullable({"type": "boolean"}),
            "stop_loss": {**_nullable(_STOP), "description": "null: none, and it must be said"},
            "take_profit": {
                "anyOf": [
                    _TARGET,
                    {"type": "array", "items": _TARGET, "minItems": 1, "maxItems": MAX_TARGETS},
                    {"type": "null"},
                ]
            },
            "break_even": _nullable(_EVEN),
            "entry_timeout_s": _nullable(_SECONDS),
            "exit_after_s": _nullable({**_SECONDS, "description": "from the first fill"}),
            "exit_at": _nullable(_MOMENT),
            "valid_until": _nullable(_MOMENT),
            "created_at": _nullable(_MOMENT),
            "protect_from": _nullable(_words(*get_args(ProtectFrom))),
            "exits": _nullable(_words(*get_args(Exits))),
            "contingency": _nullable(_words(*get_args(Contingency))),
            "leverage": _nullable({"type": "string", "pattern": "^([2-9]|[1-9][0-9])$"}),
        },
        "signal_id",
        "symbol",
        "side",
        "order_type",
        "stop_loss",
    ),
    "title": "SignalLine",
    "description": "An approved intent: what to enter, and how it is protected. See help concepts.",
}
