"""From book changes to brackets: each is told only when what it may act on has changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from engine.market.book import Book
from engine.orders.bracket_events import MarketFacts
from engine.orders.signal import Signal
from engine.orders.trailing import carried_trail
from engine.values.money import NO_QTY, other_side


def market_facts(signal: Signal, book: Book | None) -> MarketFacts:
    """Judge the executable side of a book: bids for a bracket that sells out, asks for one that buys back.

    ``signal`` has the exits that are watched now. A last price touches nothing. An unusable book gives no facts at all.
    """
    if book is None or not book.usable:
        return MarketFacts(usable=False)
    exit_side = other_side(signal.side)
    touch = NO_QTY
    if signal.take_profit is not None:
        touch = book.executable(exit_side, signal.take_profit.price)
    best = book.best(signal.side)  # a long is sold into bids, a short bought back from asks
    follows = signal.break_even is not None or carried_trail(signal) is not None
    passed = False
    if signal.stop_loss is not None and best is not None:
        trigger = signal.stop_loss.trigger_price
        passed = best <= trigger if exit_side == "sell" else best >= trigger
    return MarketFacts(True, touch, passed, best if follows else None)


class MarketDesk:
    """Keeps who watches which symbol, and what each was last told."""

    def __init__(self) -> None:
        self._watchers: dict[str, dict[str, _Watcher]] = defaultdict(dict)
        self._books: dict[str, Book] = {}

    def watch(self, symbol: str, signal: Signal, book: Book, wake: Callable[[], None]) -> None:
        """Call ``wake`` (which must not block) whenever the facts for this signal change."""
        self._books[symbol] = book
        self._watchers[symbol][signal.signal_id] = _Watcher(signal, wake)

    def leave(self, symbol: str, signal_id: str) -> None:
        """Stop telling."""
        self._watchers[symbol].pop(signal_id, None)
        if not self._watchers[symbol]:
            del self._watchers[symbol]
            self._books.pop(symbol, None)

    def rewatch(self, symbol: str, signal: Signal) -> None:
        """Judge for exits that have moved: the same bracket's signal as it stands now."""
        watcher = self._watchers[symbol].get(signal.signal_id) if symbol in self._watchers else None
        if watcher is not None:
            watcher.signal = signal

    def facts(self, symbol: str, signal: Signal) -> MarketFacts:
        """Return what this signal's bracket may act on now."""
        return market_facts(signal, self._books.get(symbol))

    def on_book(self, book: Book) -> None:
        """Look at a changed book on behalf of every watcher of its symbol."""
        if book.symbol not in self._watchers:
            return
        self._books[book.symbol] = book
        for watcher in self._watchers[book.symbol].values():
            facts = market_facts(watcher.signal, book)
            if facts != watcher.told:
                watcher.told = facts
                watcher.wake()

    def wake_all(self) -> None:
        """Wake every watcher, whatever it was last told."""
        for watchers in self._watchers.values():
            for watcher in watchers.values():
                watcher.wake()


class _Watcher:
    def __init__(self, signal: Signal, wake: Callable[[], None]) -> None:
        self.signal, self.wake = signal, wake
        self.told: MarketFacts | None = None
