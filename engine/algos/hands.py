"""What an algorithm may do and see, whether the engine is in this process or behind its door."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Literal, Protocol

import msgspec
import trio

from engine import Instrument


class Entry(msgspec.Struct, frozen=True):
    """One entry order of a child. ``state`` and ``states`` are the order machine's, quantities in base units."""

    cl_ord_id: str
    state: str
    states: tuple[str, ...]
    cum_qty: Decimal
    avg_px: Decimal
    limit_price: Decimal | None
    reason: str = ""


class Known(msgspec.Struct, frozen=True):
    """A signal that came: its verdict, and where its bracket and its entries stand."""

    signal_id: str
    status: Literal["accepted", "denied"]
    order_qty: Decimal
    valid_until_ns: int | None
    bracket_state: str = ""
    entries: tuple[Entry, ...] = ()
    code: str = ""
    reason: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """What became of a signal that was handed in; durable."""

    status: Literal["accepted", "denied"]
    code: str = ""
    reason: str = ""


class Moved(msgspec.Struct, frozen=True):
    """What became of an amend. ``unknown``: it was sent and not answered."""

    status: Literal["amended", "unknown", "refused"]
    reason: str = ""


class Quote(msgspec.Struct, frozen=True):
    """The best prices of a verified book."""

    bid: Decimal
    ask: Decimal


class Room(msgspec.Struct, frozen=True):
    """How full the venue's counter of a market is, in points."""

    level: float
    threshold: float


class News:
    """Wakes its one waiter when something may have changed; what exactly, it looks up itself."""

    def __init__(self) -> None:
        self._event = trio.Event()
        self._about: set[str] = set()
        self.ended = False  # nobody will bring any more: the engine is gone

    def tell(self, signal_id: str = "") -> None:
        """Wake the waiter, now or at its next wait; with the signal that a report was about."""
        self._about.add(signal_id)
        self._event.set()

    def about(self) -> frozenset[str]:
        """Take the signals that were told of since this was last asked."""
        about, self._about = frozenset(self._about), set()
        return about

    def end(self) -> None:
        """Say that no more will come."""
        self.ended = True
        self._event.set()

    async def wait(self) -> None:
        """Return once something was told since the last wait."""
        await self._event.wait()
        if not self.ended:
            self._event = trio.Event()


class Hands(Protocol):
    """Everything an algorithm asks of an engine. Any call may raise engine.EngineError where nobody answers."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds."""
        ...

    def watching(self, symbol: str, signal_ids: Sequence[str]) -> AbstractAsyncContextManager[News]:
        """Hold the market's book, and tell of its changes and of reports on these signals, while the block stands."""
        ...

    async def find(self, signal_id: str) -> Known | None:
        """Return what is known of a signal, from the journal where it has ended; None when it never came."""
        ...

    async def submit(self, text: str) -> Verdict:
        """Hand a signal in, as one line of JSON; returns once the verdict is durable."""
        ...

    async def end_entry(self, signal_id: str, why: str) -> None:
        """Cancel what is left of a signal's entry. What has filled stays protected."""
        ...

    async def amend(self, cl_ord_id: str, limit_price: Decimal, why: str) -> Moved:
        """Move a resting entry's limit; every check of entries is made again."""
        ...

    async def quote(self, symbol: str) -> Quote | None:
        """Return the best prices, None while no verified book with two sides stands."""
        ...

    async def instrument(self, symbol: str) -> Instrument | None:
        """Return tick, lot and minima, None when the venue lists no such market."""
        ...

    async def room(self, symbol: str) -> Room | None:
        """Return how full the counter is, None while nothing was sent on this market."""
        ...

    async def halted(self, strategy_id: str) -> str:
        """Return why no entry of this strategy passes now, "" when they do."""
        ...
