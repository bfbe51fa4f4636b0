"""The REST client: signed calls one at a time, each ending as a Reply that says how far it came."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple, TypeVar

import httpcore
import httpx
import msgspec
import stamina
import structlog
import trio

from engine.errors import OutcomeUnknown, VenueProtocolError, VenueRefused, VenueUnavailable
from engine.kraken import errors
from engine.kraken.call_budget import PUBLIC_BURST, PUBLIC_PER_S, CallBudget, Urgency
from engine.kraken.decode import UNREADABLE
from engine.kraken.nonce import MemoryNonceStore, NonceStore
from engine.kraken.rest_key import RestKey, SignedLate, unsigned
from engine.kraken.settings import KrakenSettings
from engine.net.http import WireTransport, verified_tls
from engine.net.wire import Wire
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.venue.protocol import Lane, always

log = structlog.get_logger()
Result = TypeVar("Result")

READ_ATTEMPTS = 3
SOON_S = {Urgency.TOKEN: 1.5, Urgency.FILLS: 3.0}
"""An answer the stream waits for counts as lost after so long, doubled with each try: asked again, the stream is still
back within its five seconds."""
COST_HISTORY = 4
"""Counter points of a history call: Kraken's pages say 2 or 4, the dearer one is budgeted."""


class Reply(NamedTuple):
    """How one HTTP exchange ended. ``detail`` is for people; it holds neither keys nor bodies.

    ``sent`` is False only when certainly not one byte of the request was written. ``answered`` means that the API
    itself answered: status 200 with a readable envelope. ``withdrawn``: not sent because it did not stand any more.
    """

    sent: bool
    answered: bool = False
    timed_out: bool = False
    status: int = 0
    errors: tuple[str, ...] = ()
    result: bytes = b""
    detail: str = ""
    withdrawn: bool = False


class _Withdrawn(Exception):
    """The request's turn has come, and it does not stand any more."""


class _Envelope(msgspec.Struct):
    error: list[str]
    result: msgspec.Raw = msgspec.Raw(b"")


END_S = 1.0
"""Cancelled, an exchange ends in the same moment."""
FOREIGN_NONCES = 3
"""Refused nonces in a row before it is somebody else's doing: one or two come from reads we gave up on the way."""


