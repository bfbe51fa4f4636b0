"""What an adapter says it offers: the manifest that the conformance kit holds it to."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.market.topics import MarketChannel
from engine.orders.commands import OrderType, StpType, TimeInForce

AmendField = Literal["order_qty", "limit_price", "trigger_price"]
Question = Literal["open_orders", "closed_orders", "query_orders", "trades_since", "balances"]


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """The capabilities of one adapter, in the words of ``engine.orders.commands``.

    Only what the engine can ask for is listed: an order type that ``NewOrder`` cannot name has no member here. Placing,
    cancelling and reporting are no capabilities; without them there is no venue.
    """

    order_types: frozenset[OrderType]
    time_in_force: frozenset[TimeInForce]
    amend: frozenset[AmendField] = frozenset()
    """Which values of a resting order can be set anew, its place in the venue's records kept."""
    most_in_batch_add: int = 0
    """0 = no batches of new orders."""
    most_in_batch_cancel: int = 0
    deadlines: bool = False
    """A request that reaches the venue after its wire deadline is refused there."""
    second_opinion: frozenset[Question] = frozenset()
    """Which questions are answered apart from the stream."""
    post_only: bool = False
    """An order can be told never to take."""
    conditional_close: bool = False
    """Each fill of an order can make a stop of its own at the venue."""
    self_trade_prevention: frozenset[StpType] = frozenset()
    """What can be asked to happen when two orders of the account meet."""
    market_data: frozenset[MarketChannel] = frozenset()
    """What can be held subscribed; ``book`` is one whose every change is verified."""
    book_depths: frozenset[int] = frozenset()
