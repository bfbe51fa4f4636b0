"""Feeds the alarm desk: the journal's rows as they are appended, and once a second everything that stands."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Final

import trio

from engine.orders.bracket_events import BracketEvent
from engine.orders.events import OrderEvent
from engine.runtime.alarm import Condition
from engine.runtime.alarm_conditions import conditions, unwatched
from engine.runtime.bracket_scopes import BracketScopes
from engine.runtime.close_report import CLOSED_ROW, CloseReport
from engine.runtime.services import Services

LOOK_EVERY_S: Final = 1.0
EXIT_ROLES: Final = frozenset({"stop", "target", "close"})


class AlarmWatch:
    """Looks once a second. ``heard`` is a tap of the journal: what is over before a look is not missed."""

    def __init__(self, services: Services, brackets: BracketScopes) -> None:
        self._services, self._brackets = services, brackets
        self._lost = _Lost(services)
        self._overflows = 0

    async def run(self) -> None:
        """Look until cancelled; what is late in being woken tells how long the loop was held up."""
        while True:
            self.look()
            due_s = trio.current_time() + LOOK_EVERY_S
            await trio.sleep_until(due_s)
            self._services.metrics.late.observe(trio.current_time() - due_s)

    def look(self) -> None:
        """Look at everything once."""
        services, now_s = self._services, trio.current_time()
        settings = services.settings.alarms
        found = [*conditions(services, self._brackets, settings, now_s), *self._lost.look(now_s)]
        services.alarms.look(found)
        overflows = services.desk.counts["inbox_full"] + services.desk.counts["strays_dropped"]
        if overflows > self._overflows:
            services.alarms.occurred("INBOX_FULL", "orders", f"{overflows - self._overflows} reports did not fit")
            self._overflows = overflows
        self._measure()

    def _measure(self) -> None:
        """Add up what can only be seen from time to time."""
        brackets = [scope.bracket for scope in self._brackets.scopes()]
        self._services.metrics.stood(
            unwatched=sum(unwatched(self._services, one) for one in brackets),
            uncovered=sum(one.uncovered > 0 for one in brackets),
        )

    def heard(self, kind: str, body: Any, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:  # noqa: ARG002 - a tap
        """Take one appended row."""
        alarms = self._services.alarms
        if isinstance(body, OrderEvent):
            if body.alarm:
                alarms.occurred(body.alarm, cl_ord_id, body.why or body.to_state)
            if body.to_state in ("denied", "rejected") and body.from_state != body.to_state:
                self._refused(body, cl_ord_id)
        elif isinstance(body, BracketEvent):
            if body.alarm:
                alarms.occurred(body.alarm, signal_id, body.why or body.to_state)
        elif kind == CLOSED_ROW and isinstance(body, CloseReport) and not body.flat:
            alarms.occurred("CLOSE_NOT_FLAT", body.close_id, "; ".join(one.reason for one in body.not_flat))

    def _refused(self, event: OrderEvent, cl_ord_id: str) -> None:
        handle = self._services.desk.live.get(cl_ord_id)
        if handle is not None and handle.view.role in EXIT_ROLES:
            code = "EXIT_DENIED" if event.to_state == "denied" else "EXIT_REJECTED"
            said = f"{event.code}: {event.why}" if event.code else event.why
            self._services.alarms.occurred(code, cl_ord_id, f"{handle.view.role}: {said}")


class _Lost:
    """Remembers when each link was lost."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._counted: Counter[str] = Counter()
        self._times: dict[str, deque[float]] = {}

    def look(self, now_s: float) -> Iterator[Condition]:
        """Yield the links that were lost too often lately."""
        settings = self._services.settings.alarms
        for link in self._services.link.links():
            times = self._times.setdefault(link.name, deque(maxlen=settings.reconnects_most + 1))
            fresh = link.disconnects - self._counted[link.name]
            self._counted[link.name] = link.disconnects
            times.extend([now_s] * min(fresh, settings.reconnects_most + 1))
            while times and now_s - times[0] > settings.reconnects_window_s:
                times.popleft()
            if len(times) > settings.reconnects_most:
                text = f"lost more than {settings.reconnects_most} times in {settings.reconnects_window_s:g} s"
                yield Condition("LINK_RECONNECTS", link.name, text)
