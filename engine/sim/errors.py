"""The venue's refusals: Kraken's error strings (protocol section 4) and the exception that carries one."""

from __future__ import annotations


class Refused(Exception):
    """The request was refused and nothing was changed; ``text`` goes to the client as it is."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


INVALID_ARGUMENTS = "EGeneral:Invalid arguments"
UNKNOWN_METHOD = "EGeneral:Unknown method"
PERMISSION_DENIED = "EGeneral:Permission denied"
TEMPORARY_LOCKOUT = "EGeneral:Temporary lockout"
INTERNAL_ERROR = "EGeneral:Internal error"
INVALID_KEY = "EAPI:Invalid key"
INVALID_SIGNATURE = "EAPI:Invalid signature"
INVALID_NONCE = "EAPI:Invalid nonce"
BAD_REQUEST = "EAPI:Bad request"
CALL_RATE_LIMIT = "EAPI:Rate limit exceeded"
INVALID_SESSION = "ESession:Invalid session"
UNAVAILABLE = "EService:Unavailable"
CANCEL_ONLY = "EService:Market in cancel_only mode"
POST_ONLY_MODE = "EService:Market in post_only mode"
LIMIT_ONLY_MODE = "EService:Market in limit_only mode"
REDUCE_ONLY_MODE = "EService:Market in reduce_only mode"
DEADLINE_ELAPSED = "EService:Deadline elapsed"
UNKNOWN_PAIR = "EQuery:Unknown asset pair"
UNKNOWN_ASSET = "EQuery:Unknown asset"
INSUFFICIENT_FUNDS = "EOrder:Insufficient funds"
ORDER_MINIMUM = "EOrder:Order minimum not met"
COST_MINIMUM = "EOrder:Cost minimum not met"
TICK_SIZE = "EOrder:Tick size check failed"
POST_ONLY_ORDER = "EOrder:Post only order"
ORDERS_LIMIT = "EOrder:Orders limit exceeded"
ORDER_RATE_LIMIT = "EOrder:Rate limit exceeded"
INDEX_UNAVAILABLE = "EGeneral:Invalid arguments:Index unavailable"
REDUCE_ONLY_NO_POSITION = "EOrder:Reduce only:No position exists"
REDUCE_ONLY_NOT_CLOSING = "EOrder:Reduce only:Non-PC"
UNKNOWN_POSITION = "EOrder:Unknown position"
UNKNOWN_ORDER = "EOrder:Unknown order"
INVALID_ORDER = "EOrder:Invalid order"
INVALID_TRADE = "EQuery:Invalid trade"
INVALID_LEDGER = "EQuery:Invalid ledger"
TOO_MANY_REQUESTS = "EGeneral:Too many requests"
EXCEEDED_MSG_RATE = "Exceeded msg rate"


def invalid(detail: str) -> Refused:
    """Build the refusal of one bad or missing field."""
    return Refused(f"{INVALID_ARGUMENTS}:{detail}")
