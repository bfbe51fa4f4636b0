"""Execution frame received → execution report at a subscriber: one fill at a time, then as fast as it goes."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import trio

from tests.bench.figures import Figure, Section, against, quantile, spread
from tests.bench.peer import RemotePeer, open_peer
from tests.bench.rig import DURABILITIES, Subject, open_floors, open_subject, signal_line

ORDERS = 50
WARM_UP, BLOCKS, BLOCK, EVERY_S = 50, 10, 20, 0.004
BURSTS, BURST = 3, 300
FILLS = WARM_UP + BLOCKS * BLOCK + BURSTS * BURST
UPDATE_LIMIT_S = 0.1
"""The success figure for an order update."""


class Feed:
    """One subject and the recording it is fed from."""

    def __init__(self, peer: RemotePeer, subject: Subject, account: str, to: str) -> None:
        self._peer, self.subject, self._account, self._to = peer, subject, account, to
        self._taken = 0
        self.latencies: list[float] = []
        self.rates: list[float] = []

    async def paced(self, count: int) -> list[float]:
        """Feed fills one by one and return the seconds from each frame to its report."""
        came, seen = await self._feed(count, EVERY_S)
        return [report_s - frame_s for frame_s, report_s in zip(came, seen, strict=True)]

    async def burst(self) -> float:
        """Feed many at once and return execution messages a second, from the first frame to the last report."""
        came, seen = await self._feed(BURST, 0)
        return BURST / (seen[-1] - came[0])

    async def _feed(self, count: int, every_s: float) -> tuple[list[float], list[float]]:
        heard = self.subject.subscriber.fills_s
        self.subject.stream.fills_s.clear()
        self._taken += count
        await self._peer.ask("send", to=self._to, account=self._account, count=count, every_s=every_s)
        await self.subject.subscriber.wait(lambda: len(heard) >= self._taken)
        if len(heard) != self._taken:
            raise RuntimeError(f"{self.subject.name}: {len(heard)} reports of {self._taken} fills")
        return list(self.subject.stream.fills_s), heard[-count:]


async def measure(directory: Path) -> list[Section]:
    """Open orders, record real fills of them on the peer, then feed these bytes to engine and floors in turn."""
    pairs = {one: list(range(turn * ORDERS, (turn + 1) * ORDERS)) for turn, one in enumerate(DURABILITIES)}
    async with open_peer(ORDERS * len(DURABILITIES), list(DURABILITIES)) as peer, AsyncExitStack() as stack:
        feeds = []
        for one in DURABILITIES:
            subject = await stack.enter_async_context(open_subject(peer, one, directory / one, one))
            for pair in pairs[one]:
                await subject.open(signal_line(pair))
            feeds.append(Feed(peer, subject, one, one))
        floors = await stack.enter_async_context(open_floors(peer, directory, lambda _: peer.replay, replay=True))
        for subject, name in zip(floors, ("plain", *DURABILITIES), strict=True):
            feeds.append(Feed(peer, subject, DURABILITIES[0], f"floor-{name}"))
        for one in DURABILITIES:
            await peer.ask("record", account=one, pairs=pairs[one], fills=FILLS)
        await trio.sleep(0.3)  # the public frames of the recording are not what is measured
        await _rounds(feeds)
        return _sections(feeds)


async def _rounds(feeds: list[Feed]) -> None:
    for feed in feeds:
        await feed.paced(WARM_UP)
    for _ in range(BLOCKS):
        for feed in feeds:
            feed.latencies += await feed.paced(BLOCK)
    for _ in range(BURSTS):
        for feed in feeds:
            feed.rates.append(await feed.burst())


def _sections(feeds: list[Feed]) -> list[Section]:
    engines, plain, journalled = feeds[:2], feeds[2], feeds[3:]
    latency, rate = [], []
    for one, durable in zip(engines, journalled, strict=True):
        latency += against(
            spread(one.subject.name, one.latencies, limit=UPDATE_LIMIT_S),
            *(spread(feed.subject.name, feed.latencies) for feed in (durable, plain)),
        )
        rate += against(_rate(one), _rate(durable), _rate(plain))
    return [
        Section("Execution frame received → report at a subscriber, one at a time", latency),
        Section(
            f"Executions a second, {ORDERS} open orders, {BURST} fills at once",
            rate,
            ["each fill is one executions frame and two of balances, as the exchange wrote them"],
        ),
    ]


def _rate(feed: Feed) -> Figure:
    return Figure(feed.subject.name, "/s", BURST * BURSTS, quantile(feed.rates, 0.5))
