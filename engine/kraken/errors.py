"""The outcome table: what every answer, status and failure proves about a request (kraken-protocol §4).

For an order-bearing request only a listed, certain no is a refusal. What is listed as doubtful, what belongs to another
kind of request, and what nobody listed is UNKNOWN: the order may live.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from engine.errors import OutcomeUnknown, VenueError, VenueRefused
from engine.orders.commands import RequestKind
from engine.orders.reports import Outcome

Kinds = frozenset[RequestKind]
_ANY: Kinds = frozenset(("new", "amend", "cancel"))
_EXISTING: Kinds = frozenset(("amend", "cancel"))
_NONE: Kinds = frozenset()


class Rule(NamedTuple):
    """One row: the error's prefix, its stable code, and the kinds of request it certainly refuses."""

    prefix: str
    code: str
    refuses: Kinds = _ANY


class Verdict(NamedTuple):
    """What is proved, under which stable name."""

    outcome: Outcome
    code: str


UNLISTED = "UNLISTED"
"""Code of an error text that no row knows."""

RULES: tuple[Rule, ...] = (
    Rule("EGeneral:Invalid arguments", "INVALID_ARGUMENTS"),
    Rule("EGeneral:Invalid arguments:Index unavailable", "INDEX_UNAVAILABLE"),
    Rule("EGeneral:Invalid arguments:volume minimum not met", "ORDER_MINIMUM"),
    Rule("EGeneral:Permission denied", "PERMISSION_DENIED"),
    Rule("EGeneral:Unknown method", "UNKNOWN_METHOD"),
    Rule("EGeneral:Temporary lockout", "LOCKOUT"),
    Rule("EGeneral:Internal error", "INTERNAL_ERROR", _NONE),
    Rule("EGeneral:Too many requests", "TOO_MANY_REQUESTS"),
    Rule("EAPI:Invalid key", "INVALID_KEY"),
    Rule("EAPI:Invalid signature", "INVALID_SIGNATURE"),
    Rule("EAPI:Invalid nonce", "INVALID_NONCE"),
    Rule("EAPI:Rate limit exceeded", "REST_RATE_LIMIT"),
    Rule("EAPI:Bad request", "BAD_REQUEST"),
    Rule("EService:Throttled", "THROTTLED"),
    Rule("EService:Unavailable", "SERVICE_UNAVAILABLE", _NONE),
    Rule("EService:Busy", "SERVICE_BUSY", _NONE),
    Rule("EService:Timeout", "SERVICE_TIMEOUT", _NONE),
    Rule("EService:Market in cancel_only mode", "CANCEL_ONLY"),
    Rule("EService:Market in post_only mode", "POST_ONLY_MODE"),
    Rule("EService:Deadline elapsed", "DEADLINE_ELAPSED"),
    Rule("EOrder:Insufficient funds", "INSUFFICIENT_FUNDS"),
    Rule("EOrder:Order minimum not met", "ORDER_MINIMUM"),
    Rule("EOrder:Cost minimum not met", "COST_MINIMUM"),
    Rule("EOrder:Tick size check failed", "TICK_SIZE"),
    Rule("EOrder:Invalid price", "INVALID_PRICE"),
    Rule("EOrder:Post only order", "POST_ONLY"),
    Rule("EOrder:Rate limit exceeded", "RATE_LIMIT"),
    Rule("EOrder:Domain rate limit exceeded", "DOMAIN_RATE_LIMIT"),
    Rule("EOrder:Orders limit exceeded", "ORDERS_LIMIT"),
    Rule("EOrder:Scheduled orders limit exceeded", "SCHEDULED_ORDERS_LIMIT"),
    Rule("EOrder:Positions limit exceeded", "POSITIONS_LIMIT"),
    # Both speak of an existing order. As the answer to a new order they would be a riddle, not a no.
    Rule("EOrder:Unknown order", "UNKNOWN_ORDER", _EXISTING),
    Rule("EOrder:Invalid order", "INVALID_ORDER", _EXISTING),
    Rule("EOrder:Unknown position", "UNKNOWN_POSITION"),
    Rule("EOrder:Cannot open position", "CANNOT_OPEN_POSITION"),
    Rule("EOrder:Cannot open opposing position", "CANNOT_OPEN_OPPOSING_POSITION"),
    Rule("EOrder:Margin allowance exceeded", "MARGIN_ALLOWANCE"),
    Rule("EOrder:Margin level too low", "MARGIN_LEVEL"),
    Rule("EOrder:Margin position size exceeded", "MARGIN_POSITION_SIZE"),
    Rule("EOrder:Insufficient margin", "INSUFFICIENT_MARGIN"),
    Rule("EOrder:Reduce only:No position exists", "REDUCE_ONLY_NO_POSITION"),
    Rule("EOrder:Reduce only:Non-PC", "REDUCE_ONLY_NON_PC"),
    # It filled what it could before the rest was canceled: the fills must be read.
    Rule("EOrder:Reduce only:Position is closed", "REDUCE_ONLY_POSITION_CLOSED", _NONE),
    Rule("EOrder:Trading agreement required", "TRADING_AGREEMENT"),
    Rule("ETrade:Invalid request", "INVALID_REQUEST"),
    Rule("EQuery:Unknown asset", "UNKNOWN_ASSET"),
    Rule("EQuery:Unknown asset pair", "UNKNOWN_PAIR"),
    Rule("EAuth:Account temporary disabled", "ACCOUNT_DISABLED"),
    Rule("EAuth:Account unconfirmed", "ACCOUNT_UNCONFIRMED"),
    Rule("EAuth:Failed", "AUTH_FAILED"),
    Rule("EAuth:Rate limit exceeded", "AUTH_RATE_LIMIT"),
    Rule("EAuth:Too many requests", "AUTH_RATE_LIMIT"),
    Rule("EAccount:Invalid permissions", "INVALID_PERMISSIONS"),
    Rule("EBM:limit exceeded:CAL", "PURCHASE_LIMIT"),
    Rule("ESession:Invalid session", "INVALID_SESSION"),
    Rule("EFunding", "FUNDING", _NONE),
    Rule("Currency pair not supported", "PAIR_NOT_SUPPORTED", _NONE),
    # As the answer that carries a request's own id: that request was dropped.
    Rule("Exceeded msg rate", "MESSAGE_RATE"),
)

