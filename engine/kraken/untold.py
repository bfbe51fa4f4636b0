"""Fills that a balance has told of and executions has not: the last frame before a silence, lost.

No later frame shows that gap, and of an order that has ended long ago nobody asks. But the ledger entry that a fill
makes comes over the other channel and names it, so it is asked for by its id. What others trade on the account
executions tells as well: that asks nothing. A fill found so proves the gap, and the stream is given up for it as for
any other: its next snapshot shows what else is missing, and what the fill calls for is not sent into it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import structlog
import trio

from engine.accounts.charges import MARGIN
from engine.accounts.movement import SPOT, Movement
from engine.errors import VenueError, VenueRefused
from engine.kraken.call_budget import Urgency
from engine.kraken.fill_memory import FillMemory
from engine.kraken.queries import TRADES_PER_QUERY, Queries, names_nothing
from engine.orders.reports import OrderReport

log = structlog.get_logger()

KINDS: Final = frozenset({"trade", MARGIN})
"""Entries that name the fill which made them; a rollover names one of long ago."""
PATIENCE_S: Final = 3.0
"""So long a fill may come after its ledger entry, and so long at least lies between two questions: each costs a point
of the counter of calls, and of the smallest tier's that is what refills meanwhile."""
ATTEMPTS: Final = 6
"""After three seconds and after pauses that double, to a minute and a half in all: REST may lag by a minute. What it
does not know then is no fill."""
MOST_PAUSE_S: Final = 30.0
"""The longest of them; and between any two questions once so many in a row were in vain: then the entries name
something else, or REST is away, and others need its points."""
MOST_AWAITED: Final = 1000
"""More fills than come in the time that each is waited for; beyond that the oldest are not asked for."""


class _Awaited(msgspec.Struct):
    ask_s: float
    asked: int = 0


class Untold:
    """Waits for the fills that ledger entries name, and asks for those that do not come.

    ``tell`` hands over fills, oldest first, that nobody has told yet.
    """

    def __init__(
        self, queries: Queries, memory: FillMemory, tell: Callable[[Sequence[OrderReport]], Awaitable[object]]
    ) -> None:
        self._queries, self._memory, self._tell = queries, memory, tell
        self._awaited: OrderedDict[str, _Awaited] = OrderedDict()
        self._news = trio.Event()
        self._in_vain = 0
        self._together = TRADES_PER_QUERY  # one id that REST does not know refuses them all: then they are asked apart

    def hear(self, movement: Movement) -> None:
        """Take a ledger entry."""
        exec_id = movement.ref_id
        if movement.wallet != SPOT or movement.kind not in KINDS or self._memory.heard(exec_id):
            return
        if exec_id not in self._awaited:
            self._awaited[exec_id] = _Awaited(trio.current_time() + PATIENCE_S)
            if len(self._awaited) > MOST_AWAITED:
                self._awaited.popitem(last=False)
            self._news.set()

    async def run(self, up: Callable[[], bool], give_up: Callable[[str], None]) -> None:
        """Ask until cancelled, while the stream is ``up``: when it is not, its next snapshot may tell.

        ``give_up`` ends the stream, saying why.
        """
        while True:
            await self._news.wait()
            self._news = trio.Event()
            while self._awaited:
                await trio.sleep_until(min(one.ask_s for one in self._awaited.values()))
                due = self._due()
                if due and up():
                    await self._ask(due[: self._together], up, give_up)
                if due:
                    await trio.sleep(PATIENCE_S if self._in_vain < ATTEMPTS else MOST_PAUSE_S)

    def _due(self) -> list[str]:
        """Forget what has been told, or asked for in vain; return what is to be asked for, of all that was least asked.

        What REST has not known refuses no question about what it was not asked for yet.
        """
        for exec_id, one in list(self._awaited.items()):
            told = self._memory.heard(exec_id)
            if told or one.asked >= ATTEMPTS:
                del self._awaited[exec_id]
            if not told and one.asked >= ATTEMPTS:
                log.warning("fill.not_found", exec_id=exec_id)
        now_s = trio.current_time()
        due = [exec_id for exec_id, one in self._awaited.items() if one.ask_s <= now_s]
        least = min((self._awaited[exec_id].asked for exec_id in due), default=0)
        return [exec_id for exec_id in due if self._awaited[exec_id].asked == least]

    async def _ask(self, exec_ids: Sequence[str], up: Callable[[], bool], give_up: Callable[[str], None]) -> None:
        log.warning("fills.untold", exec_ids=exec_ids)
        try:
            found = await self._queries.query_trades(exec_ids, Urgency.FILLS)
        except VenueError as error:
            log.warning("query.failed", query="QueryTrades", why=str(error))
            self._failed(exec_ids, unknown=isinstance(error, VenueRefused) and names_nothing(error))
            return
        self._in_vain, self._together = 0, TRADES_PER_QUERY
        self._not_known(exec_ids)  # those it has left out; the others are forgotten as told
        if up() and any(report.fill is not None and not self._memory.knows(report.fill) for report in found):
            give_up("the balances told of a fill that executions had left out")
        await self._tell(sorted(found, key=lambda report: report.ts_ns))

    def _failed(self, exec_ids: Sequence[str], *, unknown: bool) -> None:
        """Note a question without an answer. Only that REST does not know a fill is a word about it."""
        self._in_vain += 1
        if unknown and len(exec_ids) > 1:
            self._together = 1
        elif unknown:
            self._not_known(exec_ids)

    def _not_known(self, exec_ids: Sequence[str]) -> None:
        for exec_id in exec_ids:
            one = self._awaited.get(exec_id)
            if one is not None:
                one.asked += 1
                one.ask_s = trio.current_time() + min(PATIENCE_S * 2**one.asked, MOST_PAUSE_S)
