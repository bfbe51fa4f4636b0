"""Where reports find their order: one live inbox per cl_ord_id, and a place for strays."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque

import msgspec
import structlog
import trio

from engine.orders.machine import ENDED
from engine.orders.reports import OrderReport
from engine.orders.view import OrderView
from engine.runtime.messages import OrderMessage
from engine.runtime.unexplained import Unexplained
from engine.values.time import NS

log = structlog.get_logger()

MAX_STRAYS = 1000
"""Reports of orders without a scope wait here to be looked up; a snapshot brings at most some hundreds."""
MAX_SETTLED = 1000
"""Settled orders whose last view is kept: the venue's closing frame follows the last fill within moments, in which far
fewer orders settle. Whoever is not here is read from the journal."""
MAX_NAMES = 10_000
"""Orders whose venue id is remembered: REST is asked for the fills of minutes, not of so many orders."""

LONGEST_DEADLINE_NS = 60 * NS
"""No request was sent longer before its wire deadline: the venue takes none that lies further ahead."""
RECKONING_NS = 10 * NS
"""How far our reckoning of the venue's time may be out: twice the most by which clocks may differ, for one may step."""
NEVER_NS = 2**63 - 1
"""The deadline of what was not sent: nothing is concluded from its passing."""


class Doubt:
    """How far the investigation of an unknown order has come (trio's clock)."""

    def __init__(self) -> None:
        self.looked_s = -math.inf  # when evidence that it lives was last looked for
        self.pause_s = 1.0  # until the next look; doubled at each
        self.ask_s = -math.inf  # when to ask (again) what may prove its death
        self._ask_pause_s = 2.0
        self.refreshed = False  # a fresh snapshot was asked for after the deadline

    def looked(self, most_pause_s: float) -> None:
        """Note a look, and let the next one wait twice as long."""
        self.looked_s, self.pause_s = trio.current_time(), min(2 * self.pause_s, most_pause_s)

    def asked(self, at_s: float, most_pause_s: float) -> None:
        """Note that the question was asked; without a decision it is asked again, twice as late each time."""
        self.ask_s = at_s + self._ask_pause_s
        self._ask_pause_s = min(2 * self._ask_pause_s, most_pause_s)


class Repeated:
    """When a question may be asked (again): at once, then after pauses that double (trio's clock)."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Let the next question be asked at once."""
        self.ask_s, self._pause_s = -math.inf, 1.0

    def asked(self, most_pause_s: float) -> None:
        """Note a question."""
        self.ask_s = trio.current_time() + self._pause_s
        self._pause_s = min(2 * self._pause_s, most_pause_s)


