"""Hands on an engine that runs in another process, through its door. An algorithm works there as it does inside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from typing import Any, Final, Protocol

import msgspec
import trio

from engine import EngineError, Instrument, SystemClock
from engine.algos.hands import Entry, Known, Moved, News, Quote, Room, Verdict
from engine.client import AsyncClient, Refused, Unreachable

TRIES: Final = 5
TRY_PAUSE_S: Final = 1.0
"""An engine that nobody reaches five times is gone; what was asked may be asked again, it has one effect."""
SUBMIT_BOUND_S: Final = 25.0
"""A submit is seen through, also when its algorithm is cancelled: only a child that is known can be taken back."""
_PROBE = {
    "signal_id": "00000000-0000-4000-8000-000000000000",
    "side": "buy",
    "order_type": "market",
    "order_qty": "1",
    "stop_loss": None,
}
"""A plan of it tells the market's steps and minima; a plan sends and writes nothing."""


class EngineAway(EngineError):
    """Nobody answered at the door, or not as agreed. What rests is canceled by its own time-out."""


class _Clock(Protocol):
    def now_ns(self) -> int: ...


class DoorHands:
    """``client`` is open; several algorithms may share it."""

    def __init__(self, client: AsyncClient, clock: _Clock | None = None) -> None:
        self._client, self._clock = client, clock or SystemClock()

    def now_ns(self) -> int:
        """See Hands."""
        return self._clock.now_ns()

    @asynccontextmanager
    async def watching(self, symbol: str, signal_ids: Sequence[str]) -> AsyncIterator[News]:  # noqa: ARG002
        """See Hands. Of the book nothing is told: it is asked for at each look."""
        news = News()
        page = await self._asked(lambda: self._client.journal(limit=1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, news, int(page["head"]), frozenset(signal_ids))
            yield news
            nursery.cancel_scope.cancel()

    async def _hear(self, news: News, after: int, signal_ids: frozenset[str]) -> None:
        try:
            async with aclosing(self._client.reports(after)) as reports:
                async for report in reports:
                    if report["signal_id"] in signal_ids:
                        news.tell(report["signal_id"])
        except (Refused, Unreachable) as error:
            raise EngineAway(str(error)) from error
        news.end()

    async def find(self, signal_id: str) -> Known | None:
        """See Hands."""
        try:
            found = await self._asked(lambda: self._client.signal(signal_id))
        except Refused as refusal:
            if refusal.category == "not_found":
                return None
            raise EngineAway(str(refusal)) from refusal
        bracket = found["bracket"] or {"state": "", "orders": []}
        return Known(
            signal_id=signal_id,
            status=found["verdict"]["status"],
            order_qty=Decimal(found["signal"]["order_qty"]),
            valid_until_ns=found["signal"]["valid_until_ns"],
            bracket_state=bracket["state"],
            entries=tuple(_entry(one) for one in bracket["orders"] if one["role"] == "entry"),
            code=found["verdict"]["code"],
            reason=found["verdict"]["reason"],
        )

    async def submit(self, text: str) -> Verdict:
        """See Hands. One signal_id is one bracket, so a lost answer is simply asked for again."""
        with trio.move_on_after(SUBMIT_BOUND_S, shield=True):
            done = await self._told(lambda: self._client.submit(text))
            return Verdict(done["status"], done["code"], done["reason"])
        raise EngineAway(f"no verdict within {SUBMIT_BOUND_S:g} s")

    async def end_entry(self, signal_id: str, why: str) -> None:
        """See Hands."""
        try:
            await self._asked(lambda: self._client.cancel(signal=signal_id, reason=why))
        except Refused as refusal:
            if refusal.category not in ("not_found", "refused"):  # those say that nothing of it rests
                raise EngineAway(str(refusal)) from refusal

    async def amend(self, cl_ord_id: str, limit_price: Decimal, why: str) -> Moved:
        """See Hands. An amend whose answer is lost is not asked for again: the order's state tells."""
        try:
            done = await self._client.amend(order=cl_ord_id, limit_price=limit_price, reason=why)
        except Refused as refusal:
            return Moved("refused", f"{refusal.code}: {refusal.message}")
        except Unreachable as error:
            return Moved("unknown", str(error))
        return Moved("amended" if done["status"] == "amended" else "unknown", done["reason"])

    async def quote(self, symbol: str) -> Quote | None:
        """See Hands."""
        try:
            found = await self._asked(lambda: self._client.books(symbol, depth=1))
        except Refused:
            return None
        book = next((one for one in found["books"] if one["usable"] and one["bids"] and one["asks"]), None)
        return None if book is None else Quote(Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0]))

    async def instrument(self, symbol: str) -> Instrument | None:
        """See Hands."""
        done = await self._told(lambda: self._client.plan({**_PROBE, "symbol": symbol}))
        found = done["preview"]["instrument"]
        return None if found is None else msgspec.convert(found, Instrument, strict=False)

    async def room(self, symbol: str) -> Room | None:
        """See Hands."""
        told = await self._told(self._client.limits)
        found = next((one for one in told["counters"] if one["symbol"] == symbol), None)
        return None if found is None else Room(float(found["level"]), float(found["threshold"]))

    async def halted(self, strategy_id: str) -> str:
        """See Hands."""
        told = await self._told(self._client.status)
        state = told["trading_state"]
        if state == "ACTIVE":
            state = told["trading"]["strategies"].get(strategy_id, state)
        return "" if state == "ACTIVE" else f"TRADING_{state}"

    async def _told(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask for what an engine in order does not refuse."""
        try:
            return await self._asked(ask)
        except Refused as refusal:
            raise EngineAway(str(refusal)) from refusal

    async def _asked(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask again while nobody answers, or the door is busy. Raises EngineAway, or Refused."""
        for left in reversed(range(TRIES)):
            try:
                return await ask()
            except (Unreachable, Refused) as error:
                if isinstance(error, Refused) and not error.retryable:
                    raise
                if not left:
                    raise EngineAway(str(error)) from error
            await trio.sleep(TRY_PAUSE_S)
        raise AssertionError("unreachable")


def _entry(order: dict[str, Any]) -> Entry:
    limit = order["limit_price"]
    return Entry(
        cl_ord_id=order["cl_ord_id"],
        state=order["state"],
        states=tuple(order["states"]),
        cum_qty=Decimal(order["cum_qty"]),
        avg_px=Decimal(order["avg_px"]),
        limit_price=None if limit is None else Decimal(limit),
        reason=order["reason"],
    )
