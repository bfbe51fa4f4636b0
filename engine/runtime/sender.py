"""Senders: each owns one request until its outcome is certain or explicitly unknown.

Nobody cancels an order-bearing request from outside. A scope that loses interest only stops waiting: the answer still
lands in the order's inbox, or at least in the journal.
"""

from __future__ import annotations

import hashlib

import msgspec
import structlog
import trio

from engine.errors import JournalError, VenueUnavailable
from engine.journal.journal import Journal
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request, kind_of
from engine.orders.replay import Requested
from engine.orders.reports import Answer, Outcome
from engine.runtime.messages import Answered, Sent
from engine.runtime.order_desk import OrderHandle
from engine.seams.clock import Clock
from engine.venue.protocol import Lane, Ticket, VenueLink

log = structlog.get_logger()
_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="string")


class Outgoing:
    """One request on its way. Until the limiter lets it go it can be withdrawn: then nothing was sent."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.gone = False
        self._admission = trio.CancelScope()

    def withdraw(self) -> bool:
        """Take it back if it has not gone; returns whether that is so."""
        if not self.gone:
            self._admission.cancel()
        return not self.gone

    @property
    def admission(self) -> trio.CancelScope:
        """The scope around waiting for the limiter."""
        return self._admission


class Sender:
    """Sends requests in tasks of their own: journalled, synced, then written."""

    def __init__(
        self, journal: Journal, link: VenueLink, clock: Clock, sender_nursery: trio.Nursery, bound_s: float
    ) -> None:
        self._journal, self._link, self._clock = journal, link, clock
        self._nursery, self._bound_s = sender_nursery, bound_s
        self._under_way: dict[Outgoing, trio.CancelScope] = {}
        self._all_done = trio.Event()

    @property
    def in_flight(self) -> int:
        """Requests whose outcome is awaited, those that still wait for the limiter included."""
        return len(self._under_way)

    def start(self, lane: Lane, request: Request, handle: OrderHandle, signal_id: str, cause: int) -> Outgoing:
        """Send ``request`` for the order behind ``handle``; ``cause`` is the journal row that asked for it.

        The order hears Sent when the request's row is appended, then Answered.
        """
        outgoing = Outgoing(request)
        name = f"send/{kind_of(request)}/{request.cl_ord_id[:8]}"
        self._nursery.start_soon(self._run, lane, outgoing, handle, signal_id, cause, name=name)
        return outgoing

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

    async def _run(self, lane: Lane, outgoing: Outgoing, handle: OrderHandle, signal_id: str, cause: int) -> None:
        try:
            with trio.CancelScope(shield=True) as scope:  # bounded: every wait inside has its own deadline
                self._under_way[outgoing] = scope
                await self._send(lane, outgoing, handle, signal_id, cause)
        finally:
            del self._under_way[outgoing]
            if not self._under_way:
                self._all_done.set()

    async def _send(self, lane: Lane, outgoing: Outgoing, handle: OrderHandle, signal_id: str, cause: int) -> None:
        ticket = await self._admit(lane, outgoing)
        if isinstance(ticket, Answer):
            await self._conclude(ticket, handle, signal_id, cause)
            return
        request = msgspec.structs.replace(outgoing.request, deadline_ns=ticket.deadline_ns)
        outgoing.gone = True
        row = self._note(request, ticket, signal_id, cause)
        with trio.move_on_after(self._bound_s):
            await handle.deliver(Sent(request, row))
        await self._journal.sync()  # the bytes leave only after this: a crash leaves "may have been sent", never a lie
        answer = self._unanswered(request, ticket)
        with trio.move_on_after(self._bound_s):
            answer = await self._dispatch(ticket, request)
        await self._conclude(answer, handle, signal_id, row)

    async def _admit(self, lane: Lane, outgoing: Outgoing) -> Ticket | Answer:
        request = outgoing.request
        try:
            with outgoing.admission, trio.move_on_after(self._bound_s):
                ticket = await self._link.admit(lane, request)
                if not outgoing.admission.cancel_called:  # withdrawn as the leave came: it stays here
                    return ticket
        except VenueUnavailable as error:
            return self._not_sent(request, "VENUE_UNAVAILABLE", str(error))
        if outgoing.admission.cancel_called:
            return self._not_sent(request, "WITHDRAWN", "withdrawn before it was sent")
        return self._not_sent(request, "NO_LEAVE", f"no leave from the limiter in {self._bound_s:g} s")

    def _note(self, request: Request, ticket: Ticket, signal_id: str, cause: int) -> int:
        digest = hashlib.sha256(_CANONICAL.encode(request)).hexdigest()
        return self._journal.append(
            "request",
            Requested(request, ticket.transport, digest),
            ts_ns=self._clock.now_ns(),
            signal_id=signal_id,
            cl_ord_id=request.cl_ord_id,
            causation_id=cause,
        )

    async def _dispatch(self, ticket: Ticket, request: Request) -> Answer:
        match request:
            case NewOrder():
                return await self._link.submit(ticket, request)
            case AmendOrder():
                return await self._link.amend(ticket, request)
            case CancelOrder():
                return await self._link.cancel(ticket, request)

    async def _conclude(self, answer: Answer, handle: OrderHandle, signal_id: str, cause: int) -> None:
        try:
            row = self._journal.append(
                "answer",
                answer,
                ts_ns=answer.ts_ns,
                signal_id=signal_id,
                cl_ord_id=answer.cl_ord_id,
                causation_id=cause,
            )
        except JournalError:
            log.exception("answer.not_journalled", cl_ord_id=answer.cl_ord_id, outcome=str(answer.outcome))
            raise
        if answer.outcome is Outcome.UNKNOWN:
            log.warning("request.unknown", cl_ord_id=answer.cl_ord_id, request=answer.request, text=answer.text)
        with trio.move_on_after(self._bound_s):
            await handle.deliver(Answered(answer, row))

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

    def _not_sent(self, request: Request, code: str, text: str) -> Answer:
        return Answer(
            request=kind_of(request),
            cl_ord_id=request.cl_ord_id,
            outcome=Outcome.NOT_SENT,
            ts_ns=self._clock.now_ns(),
            code=code,
            text=text,
        )
