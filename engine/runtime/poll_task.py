"""Second opinion: asks by REST about orders the stream is silent, suspect or behind on.

Its answers enter the same inboxes as the stream's reports, so there is one door to every order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog
import trio

from engine.errors import VenueError
from engine.orders.machine import ENDED
from engine.orders.reports import OrderReport
from engine.orders.view import OrderView
from engine.runtime.messages import Shown
from engine.runtime.order_desk import OrderDesk, OrderHandle
from engine.runtime.settings import EngineSettings
from engine.values.money import ZERO, Qty
from engine.values.time import NS
from engine.venue.protocol import VenueLink

log = structlog.get_logger()

CANCEL_LAG_S = 0.5
"""A cancel whose answer was lost shows on a complete stream within about a round trip."""
FILLS_MARGIN_NS = 60 * NS
"""Fills are looked for back to this long before the order was sent: our clock may be ahead of the venue's."""
SOON_EVERY_S = 5.0
"""However many orders change: this often at most a question about them goes out, a point for fifty of them, where
the smallest tier refills a point in three seconds."""
MOST_UNASKED_S = 60.0
"""An order that changes all the time, so that each change puts the question off, is asked for this often: a point a
minute, for all of them. Its news may come of nothing but refusals, and its end be lost behind them."""
MOST_STATES_PAUSE_S = 3.0
"""A state that brings no news is asked for again after one, two, then three seconds: a point each, which is what
Starter's counter refills, so that there is room for fills and tokens however long the stream stays away."""
MOST_FILLS_PAUSE_S = 8.0
"""Missing fills are asked for at once, after a second, and after pauses that double up to this: REST may lag the stream
by a minute, and a list costs four points of a counter that refills by half a point a second."""


