"""Books and trades as a person reads them: a picture for a terminal, lines for a file."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from engine.market.book import Level
from engine.market.freshness import Freshness
from engine.market.updates import BookView, PublicTrade, Ticker, TradesMissed
from engine.values.money import plain, trimmed
from engine.values.time import rfc3339

FRAME_LINES = 8
"""Lines of the picture that are neither levels nor trades."""
BAR_WIDTH = 14
SIDE_TONES = {"buy": "green", "sell": "red"}
TRADES_KEPT = 200
WIDEST = 10_000
"""Columns in which everything fits."""


class Picture:
    """What is shown of one symbol: the last of everything, redrawn whole."""

    def __init__(self, symbol: str, source: str) -> None:
        self._symbol, self._source = symbol, source
        self.book: BookView | None = None
        self.ticker: Ticker | None = None
        self.trades: deque[PublicTrade | TradesMissed | str] = deque(maxlen=TRADES_KEPT)
        self.skipped = 0

    def draw(self, fresh: Freshness | None, console: Console) -> RenderableType:
        """Lay it out for a screen; what does not fit is left out whole: no price or quantity is ever cut."""
        levels = max(1, (console.height - FRAME_LINES) // 2)
        full, plain_book, least = (self._book_part(levels, columns) for columns in (4, 3, 2))
        trades = self._trades_part(2 * levels + 2)
        for parts in ((full, trades), (plain_book, trades), (plain_book,), (least,)):
            table = Table.grid(padding=(0, 4))
            table.add_row(*parts)
            if Measurement.get(console, console.options.update(width=WIDEST), table).maximum <= console.width:
                break
        return Group(self._head(fresh), Text(), table, Text(), Text(f"{self._source}   Ctrl-C ends", "dim"))

    def _head(self, fresh: Freshness | None) -> RenderableType:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(self._symbol, "bold")
        if fresh is not None:
            line.append(f"   {fresh.status}")
            line.append("   verified" if fresh.usable else f"   UNUSABLE: {fresh.fault}", "" if fresh.usable else "red")
            if fresh.update_age_s is not None:
                line.append(f"   updated {fresh.update_age_s:.1f} s ago", "dim")
            if fresh.latency_s is not None:
                line.append(f"   {fresh.latency_s * 1000:.0f} ms late", "dim")
            line.append(f"   {fresh.updates} updates, {fresh.resyncs} resyncs", "dim")
        day = Text(no_wrap=True, overflow="ellipsis")
        if (ticker := self.ticker) is not None:
            day.append(f"last {trimmed(ticker.last)}   24 h: volume {trimmed(ticker.volume)}")
            if ticker.low is not None and ticker.high is not None:
                day.append(f"   {trimmed(ticker.low)} to {trimmed(ticker.high)}")
            if ticker.change_pct is not None:
                day.append(f"   {ticker.change_pct:+f} %", "green" if ticker.change_pct >= 0 else "red")
        return Group(line, day)

    def _book_part(self, levels: int, columns: int) -> RenderableType:
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for title in ("price", "quantity", "sum")[:columns]:
            table.add_column(title, justify="right", no_wrap=True)
        if columns > 3:
            table.add_column("", width=BAR_WIDTH)
        if self.book is None:
            return table
        asks, bids = self.book.asks[:levels], self.book.bids[:levels]
        most = max((sum((qty for _, qty in side), Decimal(0)) for side in (asks, bids)), default=Decimal(1))
        for cells in reversed(_rows(asks, most)):
            table.add_row(*cells[:columns], style="red")
        spread = f"{plain(asks[0][0] - bids[0][0])}" if asks and bids else "-"
        table.add_row("spread", spread, style="dim")
        for cells in _rows(bids, most):
            table.add_row(*cells[:columns], style="green")
        return table

    def _trades_part(self, lines: int) -> RenderableType:
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for title, side in (("trades (UTC)", "left"), ("", "left"), ("price", "right"), ("quantity", "right")):
            table.add_column(title, justify=side, no_wrap=True)  # type: ignore[arg-type]  # the library's own literals
        for trade in list(self.trades)[: -lines - 1 : -1]:
            if isinstance(trade, PublicTrade):
                time = rfc3339(trade.ts_ns, 3)[11:23]
                table.add_row(time, trade.side, plain(trade.price), plain(trade.qty), style=SIDE_TONES[trade.side])
            else:
                ids = ("", "") if isinstance(trade, str) else (str(trade.first), f"to {trade.last}")
                table.add_row("", "missed", *ids, style="yellow")
        return table


def _rows(levels: tuple[Level, ...], most: Decimal) -> list[tuple[str, str, str, str]]:
    total, rows = Decimal(0), []
    for price, qty in levels:
        total += qty
        rows.append((plain(price), plain(qty), plain(total), "▇" * int(BAR_WIDTH * total / most)))
    return rows


def book_line(book: BookView, skipped: int) -> str:
    """Return a book's best prices on a line."""
    state = "verified" if book.usable else f"unusable ({book.fault})"
    best = " | ".join(f"{plain(side[0][1])} at {plain(side[0][0])}" if side else "-" for side in (book.bids, book.asks))
    more = f", {skipped} skipped" if skipped else ""
    return f"{rfc3339(book.ts_ns, 3)[11:23]} {book.symbol} book  {best}  {state}{more}"


def trade_line(trade: PublicTrade | TradesMissed) -> str:
    """Return a trade on a line."""
    if isinstance(trade, TradesMissed):
        return f"{'':12} {trade.symbol} trade {trade.first} to {trade.last} missed"
    stamp = rfc3339(trade.ts_ns, 3)[11:23]
    return f"{stamp} {trade.symbol} trade {trade.side} {plain(trade.qty)} at {plain(trade.price)}"
