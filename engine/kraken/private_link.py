"""The private stream: connected for ever, orders out, answers and reports in (§6, §8, §9)."""

from __future__ import annotations

import hashlib
import math
import ssl
from collections.abc import Callable

import msgspec
import structlog
import trio

from engine.errors import VenueError, VenueProtocolError, VenueRefused, VenueUnavailable
from engine.kraken import decode, encode, errors, ws
from engine.kraken.executions import Executions
from engine.kraken.frame_cache import FrameCache
from engine.kraken.frames import Channel, Heartbeat, Message, Response, Throttled
from engine.kraken.limits import EngineCounters
from engine.kraken.private_subscriptions import CHANNELS, PrivateSubscriptions
from engine.kraken.queries import Queries
from engine.kraken.sequence import SequenceBroken, SequenceTracker
from engine.kraken.session import balances
from engine.kraken.settings import KrakenSettings
from engine.kraken.stream import Stream
from engine.kraken.venue_time import VenueTime
from engine.kraken.ws_orders import WsOrders
from engine.kraken.ws_token import WsToken
from engine.net.budget import RollingBudget
from engine.net.link_view import LinkView
from engine.net.wire import Wire
from engine.orders.commands import RequestKind
from engine.orders.reports import Answer
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.venue.protocol import Lane, Standing, VenueSink, always

log = structlog.get_logger()

SILENT_S = 3.0
"""A subscribed stream brings a heartbeat a second. One silent for longer is not given up yet, but orders go by REST:
it may be dead on the way, and what is written into it is unknown for seconds. That counts only once this link has seen
heartbeats come at that pace: else its silence would say nothing."""
FAREWELL_S = 0.5
"""A connection whose token is not accepted any more answers what was written into it, each with a refusal: given up at
once those requests would be unknown. That takes a round trip."""
SNAPSHOT_S = 2.0
"""How long a snapshot may take after its subscription's answer, doubled with each in a row that did not come: that a
token or a connection was refused says nothing about snapshots …"""
SNAPSHOT_DOUBLINGS = 5
"""… up to a minute."""