class PollTask:
    """Asks only about orders that need it. ``stream_up`` tells whether the private stream is complete up to now."""

    def __init__(
        self, settings: EngineSettings, desk: OrderDesk, link: VenueLink, stream_up: Callable[[], bool]
    ) -> None:
        self._settings, self._desk, self._link, self._stream_up = settings, desk, link, stream_up
        self.queries = 0
        self._soon_s = -math.inf  # when orders that had changed were last asked for

    async def run(self) -> None:
        """Look round until cancelled. A failed query is asked again next round: bounded by the round's length.

        Fills have rounds of their own: a long list waits for room in the venue's counter, and states must not.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_states, name="poll/states")
            nursery.start_soon(self._watch_fills, name="poll/fills")

    async def _watch_states(self) -> None:
        while True:
            with trio.move_on_after(self._settings.poll_every_s):
                await self._desk.hurried()
            try:
                await self._round()
            except VenueError as error:
                log.warning("poll.failed", error=str(error))

    async def _watch_fills(self) -> None:
        while True:
            await trio.sleep(self._settings.poll_every_s)
            try:
                await self._ask_fills([handle for handle in self._desk.live.values() if self._misses_fills(handle)])
            except VenueError as error:
                log.warning("poll.failed", error=str(error))

    async def _round(self) -> None:
        asked = [handle for handle in self._desk.live.values() if _can_be_asked(handle.view)]
        due = {handle.view.cl_ord_id for handle in asked if self._is_due(handle)}
        if not due:
            return
        # one call costs the same for fifty: who will be due soon comes along, and all keep step
        wanted = [h for h in asked if h.view.cl_ord_id in due or self._in_haste(h) or _not_asked_since(h)]
        if any(not handle.suspect and _not_asked_since(handle) for handle in wanted):
            self._soon_s = trio.current_time()
        for handle in wanted:
            self._asks(handle)
        await self._ask_states(wanted)

    @staticmethod
    def _asks(handle: OrderHandle) -> None:
        handle.asked_s = trio.current_time()
        handle.states.asked(MOST_STATES_PAUSE_S)

    def _is_due(self, handle: OrderHandle) -> bool:
        now_s, settings = trio.current_time(), self._settings
        if handle.suspect or (_not_asked_since(handle) and now_s >= handle.unasked_s + MOST_UNASKED_S):
            return True
        if self._in_haste(handle):
            silent = now_s >= handle.last_news_s + settings.silent_immediate_s
            return silent and now_s >= handle.states.ask_s
        if _not_asked_since(handle) and now_s >= self._soon_s + SOON_EVERY_S:
            return now_s >= handle.changed_s + settings.silent_after_news_s
        return now_s >= max(handle.last_news_s, handle.asked_s) + settings.silent_resting_s

    def _in_haste(self, handle: OrderHandle) -> bool:
        if handle.view.state in ENDED and _lacks_fills(handle.view):
            return False  # its state is known: only the fills are wanted
        return not self._stream_up() or _is_immediate(handle.view) or self._disputed(handle)

    def _disputed(self, handle: OrderHandle) -> bool:
        """Whether a snapshot lacks it, and REST, which may lag so far, does not agree yet."""
        lag_s = self._settings.visibility_lag_broken_s
        return handle.absent_s is not None and trio.current_time() < handle.absent_s + lag_s

    async def _ask_states(self, handles: list[OrderHandle]) -> None:
        for start in range(0, len(handles), 50):
            part = {h.view.order_id: h for h in handles[start : start + 50]}
            conclusive = set[str | None]()
            for report in await self._states_of(part, conclusive):
                if report.order_id in conclusive:
                    await part[report.order_id].deliver(Shown(report))
                else:
                    await self._desk.deliver(report)

    async def _states_of(self, part: dict[str | None, OrderHandle], conclusive: set[str | None]) -> list[OrderReport]:
        """Ask once. Who loses a report while the question is out is suspect anew; without an answer all are.

        Whoever becomes suspect, changes, or is left by the stream while it waits for room in the venue's counter comes
        along: it costs the same for fifty, and the next one would wait again. ``conclusive`` are those whose amend or
        cancel the answer decides, as of when the question goes: it may have waited until the stream was back.
        """
        for handle in part.values():
            handle.suspect = False
        self.queries += 1

        def also(most: int) -> list[str]:
            askable = [handle for handle in self._desk.live.values() if _can_be_asked(handle.view)]
            late = [h for h in askable if h.suspect or self._in_haste(h) or _not_asked_since(h)]
            further = [h for h in late if h.view.order_id not in part][:most]
            part.update((h.view.order_id, h) for h in further)
            for handle in late:
                if handle.view.order_id in part:
                    self._asks(handle)
                    handle.suspect = False
            conclusive.clear()  # a question that failed is put again
            conclusive.update(order_id for order_id, handle in part.items() if self._may_conclude(handle))
            return [h.view.order_id for h in further if h.view.order_id]

        try:
            return await self._link.query_orders([order_id for order_id in part if order_id], also)
        except VenueError:
            for handle in part.values():
                handle.suspect = True
            raise

    def _may_conclude(self, handle: OrderHandle) -> bool:
        """Whether a state asked for now decides what became of an unanswered amend or cancel."""
        if handle.view.state not in ("pending_amend", "pending_cancel"):
            return False
        if self._cancel_lost(handle, trio.current_time()):
            return True
        lag_s = self._settings.visibility_lag_s if self._stream_up() else self._settings.visibility_lag_broken_s
        return self._link.passed(handle.change_deadline_ns + int(lag_s * NS))

    def _cancel_lost(self, handle: OrderHandle, now_s: float) -> bool:
        """A cancel without answer, and a complete stream: if the order still rests, asking again is safe.

        Should the lost one come through all the same, the order ends unasked and is planned anew.
        """
        lost_s = handle.cancel_lost_s if handle.view.state == "pending_cancel" else None
        return lost_s is not None and self._stream_up() and now_s >= lost_s + CANCEL_LAG_S

    def _misses_fills(self, handle: OrderHandle) -> bool:
        if not _lacks_fills(handle.view):
            handle.fills.begin()
            return False
        return handle.view.order_id is not None and trio.current_time() >= handle.fills.ask_s

    async def _ask_fills(self, handles: list[OrderHandle]) -> None:
        """Read our fills backwards until those of these orders are complete; no further."""
        if not handles:
            return
        self.queries += 1
        for handle in handles:
            handle.fills.asked(MOST_FILLS_PAUSE_S)
        since_ns = min(h.view.dispatched_ns for h in handles) - FILLS_MARGIN_NS
        wanted = {h.view.order_id: _filled_qty(h.view) for h in handles if h.view.order_id is not None}
        for report in await self._link.trades_since(since_ns, partial(_complete, wanted)):
            if report.order_id in wanted:
                await self._desk.deliver(report)


def _not_asked_since(handle: OrderHandle) -> bool:
    """Whether its last change has not been held against REST yet."""
    return handle.asked_s < handle.changed_s


def _can_be_asked(view: OrderView) -> bool:
    """Unanswered orders wait for their sender, unknown ones are investigated: there is nothing to ask by."""
    return view.order_id is not None and view.state not in ("settled", "denied")


def _lacks_fills(view: OrderView) -> bool:
    return _filled_qty(view) > view.cum_qty


def _filled_qty(view: OrderView) -> Qty:
    return max(view.done_qty, view.order_qty) if view.state == "filled" else view.done_qty


def _complete(wanted: Mapping[str, Qty], found: Sequence[OrderReport]) -> bool:
    """Tell whether these fills make up the quantity of every order wanted."""
    return all(
        sum((one.fill.last_qty for one in found if one.fill is not None and one.order_id == order_id), ZERO) >= qty
        for order_id, qty in wanted.items()
    )


def _is_immediate(view: OrderView) -> bool:
    """An order whose end should be a matter of moments."""
    if view.state in ENDED:
        return True  # ended and not settled: its numbers disagree
    moments = view.spec.order_type == "market" or view.spec.time_in_force == "ioc"
    fired = view.triggered and view.spec.order_type == "stop-loss"
    return moments or fired or view.state in ("pending_cancel", "pending_amend")
