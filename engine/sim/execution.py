"""How an order meets the book: matching loop, self-trade prevention, what becomes of the rest (section 11.2)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from engine.sim.amounts import bought_by
from engine.sim.market_state import Market
from engine.sim.numbers import ZERO
from engine.sim.orders import LIMIT_TYPES, NewOrder, SimOrder, opposite
from engine.sim.pricing import Prices

if TYPE_CHECKING:
    from engine.sim.core import Core


class Execution:
    """The matching half of the core."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def enter(self, order: SimOrder, market: Market) -> None:
        """Match a live order; rest, cancel or finish what is left."""
        settings = self._core.settings
        limit = self._limit(order, market)
        if order.time_in_force == "fok" and self._fillable(order, market, limit) < order.leaves_qty:
            self._core.end(order, "canceled", settings.reason_fok)
            return
        self._match(order, market, limit)
        if not order.is_open:
            return
        if order.cash_order_qty is not None and order.cum_qty and not order.leaves_qty:
            self._core.end(order, "filled")  # what is left buys not even a lot
        elif order.order_type not in LIMIT_TYPES:
            self._core.end(order, "canceled", settings.reason_no_liquidity)
        elif order.time_in_force == "ioc":
            self._core.end(order, "canceled", settings.reason_ioc)
        else:
            self._rest(order, market)

    @staticmethod
    def _rest(order: SimOrder, market: Market) -> None:
        """Queue an order at the back of its price; an iceberg shows a full slice."""
        if order.display_qty is not None:
            order.shown_qty = min(order.display_qty, order.leaves_qty)
        market.book.rest(order)

    def _limit(self, order: SimOrder, market: Market) -> Decimal | None:
        if order.order_type in LIMIT_TYPES:
            return order.limit_price
        band = self._core.settings.market_band_pct
        best = market.book.side(opposite(order.side)).best_price()
        if band is None or best is None:
            return None
        return best * (1 + band / 100 if order.side == "buy" else 1 - band / 100)

    def _same_owner(self, order: SimOrder, maker: SimOrder) -> bool:
        """Orders of one account never meet, unless different senders (``sender_sub_id``) stand behind them."""
        same = (order.account, order.sender_sub_id) == (maker.account, maker.sender_sub_id)
        return same and not self._core.accounts[order.account].unlimited

    def _fillable(self, order: SimOrder, market: Market, limit: Decimal | None) -> Decimal:
        total = Decimal(0)
        for maker in market.book.reachable(order.side, limit):
            if self._same_owner(order, maker):
                if order.stp == "cancel_oldest":
                    continue
                break
            total += maker.leaves_qty
            if total >= order.leaves_qty:
                break
        return total

    def _match(self, order: SimOrder, market: Market, limit: Decimal | None) -> None:
        while True:
            maker = market.book.next_maker(order.side, limit)
            if maker is None or maker.limit_price is None:
                return
            if order.cash_order_qty is not None and order.is_open:
                left = order.cash_order_qty - order.cum_cost
                order.order_qty = order.cum_qty + bought_by(left, maker.limit_price, market.pair.lot)
            if order.leaves_qty <= 0:
                return
            if self._same_owner(order, maker):
                self._prevent(order, maker)
            else:
                self._trade(order, maker, market)

    def _prevent(self, order: SimOrder, maker: SimOrder) -> None:
        reason = self._core.settings.reason_stp
        if order.stp in ("cancel_oldest", "cancel_both"):
            self._core.end(maker, "canceled", reason)
        if order.stp in ("cancel_newest", "cancel_both"):
            self._core.end(order, "canceled", reason)

    def _trade(self, taker: SimOrder, maker: SimOrder, market: Market) -> None:
        price, qty = maker.limit_price, min(taker.leaves_qty, maker.visible_qty)
        if price is None:
            raise ValueError(f"order {maker.order_id} rests without a price")
        for party in (taker, maker):
            if party.reduce_only:
                qty = min(qty, self._core.margin.closable(party))
                if not qty:
                    self._core.end(party, "canceled", self._core.settings.reason_reduce_only)
                    return
        market.book.shrink(maker, qty)
        maker.shown_qty = max(maker.shown_qty - qty, ZERO)
        ord_type = "limit" if taker.order_type in LIMIT_TYPES else "market"
        trade_id = self._core.printed(market, price, qty, taker.side, ord_type)
        for order, liquidity in ((taker, "t"), (maker, "m")):
            self._fill(order, market, (price, qty, liquidity, trade_id, self._core.now_ns))
        if maker.is_open and not maker.visible_qty:
            market.book.drop(maker)
            self._rest(maker, market)
            self._core.report(maker, "iceberg_refill")

    def _fill(self, order: SimOrder, market: Market, match: tuple[Decimal, Decimal, str, int, int]) -> None:
        core, account = self._core, self._core.accounts[order.account]
        ended_as = None if order.is_open else order.status
        if order.leverage is None:
            trade = core.settlement.fill(order, account, market.pair, match)
        else:
            trade = core.lending.fill(order, account, market.pair, match)
        order.status = ended_as or order.status
        if not account.unlimited:
            account.fills.add(trade)
            core.trades.append(trade)
        core.report(order, "trade", trade)
        core.closes.note_fill(order, trade.qty)
        if ended_as is not None:
            return
        if order.status == "filled":
            core.end(order, "filled")
        else:
            core.entry.hold(order, account)

    def strike(self, maker: SimOrder, qty: Decimal, market: Market) -> Decimal:
        """Let the house take up to ``qty`` of one resting order at its price, past what stands before it.

        Returns how much it took: at most what the order shows. The caller finishes the command.
        """
        core, side = self._core, opposite(maker.side)
        asked = NewOrder(
            symbol=maker.symbol, side=side, order_type="limit", order_qty=qty, limit_price=maker.limit_price
        )
        taker = core.entry.make(core.house, asked, market.pair, Prices(maker.limit_price, None, None))
        self._trade(taker, maker, market)
        return taker.cum_qty

    def fill_late(self, order: SimOrder, qty: Decimal, price: Decimal) -> None:
        """Report a match of an order that has ended: its status stays, its quantities move. The house is across."""
        core, market = self._core, self._core.markets[order.symbol]
        side = opposite(order.side)
        asked = NewOrder(symbol=order.symbol, side=side, order_type="limit", order_qty=qty, limit_price=price)
        across = core.entry.make(core.house, asked, market.pair, Prices(price, None, None))
        trade_id = core.printed(market, price, qty, side, "limit")
        for party, liquidity in ((across, "t"), (order, "m")):
            self._fill(party, market, (price, qty, liquidity, trade_id, core.now_ns))
        core.finish()
