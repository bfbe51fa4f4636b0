"""A disk that damages the journal, after the end of a run or amid its life, and what an engine on the rest must do.

The oracle is blinded: its rules know the rows that are gone. What is judged here rests on the exchange's truth, and on
what the engine shows.
"""

from __future__ import annotations

from random import Random
from typing import Final

import trio

from engine.chaos.crash_points import CrashPoints
from engine.chaos.oracle import Oracle
from engine.chaos.supervisor import AGAIN_S, only
from engine.chaos.world import STREAM_S, World
from engine.errors import EngineError, JournalCorrupt
from engine.runtime.corruption import JOURNAL_CORRUPT
from engine.runtime.engine import Engine
from engine.sim import SimOrder

DAMAGED_S: Final = 20.0
"""How long an engine on what is left of a damaged journal is watched."""
DAMAGED_SHARE = 0.1
"""Of the runs: their journal is damaged after the end, and started once more."""
LOST_MOST: Final = 40
"""Rows: about what two brackets write until they hold their stops."""
SPOILED_SHARE: Final = 0.25
"""Of the journals damaged amid life: a bit near their end is turned over, where the others lose the end itself."""
STARTS: Final = 3
"""Tries of whoever keeps it running; one that dies of a damaged row is followed by one that sets it aside."""


class Damage:
    """Damages the journal of one run, and watches what starts on the rest."""

    def __init__(self, world: World, oracle: Oracle, points: CrashPoints) -> None:
        self._world, self._oracle, self._points = world, oracle, points
        self._at_end = world.chance.stream("damage").random() < DAMAGED_SHARE
        self._amid = world.chance.stream("damage/amid")
        self._drawn = self._amid.random()

    def comes_amid_life(self, share: float) -> bool:
        """Tell whether this run, of which ``share`` are so, ends with a damage amid its life."""
        return self._drawn < share

    async def after_the_end(self) -> None:
        """In a share of the runs turn one bit of the journal over: the next start refuses it, or is halted.

        The end of the last line is spared: a line without it is torn, and is cut as after any loss of power.
        One that stands on a snapshot may first have to prove the rows that this left out, or die of one: then it is
        the next that is halted.
        """
        if not self._at_end:
            return
        disk, rng = self._world.disk, self._world.chance.stream("bit")
        disk.flip("journal", rng.randrange(8 * (self._line_ends()[-1] - 1)))
        self._leave_the_judgement()
        halted = await self._halts()
        if not self._world.running:
            halted = await self._halts()
        self._world.kill()
        if not halted:
            self._broke("damage_never_starts_silently", "an engine runs on a damaged journal and is not halted")

    async def amid_life(self) -> None:
        """Kill the engine with all that rests, damage the end of its journal, and watch the next one."""
        power_loss = self._amid.random() < 0.5
        self._leave_the_judgement()
        self._world.kill(power_loss=power_loss)
        spoiled = self._amid.random() < SPOILED_SHARE and len(self._line_ends()) > 1
        told = self._spoil(self._amid) if spoiled else self._lose(self._amid)
        self._oracle.court.trace.note(
            "weather", "", f"{'power loss' if power_loss else 'kill'}, and the journal {told}"
        )
        engine = await self._start()
        if engine is None:
            self._broke("damaged_tail_starts", f"no engine starts on a journal that {told}")
            return
        if spoiled and not engine.services.trading.stands(JOURNAL_CORRUPT):
            self._broke("damage_never_starts_silently", f"an engine runs on a journal that {told} and is not halted")
        self._judge_forgotten(engine, told)
        self._world.kill()

    def _leave_the_judgement(self) -> None:
        self._oracle.blind()
        self._points.disarm()
        self._world.forgives = lambda error: only(error, JournalCorrupt)

    # --- what the disk does

    def _lose(self, rng: Random) -> str:
        """Cut whole rows off: no chain can tell that there were any. The header stays, as every file system has it."""
        ends = self._line_ends()
        lost = min(rng.randint(1, LOST_MOST), len(ends) - 1)
        self._world.disk.lose_tail("journal", ends[-1 - lost])
        return f"loses {lost} of its {len(ends)} rows"

    def _spoil(self, rng: Random) -> str:
        """Turn over one bit of the last rows; of the header none."""
        ends = self._line_ends()
        first = ends[-1 - min(LOST_MOST, len(ends) - 1)]
        bit = rng.randrange(8 * first, 8 * (ends[-1] - 1))
        self._world.disk.flip("journal", bit)
        row = next(number for number, end in enumerate(ends, start=1) if bit < 8 * end)
        return f"is spoiled at row {row} of {len(ends)}"

    def _line_ends(self) -> list[int]:
        content = self._world.disk.content("journal")
        ends, at = [], 0
        for line in bytes(content.durable + content.cache).split(b"\n")[:-1]:
            at += len(line) + 1
            ends.append(at)
        return ends

    # --- what the engine does

    async def _halts(self) -> bool:
        """Watch an engine start on a damaged journal; True also where it refuses to."""
        born = await self._boot()
        if born is None:
            return True
        halted = born.services.trading.stands(JOURNAL_CORRUPT)
        await trio.sleep(DAMAGED_S)  # it protects what it finds; whatever it dies of breaks the run
        if born.journal.footing.snapshot is not None:
            halted = born.services.trading.stands(JOURNAL_CORRUPT)
        return halted

    async def _start(self) -> Engine | None:
        """Return an engine whose stream has been complete for as long as it is watched; None: none starts."""
        for _ in range(STARTS):
            born = await self._boot()
            if born is not None:
                with trio.move_on_after(STREAM_S):
                    while self._world.running and not born.services.stream_up():  # noqa: ASYNC110 - it comes and goes
                        await trio.sleep(0.25)
                await trio.sleep(DAMAGED_S)
            if born is not None and self._world.running:
                return born
            await trio.sleep(AGAIN_S)
        return None

    async def _boot(self) -> Engine | None:
        """Start an engine; None where it refuses to."""
        try:
            return await self._world.boot()
        except BaseException as error:
            if not only(error, EngineError):
                raise
            self._oracle.court.trace.note("log", "", f"info engine.not_started {error}")
            return None

    # --- what must hold

    def _judge_forgotten(self, engine: Engine, told: str) -> None:
        """Whatever rests with our mark has a scope that lives, or has been told of: by its row or by a reason."""
        services = engine.services
        orphans = {row.cl_ord_id for row in engine.journal.rows(kind="orphan")}
        reasons = " ".join(services.gate.reasons().values())
        for order in self._resting(engine):
            name = order.cl_ord_id or ""
            if name not in services.desk.live and name not in orphans and order.order_id not in reasons:
                text = f"{order.side} {order.leaves_qty} {order.symbol} rests, the journal {told}, and nobody says so"
                self._broke("forgotten_orders_found", text, name)

    def _resting(self, engine: Engine) -> list[SimOrder]:
        """Return what rests at the exchange with our mark."""
        orders = self._world.exchange.truth.orders.values()
        return [one for one in orders if one.is_open and engine.services.is_ours(one.cl_ord_id)]

    def _broke(self, invariant: str, text: str, *subjects: str) -> None:
        self._oracle.court.broken(invariant, text, *subjects)
