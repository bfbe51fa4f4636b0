"""The private stream: connected for ever, orders out, answers and reports in (§6, §8, §9)."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable
from typing import Literal

import structlog
import trio

from engine.errors import VenueError, VenueRefused, VenueUnavailable
from engine.kraken import decode, encode, errors, ws
from engine.kraken.frames import Channel, ExecutionRow, Response, Throttled
from engine.kraken.limits import EngineCounters
from engine.kraken.queries import Queries
from engine.kraken.sequence import SequenceTracker
from engine.kraken.session import TERMINAL, Session, balances
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue_time import VenueTime
from engine.net.backoff import Backoff
from engine.net.wire import Wire
from engine.orders.commands import RequestKind
from engine.orders.reports import Answer, OrderReport, Outcome, ReportType
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.values.time import NS
from engine.venue.protocol import VenueSink

log = structlog.get_logger()

NAMING_ATTEMPTS = 5
_BORN = frozenset((ReportType.PENDING_NEW, ReportType.NEW, ReportType.AMENDED))


class _Asked:
    """A request on its way, and its answer once it has come."""

    def __init__(self, method: str, sent_ns: int) -> None:
        self.method, self.sent_ns = method, sent_ns
        self.done = trio.Event()
        self.response: Response | None = None


class PrivateLink:
    """One subscription after another to executions and balances, and the orders that travel on them.

    ``up`` means: executions acknowledged and opened by their snapshot, so that the sink knows all about orders.
    """

    def __init__(
        self,
        settings: KrakenSettings,
        sink: VenueSink,
        *,
        wire: Wire,
        tls: ssl.SSLContext | None,
        clock: Clock,
        chance: Chance,
        queries: Queries,
        counters: EngineCounters,
        venue_time: VenueTime,
    ) -> None:
        self._settings, self._sink, self._wire, self._tls, self._clock = settings, sink, wire, tls, clock
        self._queries, self._counters, self._venue_time = queries, counters, venue_time
        self._backoff = Backoff(chance.stream("kraken/private"), settings.backoff_first_s, settings.backoff_most_s)
        self._req_ids = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self._session = Session()
        self._sequences: dict[str, SequenceTracker] = {}
        self._socket: ws.Socket | None = None
        self._token = Secret("")
        self._acknowledged = self._opened = False
        self._unnamed = trio.Event()
        self.up = False
        self.up_since_s = 0.0
        self.why = "never connected"
        self.refused: VenueRefused | None = None
        self.decided = trio.Event()
        """Set once the stream has been up, or once it is certain that it never will be (``refused``)."""

    def refresh(self) -> None:
        """Give the connection up, so that the next one brings a fresh snapshot. One not yet complete goes as well."""
        if self._socket is not None:
            self._socket.abandon("a fresh snapshot was asked for")

    async def run(self) -> None:
        """Keep the stream up until cancelled."""
        while True:
            why = await self._live_once()
            lived_s = trio.current_time() - self.up_since_s if self.up else 0.0
            self._lose(why)
            wait_s = self._backoff.next_s(lived_s)
            log.warning("link.lost", link="private", why=why, retry_in_s=round(wait_s, 3), attempt=self._backoff.tries)
            await trio.sleep(wait_s)

    async def _live_once(self) -> str:
        why = ""
        try:
            self._token = await self._queries.websockets_token()
            async with ws.open_socket(
                self._wire,
                self._settings.ws_auth_url,
                self._tls,
                user_agent=self._settings.user_agent,
                connect_timeout_s=self._settings.connect_timeout_s,
                silence_bound_s=self._settings.heartbeat_bound_s,
            ) as socket:
                await self._serve(socket)
        except* ws.LOST as group:
            why = ws.why(group.exceptions)
        except* VenueError as group:
            why = ws.why(group.exceptions)
            self._judge(group)
        return why or "closed"

    def _judge(self, group: BaseExceptionGroup[VenueError]) -> None:
        for error in group.exceptions:
            if isinstance(error, BaseExceptionGroup):
                self._judge(error)
            elif isinstance(error, VenueRefused):
                rules = [errors.rule_of(text) for text in error.errors]
                if any(rule is not None and rule.code in errors.FATAL_CODES for rule in rules):
                    self.refused = error
                    self.decided.set()

    async def _serve(self, socket: ws.Socket) -> None:
        self._session = Session()
        self._sequences = {name: SequenceTracker(name) for name in ("executions", "balances")}
        self._acknowledged = self._opened = False
        self._socket = socket
        token = self._token.reveal()
        executions = encode.subscription(
            "executions", snap_orders=True, snap_trades=True, order_status=True, ratecounter=True, token=token
        )
        await self._send("subscribe", executions)
        await self._send("subscribe", encode.subscription("balances", snapshot=True, token=token))
        while True:
            self._take(await socket.receive())

    async def _send(self, method: str, params: encode.Params) -> None:
        assert self._socket is not None  # noqa: S101 - only called by the task that has just opened it
        req_id = next(self._req_ids)
        self._asked[req_id] = _Asked(method, self._clock.now_ns())
        await self._socket.send(encode.frame(method, params, req_id))

    def _lose(self, why: str) -> None:
        self._socket = None
        self.why = why
        lost, self._asked = self._asked, {}
        for asked in lost.values():
            asked.done.set()
        if self.up:
            self.up = False
            self._sink.on_private_link(up=False, why=why)

    # what comes in

    def _take(self, text: str | bytes) -> None:
        frame = decode.message(text)
        if isinstance(frame, Channel):
            if frame.name in self._sequences:
                self._sequences[frame.name].check(frame.sequence)
            if frame.name == "executions":
                self._executions(frame)
            elif frame.name == "balances":
                for balance in balances(decode.balances(frame)):
                    self._sink.on_balance(balance)
        elif isinstance(frame, Response):
            self._answered(frame)
        elif isinstance(frame, Throttled):
            log.warning("request.dropped", link="private", text=frame.text)

    def _executions(self, frame: Channel) -> None:
        rows = decode.executions(frame)
        if frame.snapshot and not self._opened:
            open_orders, trades = self._session.snapshot(rows)
            for report in open_orders:
                age_s = max(0.0, (self._venue_now_ns() - report.ts_ns) / NS)
                self._counters.touch(report.order_id, trio.current_time() - age_s)
            self._sink.on_snapshot(open_orders, trades)
            self._opened = True
            self._maybe_up()
        else:
            for report in self._session.update(rows, trio.current_time()):
                self._note(report)
                self._sink.on_report(report)
        self._count(rows)
        if self._session.unnamed:
            self._unnamed.set()

    def _note(self, report: OrderReport) -> None:
        if report.report_type in _BORN:
            self._counters.touch(report.order_id, trio.current_time())
        elif report.ord_status in TERMINAL:
            self._counters.forget(report.order_id)

    def _count(self, rows: tuple[ExecutionRow, ...]) -> None:
        for row in rows:
            level = row.ratecount if row.ratecount is not None else row.rate_count
            if level is not None and row.symbol is not None:
                self._counters.correct(row.symbol, level, trio.current_time())

    def _answered(self, response: Response) -> None:
        asked = self._asked.get(response.req_id) if response.req_id is not None else None
        if asked is None or asked.method != response.method:
            log.info("answer.late", method=response.method, req_id=response.req_id, success=response.success)
            return
        if response.time_in is not None and response.time_out is not None:
            time_in_ns, time_out_ns = decode.moment(response.time_in), decode.moment(response.time_out)
            self._venue_time.observe_answer(asked.sent_ns, self._clock.now_ns(), time_in_ns, time_out_ns)
            self._venue_time.hear(time_out_ns, trio.current_time())
        asked.response = response
        asked.done.set()
        if response.method == "subscribe":
            self._subscribed(response)
        rule = errors.rule_of(response.error) if response.error is not None else None
        if rule is not None and rule.code == "INVALID_SESSION":
            raise VenueUnavailable("the token is not accepted any more")

    def _subscribed(self, response: Response) -> None:
        if not response.success:
            raise VenueRefused([response.error or "subscription refused without a reason"])
        if response.result is not None and response.result.channel == "executions":
            if response.result.maxratecount is not None:
                self._counters.allow(response.result.maxratecount)
            self._acknowledged = True
            self._maybe_up()

    def _maybe_up(self) -> None:
        if self._acknowledged and self._opened and not self.up:
            self.up, self.up_since_s, self.why = True, trio.current_time(), ""
            log.info("link.up", link="private")
            self._sink.on_private_link(up=True, why="")
            self.decided.set()

    # what goes out

    async def request(
        self,
        kind: RequestKind,
        cl_ord_id: str,
        method: str,
        params: Callable[[str], encode.Params],
        deadline_ns: int,
    ) -> Answer:
        """Send one order-bearing request and wait for its answer until ``deadline_ns`` (venue time) and the grace.

        ``params`` is given the token. Never raises for what happens on the way.
        """
        socket = self._socket
        if socket is None or not socket.open or not self.up:
            return self._answer(kind, cl_ord_id, errors.of_transport(sent=False, timed_out=False), self.why)
        left_s = (deadline_ns - self._venue_now_ns()) / NS
        if left_s <= 0:
            return self._answer(kind, cl_ord_id, errors.Verdict(Outcome.NOT_SENT, "DEADLINE_PASSED"), "")
        req_id = next(self._req_ids)
        text = encode.frame(method, params(self._token.reveal()), req_id)
        asked = self._asked[req_id] = _Asked(method, self._clock.now_ns())
        try:
            with trio.move_on_after(left_s + self._settings.answer_grace_s):
                await socket.send(text)
                await asked.done.wait()
        except ws.LOST:
            asked.done.set()  # lost while writing: how far it came nobody knows
        finally:
            self._asked.pop(req_id, None)
        if asked.response is not None:
            return self._judged(kind, cl_ord_id, asked.response)
        verdict = errors.of_transport(sent=True, timed_out=not asked.done.is_set())
        return self._answer(kind, cl_ord_id, verdict, self.why)

    def _judged(self, kind: RequestKind, cl_ord_id: str, response: Response) -> Answer:
        if response.success:
            order_id = response.result.order_id if response.result is not None else None
            if order_id is not None and kind != "cancel":
                self._counters.touch(order_id, trio.current_time())
            return self._answer(kind, cl_ord_id, errors.Verdict(Outcome.ACCEPTED, ""), "", order_id)
        text = response.error or "no reason given"
        return self._answer(kind, cl_ord_id, errors.of_errors(kind, [text]), text)

    def _answer(
        self, kind: RequestKind, cl_ord_id: str, verdict: errors.Verdict, text: str, order_id: str | None = None
    ) -> Answer:
        transport: Literal["ws", "none"] = "none" if verdict.outcome is Outcome.NOT_SENT else "ws"
        return Answer(kind, cl_ord_id, verdict.outcome, self._clock.now_ns(), order_id, verdict.code, text, transport)

    def _venue_now_ns(self) -> int:
        return self._venue_time.now_ns(self._clock.now_ns())

    # orders whose first frame we missed

    async def name_orders(self) -> None:
        """Ask for orders that the stream named without saying what they are, until cancelled."""
        while True:
            await self._unnamed.wait()
            self._unnamed = trio.Event()
            for attempt in range(NAMING_ATTEMPTS):
                if not self._session.unnamed:
                    break
                await self._name_some()
                await trio.sleep(2.0**attempt)  # REST may lag behind the stream
            if self._session.unnamed:
                log.warning("order.unnamed", order_ids=list(self._session.unnamed))
                self._session.unnamed.clear()

    async def _name_some(self) -> None:
        session = self._session
        try:
            found = await self._queries.query_orders(list(session.unnamed))
        except VenueError as error:
            log.warning("query.failed", query="QueryOrders", why=str(error))
            return
        for asked in found:
            self._sink.on_report(session.name(asked))
