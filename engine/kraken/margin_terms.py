"""Which leverage an order carries (§1.5, §8.1): REST names the number, WebSocket takes the pair's own. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from engine.orders.commands import NewOrder, Request
from engine.values.instrument import Instrument

HIGHEST_BY_WS: Final = 5
"""``margin: true`` asks for the pair's highest leverage, but for no more than this."""


def leverage_by_ws(listed: tuple[int, ...]) -> int | None:
    """Return what ``margin: true`` asks for on a side with these leverages; None where it can ask for none."""
    return max((one for one in listed if one <= HIGHEST_BY_WS), default=None)


def goes_by_ws(request: Request, instrument: Instrument | None) -> bool:
    """Tell whether WebSocket can say what an order asks for: an entry's leverage is its own, and is not to be changed.

    Exits go either way: what they close was lent before.
    """
    if not isinstance(request, NewOrder) or request.leverage is None or request.reduce_only:
        return True
    return instrument is not None and leverage_by_ws(instrument.leverages(request.side)) == request.leverage


def with_listed_leverage(order: NewOrder, instrument: Instrument | None) -> NewOrder:
    """Return an order as REST takes it: the leverage of an exit must be one that its own side lists now.

    Its entry's where that is listed, else the highest; where none is listed the venue must judge.
    """
    if order.leverage is None or not order.reduce_only or instrument is None:
        return order
    listed = instrument.leverages(order.side)
    if not listed or order.leverage in listed:
        return order
    return msgspec.structs.replace(order, leverage=max(listed))
