"""Senders: each owns one request until its outcome is certain or explicitly unknown.

Nobody cancels an order-bearing request from outside. A scope that loses interest only stops waiting: the answer still
lands in the order's inbox, or at least in the journal.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec
import structlog
import trio

from engine.errors import JournalError, VenueUnavailable
from engine.journal.journal import Journal
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request, kind_of
from engine.orders.machine import ENDED
from engine.orders.replay import Requested
from engine.orders.reports import Answer, Outcome
from engine.orders.view import OrderView
from engine.risk.breaker import Breaker
from engine.risk.denials import Denial
from engine.runtime.fence import Fence
from engine.runtime.messages import Answered, Denied, Sent
from engine.runtime.order_desk import OrderHandle
from engine.seams.clock import Clock
from engine.venue.protocol import Lane, Ticket, VenueLink

log = structlog.get_logger()

BATCH_FROM = 8
"""So many cancels of one tick go as batches: the venue takes them above its threshold too, but only counts them."""
BATCH_MOST = 50
DEAREST_CANCEL = 8
"""Points of a cancel of a young order."""
LEAST_THRESHOLD = 60
"""The smallest tier's, for a pair in which nothing was sent yet: after a restart, say."""
GATHER_S = 0.02
"""So long emergencies that lack room wait for each other."""
ROOM_BEHIND = 5
"""Points that a batch of cancels leaves free: those of a close, and of a few other orders."""

WITHDRAWN = "withdrawn before it was sent"

_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="string")


async def _nothing_in_the_way() -> None:
    """Stand in where no switch is ever armed."""


class LastLook(Protocol):
    """The checks before the wire. Nothing here blocks."""

    def last_look(self, request: Request, view: OrderView, signal_id: str) -> Denial | None:
        """Judge a request that the limiter has let go; one that passes counts as sent."""
        ...

    def still(self, request: Request, view: OrderView, signal_id: str) -> Denial | None:
        """Ask the halt latch alone once more, right before the bytes."""
        ...


def _nobody(request: Request, signal_id: str) -> None:
    """Stand in until somebody listens."""