class OrderHandle:
    """What the rest of the engine holds of a running order: its inbox and its last view."""

    def __init__(self, view: OrderView, signal_id: str, inbox: trio.MemorySendChannel[OrderMessage]) -> None:
        self.view, self.signal_id = view, signal_id
        self._inbox = inbox
        self.suspect = False  # a report was lost on the way: its state must be read by REST
        self.dropped = False  # one was, for want of room: what the link knows of its fills is more than it has heard
        self.last_news_s = trio.current_time()
        self.changed_s = trio.current_time()  # when news last said something new
        self.unasked_s = trio.current_time()  # when it did first since REST was asked
        self.asked_s = 0.0
        self.sent_s = -math.inf  # of the new-order request; -inf: by a process before this one
        self.deadline_ns = NEVER_NS  # its wire deadline in venue time
        self.earliest_ns = NEVER_NS  # before this moment, in venue time, it cannot have reached the venue
        self.doubt = Doubt()
        self.states = Repeated()  # the question for its state while it brings no news
        self.fills = Repeated()  # the question for fills that it lacks
        self.cancel_lost_s: float | None = None  # when a cancel ended without an answer
        self.change_deadline_ns = NEVER_NS  # of the last amend or cancel
        self.absent_s: float | None = None  # since when the stream's newest snapshot lacks it, though it should rest
        self.disowned = False  # its cancel was refused since then as one of an unknown order
        self.strange_s: float | None = None  # since when cancels are refused so, and no snapshot has told
        self.snapshots = Repeated()  # the fresh snapshot that is asked for then

    def requested(self, deadline_ns: int, stamped_ns: int) -> None:
        """Note when its new-order request was let go, in venue time; ``stamped_ns`` 0: no row tells."""
        self.deadline_ns = deadline_ns
        self.earliest_ns = max(deadline_ns - LONGEST_DEADLINE_NS, stamped_ns - RECKONING_NS if stamped_ns else 0)

    def missed(self) -> None:
        """Note that a snapshot lacks it, though it should rest: REST is asked, and asked again while it disagrees."""
        self.absent_s, self.suspect = trio.current_time(), True

    def found(self) -> None:
        """Note that the stream has shown it."""
        self.absent_s = self.strange_s = None
        self.disowned = False

    def disown(self) -> None:
        """Note that the venue has refused its cancel as one of an unknown order; what was told of it may be lost."""
        self.disowned = self.absent_s is not None
        if self.strange_s is None:
            self.strange_s, self.suspect = trio.current_time(), True

    def put(self, message: OrderMessage) -> bool:
        """Queue a message; a full inbox marks the order suspect and returns False."""
        try:
            self._inbox.send_nowait(message)
        except trio.WouldBlock:
            self.suspect = True
            return False
        except trio.BrokenResourceError:
            return False  # its scope has just ended
        return True

    async def deliver(self, message: OrderMessage) -> bool:
        """Queue a message that must not be lost, waiting for room. A scope that has ended drops it: False."""
        try:
            await self._inbox.send(message)
        except trio.BrokenResourceError:
            return False
        return True


