"""The REST client: signed calls one at a time, each ending as a Reply that says how far it came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec
import stamina
import structlog
import trio

from engine.errors import OutcomeUnknown, VenueError, VenueProtocolError, VenueUnavailable
from engine.kraken import errors
from engine.kraken.encode import form_body
from engine.kraken.limits import TIERS, Counter
from engine.kraken.nonce import Nonces, NonceStore
from engine.kraken.nonce_line import NonceLine
from engine.kraken.settings import KrakenSettings
from engine.kraken.signing import api_sign
from engine.net.http import WireTransport, verified_tls
from engine.net.wire import Wire
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.venue.protocol import Lane

log = structlog.get_logger()
Result = TypeVar("Result")

READ_ATTEMPTS = 3
COST_HISTORY = 4
"""Counter points of a history call: Kraken's pages say 2 or 4, the dearer one is budgeted."""


class Reply(NamedTuple):
    """How one HTTP exchange ended. ``detail`` is for people; it holds neither keys nor bodies.

    ``sent`` is False only when certainly not one byte of the request was written. ``answered`` means that the API
    itself answered: status 200 with a readable envelope.
    """

    sent: bool
    answered: bool = False
    timed_out: bool = False
    status: int = 0
    errors: tuple[str, ...] = ()
    result: bytes = b""
    detail: str = ""


class _Envelope(msgspec.Struct):
    error: list[str]
    result: msgspec.Raw = msgspec.Raw(b"")


class RestClient:
    """Kraken's REST API. Reads raise; order-bearing calls return a Reply for the outcome table."""

    def __init__(
        self, settings: KrakenSettings, http: httpx.AsyncClient, clock: Clock, chance: Chance, nonces: NonceStore
    ) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._rng = chance.stream("kraken/rest")
        self._nonces = Nonces(nonces)
        self._line = NonceLine()
        self._slots = trio.CapacityLimiter(settings.max_connections)
        tier = TIERS[settings.tier]
        self._counter = Counter(tier.rest_max, tier.rest_decay)
        self.down_since_s: float | None = None
        """When connecting last failed, None once a call has got through."""

    async def call(self, name: str, fields: Mapping[str, str], lane: Lane, within_s: float) -> Reply:
        """Make one private call without any repeating. Never raises for what happens to it."""
        until_s = trio.current_time() + within_s
        with trio.move_on_at(until_s) as waiting:  # around the waiting alone: once written, no outer cut may hide it
            await self._line.take(lane)
        if waiting.cancelled_caught:
            return Reply(sent=False, timed_out=True, detail=f"{name}: no turn in {within_s:g} s")
        with self._line.turn(lane) as scope:
            reply = await self._exchange(self._private_request(name, fields), until_s - trio.current_time())
        if scope.cancelled_caught:
            return Reply(sent=True, timed_out=True, detail=f"{name}: given up for a more urgent call")
        return reply

    async def ask(
        self, name: str, fields: Mapping[str, str], into: type[Result], *, private: bool = True, points: int = 1
    ) -> Result:
        """Ask one question, repeated where that is harmless, and decode the result.

        Raises VenueRefused (a definite no), VenueUnavailable (nothing reached the venue), OutcomeUnknown (no usable
        answer), VenueProtocolError (an answer of another shape).
        """
        pause_s = 0.2 + 0.2 * self._rng.random()
        retries = stamina.retry_context(
            on=_worth_repeating, attempts=READ_ATTEMPTS, timeout=None, wait_initial=pause_s, wait_max=3, wait_jitter=0
        )
        try:
            with trio.fail_after(self._settings.read_timeout_s):
                async for attempt in retries:
                    with attempt:
                        return await self._ask_once(name, fields, into, private=private, points=points)
        except trio.TooSlowError:
            pass
        raise OutcomeUnknown(f"{name}: no answer in {self._settings.read_timeout_s:g} s")

    async def _ask_once(
        self, name: str, fields: Mapping[str, str], into: type[Result], *, private: bool, points: int
    ) -> Result:
        within_s = self._settings.total_timeout_s
        if private:
            await trio.sleep(self._counter.wait_s(points, trio.current_time()))
            self._counter.charge(points, trio.current_time())
            reply = await self.call(name, fields, Lane.QUERY, within_s)
        else:
            request = self._http.build_request("GET", f"/0/public/{name}", params=dict(fields))
            reply = await self._exchange(request, within_s)
        if not reply.sent:
            raise VenueUnavailable(f"{name}: {reply.detail}")
        if not reply.answered:
            raise OutcomeUnknown(f"{name}: {reply.detail}")
        serious = [text for text in reply.errors if not errors.is_warning(text)]
        if serious:
            raise errors.query_error(serious)
        try:
            return msgspec.json.decode(reply.result, type=into)
        except msgspec.MsgspecError as error:
            raise VenueProtocolError(f"{name}: {error}") from None

    def _private_request(self, name: str, fields: Mapping[str, str]) -> httpx.Request:
        path = f"/0/private/{name}"
        nonce = str(self._nonces.draw(self._clock.now_ns()))
        body = form_body({"nonce": nonce, **fields})
        headers = {
            "API-Key": self._settings.api_key.reveal(),
            "API-Sign": api_sign(path, nonce, body, self._settings.api_secret.reveal()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self._http.build_request("POST", path, content=body, headers=headers)

    async def _exchange(self, request: httpx.Request, within_s: float) -> Reply:
        sent = False

        async def watch(event: str, _info: Mapping[str, Any]) -> None:
            nonlocal sent
            sent = sent or event == "http11.send_request_headers.started"

        request.extensions = {**request.extensions, "trace": watch}
        name = request.url.path
        try:
            with trio.fail_after(within_s):
                async with self._slots:
                    response = await self._http.send(request)
        except trio.TooSlowError:
            self._note(reached=sent)
            return Reply(sent=sent, timed_out=True, detail=f"{name}: no answer in {within_s:g} s")
        except httpx.TransportError as error:
            self._note(reached=sent)
            timed_out = isinstance(error, httpx.TimeoutException)
            return Reply(sent=sent, timed_out=timed_out, detail=f"{name}: {type(error).__name__}: {error}")
        self._note(reached=True)
        return _read(name, response)

    def _note(self, *, reached: bool) -> None:
        if reached:
            self.down_since_s = None
        elif self.down_since_s is None:
            self.down_since_s = trio.current_time()


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, VenueUnavailable | OutcomeUnknown):
        return True
    return isinstance(error, VenueError) and "EAPI:Invalid nonce" in str(error)  # the next try has a fresh one


def _read(name: str, response: httpx.Response) -> Reply:
    if response.status_code != 200:
        return Reply(sent=True, status=response.status_code, detail=f"{name}: HTTP {response.status_code}")
    try:
        envelope = msgspec.json.decode(response.content, type=_Envelope)
    except msgspec.MsgspecError:
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
    settings: KrakenSettings, wire: Wire, clock: Clock, chance: Chance, nonces: NonceStore
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
        yield RestClient(settings, http, clock, chance, nonces)
