"""Words for stories of algorithms: a parent, an algorithm at work beside the story, and what both sides know of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import trio

from engine import EngineError, Submitted
from engine.algos import AlgoResult, EngineHands, Parent
from engine.algos.stage import Algorithm
from engine.sim import SimOrder
from tests.scenarios.story import BTC, Case, Story, d

PARENT_ID = "00000000-0000-4000-8000-0000000000a1"


def parent(**members: Any) -> Parent:
    """Write a parent: buy 0.06 BTC at 50010 or better, stop at 49000."""
    text: dict[str, Any] = {
        "signal_id": PARENT_ID,
        "strategy_id": "algo",
        "symbol": BTC,
        "side": "buy",
        "order_type": "limit",
        "order_qty": "0.06",
        "limit_price": "50010",
        "stop_loss": {"trigger_price": "49000"},
    }
    return Parent.read(json.dumps(text | members))


def hands(story: Story) -> EngineHands:
    """Hands on the story's engine that runs now."""
    return EngineHands(story.engine, story.world.clock)


class Work:
    """An algorithm at work. ``result`` is None until it has ended by itself."""

    def __init__(self, story: Story, algorithm: Algorithm) -> None:
        self.story, self.algorithm = story, algorithm
        self.result: AlgoResult | None = None
        self.scope = trio.CancelScope()
        self.gone = trio.Event()
        self._cases: dict[int, Case] = {}

    async def run(self) -> None:
        """Work until it ends or is cancelled."""
        try:
            with self.scope:
                self.result = await self.algorithm.run()
        finally:
            self.gone.set()

    async def cancel(self) -> None:
        """Cancel its task, wherever it waits."""
        self.scope.cancel()
        await self.gone.wait()

    def case(self, number: int) -> Case:
        """One child, as engine and exchange know it; the story's end judges it with all others."""
        if number not in self._cases:
            child_id = self.algorithm.parent.child_id(number)
            known = self.story.engine.signal(child_id)
            assert known is not None, f"no child {number}"
            case = Case(self.story, known.signal, Submitted(child_id, known.status))
            self._cases[number] = case
            self.story.cases.append(case)
        return self._cases[number]

    def cases(self) -> list[Case]:
        """All children so far."""
        return [self.case(number) for number in range(len(self.algorithm.ledger.children))]

    def entries(self) -> list[SimOrder]:
        """Every entry the exchange ever took, oldest first."""
        return [order for case in self.cases() for order in case.sent("entry")]

    def resting(self) -> list[SimOrder]:
        """The entries that rest on the exchange now."""
        return [order for order in self.entries() if order.is_open]

    def bought(self) -> Decimal:
        """What the exchange says that the entries have traded."""
        return sum((order.cum_qty for order in self.entries()), Decimal(0))

    def stops(self) -> Decimal:
        """What rests on the exchange as stops."""
        return sum((order.leaves_qty for case in self.cases() for order in case.resting("stop")), Decimal(0))

    def covered(self, qty: str) -> bool:
        """So much was bought, and all of it has its stop."""
        return self.bought() == d(qty) == self.stops()

    async def ended(self, within_s: float = 30) -> AlgoResult:
        """Wait for its result."""
        await self.story.until(lambda: self.result is not None, within_s, every_s=0.1)
        assert self.result is not None
        return self.result


@asynccontextmanager
async def working(story: Story, algorithm: Algorithm) -> AsyncIterator[Work]:
    """Let an algorithm work beside the block; what is left of it at the block's end is cancelled."""
    work = Work(story, algorithm)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work.run)
        yield work
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def dying(story: Story, algorithm: Algorithm) -> AsyncIterator[Work]:
    """As ``working``, for one whose engine is killed under it: what it meets then is its end."""
    work = Work(story, algorithm)

    async def run() -> None:
        try:
            await work.run()
        except* EngineError:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield work
        nursery.cancel_scope.cancel()


def within_parent(work: Work) -> None:
    """No more was bought than the parent asked for, and nothing of it rests."""
    assert work.bought() <= work.algorithm.parent.signal.order_qty, work.story.tale()
    assert work.resting() == [], work.story.tale()