FATAL_CODES = frozenset(
    (
        "PERMISSION_DENIED",
        "INVALID_KEY",
        "INVALID_SIGNATURE",
        "LOCKOUT",
        "ACCOUNT_DISABLED",
        "ACCOUNT_UNCONFIRMED",
        "AUTH_FAILED",
        "INVALID_PERMISSIONS",
    )
)
"""Refusals that no waiting and no repeating will change: a start fails on them at once."""

_TABLE = {rule.prefix: rule for rule in RULES}
_COLON = re.compile(r"\s*:\s*")
_WORDY = ("Currency pair not supported",)
"""Prefixes that go on with a name after a blank, instead of a detail after a colon."""


def rule_of(text: str) -> Rule | None:
    """Return the row of one error text: the longest prefix that ends where the text's own words end."""
    plain = _COLON.sub(":", text.strip())
    for prefix in _WORDY:
        if plain.startswith(prefix):
            return _TABLE[prefix]
    while plain:
        if (rule := _TABLE.get(plain)) is not None:
            return rule
        plain = plain.rpartition(":")[0]
    return None


def code_of(text: str) -> str:
    """Return the stable code of one error text."""
    rule = rule_of(text)
    return rule.code if rule is not None else UNLISTED


def is_warning(text: str) -> bool:
    """Tell whether a text of the error list is a warning beside a result (severity W)."""
    return text[:1] == "W" and ":" in text


def of_errors(kind: RequestKind, errors: Sequence[str]) -> Verdict:
    """Judge the errors of an answered order-bearing request. One doubtful error outweighs any certain one."""
    serious = [text for text in errors if not is_warning(text)]
    if not serious:
        return Verdict(Outcome.ACCEPTED, "")
    codes = []
    for text in serious:
        rule = rule_of(text)
        if rule is None or kind not in rule.refuses:
            return Verdict(Outcome.UNKNOWN, rule.code if rule is not None else UNLISTED)
        codes.append(rule.code)
    return Verdict(Outcome.REFUSED, codes[0])


def of_status(status: int) -> Verdict:
    """Judge an HTTP status other than 200. The edge answered, the engine behind it may have the order all the same."""
    return Verdict(Outcome.UNKNOWN, "EDGE_RATE_LIMIT" if status == 429 else f"HTTP_{status}")


def of_transport(*, sent: bool, timed_out: bool) -> Verdict:
    """Judge a request without an answer: certain only when not one byte of it was written."""
    if not sent:
        return Verdict(Outcome.NOT_SENT, "NOT_CONNECTED")
    return Verdict(Outcome.UNKNOWN, "ANSWER_TIMEOUT" if timed_out else "CONNECTION_LOST")


def query_error(errors: Sequence[str]) -> VenueError:
    """Return the exception for a query the venue answered with errors: a definite no, or no answer about anything."""
    for text in errors:
        rule = rule_of(text)
        if rule is not None and rule.code in (
            "INTERNAL_ERROR",
            "SERVICE_UNAVAILABLE",
            "SERVICE_BUSY",
            "SERVICE_TIMEOUT",
        ):
            return OutcomeUnknown("; ".join(errors))
    return VenueRefused(list(errors))
