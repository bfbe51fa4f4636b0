"""In which asset the fee of REST's trades was paid: their rows do not say (§3). Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal

from engine.kraken.rest_reports import Orders, TradeObject

LEAST_RATE = Decimal("0.00005")
MOST_RATE = Decimal("0.01")
"""A fee is a rate of the cost, in quote, or of the volume, in base. Kraken's rates lie well within these."""
_ORDERS_KEPT = 10_000


class FeeCurrency:
    """Judges by the numbers where only one asset makes a rate of them, else by the flag of the order.

    A market whose price is near one makes a rate of both. What neither numbers nor flag tell was paid in quote, as
    Kraken does unless asked.
    """

    def __init__(self) -> None:
        self._in_base: OrderedDict[str, bool] = OrderedDict()

    def learn(self, orders: Orders) -> None:
        """Remember by their flags (``oflags``) in which asset orders pay."""
        for order_id, order in orders.items():
            flags = order.oflags.split(",")
            if "fcib" in flags or "fciq" in flags:
                self._in_base[order_id] = "fcib" in flags
                self._in_base.move_to_end(order_id)
        while len(self._in_base) > _ORDERS_KEPT:
            self._in_base.popitem(last=False)

    def unclear(self, trades: Mapping[str, TradeObject]) -> list[str]:
        """Return the ids of the orders that must be asked for first, each once."""
        asked = {one.ordertxid: None for one in trades.values() if one.fee and by_numbers(one) is None}
        return [order_id for order_id in asked if order_id not in self._in_base]

    def in_base(self, trade: TradeObject) -> bool:
        """Tell whether this trade's fee is in base."""
        told = by_numbers(trade)
        return self._in_base.get(trade.ordertxid, False) if told is None else told


def by_numbers(trade: TradeObject) -> bool | None:
    """Tell whether a fee is in base by its size; None where both assets, or neither, would make a rate of it."""
    if trade.fee <= 0 or trade.vol <= 0 or trade.cost <= 0:
        return None
    base, quote = (LEAST_RATE <= trade.fee / whole <= MOST_RATE for whole in (trade.vol, trade.cost))
    return None if base == quote else base