class OrderDesk:
    """Routes reports by cl_ord_id, in the schedule in which the frame was read."""

    def __init__(self) -> None:
        self.live: dict[str, OrderHandle] = {}
        self.counts: Counter[str] = Counter()
        self._by_order_id: OrderedDict[str, str] = OrderedDict()  # ended ones too: REST tells fills by order_id alone
        self.open_at_snapshot: frozenset[str] = frozenset()
        """Names of the orders that were open when the private stream last began."""
        self.unexplained = Unexplained()
        self.framed_s: dict[str, float] = {}
        """When the last frame about an order was read, until the order has looked at it (trio's clock)."""
        self._strays: deque[OrderReport] = deque(maxlen=MAX_STRAYS)
        self._settled: OrderedDict[str, OrderView] = OrderedDict()
        self._strays_wake = trio.Event()
        self._hurry = trio.Event()

    @property
    def strays(self) -> int:
        """How many reports wait to be looked up because their order has no scope."""
        return len(self._strays)

    def open(self, handle: OrderHandle) -> None:
        """Let an order receive."""
        self.live[handle.view.cl_ord_id] = handle
        if handle.view.order_id is not None:
            self.name(handle.view.order_id, handle.view.cl_ord_id)

    def close(self, cl_ord_id: str) -> None:
        """End an order's receiving; once it has settled, its last view is kept for a while."""
        handle = self.live.pop(cl_ord_id, None)
        self.framed_s.pop(cl_ord_id, None)
        if handle is not None and handle.view.state == "settled":
            self._settled[cl_ord_id] = handle.view
            if len(self._settled) > MAX_SETTLED:
                self._settled.popitem(last=False)

    def update(self, view: OrderView) -> None:
        """Remember an order's newest view."""
        handle = self.live[view.cl_ord_id]
        if view != handle.view:
            handle.states.begin()
            if handle.asked_s >= handle.changed_s:
                handle.unasked_s = trio.current_time()
            handle.changed_s = trio.current_time()
        handle.view, handle.last_news_s = view, trio.current_time()
        self.framed_s.pop(view.cl_ord_id, None)
        if view.order_id is not None:
            self.name(view.order_id, view.cl_ord_id)

    def name(self, order_id: str, cl_ord_id: str) -> None:
        """Remember what we call an order that the venue knows by this id."""
        if order_id not in self._by_order_id:
            self._by_order_id[order_id] = cl_ord_id
            self.unexplained.forget(order_id)
            if len(self._by_order_id) > MAX_NAMES:
                self._by_order_id.popitem(last=False)

    def name_of(self, order_id: str) -> str | None:
        """Return what we call an order with this venue id, None when it is not known to be ours."""
        return self._by_order_id.get(order_id)

    def last_view(self, cl_ord_id: str) -> OrderView | None:
        """Return the view of an order that lives or has just settled, None for any other."""
        handle = self.live.get(cl_ord_id)
        return self._settled.get(cl_ord_id) if handle is None else handle.view

    def knows(self, order_id: str) -> bool:
        """Tell whether a live order has this venue id."""
        return order_id in self._by_order_id

    def route(self, report: OrderReport) -> None:
        """Put a report into its order's inbox, or among the strays."""
        self.counts["reports"] += 1
        handle = self._handle_of(report)
        if handle is None:
            self.stray(report)
            return
        self.framed_s[handle.view.cl_ord_id] = trio.current_time()
        if report.source != "rest" and report.shows_life:
            handle.found()
        self.name(report.order_id, handle.view.cl_ord_id)  # what comes of it may be in the same frame
        if not handle.put(report):
            handle.dropped = True
            self.counts["inbox_full"] += 1

    async def deliver(self, report: OrderReport) -> None:
        """Route the answer to a query, waiting for room: dropped, the same part of it would be dropped each time."""
        self.counts["reports"] += 1
        handle = self._handle_of(report)
        if handle is None:
            self.stray(report)
        else:
            await handle.deliver(report)

    def _handle_of(self, report: OrderReport) -> OrderHandle | None:
        return self.live.get(report.cl_ord_id or self._by_order_id.get(report.order_id, ""))

    def stray(self, report: OrderReport) -> None:
        """Keep a report whose order has no scope, to be looked up by its name.

        Without one its fill stands against every proof from now on, however long its order's owner is looked for.
        """
        if report.cl_ord_id is None and report.order_id in self._by_order_id:
            report = msgspec.structs.replace(report, cl_ord_id=self._by_order_id[report.order_id])
        if report.cl_ord_id is None and not report.liquidated:
            self.unexplained.note(report)
        if len(self._strays) == MAX_STRAYS:
            self.counts["strays_dropped"] += 1
        self._strays.append(report)
        self._strays_wake.set()

    def hurry(self, handle: OrderHandle) -> None:
        """Have an order's state read by REST now, because no stream will tell what an answer set going."""
        handle.suspect = True
        self._hurry.set()

    async def hurried(self) -> None:
        """Wait until somebody is in a hurry."""
        await self._hurry.wait()
        self._hurry = trio.Event()

    def doubtful(self, symbol: str) -> bool:
        """Tell whether an unknown order may be live on this symbol: no new risk there until it is not."""
        return any(h.view.state == "unknown" and h.view.spec.symbol == symbol for h in self.live.values())

    def opened_with(self, open_orders: frozenset[str]) -> None:
        """Mark resting orders that a fresh snapshot does not hold: they ended while the stream was away."""
        self.open_at_snapshot = open_orders
        for cl_ord_id, handle in self.live.items():
            resting = handle.view.order_id is not None and handle.view.state not in ENDED
            if resting and cl_ord_id not in open_orders:
                handle.missed()

    async def strays_come(self) -> None:
        """Wait until a report waits whose order has no scope."""
        while not self._strays:
            self._strays_wake = trio.Event()
            await self._strays_wake.wait()

    def take_strays(self) -> list[OrderReport]:
        """Take all reports whose order has no scope."""
        strays = list(self._strays)
        self._strays.clear()
        return strays

    def is_old_news(self, report: OrderReport) -> bool:
        """Tell whether a report says of an order that has just settled what its settlement knew."""
        view = self._settled.get(report.cl_ord_id or "")
        if view is None or report.fill is not None or view.states[-2:-1] == ("rejected",):
            return False
        return report.cum_qty is None or report.cum_qty <= view.done_qty