class RestClient:
    """Kraken's REST API. Reads raise; order-bearing calls return a Reply for the outcome table.

    Reads go by the query key when there is one, with a nonce line and a counter of its own: then they never stand
    in the way of an order.
    """

    def __init__(
        self,
        settings: KrakenSettings,
        http: httpx.AsyncClient,
        clock: Clock,
        chance: Chance,
        nonces: NonceStore,
        query_nonces: NonceStore | None = None,
    ) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._rng = chance.stream("kraken/rest")
        self._public = CallBudget(PUBLIC_BURST, PUBLIC_PER_S)
        self._slots = trio.CapacityLimiter(settings.max_connections)
        self.trade_key = RestKey(settings.api_key, settings.api_secret, nonces, settings.tier, clock)
        self.query_key = self.trade_key
        if settings.query_key is not None and settings.query_secret is not None:
            store = query_nonces if query_nonces is not None else MemoryNonceStore()
            self.query_key = RestKey(settings.query_key, settings.query_secret, store, settings.tier, clock)
        self.down_since_s: float | None = None
        """When connecting last failed, None once a call has got through."""
        self.on_alarm: Callable[[str, str], None] = _log_alarm
        self._nonces_refused = 0
        self._scopes: list[trio.CancelScope] = []  # of exchanges under way
        self._idle, self._over = trio.Event(), trio.Event()

    async def call(
        self,
        name: str,
        fields: Mapping[str, Any],
        lane: Lane,
        within_s: float,
        *,
        as_json: bool = False,
        key: RestKey | None = None,
        stands: Callable[[], bool] = always,
    ) -> Reply:
        """Make one private call without any repeating, by the trading key. Never raises for what happens to it.

        ``stands`` is asked before the first byte. The nonce is drawn then: the line is ours, and the connection stands.
        Amends and batches may count on the REST counter (§5.1 leaves it open), so reads leave them room. An amend waits
        for it, before all reads but the stream's token, and leaves batches theirs. A batch never waits.
        """
        key = key or self.trade_key
        until_s = trio.current_time() + within_s
        with trio.move_on_at(until_s) as waiting:
            if name == _AMEND:
                held = await key.budget.take(1, Urgency.AMEND)
            else:
                held = key.budget.counter.hold(0 if name in _FREE else 1)
        if waiting.cancelled_caught:
            return Reply(
                sent=False, timed_out=True, detail=f"{name}: no room in the counter of calls in {within_s:g} s"
            )
        within_s = until_s - trio.current_time()
        reply = Reply(sent=True)
        try:
            reply = await self._in_turn(key, name, fields, lane, within_s, as_json=as_json, stands=stands)
        finally:
            key.budget.settle(held, charged=reply.sent)
        return reply

    async def _in_turn(
        self,
        key: RestKey,
        name: str,
        fields: Mapping[str, Any],
        lane: Lane,
        within_s: float,
        *,
        answer_s: float = math.inf,
        as_json: bool = False,
        stands: Callable[[], bool] = always,
    ) -> Reply:
        until_s = trio.current_time() + within_s
        with trio.move_on_at(until_s) as waiting:  # around the waiting alone: once written, no outer cut may hide it
            await key.line.take(lane)
        if waiting.cancelled_caught:
            return Reply(sent=False, timed_out=True, detail=f"{name}: no turn in {within_s:g} s")
        reply = Reply(sent=True, timed_out=True, detail=f"{name}: given up for a more urgent call")
        with key.line.turn(lane):
            reply = await self._exchange(
                key.request(self._http, name, fields, as_json=as_json),
                min(answer_s, until_s - trio.current_time()),
                name,
                stands,
            )
        self._watch_nonces(reply)
        return reply

    def _watch_nonces(self, reply: Reply) -> None:
        """Refused nonces in a row, from one generator per key, mean that somebody else draws nonces for it too."""
        if any(errors.code_of(text) == "INVALID_NONCE" for text in reply.errors):
            self._nonces_refused += 1
            if self._nonces_refused == FOREIGN_NONCES:
                self.on_alarm("FOREIGN_NONCE", "another program uses this API key: give each its own key")
        elif reply.answered:
            self._nonces_refused = 0

    async def ask(
        self,
        name: str,
        fields: Mapping[str, str],
        into: type[Result],
        *,
        private: bool = True,
        points: int = 1,
        key: RestKey | None = None,
        urgency: Urgency = Urgency.QUESTION,
        attempts: int = READ_ATTEMPTS,
    ) -> Result:
        """Ask one question, repeated where that is harmless, and decode the result. ``key`` None is the query key.

        Raises VenueRefused (a definite no), VenueUnavailable (nothing reached the venue), OutcomeUnknown (no usable
        answer), VenueProtocolError (an answer of another shape).
        """
        pause_s = 0.2 + 0.2 * self._rng.random()
        retries = stamina.retry_context(
            on=_worth_repeating, attempts=attempts, timeout=None, wait_initial=pause_s, wait_max=3, wait_jitter=0
        )
        try:
            with trio.fail_after(self._settings.read_timeout_s):
                async for attempt in retries:
                    with attempt:
                        if private:
                            soon_s = SOON_S.get(urgency, math.inf) * 2 ** (attempt.num - 1)
                            reply = await self._reply(name, fields, key or self.query_key, points, urgency, soon_s)
                        else:
                            reply = await self._public_reply(name, fields, points)
                        return _result(name, reply, into)
        except trio.TooSlowError:
            pass
        raise OutcomeUnknown(f"{name}: no answer in {self._settings.read_timeout_s:g} s")

    async def _public_reply(self, name: str, fields: Mapping[str, str], points: int) -> Reply:
        request = unsigned(self._http.build_request("GET", f"/0/public/{name}", params=dict(fields)))
        async with self._public.room(points) as room:
            reply = await self._exchange(request, self._settings.total_timeout_s, name)
            room.used = reply.sent
        return reply

    async def _reply(
        self, name: str, fields: Mapping[str, str], key: RestKey, points: int, urgency: Urgency, soon_s: float
    ) -> Reply:
        # an order whose answer does not come must not keep the stream away: a token passes it as an exit does
        lane = Lane.REDUCING if urgency is Urgency.TOKEN else Lane.QUERY
        async with key.budget.room(points, urgency) as room:
            reply = await self._in_turn(key, name, fields, lane, self._settings.total_timeout_s, answer_s=soon_s)
            room.used = reply.sent  # of which nothing was written is not counted: an outage leaves room for what it hid
        if any(errors.code_of(text) == "REST_RATE_LIMIT" for text in reply.errors):
            key.budget.blocked()
        return reply

    async def _exchange(
        self, late: SignedLate, within_s: float, name: str, stands: Callable[[], bool] = always
    ) -> Reply:
        """Exchange one request. Its connection stands, and nothing can come between, when ``late`` signs it.

        A nonce drawn before would be stale behind a slow connect: another call may have left with a higher one.
        """
        sent = False

        async def watch(event: str, info: Mapping[str, Any]) -> None:
            nonlocal sent
            if event == "http11.send_request_headers.started":
                if not stands():
                    raise _Withdrawn
                _set_headers(info["request"], late.sign())
                sent = True

        if self._over.is_set():  # whoever asks an engine that has just ended
            return Reply(sent=False, detail=f"{name}: the link has been closed")
        try:
            with self._under_way(within_s):
                async with self._slots:
                    late.request.extensions = {**late.request.extensions, "trace": watch}
                    response = await self._http.send(late.request)
        except _Withdrawn:
            return Reply(sent=False, withdrawn=True, detail=f"{name}: withdrawn before it was sent")
        except trio.TooSlowError:
            if self._over.is_set():
                return Reply(sent=sent, detail=f"{name}: the link has been closed")
            self._note(reached=sent)
            return Reply(sent=sent, timed_out=True, detail=f"{name}: no answer in {within_s:g} s")
        except httpx.TransportError as error:
            self._note(reached=sent)
            timed_out = isinstance(error, httpx.TimeoutException)
            return Reply(sent=sent, timed_out=timed_out, detail=f"{name}: {type(error).__name__}: {error}")
        self._note(reached=True)
        return _read(name, response)

    @contextmanager
    def _under_way(self, within_s: float) -> Iterator[None]:
        """Bound one exchange; ``end`` cuts it off."""
        try:
            with trio.fail_after(within_s) as scope:
                self._scopes.append(scope)
                yield
        finally:
            self._scopes.remove(scope)
            if not self._scopes:
                self._idle.set()

    async def end(self) -> None:
        """Take no more calls, and give up those under way: who asks from outside is not of the engine's nurseries.

        Returns when they have let go of their connections: one that stands only after all were closed outlives them.
        """
        self._over.set()
        for scope in self._scopes:
            scope.cancel("the link is closed")
        if self._scopes:
            self._idle = trio.Event()
            with trio.move_on_after(END_S, shield=True):
                await self._idle.wait()

    def _note(self, *, reached: bool) -> None:
        if reached:
            self.down_since_s = None
        elif self.down_since_s is None:
            self.down_since_s = trio.current_time()


