"""Kraken spot behind ``engine.venue.protocol``: one object that opens, and the link it gives."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal

import msgspec
import trio

from engine.errors import VenueError, VenueRefused, VenueUnavailable
from engine.kraken import encode
from engine.kraken.frames import TickerRow
from engine.kraken.limits import ENTRY_RESERVE, EngineCounters
from engine.kraken.nonce import NonceStore
from engine.kraken.private_link import PrivateLink
from engine.kraken.public_link import PublicLink
from engine.kraken.queries import FeeRates, Queries
from engine.kraken.rest import RestClient, open_rest
from engine.kraken.rest_orders import RestOrders
from engine.kraken.settings import KrakenSettings
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.market.book import Book
from engine.net.http import verified_tls
from engine.net.wire import Wire
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.reports import Answer, OrderReport, Outcome
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.values.time import NS
from engine.venue.protocol import Balance, Lane, Ticket, VenueIdentity, VenueLink, VenueSink

REST_REST_S = 5.0
"""How long REST counts as closed after a connection failed there."""


class KrakenVenue:
    """Kraken, configured and not yet connected. Raises ConfigError for settings that must not be used."""

    def __init__(
        self, settings: KrakenSettings, *, wire: Wire, clock: Clock, chance: Chance, nonces: NonceStore
    ) -> None:
        settings.check()
        self._settings, self._wire, self._clock, self._chance, self._nonces = settings, wire, clock, chance, nonces

    @property
    def identity(self) -> VenueIdentity:
        """Say which account this is, by a hash of the API key."""
        digest = hashlib.sha256(self._settings.api_key.reveal().encode("utf-8")).hexdigest()
        return VenueIdentity(venue="kraken", account=digest[:16], mode=self._settings.mode)

    @property
    def mark_key(self) -> bytes:
        """Key of the mark inside our order ids, derived from the API secret and useless for signing."""
        return hmac.digest(self._settings.api_secret.reveal().encode("ascii"), b"cl_ord_id mark", hashlib.sha256)

    @asynccontextmanager
    async def open(self, sink: VenueSink) -> AsyncIterator[VenueLink]:
        """Connect; see Venue.open. Errors of the block come out as an exception group (a nursery holds the links)."""
        failure: VenueError | None = None
        async with open_rest(self._settings, self._wire, self._clock, self._chance, self._nonces) as rest:
            link = KrakenLink(self._settings, sink, rest, wire=self._wire, clock=self._clock, chance=self._chance)
            async with trio.open_nursery() as link_nursery:
                failure = await link.start(link_nursery)
                if failure is None:
                    yield link
                link_nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure


class KrakenLink:
    """The open connection: two streams and REST. Made by KrakenVenue.open."""

    def __init__(
        self,
        settings: KrakenSettings,
        sink: VenueSink,
        rest: RestClient,
        *,
        wire: Wire,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._settings, self._rest, self._clock = settings, rest, clock
        secure = settings.ws_url.startswith("wss:") or settings.ws_auth_url.startswith("wss:")
        tls = verified_tls(settings.ca_file) if secure else None
        self._symbols, self._venue_time = Symbols(), VenueTime()
        self._counters = EngineCounters(settings.tier)
        self.queries = Queries(rest, self._symbols, clock, self._venue_time)
        self._rest_orders = RestOrders(settings, rest, self._symbols, clock, self._venue_time)
        self._public = PublicLink(
            settings,
            sink,
            wire=wire,
            tls=tls if settings.ws_url.startswith("wss:") else None,
            clock=clock,
            chance=chance,
            symbols=self._symbols,
        )
        self._private = PrivateLink(
            settings,
            sink,
            wire=wire,
            tls=tls if settings.ws_auth_url.startswith("wss:") else None,
            clock=clock,
            chance=chance,
            queries=self.queries,
            counters=self._counters,
            venue_time=self._venue_time,
        )

    async def start(self, link_nursery: trio.Nursery) -> VenueError | None:
        """Start the streams and wait until both are complete; return what prevented it, if anything did."""
        with trio.move_on_after(self._settings.open_timeout_s):
            try:
                await self.queries.measure_clock()
                await self.queries.learn_pairs()
            except (VenueRefused, VenueUnavailable) as error:
                return error
            except VenueError as error:
                return VenueUnavailable(str(error))
            link_nursery.start_soon(self._public.run, name="link/public")
            link_nursery.start_soon(self._private.run, name="link/private")
            link_nursery.start_soon(self._private.name_orders, name="link/private/names")
            await self._public.known.wait()
            await self._private.decided.wait()
            return self._private.refused
        return VenueUnavailable(
            f"not ready after {self._settings.open_timeout_s:g} s:"
            f" public stream: {self._public.why}; private stream: {self._private.why}"
        )

    # what is known

    @property
    def skew_ns(self) -> int:
        """Venue time minus our wall clock, as far as the venue's answers prove it."""
        return self._venue_time.skew_ns

    @property
    def private_up(self) -> bool:
        """Whether the private stream is complete up to now."""
        return self._private.up

    @property
    def unbroken_since_s(self) -> float | None:
        """See VenueLink."""
        return self._private.up_since_s if self._private.up else None

    def passed(self, deadline_ns: int) -> bool:
        """See VenueLink. Rests on the venue's own readings and the monotonic clock, not on our wall clock."""
        return self._venue_time.certain_ns(trio.current_time()) > deadline_ns

    def refresh(self) -> None:
        """See VenueLink."""
        self._private.refresh()

    def instrument(self, symbol: str) -> Instrument | None:
        """See VenueLink. The status is the stricter of the pair's and the whole exchange's."""
        return self._public.instrument(symbol)

    def book(self, symbol: str) -> Book | None:
        """See VenueLink."""
        return self._public.book(symbol)

    def ticker(self, symbol: str) -> TickerRow | None:
        """Return the last ticker of a watched symbol."""
        return self._public.tickers.get(self._symbols.symbol(symbol) or symbol)

    def watch(self, symbol: str) -> AbstractAsyncContextManager[Book]:
        """See VenueLink. Raises VenueRefused for a symbol the venue does not list or will not send."""
        return self._public.watch(symbol)

    # orders

    async def admit(self, lane: Lane, request: Request) -> Ticket:
        """See VenueLink. Points are charged here: a request that is then not sent makes the model too strict."""
        self._way()
        await self._room(lane, request)
        transport = self._way()
        lead_s = self._lead_s(lane)
        if transport == "rest":
            lead_s = max(lead_s, self._settings.rest_deadline_s)
        return Ticket(transport, self._venue_time.now_ns(self._clock.now_ns()) + int(lead_s * NS))

    async def submit(self, ticket: Ticket, order: NewOrder) -> Answer:
        """See VenueLink."""
        order = msgspec.structs.replace(order, deadline_ns=ticket.deadline_ns)
        if ticket.transport == "rest":
            return self._born(await self._rest_orders.send(order))
        return await self._private.request(
            "new", order.cl_ord_id, "add_order", lambda token: encode.add_order(order, token), ticket.deadline_ns
        )

    async def amend(self, ticket: Ticket, amend: AmendOrder) -> Answer:
        """See VenueLink."""
        amend = msgspec.structs.replace(amend, deadline_ns=ticket.deadline_ns)
        if ticket.transport == "rest":
            return self._born(await self._rest_orders.send(amend))
        return await self._private.request(
            "amend", amend.cl_ord_id, "amend_order", lambda token: encode.amend_order(amend, token), ticket.deadline_ns
        )

    async def cancel(self, ticket: Ticket, cancel: CancelOrder) -> Answer:
        """See VenueLink. Kraken's cancels carry no deadline: the ticket's bounds our waiting only."""
        cancel = msgspec.structs.replace(cancel, deadline_ns=ticket.deadline_ns)
        if ticket.transport == "rest":
            return await self._rest_orders.send(cancel)
        return await self._private.request(
            "cancel",
            cancel.cl_ord_id,
            "cancel_order",
            lambda token: encode.cancel_order(cancel, token),
            ticket.deadline_ns,
        )

    def _way(self) -> Literal["ws", "rest"]:
        via = self._settings.orders_via
        if via != "rest" and self._private.up:
            return "ws"
        down_s = self._rest.down_since_s
        if via != "ws" and (down_s is None or trio.current_time() - down_s > REST_REST_S):
            return "rest"
        raise VenueUnavailable(
            f"no way for orders: private stream {self._private.why or 'not chosen'}, orders_via {via}"
        )

    async def _room(self, lane: Lane, request: Request) -> None:
        reserve = ENTRY_RESERVE if lane is Lane.ENTRY else 0
        until_s = trio.current_time() + self._settings.admit_timeout_s
        while True:
            now_s = trio.current_time()
            points = self._points(request, now_s)
            counter = self._counters.of(request.symbol)
            wait_s = counter.wait_s(points, now_s, reserve)
            if wait_s == 0:
                counter.charge(points, now_s)
                return
            if now_s + wait_s > until_s:
                raise VenueUnavailable(
                    f"{request.symbol}: rate counter at {counter.level(now_s):.1f} of {counter.threshold:g},"
                    f" room for {points} more in {wait_s:.1f} s"
                )
            await trio.sleep(wait_s)

    def _points(self, request: Request, now_s: float) -> int:
        match request:
            case NewOrder():
                return self._counters.points("add", "", now_s)
            case AmendOrder():
                return self._counters.points("amend", request.order_id, now_s)
            case CancelOrder():
                return self._counters.points("cancel", request.order_id, now_s)

    def _lead_s(self, lane: Lane) -> float:
        if lane <= Lane.REDUCING:
            return self._settings.exit_deadline_s
        return self._settings.cancel_deadline_s if lane is Lane.CANCEL else self._settings.entry_deadline_s

    def _born(self, answer: Answer) -> Answer:
        if answer.outcome is Outcome.ACCEPTED and answer.order_id is not None:
            self._counters.touch(answer.order_id, trio.current_time())
        return answer

    # questions

    async def open_orders(self, cl_ord_id: str | None = None) -> list[OrderReport]:
        """See VenueLink."""
        return await self.queries.open_orders(cl_ord_id)

    async def closed_orders(self, *, cl_ord_id: str | None = None, since_ns: int | None = None) -> list[OrderReport]:
        """See VenueLink. Without ``since_ns`` the newest page (fifty)."""
        return await self.queries.closed_orders(cl_ord_id, since_ns)

    async def query_orders(self, order_ids: Sequence[str]) -> list[OrderReport]:
        """See VenueLink. Orders the venue does not name are missing from the answer."""
        return await self.queries.query_orders(order_ids)

    async def trades_since(self, since_ns: int) -> list[OrderReport]:
        """See VenueLink."""
        return await self.queries.trades_since(since_ns)

    async def balances(self) -> list[Balance]:
        """See VenueLink."""
        return await self.queries.balances()

    async def fee_rates(self, symbol: str) -> FeeRates:
        """Ask what trades in one market cost us now, in percent."""
        return await self.queries.fee_rates(symbol)
