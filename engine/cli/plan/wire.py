"""An order as it would stand on the wire: the WebSocket frame and the REST body, by the adapter's own encoder."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from engine.kraken import encode
from engine.orders.commands import NewOrder

DEADLINE, TOKEN, NONCE, REQUEST = "<deadline>", "<token>", "<nonce>", "<req_id>"
PATH = "/0/private/AddOrder"


class WireMessage(msgspec.Struct, frozen=True):
    """What would be sent, with what is known only then in angle brackets. One of the two goes, never both."""

    websocket: str
    rest: str
    body: str


def placeholder(name: str) -> str:
    """Return what stands where an order's own id will."""
    return f"<cl_ord_id:{name}>"


def wire_message(order: NewOrder, pair: str | None) -> WireMessage:
    """Encode an order; ``pair`` is REST's name of its market, None while nobody has told."""
    named = msgspec.structs.replace(order, cl_ord_id=placeholder(order.cl_ord_id))
    params = encode.add_order(named, TOKEN) | {"deadline": DEADLINE}
    frame = msgspec.json.encode({"method": "add_order", "params": params, "req_id": REQUEST}).decode()
    form = encode.add_order_form(named, pair or f"<pair:{order.symbol}>") | {"deadline": DEADLINE}
    body = urlencode({"nonce": NONCE, **form}, safe="<>:")
    return WireMessage(websocket=frame, rest=f"POST {PATH}", body=body)