class PrivateLink:
    """One subscription after another to executions and balances, and the orders that travel on them.

    ``usable`` means: executions are acknowledged and opened by their snapshot, and something has been heard just now,
    so that orders can go. ``up`` means more: the fills of the time away have reached the sink too, so that it knows all
    about orders.
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
        budget: RollingBudget,
    ) -> None:
        self._sink, self._clock, self._counters, self._venue_time = sink, clock, counters, venue_time
        rng, url = chance.stream("kraken/private"), settings.ws_auth_url
        self._stream = Stream("private", url, tls, settings=settings, wire=wire, rng=rng, budget=budget)
        self._monitor = self._stream.monitor
        self._token = WsToken(queries)
        self._orders = WsOrders(
            settings, clock, venue_time, counters=counters, token=self._token, req_ids=self._stream.req_ids
        )
        self._executions = Executions(queries, sink, counters, self._venue_now_ns, venue_time.certain_ns)
        self._socket: ws.Socket | None = None
        self._beat_s, self._beats = -math.inf, False  # the last heartbeat, and whether two have come close together
        self._unshown = 0  # subscriptions in a row whose snapshot did not come in time
        self._begin()
        self._standing: Standing | None = None
        self.refused: VenueRefused | None = None
        self.decided = trio.Event()
        """Set once the stream has been up, or once it is certain that it never will be (``refused``)."""

    @property
    def why(self) -> str:
        """Why the stream is not up; empty while it is."""
        return self._stream.why

    @property
    def up(self) -> bool:
        """Whether the stream is complete up to now."""
        return self._standing is not None

    @property
    def standing(self) -> Standing | None:
        """See VenueLink."""
        standing, socket = self._standing, self._socket
        if standing is None or socket is None:
            return standing
        heard_s = socket.last_frame_s
        return msgspec.structs.replace(standing, heard_s=heard_s, heard_ns=self._venue_time.certain_ns(heard_s))

    @property
    def usable(self) -> bool:
        """Whether orders can go this way now: not into a stream that has missed its heartbeats."""
        socket = self._socket
        if socket is None or not socket.open or not self._opened.is_set() or self._leave_s < math.inf:
            return False
        return not self._beats or trio.current_time() - socket.last_frame_s <= SILENT_S

    async def turn(self, lane: Lane) -> bool:
        """Wait until one more message keeps within the venue's rate; False when the connection went meanwhile."""
        socket = self._socket
        return socket is not None and await socket.turn(lane) and socket is self._socket and self.usable

    def view(self, now_s: float) -> LinkView:
        """Return the link's figures."""
        return self._monitor.view(now_s)

    def refresh(self) -> None:
        """Give the connection up, so that the next one brings a fresh snapshot. One not yet complete goes as well."""
        self._give_up("a fresh snapshot was asked for")

    async def run(self) -> None:
        """Keep the stream up until cancelled."""
        await self._stream.run(self)

    async def reach_back(self, since_ns: int) -> None:
        """Have every fill since a moment (venue time) told, if a stream stands; returns when that is done."""
        if self.up:
            await self._executions.reach_back(since_ns)
        if self._standing is not None:
            known_ns = self._executions.fills_since_ns
            self._standing = msgspec.structs.replace(self._standing, fills_since_ns=known_ns)

    async def name_orders(self) -> None:
        """Ask for orders that the stream named without saying what they are, until cancelled."""
        await self._executions.name_orders()

    async def find_untold(self) -> None:
        """Ask for fills of which the balances alone have told, until cancelled."""
        await self._executions.find_untold(lambda: self.up, self._give_up)

    # the life of a connection

    async def prepare(self) -> None:
        """Fetch a token for the next connection."""
        await self._token.renew()

    async def serve(self, socket: ws.Socket) -> None:
        """Subscribe and listen until the connection ends."""
        self._begin()
        self._socket = socket
        async with trio.open_nursery() as session_nursery:
            session_nursery.start_soon(self._open_up, socket, session_nursery, name="link/private/executions")
            while True:
                with trio.move_on_at(self._leave_s) as staying:
                    self._take(await socket.receive())
                if staying.cancelled_caught or (self._leave_s < math.inf and not self._orders.waiting):
                    raise VenueUnavailable("the token is not accepted any more")

    def lose(self, why: str) -> None:
        """Everything that waited for the connection learns that it has gone."""
        socket, self._socket = self._socket, None
        now_s = trio.current_time()
        self._orders.close()
        if socket is not None:
            socket.abandon(why)
        self._executions.end()
        for name, tracker in self._sequences.items():
            if tracker.last is not None:
                self._monitor.away(name, tracker.last + 1, None, now_s)
        if self.up:
            self._standing = None
            self._executions.lose(now_s - socket.last_frame_s if socket is not None else 0.0)
            self._sink.on_private_link(up=False, why=why)

    def failed(self, error: VenueError) -> None:
        """Note a refusal that no further try will change."""
        if isinstance(error, VenueRefused):
            rules = [errors.rule_of(text) for text in error.errors]
            if any(rule is not None and rule.code in errors.FATAL_CODES for rule in rules):
                self.refused = error
                self.decided.set()

    def _give_up(self, why: str) -> None:
        if self._socket is not None:
            self._socket.abandon(why)

    def _begin(self) -> None:
        self._executions.begin()
        self._frames = FrameCache()
        self._sequences = {name: SequenceTracker(name) for name in CHANNELS}
        self._subscriptions = PrivateSubscriptions(self._orders, self._token)
        self._opened = trio.Event()
        self._leave_s = math.inf  # when the connection is given up, though it stands

    async def _open_up(self, socket: ws.Socket, session_nursery: trio.Nursery) -> None:
        """Subscribe to executions. If fills were missed the stream is complete only when they have been fetched."""
        if not await self._subscriptions.executions(socket):
            socket.abandon("the subscription to executions was not answered")
            return
        session_nursery.start_soon(self._subscriptions.balances, socket, name="link/private/balances")
        patience_s = SNAPSHOT_S * 2 ** min(self._unshown, SNAPSHOT_DOUBLINGS)
        with trio.move_on_after(patience_s) as waiting:
            await self._opened.wait()
        if waiting.cancelled_caught:
            self._unshown += 1
            socket.abandon(f"executions are subscribed, and no snapshot came in {patience_s:g} s")
            return
        if self._executions.hole is not None:
            await self._executions.fill_hole(self._executions.hole)
            if socket.open:
                self._go_up()

    def _go_up(self) -> None:
        self._executions.complete()
        now_s = trio.current_time()
        certain_ns = self._venue_time.certain_ns(now_s)
        self._standing = Standing(now_s, certain_ns, self._executions.fills_since_ns, now_s, certain_ns)
        self._stream.complete()
        self._monitor.heal("executions")
        self._sink.on_private_link(up=True, why="")
        self.decided.set()

    # what comes in

    def _take(self, text: str | bytes) -> None:
        now_s = trio.current_time()
        try:
            self._route(decode.message(text), text, now_s)
        except SequenceBroken as error:
            self._monitor.gap(error.channel, error.first, error.last, now_s)
            raise
        except VenueProtocolError as error:
            self._monitor.invalid(now_s)
            log.warning("frame.invalid", link="private", why=str(error))
            raise

    def _route(self, frame: Message, text: str | bytes, now_s: float) -> None:
        if isinstance(frame, Heartbeat):
            self._monitor.beat(now_s)
            self._beats |= now_s - self._beat_s <= SILENT_S
            self._beat_s = now_s
        elif isinstance(frame, Channel) and frame.name in self._sequences:
            self._monitor.beat(now_s)
            if self._frames.repeated(_digest(text), now_s):
                self._monitor.duplicate(now_s)
                return
            self._sequences[frame.name].check(frame.sequence)
            self._stands(frame.name, now_s)
            if frame.name == "executions":
                self._executions.take(frame, now_s)
                self._check_opened()
            else:
                self._balances(frame)
        elif isinstance(frame, Channel):
            if frame.name == "status":
                for status in decode.statuses(frame):
                    self._stream.mode = status.system
        elif isinstance(frame, Response):
            self._answered(frame, now_s)
        elif isinstance(frame, Throttled):
            self._monitor.error(now_s)
            log.warning("request.dropped", link="private", text=frame.text)

    def _balances(self, frame: Channel) -> None:
        told = balances(decode.balances(frame))
        if frame.snapshot:
            self._sink.on_balances(told)
        else:
            for balance in told:
                self._sink.on_balance(balance)
                if balance.movement is not None:
                    self._executions.expect(balance.movement)
        self._monitor.heal("balances")

    def _answered(self, response: Response, now_s: float) -> None:
        if response.method == "pong":
            self._monitor.ponged(response.req_id, now_s)
            self._orders.hear(response)
            return
        if self._orders.answered(response) and response.method == "subscribe":
            self._subscribed(response, now_s)
        rule = errors.rule_of(response.error) if response.error is not None else None
        if rule is not None and rule.code == "INVALID_SESSION":
            self._leave_s = min(self._leave_s, now_s + FAREWELL_S)

    def _subscribed(self, response: Response, now_s: float) -> None:
        try:
            self._stands(self._subscriptions.answered(response), now_s)
        except VenueRefused:
            self._monitor.error(now_s)
            raise
        if response.result is not None and response.result.maxratecount is not None:
            self._counters.allow(response.result.maxratecount)

    def _stands(self, channel: str, now_s: float) -> None:
        if self._subscriptions.stands(channel) and channel == "executions":
            self._monitor.authenticated(now_s)

    def _check_opened(self) -> None:
        if self._executions.opened and not self._opened.is_set():
            self._opened.set()
            self._unshown = 0
            if self._executions.hole is None:
                self._go_up()

    def _venue_now_ns(self) -> int:
        return self._venue_time.now_ns(self._clock.now_ns())

    # what goes out

    async def request(
        self,
        kind: RequestKind,
        cl_ord_id: str,
        method: str,
        params: Callable[[str], encode.Params],
        deadline_ns: int,
        stands: Callable[[], bool],
    ) -> Answer:
        """Send one order-bearing request and wait for its answer until ``deadline_ns`` (venue time) and the grace.

        ``params`` is given the token, ``stands`` asked right before the first byte. Never raises for what happens on
        the way.
        """
        response, verdict = await self.exchange(method, params, deadline_ns, stands)
        if response is not None:
            return self._orders.judged(kind, cl_ord_id, response)
        return self._orders.answer(kind, cl_ord_id, verdict, self.why)

    async def exchange(
        self,
        method: str,
        params: Callable[[str], encode.Params],
        deadline_ns: int,
        stands: Callable[[], bool] = always,
    ) -> tuple[Response | None, errors.Verdict]:
        """Send one request and return its response; without one, the verdict says how far the request came."""
        socket = self._socket if self.usable else None
        return await self._orders.exchange(socket, method, params, deadline_ns, stands)


def _digest(text: str | bytes) -> bytes:
    return hashlib.blake2b(text.encode() if isinstance(text, str) else text, digest_size=16).digest()