class Outgoing:
    """One request on its way. Until the limiter lets it go it can be withdrawn: then nothing was sent."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.gone = self.withdrawn = False
        self._admission = trio.CancelScope()

    def withdraw(self) -> bool:
        """Take it back if it has not gone; returns whether that is so."""
        if not self.gone:
            self.withdrawn = True
            self._admission.cancel()
        return not self.gone

    def wait_in(self, scope: trio.CancelScope) -> None:
        """Wait for the limiter in this scope from now on: those of a batch share one."""
        self._admission = scope

    def replace(self, request: Request) -> bool:
        """Let a later wish of its kind go at its place in the line; False when it has gone, or was taken back."""
        if self.gone or self.withdrawn:
            return False
        self.request = request
        return True

    @property
    def admission(self) -> trio.CancelScope:
        """The scope around waiting for the limiter."""
        return self._admission


@dataclass(frozen=True)
class _Job:
    """A request, whose it is, and the journal row that asked for it."""

    lane: Lane
    outgoing: Outgoing
    handle: OrderHandle
    signal_id: str
    cause: int

    @property
    def request(self) -> Request:
        return self.outgoing.request


class Sender:
    """Sends requests in tasks of their own: journalled, synced, then written."""

    def __init__(
        self,
        journal: Journal,
        link: VenueLink,
        clock: Clock,
        breaker: Breaker,
        checks: LastLook,
        sender_nursery: trio.Nursery,
        bound_s: float,
        fence: Fence,
    ) -> None:
        self._journal, self._link, self._clock, self._breaker = journal, link, clock, breaker
        self._checks, self._nursery, self._bound_s = checks, sender_nursery, bound_s
        self._fence = fence
        self.make_way: Callable[[], Awaitable[None]] = _nothing_in_the_way
        """Awaited before protection is admitted: the venue's dead man's switch goes off first. Bounded by itself."""
        self._under_way: dict[Outgoing, trio.CancelScope] = {}
        self._all_done = trio.Event()
        self._cancels: list[_Job] = []
        self.on_written: Callable[[Request, str], object] = _nobody
        """Called with a request and its signal right before its bytes leave, behind the sync of its row."""

    @property
    def in_flight(self) -> int:
        """Requests whose outcome is awaited, those that still wait for the limiter included."""
        return len(self._under_way)

    def start(self, lane: Lane, request: Request, handle: OrderHandle, signal_id: str, cause: int) -> Outgoing:
        """Send ``request`` for the order behind ``handle``; ``cause`` is the journal row that asked for it.

        The order hears Sent when the request's row is appended, then Answered.
        """
        if isinstance(request, CancelOrder) and handle.view.role != "entry":
            lane = max(lane, Lane.CANCEL)  # the close that follows on it must not find the counter full
        job = _Job(lane, Outgoing(request), handle, signal_id, cause)
        if isinstance(request, CancelOrder):
            if not self._cancels:
                self._nursery.start_soon(self._send_cancels, name="send/cancels")
            self._cancels.append(job)
        else:
            self._nursery.start_soon(self._run, [job], name=f"send/{kind_of(request)}/{request.cl_ord_id[:8]}")
        return job.outgoing

    async def _send_cancels(self) -> None:
        """Send the cancels of one tick: a few apart, where each gets its own answer; many in batches of ids.

        Emergencies that the counter has no room for go as a batch however few they are: only a batch may pass it. They
        wait a moment for each other: one whose earlier cancel had to be withdrawn first comes a tick later.
        All others go in parts that leave the counter room for what follows on them: a close that has to wait for it
        would leave bare what the canceled stops have covered.
        """
        if any(job.lane is Lane.EMERGENCY for job in self._cancels) and self._lacks_room(self._cancels):
            await trio.sleep(GATHER_S)
        jobs, self._cancels = sorted(self._cancels, key=lambda job: job.lane), []
        crowded = len(jobs) > 1 and jobs[1].lane is Lane.EMERGENCY and self._lacks_room(jobs)
        urgent = [job for job in jobs if job.lane is Lane.EMERGENCY]
        many = BATCH_MOST if crowded or len(jobs) >= BATCH_FROM else 1
        for some, size in ((urgent, many), (jobs[len(urgent) :], min(many, self._fitting(jobs)))):
            for start in range(0, len(some), size):
                part = some[start : start + size]
                self._nursery.start_soon(self._run, part, name=f"send/cancel/{part[0].request.cl_ord_id[:8]}")

    def _fitting(self, jobs: list[_Job]) -> int:
        """Return how many cancels of young orders a counter takes now, with room left for a close."""
        symbols = {job.request.symbol for job in jobs}
        rooms = [row.threshold - row.level - ROOM_BEHIND for row in self._link.headroom() if row.symbol in symbols]
        return max(1, int(min(rooms, default=LEAST_THRESHOLD - ROOM_BEHIND) // DEAREST_CANCEL))

    def _lacks_room(self, jobs: list[_Job]) -> bool:
        wanted = Counter(job.request.symbol for job in jobs)
        rows = self._link.headroom()
        return any(
            row.level + DEAREST_CANCEL * wanted[row.symbol] > row.threshold for row in rows if wanted[row.symbol]
        )

    async def drain(self, bound_s: float) -> None:
        """Shut down: withdraw what has not gone, wait for answers at most ``bound_s``, then stop waiting.

        What is cut off then has a request row and no answer: it may have been sent, and the next start asks.
        """
        for outgoing in self._under_way:
            outgoing.withdraw()
        with trio.move_on_after(bound_s):
            while self._under_way:
                self._all_done = trio.Event()
                await self._all_done.wait()
        for scope in self._under_way.values():
            scope.shield = False

    async def _run(self, jobs: list[_Job]) -> None:
        try:
            with trio.CancelScope(shield=True) as scope:  # bounded: every wait inside has its own deadline
                self._under_way |= {job.outgoing: scope for job in jobs}
                await (self._send(jobs[0]) if len(jobs) == 1 else self._send_batch(jobs))
        finally:
            for job in jobs:
                del self._under_way[job.outgoing]
            if not self._under_way:
                self._all_done.set()

    async def _send(self, job: _Job) -> None:
        if isinstance(job.request, NewOrder) and job.handle.view.role != "entry":
            await self.make_way()
        ticket = await self._admit(job)
        if isinstance(ticket, Answer):
            await self._conclude(ticket, job, job.cause)
            return
        denial = _needless(job) or self._checks.last_look(job.request, job.handle.view, job.signal_id)
        if denial is not None:
            self._link.give_back(ticket)
            await self._deny(denial, job)
            return
        request, row = await self._going(job, ticket)
        await self._journal.sync()  # the bytes leave only after this: a crash leaves "may have been sent", never a lie
        fallen = self._fallen(job)
        if fallen is not None:
            self._link.give_back(ticket)
            answer = self._not_sent(request, "WITHDRAWN", f"{fallen.code}: {fallen.reason}", ticket.transport)
            await self._conclude(answer, job, row)
            return
        answer = self._unanswered(request, ticket)
        self.on_written(request, job.signal_id)
        ticket = msgspec.structs.replace(ticket, stands=lambda: self._fallen(job) is None)
        with trio.move_on_after(self._bound_s):
            answer = await self._dispatch(ticket, request)
        await self._conclude(answer, job, row)

    def _fallen(self, job: _Job) -> Denial | None:
        """Ask right before the bytes. A standstill is seen first, and has halted entries before the latch is asked.

        By REST a change waits for a call; that of an order which has ended meanwhile leaves it to those behind it.
        """
        if not self._fence.passes():
            return Denial("LEASE_LOST", self._fence.why)
        return _needless(job) or self._checks.still(job.request, job.handle.view, job.signal_id)

    async def _deny(self, denial: Denial, job: _Job) -> None:
        """Tell the order that its request was denied before anything of it was written."""
        if isinstance(job.request, NewOrder):
            with trio.move_on_after(self._bound_s):
                await job.handle.deliver(Denied(denial))
            return
        await self._conclude(self._not_sent(job.request, denial.code, denial.reason), job, job.cause)

    async def _send_batch(self, jobs: list[_Job]) -> None:
        """Send many cancels in one request; the venue tells by reports what became of each.

        Who is withdrawn while they wait for room stays here: they would keep it from what their bracket needs instead.
        """
        if any(job.outgoing.withdrawn for job in jobs):
            await self._send_others(jobs)
            return
        requests, waiting = [job.request for job in jobs], trio.CancelScope()
        for job in jobs:
            job.outgoing.wait_in(waiting)
        try:
            with waiting, trio.fail_after(self._bound_s):
                ticket = await self._link.admit_batch(min(job.lane for job in jobs), requests)
        except (VenueUnavailable, trio.TooSlowError) as error:
            for job in jobs:
                await self._conclude(self._not_sent(job.request, "VENUE_UNAVAILABLE", str(error)), job, job.cause)
            return
        if waiting.cancelled_caught:
            await self._send_others(jobs)
            return
        sent = [await self._going(job, ticket) for job in jobs]
        await self._journal.sync()
        answers = [self._unanswered(request, ticket) for request, _ in sent]
        for job, (request, _) in zip(jobs, sent, strict=True):
            self.on_written(request, job.signal_id)
        with trio.move_on_after(self._bound_s):
            cancels = [request for request, _ in sent if isinstance(request, CancelOrder)]
            answers = await self._link.cancel_batch(ticket, cancels)
        for job, answer, (_, row) in zip(jobs, answers, sent, strict=True):
            await self._conclude(answer, job, row)

    async def _send_others(self, jobs: list[_Job]) -> None:
        """Send those of a batch that have not been withdrawn; they wait anew."""
        stay = [job for job in jobs if job.outgoing.withdrawn]
        go = [job for job in jobs if not job.outgoing.withdrawn]
        for job in stay:
            await self._conclude(self._not_sent(job.request, "WITHDRAWN", WITHDRAWN), job, job.cause)
        if len(go) > 1:
            await self._send_batch(go)
        elif go:
            go[0].outgoing.wait_in(trio.CancelScope())
            await self._send(go[0])

    async def _going(self, job: _Job, ticket: Ticket) -> tuple[Request, int]:
        """Note that a request is about to be written, and tell its order. Returns it as it goes, and its row."""
        request = msgspec.structs.replace(job.request, deadline_ns=ticket.deadline_ns)
        job.outgoing.gone = True
        row = self._note(request, ticket, job)
        with trio.move_on_after(self._bound_s):
            await job.handle.deliver(Sent(request, row, ticket.stamped_ns))
        return request, row

    async def _admit(self, job: _Job) -> Ticket | Answer:
        request, outgoing = job.request, job.outgoing
        try:
            with outgoing.admission, trio.move_on_after(self._bound_s):
                ticket = await self._link.admit(job.lane, request, job.signal_id)
                if not outgoing.admission.cancel_called:
                    return ticket
                self._link.give_back(ticket)  # withdrawn as the leave came: it stays here
        except VenueUnavailable as error:
            return self._not_sent(request, "VENUE_UNAVAILABLE", str(error))
        if outgoing.admission.cancel_called:
            return self._not_sent(request, "WITHDRAWN", WITHDRAWN)
        return self._not_sent(request, "NO_LEAVE", f"no leave from the limiter in {self._bound_s:g} s")

    def _note(self, request: Request, ticket: Ticket, job: _Job) -> int:
        digest = hashlib.sha256(_CANONICAL.encode(request)).hexdigest()
        return self._journal.append(
            "request",
            Requested(request, ticket.transport, digest, ticket.stamped_ns),
            ts_ns=self._clock.now_ns(),
            signal_id=job.signal_id,
            cl_ord_id=request.cl_ord_id,
            causation_id=job.cause,
        )

    async def _dispatch(self, ticket: Ticket, request: Request) -> Answer:
        match request:
            case NewOrder():
                return await self._link.submit(ticket, request)
            case AmendOrder():
                return await self._link.amend(ticket, request)
            case CancelOrder():
                return await self._link.cancel(ticket, request)

    async def _conclude(self, answer: Answer, job: _Job, cause: int) -> None:
        self._breaker.observe(answer, trio.current_time())
        try:
            row = self._journal.append(
                "answer",
                answer,
                ts_ns=answer.ts_ns,
                signal_id=job.signal_id,
                cl_ord_id=answer.cl_ord_id,
                causation_id=cause,
            )
        except JournalError:
            log.exception("answer.not_journalled", cl_ord_id=answer.cl_ord_id, outcome=str(answer.outcome))
            raise
        if answer.outcome is Outcome.UNKNOWN:
            log.warning("request.unknown", cl_ord_id=answer.cl_ord_id, request=answer.request, text=answer.text)
        with trio.move_on_after(self._bound_s):
            await job.handle.deliver(Answered(answer, row))

    def _unanswered(self, request: Request, ticket: Ticket) -> Answer:
        return Answer(
            request=kind_of(request),
            cl_ord_id=request.cl_ord_id,
            outcome=Outcome.UNKNOWN,
            ts_ns=self._clock.now_ns(),
            code="NO_ANSWER",
            text=f"no answer within {self._bound_s:g} s",
            transport=ticket.transport,
        )

    def _not_sent(
        self, request: Request, code: str, text: str, transport: Literal["ws", "rest", "none"] = "none"
    ) -> Answer:
        return Answer(
            request=kind_of(request),
            cl_ord_id=request.cl_ord_id,
            outcome=Outcome.NOT_SENT,
            ts_ns=self._clock.now_ns(),
            code=code,
            text=text,
            transport=transport,
        )


def _needless(job: _Job) -> Denial | None:
    """Tell why a change that waited for room is not wanted any more: its order has ended."""
    state = job.handle.view.state
    if isinstance(job.request, NewOrder) or state not in ENDED:
        return None
    return Denial("NOT_RESTING", f"it is {state}, not resting")
