"""What really happened, for tests and oracles: plain data, to be read and not written."""

from __future__ import annotations

from decimal import Decimal

from engine.sim.orders import SimOrder, SimTrade
from engine.sim.venue import Request, Venue


class Truth:
    """The clients' side of the exchange's memory; the house's orders are not in it."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    @property
    def orders(self) -> dict[str, SimOrder]:
        """Every client order ever, by id, in the order of acceptance."""
        return self._venue.core.orders

    @property
    def trades(self) -> list[SimTrade]:
        """Every client fill ever, in order."""
        return self._venue.core.trades

    @property
    def requests(self) -> list[Request]:
        """Every order-bearing request that arrived: (ts_ns, transport, method, cl_ord_id), accepted or not."""
        return self._venue.requests

    def balances(self, account: str = "client") -> dict[str, Decimal]:
        """Return an account's totals by v2 asset name."""
        return dict(self._venue.core.accounts[account].balances)

    def held(self, account: str = "client") -> dict[str, Decimal]:
        """Return what an account's open orders set aside, by asset."""
        return {asset: amount for asset, amount in self._venue.core.accounts[account].held.items() if amount}

    def fees_collected(self) -> dict[str, Decimal]:
        """Return all fees ever taken, by asset: with all balances they sum to what was there at the start."""
        return dict(self._venue.core.settlement.collected)

    def last_price(self, symbol: str) -> Decimal | None:
        """Return the last traded price, None before the first trade."""
        return self._venue.core.market(symbol).tape.last_price

    def levels(
        self, symbol: str, depth: int = 10
    ) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Return (bids, asks), best first, as (price, quantity)."""
        book = self._venue.core.market(symbol).book
        return book.bids.top(depth), book.asks.top(depth)
