"""Lets the books follow a source elsewhere, and clients trade against what it shows.

The house shows every level of the source's book. Three rules say when a client trades:

- A client's order that reaches a shown level takes it at that level's price: the client is the taker. What it took is
  gone until the source next speaks of that price; the source itself knows nothing of us.
- A trade of the source at a better price than a client's resting order goes through it: the order fills at its own
  price, as the maker, up to the trade's quantity. A trade at the order's very price first uses up what was shown there
  when the order came to rest, then fills it. The tape shows the source's quantity once.
- A shown level that comes to cross a client's resting order trades with it, the client as the maker.

While the market is halted (by a mode of the venue or of the pair) nothing is shown and no trade printed; afterwards the
book is at once what the source's is by then, and what it crosses trades.

What leaves a level without a trade leaves from behind the client first: a place in the queue is gained by trades alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from engine.sim.core import HOUSE, Core
from engine.sim.events import Event, StatusChanged
from engine.sim.market_state import Market
from engine.sim.matching import within
from engine.sim.numbers import ZERO, decimals_of
from engine.sim.orders import NewOrder, Side, SimOrder, opposite
from engine.sim.pricing import Prices
from engine.sim.source_book import Mismatch, SourceBook
from engine.sim.source_frames import BookRow, Frame, TradeRow, book_rows, number_of, trade_rows
from engine.sim.source_state import SourceState

OWNER = "source"


class Mirror:
    """Takes frames over, one by one, each as one command of the exchange."""

    def __init__(self, core: Core, symbols: Iterable[str], depth: int, state: SourceState) -> None:
        self._core, self._state = core, state
        self._books = {symbol: SourceBook(symbol, depth) for symbol in symbols}
        self._shown: dict[tuple[str, Side, Decimal], list[SimOrder]] = {}
        self._behind: set[str] = set()  # symbols whose source went on while they were halted
        core.listen(self._on_event)

    @property
    def whole(self) -> bool:
        """Whether every book is usable."""
        return all(book.whole for book in self._books.values())

    def forget(self) -> None:
        """Stop following until new snapshots come; what is shown stays as it is."""
        for book in self._books.values():
            book.whole = False

    def take(self, frame: Frame) -> list[str]:
        """Take one frame over; return the symbols whose books need a new snapshot. Raises ValueError for nonsense."""
        self._state.frames += 1
        lost: list[str] = []
        if frame.channel == "book":
            for row in book_rows(frame):
                lost += self._take_book(row, snapshot=frame.type == "snapshot")
        elif frame.channel == "trade" and frame.type == "update":  # a snapshot tells of trades that were before us
            for trade in trade_rows(frame):
                self._take_trade(trade)
        return lost

    # --- the book

    def _take_book(self, row: BookRow, *, snapshot: bool) -> list[str]:
        book = self._books.get(row.symbol)
        if book is None:
            return []
        try:
            changed = book.take(row, snapshot=snapshot)
        except Mismatch as mismatch:
            self._state.mismatches += 1
            self._state.say(str(mismatch))
            return [row.symbol]
        market = self._core.markets[row.symbol]
        if self._core.is_halted(market):
            self._behind.add(row.symbol)
        else:
            self._show_all(market, changed)
        return []

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StatusChanged):
            for symbol in sorted(self._behind):
                market, book = self._core.markets[symbol], self._books[symbol]
                if book.whole and not self._core.is_halted(market):
                    self._behind.discard(symbol)
                    self._show_all(market, self._difference(book))

    def _difference(self, book: SourceBook) -> dict[tuple[Side, Decimal], Decimal]:
        """Return what to show at every price that is shown, or is to be."""
        shown = {(side, price): ZERO for symbol, side, price in self._shown if symbol == book.symbol}
        return shown | {(side, price): qty for side, levels in book.sides.items() for price, qty in levels.items()}

    def _show_all(self, market: Market, changed: dict[tuple[Side, Decimal], Decimal]) -> None:
        core, symbol = self._core, market.pair.symbol
        core.now_ns = core.clock.now_ns()
        less_first = sorted(changed.items(), key=lambda level: level[1] > self._qty_shown(symbol, *level[0]))
        for (side, price), qty in less_first:
            self._show(market, side, price, qty)
        core.finish()

    def _qty_shown(self, symbol: str, side: Side, price: Decimal) -> Decimal:
        return sum((order.leaves_qty for order in self._shown.get((symbol, side, price), ())), ZERO)

    def _show(self, market: Market, side: Side, price: Decimal, qty: Decimal) -> None:
        """Show exactly this much at a price: more comes to the back of the queue, less leaves from the back."""
        pair = market.pair
        if price % pair.tick or decimals_of(qty) > pair.qty_precision:
            raise ValueError(f"{pair.symbol}: {qty} at {price} does not fit the precision of this exchange's pair")
        key = (pair.symbol, side, price)
        orders = [order for order in self._shown.get(key, ()) if order.is_open]
        more = qty - sum((order.leaves_qty for order in orders), ZERO)
        if more > 0:
            orders.append(self._add(market, side, price, more))
        for order in reversed(orders):
            if more >= 0:
                break
            cut = min(-more, order.leaves_qty)
            self._cut(market, order, cut)
            more += cut
        orders = [order for order in orders if order.is_open]
        if orders:
            self._shown[key] = orders
        else:
            self._shown.pop(key, None)

    def _add(self, market: Market, side: Side, price: Decimal, qty: Decimal) -> SimOrder:
        new = NewOrder(
            symbol=market.pair.symbol, side=side, order_type="limit", order_qty=qty, limit_price=price, owner=OWNER
        )
        order = self._core.entry.make(self._core.house, new, market.pair, Prices(price, None, None))
        self._core.entry.accept(order, self._core.house)  # unchecked: a source's levels may be below any minimum
        return order

    def _cut(self, market: Market, order: SimOrder, cut: Decimal) -> None:
        if cut == order.leaves_qty:
            self._core.end(order, "canceled")
        else:
            order.order_qty -= cut
            market.book.recount(order)

    # --- trades

    def _take_trade(self, trade: TradeRow) -> None:
        market = self._core.markets.get(trade.symbol)
        if market is None or trade.symbol not in self._books or self._core.is_halted(market):
            return
        core, price, qty = self._core, number_of(trade.price), number_of(trade.qty)
        core.now_ns = core.clock.now_ns()
        filled, passed = self._strike(market, trade.side, price, qty)
        if qty > filled:
            ord_type = "limit" if trade.ord_type == "limit" else "market"
            core.printed(market, price, qty - filled, trade.side, ord_type)
        if passed:  # the book frame says what is left there; until it comes, the level is as the source last said
            maker_side = opposite(trade.side)
            shown = self._qty_shown(trade.symbol, maker_side, price)
            self._show(market, maker_side, price, shown + passed)
        core.finish()

    def _strike(self, market: Market, side: Side, price: Decimal, qty: Decimal) -> tuple[Decimal, Decimal]:
        """Let a trade meet what rests within its price; return what clients got of it, and what it used up before."""
        left, passed = qty, ZERO
        for order in list(market.book.side(opposite(side)).orders()):
            resting = order.limit_price
            if left <= 0 or resting is None or not within(side, price, resting):
                break
            if order.account != HOUSE:
                left -= self._fill(market, order, left)
            elif resting == price:  # better ones the source has taken away already, or will with its next frame
                cut = min(left, order.leaves_qty)
                self._cut(market, order, cut)
                left, passed = left - cut, passed + cut
        return qty - left - passed, passed

    def _fill(self, market: Market, order: SimOrder, qty: Decimal) -> Decimal:
        """Fill a client's resting order, an iceberg slice by slice."""
        left = qty
        while left > 0 and order.is_open:
            took = self._core.execution.strike(order, left, market)
            if not took:
                break
            left -= took
        return qty - left
