"""The faults that wait for a request or a frame: whom each kind meets, and what it does to it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from engine.sim import (
    Action,
    FrameVerdict,
    accept_late,
    answer_late,
    fail_then_accept,
    http_error,
    kill_after,
    kill_before,
    lie_with,
    lose_answer,
    lose_request,
    refuse_with,
    strange_answer,
)

BY_REST = ("AddOrder", "AmendOrder", "CancelOrder", "CancelOrderBatch")
ORDERS = ("add_order", "amend_order", "cancel_order", "batch_add", "batch_cancel", *BY_REST)
READS = ("OpenOrders", "ClosedOrders", "QueryOrders", "TradesHistory", "Balance", "GetWebSocketsToken")
STATES = ("OpenOrders", "ClosedOrders", "QueryOrders")
HTML = "<html><head><title>502 Bad Gateway</title></head><body>edge</body></html>"
EXCHANGE_NAMES = ("executions", "book", "balances")

_ORDERS_ONLY = ("executions",)

FRAMES: dict[str, tuple[tuple[tuple[str, ...], ...], FrameVerdict]] = {
    "duplicate_frame": ((_ORDERS_ONLY, EXCHANGE_NAMES), "duplicate"),
    "reordered_frame": ((_ORDERS_ONLY, _ORDERS_ONLY, EXCHANGE_NAMES), "swap"),
    "missing_frame": ((_ORDERS_ONLY,), "drop"),
    "silent_loss": ((("book",),), "drop"),
    "sequence_gap": ((_ORDERS_ONLY,), "skip_sequence"),
    "wrong_checksum": ((("book",),), "corrupt"),
    "unknown_type": ((("executions", "book", "instrument"),), "strange"),
}
"""Of the frames that cross the wire most are the books': some faults keep to what tells of orders."""

_REQUESTS: dict[str, Callable[[Random], tuple[tuple[str, ...], Action]]] = {
    "reset_before": lambda rng: (rng.choice((ORDERS, READS)), kill_before()),
    "reset_after": lambda rng: (rng.choice((ORDERS, ORDERS, READS)), kill_after()),
    "answer_lost": lambda rng: (rng.choice((ORDERS, ORDERS, READS)), lose_answer()),
    "request_lost": lambda rng: (rng.choice((ORDERS, ORDERS, READS)), lose_request()),
    "late_execution": lambda rng: (
        ORDERS,
        accept_late(rng.uniform(0.2, 6)) if rng.random() < 0.5 else fail_then_accept(rng.uniform(0.2, 6)),
    ),
    "late_answer": lambda rng: (rng.choice((ORDERS, READS)), answer_late(rng.uniform(0.5, 8))),
    "http_5xx_before": lambda rng: (
        rng.choice((READS, BY_REST, BY_REST)),
        http_error(rng.choice((500, 502, 503, 504, 520)), ""),
    ),
    "http_5xx_after": lambda rng: (
        rng.choice((READS, BY_REST, BY_REST)),
        http_error(rng.choice((500, 502, 503, 520)), "", done=True),
    ),
    "html": lambda rng: (rng.choice((READS, BY_REST)), http_error(rng.choice((200, 403, 502)), HTML)),
    "rate_limited": lambda _: (ORDERS, refuse_with("EOrder:Rate limit exceeded")),
    "rest_rate_limited": lambda _: (READS, refuse_with("EAPI:Rate limit exceeded")),
    "invalid_nonce": lambda _: (READS, refuse_with("EAPI:Invalid nonce")),
    "busy": lambda rng: (rng.choice((ORDERS, READS)), _either(rng, "EService:Busy")),
    "unavailable": lambda rng: (rng.choice((ORDERS, READS)), _either(rng, "EService:Unavailable")),
    "unknown_fields": lambda rng: (rng.choice((ORDERS, READS)), strange_answer()),
    "unlisted_error": lambda rng: (ORDERS, _either(rng, "EOrder:Something that no document names")),
}


def draw_frames(kind: str, rng: Random) -> tuple[tuple[str, ...], FrameVerdict]:
    """Draw which channels a fault of this kind meets, and what it does to a frame."""
    channels, verdict = FRAMES[kind]
    return rng.choice(channels), verdict


def _either(rng: Random, error: str) -> Action:
    """An error that says nothing of what was done: before it, or after it."""
    return refuse_with(error) if rng.random() < 0.5 else lie_with(error)


def draw_request(kind: str, rng: Random) -> tuple[tuple[str, ...], Action, int]:
    """Draw whom a fault of this kind meets, what it does, and how often at most."""
    names, action = _REQUESTS[kind](rng)
    return names, action, rng.choice((1, 1, 1, 2, 3))
