"""What Kraken's answers and silences mean; outcomes come from the adapter's own table, words for people stand here."""

from __future__ import annotations

from typing import Final

from engine.cli.catalogue.entry import ErrorEntry
from engine.kraken.errors import FATAL_CODES, RULES, UNLISTED
from engine.orders.steps import SHRUNK, TRANSIENT_CODES

_MEND_KEY: Final = "mend the key on Kraken's API page; doctor says what it may do"
_WAIT: Final = "nothing: the engine waits for room and goes on"
_FAULT: Final = "report it with why ORDER: our own checks should have caught it"
_ASKED: Final = "nothing: the engine asks what became of it"
_MARGIN: Final = "pay in, or close something on margin"
ADVICE: Final[dict[str, str]] = {
    "INVALID_ARGUMENTS": _FAULT,
    "INDEX_UNAVAILABLE": "the engine falls back to the last price; or set the stop's reference to last",
    "ORDER_MINIMUM": _FAULT,
    "PERMISSION_DENIED": _MEND_KEY,
    "UNKNOWN_METHOD": "the venue lacks this endpoint; if it is GetApiKeyInfo set check_key = false",
    "LOCKOUT": "wait 15 minutes without any try: each one prolongs it",
    "INTERNAL_ERROR": _ASKED,
    "TOO_MANY_REQUESTS": _WAIT,
    "INVALID_KEY": "copy the key again, or make a new one",
    "INVALID_SIGNATURE": "copy both halves of the key again: they do not belong together",
    "INVALID_NONCE": "another program uses this key: make one for this engine alone",
    "REST_RATE_LIMIT": _WAIT,
    "BAD_REQUEST": _FAULT,
    "THROTTLED": _WAIT,
    "SERVICE_UNAVAILABLE": _ASKED,
    "SERVICE_BUSY": _ASKED,
    "SERVICE_TIMEOUT": _ASKED,
    "CANCEL_ONLY": "wait until the market takes orders again; stops that rest stay",
    "POST_ONLY_MODE": "wait, or enter with post_only",
    "DEADLINE_ELAPSED": "nothing: it came too late and was not taken; the engine decides anew",
    "INSUFFICIENT_FUNDS": "see balances: holds of other orders count too",
    "COST_MINIMUM": _FAULT,
    "TICK_SIZE": _FAULT,
    "INVALID_PRICE": "look at the signal's prices",
    "POST_ONLY": "the price would have traded at once: choose one further away",
    "RATE_LIMIT": _WAIT,
    "DOMAIN_RATE_LIMIT": _WAIT,
    "ORDERS_LIMIT": "too many open orders: cancel some; limits shows the slots",
    "SCHEDULED_ORDERS_LIMIT": "too many scheduled orders: cancel some",
    "POSITIONS_LIMIT": "too many open positions: close some",
    "UNKNOWN_ORDER": "nothing: it has ended, or is not known yet; the engine asks which",
    "INVALID_ORDER": "see why ORDER",
    "UNKNOWN_POSITION": "nothing is there to reduce: see positions",
    "CANNOT_OPEN_POSITION": "this account or pair opens none: see the venue's page",
    "CANNOT_OPEN_OPPOSING_POSITION": "close the position of the other side first",
    "MARGIN_ALLOWANCE": _MARGIN,
    "MARGIN_LEVEL": _MARGIN,
    "MARGIN_POSITION_SIZE": "ask for less: the pair has a bound",
    "INSUFFICIENT_MARGIN": "the venue has none to lend now: wait, or ask for less",
    "REDUCE_ONLY_NO_POSITION": "nothing is there to reduce: see positions",
    "REDUCE_ONLY_NON_PC": "nothing of that side is there to reduce: see positions",
    "REDUCE_ONLY_POSITION_CLOSED": "nothing: its fills are being read",
    "TRADING_AGREEMENT": "accept the agreement on the venue's page",
    "INVALID_REQUEST": _FAULT,
    "UNKNOWN_ASSET": _FAULT,
    "UNKNOWN_PAIR": _FAULT,
    "ACCOUNT_DISABLED": "ask the venue's support",
    "ACCOUNT_UNCONFIRMED": "confirm the account on the venue's page",
    "AUTH_FAILED": _MEND_KEY,
    "AUTH_RATE_LIMIT": _WAIT,
    "INVALID_PERMISSIONS": _MEND_KEY,
    "PURCHASE_LIMIT": "the account has a bound on purchases: see the venue's page",
    "INVALID_SESSION": "nothing: a new token is fetched",
    "FUNDING": "see the venue's page on funding",
    "PAIR_NOT_SUPPORTED": "write the market as BTC/USD",
    "MESSAGE_RATE": _WAIT,
}
_DOUBTS: Final[dict[str, str]] = {
    UNLISTED: "an error text that no row of the table knows",
    "ANSWER_TIMEOUT": "written, and no answer within its time",
    "CONNECTION_LOST": "written, and the connection broke",
    "EDGE_RATE_LIMIT": "HTTP 429 from the edge: the engine behind it may have the order",
    "HTTP_*": "an HTTP status other than 200",
    "NOT_JSON": "an answer that is no JSON",
    "NO_CONFIRMATION": "an answer without error and without an order id",
    "CONTRADICTION": "a batch's answer that says both yes and no",
    "PARTLY_TAKEN": "a batch of cancels of which the venue took some, and does not say which",
    "NO_ANSWER": "not answered when the engine stopped waiting",
    "NOT_APPLIED": "an amend that the venue does not show; its order stands as it was",
}


def _venue() -> tuple[ErrorEntry, ...]:
    texts: dict[str, list[str]] = {}
    kinds: dict[str, set[str]] = {}
    for rule in RULES:
        texts.setdefault(rule.code, []).append(rule.prefix)
        kinds.setdefault(rule.code, set()).update(rule.refuses)
    return tuple(_entry(code, " / ".join(said), kinds[code]) for code, said in texts.items())


def _entry(code: str, said: str, refuses: set[str]) -> ErrorEntry:
    if not refuses:
        meaning, category = f"{said}: unknown, the order may live", "doubt"
    elif len(refuses) == 3:
        meaning, category = f"{said}: a certain no", "refused"
    else:
        meaning, category = f"{said}: a certain no to {' and '.join(sorted(refuses))}, else unknown", "refused"
    if code in FATAL_CODES:
        category = "access"
    return ErrorEntry("venue", code, category, code in TRANSIENT_CODES, meaning, ADVICE[code])


VENUE: Final = _venue()
OF_OURS: Final = (
    ErrorEntry(
        "venue",
        SHRUNK,
        "changed",
        False,
        "a resting margin exit that the venue has cut to what there is to reduce",
        "nothing: the engine plans anew; positions shows what is there",
    ),
)
"""What the venue does without saying a text of its table."""
DOUBTS: Final = tuple(ErrorEntry("doubt", code, "doubt", False, meaning, _ASKED) for code, meaning in _DOUBTS.items())