def _set_headers(request: httpcore.Request, values: Mapping[str, str]) -> None:
    """Replace values of headers that stand already, in a request that is about to be written."""
    wanted = {name.lower().encode(): value.encode() for name, value in values.items()}
    request.headers = [(name, wanted.get(name.lower(), value)) for name, value in request.headers]


def _log_alarm(code: str, text: str) -> None:
    log.error("link.alarm", code=code, text=text)


_AMEND = "AmendOrder"
_FREE = frozenset(("AddOrder", "CancelOrder"))
"""Calls that certainly do not count on the REST counter."""
_AGAIN = frozenset(("INVALID_NONCE", "REST_RATE_LIMIT", "THROTTLED"))
"""Refusals of a read that another try, with a fresh nonce or a little later, may not meet."""


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, VenueUnavailable | OutcomeUnknown):
        return True
    return isinstance(error, VenueRefused) and any(errors.code_of(text) in _AGAIN for text in error.errors)


def _result(name: str, reply: Reply, into: type[Result]) -> Result:
    if not reply.sent:
        raise VenueUnavailable(f"{name}: {reply.detail}")
    if not reply.answered:
        raise OutcomeUnknown(f"{name}: {reply.detail}")
    serious = [text for text in reply.errors if not errors.is_warning(text)]
    if serious:
        raise errors.query_error(serious)
    try:
        return msgspec.json.decode(reply.result, type=into)
    except UNREADABLE as error:
        raise VenueProtocolError(f"{name}: {error}") from None


def _read(name: str, response: httpx.Response) -> Reply:
    if response.status_code != 200:
        return Reply(sent=True, status=response.status_code, detail=f"{name}: HTTP {response.status_code}")
    try:
        envelope = msgspec.json.decode(response.content, type=_Envelope)
    except UNREADABLE:
        return Reply(sent=True, status=200, detail=f"{name}: the answer is not Kraken's JSON")
    return Reply(
        sent=True,
        answered=True,
        status=200,
        errors=tuple(envelope.error),
        result=bytes(envelope.result),
        detail="; ".join(envelope.error),
    )


@asynccontextmanager
async def open_rest(
    settings: KrakenSettings,
    wire: Wire,
    clock: Clock,
    chance: Chance,
    nonces: NonceStore,
    query_nonces: NonceStore | None = None,
) -> AsyncIterator[RestClient]:
    """Give a REST client whose connections end with the block."""
    tls = verified_tls(settings.ca_file) if settings.rest_url.startswith("https:") else None
    async with httpx.AsyncClient(
        base_url=settings.rest_url,
        transport=WireTransport(wire, tls, settings.max_connections),
        headers={"User-Agent": settings.user_agent},
        timeout=httpx.Timeout(None, connect=settings.connect_timeout_s),
        follow_redirects=False,  # a redirected POST would carry the key elsewhere
        trust_env=False,  # no proxy from the environment
    ) as http:
        rest = RestClient(settings, http, clock, chance, nonces, query_nonces)
        try:
            yield rest
        finally:
            await rest.end()
