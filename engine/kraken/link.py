"""The open connection to Kraken spot: everything that ``engine.venue.protocol`` asks of a link, by its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager

import trio

from engine.accounts.margin import TradeBalance, VenuePosition
from engine.accounts.movement import Movement
from engine.errors import ConfigError, VenueError, VenueRefused, VenueUnavailable
from engine.kraken.admission import Admission
from engine.kraken.earlier_points import earlier_levels
from engine.kraken.limits import EngineCounters
from engine.kraken.order_way import OrderWay
from engine.kraken.preflight import Preflight
from engine.kraken.private_link import PrivateLink
from engine.kraken.public_link import PublicLink
from engine.kraken.queries import PAGE, FeeRates, Queries, nothing_more
from engine.kraken.rest import RestClient
from engine.kraken.rest_orders import RestOrders
from engine.kraken.restart_bound import restart_bound
from engine.kraken.settings import KrakenSettings
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.market.book import Book
from engine.market.freshness import Freshness
from engine.market.topics import Held, MarketChannel, Topic
from engine.market.updates import Ticker
from engine.net.budget import RollingBudget
from engine.net.http import verified_tls
from engine.net.link_view import LinkView
from engine.net.wire import Wire
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.reports import Answer, OrderReport
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.values.time import NS
from engine.venue.earlier import Earlier
from engine.venue.protocol import (
    Balance,
    EnoughFills,
    Headroom,
    Lane,
    RestartBound,
    Standing,
    Ticket,
    Unprotected,
    VenueSink,
)

STAMPED_NS = NS
"""So much older than they say may rows of an earlier process be: REST alone tells the venue's time to the second."""


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
        dialling: RollingBudget,
    ) -> None:
        self._settings, self._rest, self._clock = settings, rest, clock
        rest.on_alarm = sink.on_alarm
        secure = settings.ws_url.startswith("wss:") or settings.ws_auth_url.startswith("wss:")
        tls = verified_tls(settings.ca_file) if secure else None
        self._symbols, self._venue_time = Symbols(), VenueTime()
        self._counters = EngineCounters(settings.tier)
        self._admission = Admission(self._counters, settings.admit_timeout_s, settings.max_trigger_orders)
        self.queries = Queries(rest, self._symbols, clock, self._venue_time)
        self._preflight = Preflight(settings, rest, self.queries, self._venue_time, clock)
        self._public = PublicLink(
            settings,
            sink,
            wire=wire,
            tls=tls if settings.ws_url.startswith("wss:") else None,
            clock=clock,
            chance=chance,
            symbols=self._symbols,
            budget=dialling.leaving(settings.link.connections_private),
            venue_time=self._venue_time,
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
            budget=dialling,
        )
        self._way = OrderWay(
            settings,
            self._admission,
            self._private,
            rest,
            RestOrders(settings, rest, self._symbols, clock, self._venue_time),
            symbols=self._symbols,
            clock=clock,
            venue_time=self._venue_time,
        )

    async def start(self, link_nursery: trio.Nursery) -> VenueError | ConfigError | None:
        """Start the streams and wait until both are complete; return what prevented it, if anything did."""
        with trio.move_on_after(self._settings.open_timeout_s):
            try:
                await self._preflight.run()
                await self.queries.learn_pairs()
            except (ConfigError, VenueRefused, VenueUnavailable) as error:
                return error
            except VenueError as error:
                return VenueUnavailable(str(error))
            link_nursery.start_soon(self._public.run, name="link/public")
            link_nursery.start_soon(self._private.run, name="link/private")
            link_nursery.start_soon(self._private.name_orders, name="link/private/names")
            link_nursery.start_soon(self._private.find_untold, name="link/private/untold")
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
    def standing(self) -> Standing | None:
        """See VenueLink."""
        return self._private.standing

    def passed(self, deadline_ns: int) -> bool:
        """See VenueLink. Rests on the venue's own readings and the monotonic clock, not on our wall clock."""
        return self._venue_time.certain_ns(trio.current_time()) > deadline_ns

    def refresh(self) -> None:
        """See VenueLink."""
        self._private.refresh()

    def links(self) -> tuple[LinkView, ...]:
        """See VenueLink: public, then private."""
        now_s = trio.current_time()
        return (self._public.view(now_s), self._private.view(now_s))

    def instrument(self, symbol: str) -> Instrument | None:
        """See VenueLink. The status is the stricter of the pair's and the whole exchange's."""
        return self._public.instrument(symbol)

    def book(self, symbol: str) -> Book | None:
        """See VenueLink."""
        return self._public.book(symbol)

    def watch(self, symbol: str, holder: str = "") -> AbstractAsyncContextManager[Book]:
        """See MarketLink. Raises VenueRefused for a symbol the venue does not list or will not send."""
        return self._public.watch(symbol, holder)

    def topic(self, channel: MarketChannel, spelling: str, variant: int | None = None) -> Topic:
        """See MarketLink."""
        return self._public.topic(channel, spelling, variant)

    def hold(self, topic: Topic, holder: str) -> None:
        """See MarketLink."""
        self._public.hold(topic, holder)

    def release(self, topic: Topic, holder: str) -> bool:
        """See MarketLink."""
        return self._public.release(topic, holder)

    async def wait_standing(self, topic: Topic) -> None:
        """See MarketLink."""
        await self._public.wait_standing(topic)

    def held(self) -> tuple[Held, ...]:
        """See MarketLink."""
        return self._public.held()

    def ticker(self, symbol: str) -> Ticker | None:
        """See MarketLink."""
        return self._public.ticker(symbol)

    def freshness(self) -> tuple[Freshness, ...]:
        """See MarketLink."""
        return self._public.freshness()

    # orders

    def protection(
        self, symbol: str, bracket: str, *, held: bool = False, targets: int = 0
    ) -> AbstractContextManager[None]:
        """See VenueLink."""
        symbol = self._symbols.symbol(symbol) or symbol
        return self._admission.protection(symbol, bracket, held=held, targets=targets)

    async def admit(self, lane: Lane, request: Request, bracket: str = "") -> Ticket:
        """See VenueLink."""
        return await self._way.admit(lane, [request], bracket)

    async def admit_batch(self, lane: Lane, requests: Sequence[Request], bracket: str = "") -> Ticket:
        """See VenueLink. Raises OrderInvariantError for what is no batch."""
        return await self._way.admit(lane, requests, bracket, batch=True)

    def remember(self, earlier: Sequence[Earlier]) -> None:
        """See VenueLink. What the venue has told already stands; no time has passed but what its clock proves."""
        now_s = trio.current_time()
        levels = earlier_levels(earlier, self._counters.limits, self._venue_time.certain_ns(now_s) - STAMPED_NS)
        self._counters.remember(levels, now_s)

    def give_back(self, ticket: Ticket) -> None:
        """See VenueLink."""
        self._way.give_back(ticket)

    async def submit(self, ticket: Ticket, order: NewOrder) -> Answer:
        """See VenueLink."""
        return await self._way.send(ticket, order)

    async def amend(self, ticket: Ticket, amend: AmendOrder) -> Answer:
        """See VenueLink."""
        return await self._way.send(ticket, amend)

    async def cancel(self, ticket: Ticket, cancel: CancelOrder) -> Answer:
        """See VenueLink. Kraken's cancels carry no deadline: the ticket's bounds our waiting only."""
        return await self._way.send(ticket, cancel)

    async def submit_batch(self, ticket: Ticket, orders: Sequence[NewOrder]) -> list[Answer]:
        """See VenueLink."""
        return await self._way.send_batch(ticket, orders)

    async def cancel_batch(self, ticket: Ticket, cancels: Sequence[CancelOrder]) -> list[Answer]:
        """See VenueLink."""
        return await self._way.send_batch(ticket, cancels)

    def headroom(self) -> list[Headroom]:
        """See VenueLink."""
        return self._admission.headroom()

    def restart_bound(self, brackets: Mapping[str, Unprotected], reading_s: float) -> RestartBound:
        """See VenueLink."""
        return restart_bound(self._counters.limits, brackets, reading_s)

    # questions

    async def open_orders(self, cl_ord_id: str | None = None, *, urgent: bool = False) -> list[OrderReport]:
        """See VenueLink."""
        return await self.queries.open_orders(cl_ord_id, urgent=urgent)

    async def closed_orders(
        self, *, cl_ord_id: str | None = None, since_ns: int | None = None, most: int = PAGE, urgent: bool = False
    ) -> list[OrderReport]:
        """See VenueLink. Without ``since_ns`` the newest page (fifty)."""
        return await self.queries.closed_orders(cl_ord_id, since_ns, most=most, urgent=urgent)

    async def query_orders(
        self, order_ids: Sequence[str], also: Callable[[int], Sequence[str]] = nothing_more
    ) -> list[OrderReport]:
        """See VenueLink. Orders the venue does not name are missing from the answer."""
        return await self.queries.query_orders(order_ids, also=also)

    async def trades_since(self, since_ns: int, enough: EnoughFills | None = None) -> list[OrderReport]:
        """See VenueLink."""
        return await self.queries.trades_since(since_ns, enough)

    async def reach_back(self, since_ns: int) -> None:
        """See VenueLink."""
        await self._private.reach_back(since_ns)

    async def movements_since(self, since_ns: int, kind: str = "all", *, patient: bool = False) -> list[Movement]:
        """See VenueLink."""
        return await self.queries.movements_since(since_ns, kind, patient=patient)

    async def order_of(self, ref_id: str) -> OrderReport | None:
        """See VenueLink."""
        return await self.queries.order_of(ref_id)

    async def balances(self) -> list[Balance]:
        """See VenueLink."""
        return await self.queries.balances()

    async def margin_positions(self) -> list[VenuePosition]:
        """See VenueLink."""
        return await self.queries.margin_positions()

    async def trade_balance(self, currency: str) -> TradeBalance:
        """See VenueLink."""
        return await self.queries.trade_balance(currency)

    async def cancel_all_after(self, timeout_s: int) -> None:
        """See VenueLink."""
        await self.queries.cancel_all_after(timeout_s)

    async def fee_rates(self, symbol: str) -> FeeRates:
        """Ask what trades in one market cost us now, in percent."""
        return await self.queries.fee_rates(symbol)
