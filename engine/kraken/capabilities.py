"""What this adapter offers, for the conformance kit (engine/venue/contract.py)."""

from __future__ import annotations

from typing import get_args

from engine.kraken.batches import MOST_ADDS, MOST_CANCELS
from engine.market.book import DEPTHS
from engine.market.topics import MarketChannel
from engine.orders.commands import OrderType, StpType, TimeInForce
from engine.venue.capabilities import Capabilities

KRAKEN_SPOT = Capabilities(
    order_types=frozenset(get_args(OrderType)),
    time_in_force=frozenset(get_args(TimeInForce)),
    amend=frozenset(("order_qty", "limit_price", "trigger_price")),
    most_in_batch_add=MOST_ADDS,
    most_in_batch_cancel=MOST_CANCELS,
    deadlines=True,
    second_opinion=frozenset(("open_orders", "closed_orders", "query_orders", "trades_since", "balances")),
    post_only=True,
    conditional_close=True,
    self_trade_prevention=frozenset(get_args(StpType)),
    market_data=frozenset(get_args(MarketChannel)),
    book_depths=frozenset(DEPTHS),
)
