"""Signal → add_order on the wire → open report, one order at a time over loopback TCP."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from tests.bench.figures import Section, against, spread
from tests.bench.peer import open_peer
from tests.bench.rig import DURABILITIES, EngineSubject, FloorSubject, Subject, open_floors, open_subject, signal_line

PAIRS, WARM_UP, BLOCKS, BLOCK = 20, 20, 10, 20
PAUSE_S = 0.002
"""Between rounds: what the one before left to do is not the next one's."""


class Times:
    """Seconds of one subject's rounds."""

    def __init__(self) -> None:
        self.to_wire: list[float] = []
        self.to_open: list[float] = []

    async def round(self, subject: Subject, pair: int) -> None:
        """Send one signal and wait until its order is reported open."""
        await trio.sleep(PAUSE_S)
        line, subject.stream.sent_s = signal_line(pair), 0.0
        started_s = time.perf_counter()
        order = await subject.open(line)
        self.to_wire.append(subject.stream.sent_s - started_s)
        self.to_open.append(subject.subscriber.seen_s[order, "new"] - started_s)


async def measure(directory: Path) -> list[Section]:
    """Run engine and floors in turn, block by block, so that a noisy second hits all of them."""
    accounts = [*DURABILITIES, "floor-plain", *(f"floor-{one}" for one in DURABILITIES)]
    async with open_peer(PAIRS, accounts) as peer, AsyncExitStack() as stack:
        engines = {
            one: await stack.enter_async_context(open_subject(peer, one, directory / one, one)) for one in DURABILITIES
        }
        floors = await stack.enter_async_context(
            open_floors(peer, directory, lambda account: peer.private[account], replay=False)
        )
        times = await _rounds([*engines.values(), *floors])
        commits = {one: _commits(subject) for one, subject in engines.items()}
        return [_section(times, engines, floors, commits)]


async def _rounds(subjects: list[Subject]) -> dict[str, Times]:
    for subject in subjects:
        for pair in range(WARM_UP):
            await Times().round(subject, pair % PAIRS)
    times = {subject.name: Times() for subject in subjects}
    for _ in range(BLOCKS):
        for subject in subjects:
            for turn in range(BLOCK):
                await times[subject.name].round(subject, turn % PAIRS)
    return times


def _commits(subject: EngineSubject) -> str:
    statistics = subject.engine.journal.statistics()
    rounds = WARM_UP + BLOCKS * BLOCK
    return f"{statistics.rows / rounds:.1f} rows in {statistics.commits / rounds:.1f} commits"


def _section(
    times: dict[str, Times], engines: dict[str, EngineSubject], floors: list[FloorSubject], commits: dict[str, str]
) -> Section:
    figures = []
    plain = floors[0].name
    for name, of in (("signal → wire", lambda t: t.to_wire), ("signal → open report", lambda t: t.to_open)):
        for one, journalled in zip(DURABILITIES, floors[1:], strict=True):
            figures += against(
                spread(f"{name}, {one}", of(times[engines[one].name])),
                spread(journalled.name, of(times[journalled.name])),
                spread(plain, of(times[plain])),
            )
    return Section(
        "Signal → add_order on the wire → open report",
        figures,
        [f"an order in durability {one}: {said}" for one, said in commits.items()],
    )
