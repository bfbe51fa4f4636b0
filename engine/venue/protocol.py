"""The venue as the engine sees it: a link that sends requests and calls back with reports.

Calls into the sink are plain functions, made in the task that read the frame: decode and route happen in one schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from decimal import Decimal
from enum import IntEnum
from typing import Literal, Protocol

import msgspec

from engine.accounts.margin import TradeBalance, VenuePosition
from engine.accounts.movement import SPOT, Movement
from engine.market.book import Book
from engine.market.freshness import Freshness
from engine.market.topics import Held, MarketChannel, Topic
from engine.market.updates import Candle, PublicTrade, Ticker, TradesMissed
from engine.net.link_view import LinkView
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.reports import Answer, OrderReport
from engine.values.instrument import Instrument
from engine.venue.earlier import Earlier

EnoughFills = Callable[[Sequence[OrderReport]], bool]
"""Told all fills found so far, oldest first, says whether older ones are still wanted: True = no."""


class Lane(IntEnum):
    """Who goes first when the venue's budget is short; the smallest wins."""

    EMERGENCY = 0
    REDUCING = 1
    CANCEL = 2
    ENTRY = 3
    QUERY = 4


class VenueIdentity(msgspec.Struct, frozen=True):
    """Which account this is: a journal belongs to exactly one. ``account`` is a hash of the API key."""

    venue: str
    account: str
    mode: Literal["live", "simulated"]


def always() -> bool:
    """Stand in for a last question that nobody asks."""
    return True


class Ticket(msgspec.Struct, frozen=True):
    """The limiter's leave to send one request now. ``deadline_ns`` is the venue-time deadline it must carry."""

    transport: Literal["ws", "rest"]
    deadline_ns: int
    lane: Lane = Lane.ENTRY
    leave: int = 0
    """The limiter's own number for this leave; 0 = none."""
    stands: Callable[[], bool] = always
    """Asked right before the first byte, behind every wait: False = it must not leave any more (a halt has fallen)."""
    stamped_ns: int = 0
    """Venue time at which the deadline was stamped: nothing of the request left before. 0 = not told."""


class Unprotected(msgspec.Struct, frozen=True):
    """Brackets of one symbol that may need protection: without any stop, and with one that rests for too little."""

    bare: int
    short: int


class RestartBound(msgspec.Struct, frozen=True):
    """How long so many brackets may wait for protection after a restart, at worst, by the account's ``tier``."""

    tier: str
    brackets: int
    seconds: float


class Headroom(msgspec.Struct, frozen=True):
    """How full one pair's budgets are. ``level`` is in points of the venue's counter; orders are the account's."""

    symbol: str
    level: float
    threshold: float
    open_orders: int
    most_open_orders: int
    trigger_orders: int
    waiting: int


class Standing(msgspec.Struct, frozen=True):
    """What the private stream that stands now proves by itself. From its beginning no report on our orders is missing.

    ``since_s`` is when it became complete (trio's clock), ``since_ns`` a venue time certainly reached by then. Every
    fill of ours from venue time ``fills_since_ns`` on has reached the sink, those from before the stream included
    (0: every fill there ever was). ``heard_s`` is when a frame last came (trio's clock), ``heard_ns`` a venue time
    certainly reached by then: of what happened later the stream may still have to tell.
    """

    since_s: float
    since_ns: int
    fills_since_ns: int
    heard_s: float
    heard_ns: int


class Balance(msgspec.Struct, frozen=True):
    """Units of one asset. ``hold`` is what resting orders bind, where the venue says so.

    ``movement`` is the ledger entry that brought the total about, where the venue tells it.
    """

    asset: str
    total: Decimal
    hold: Decimal | None = None
    wallet: str = SPOT
    movement: Movement | None = None


class MarketSink(Protocol):
    """Receives what the venue says of the market. Nothing here blocks."""

    def on_book(self, book: Book) -> None:
        """Look at a book that has just changed or become unusable (``book.usable``)."""
        ...

    def on_trade(self, trade: PublicTrade | TradesMissed) -> None:
        """Take a public trade, each once and in order, or learn that some will never come.

        A symbol's trades begin with the latest that the venue still tells (at most fifty).
        """
        ...

    def on_ticker(self, ticker: Ticker) -> None:
        """Take the 24-hour figures of a symbol."""
        ...

    def on_candle(self, candle: Candle) -> None:
        """Take a candle as it stands now."""
        ...

    def on_instrument(self, instrument: Instrument) -> None:
        """Take a new or changed instrument."""
        ...


class VenueSink(MarketSink, Protocol):
    """Receives what the venue says. Nothing here blocks."""

    def on_report(self, report: OrderReport) -> None:
        """Take one report of the private stream."""
        ...

    def on_snapshot(self, open_orders: Sequence[OrderReport], trades: Sequence[OrderReport]) -> None:
        """Take the private stream's opening state: every order now open, and the last fills.

        An order of ours that is missing here has closed meanwhile (or was never accepted).
        """
        ...

    def on_private_link(self, *, up: bool, why: str) -> None:
        """Learn that the private stream is complete up to now, or that it is not."""
        ...

    def on_balances(self, balances: Sequence[Balance]) -> None:
        """Take the opening state: every wallet that holds anything."""
        ...

    def on_balance(self, balance: Balance) -> None:
        """Take a balance change."""
        ...

    def on_alarm(self, code: str, text: str) -> None:
        """Learn of something on the account that forbids new risk until a person has looked."""
        ...


class MarketLink(Protocol):
    """What an open connection offers of the market. Reconnects by itself, and everything held is subscribed again."""

    def instrument(self, symbol: str) -> Instrument | None:
        """Return the instrument of any known spelling (BTC/USD, XBTUSD, XXBTZUSD), or None."""
        ...

    def book(self, symbol: str) -> Book | None:
        """Return the live book of a watched symbol; it is usable only while ``usable`` says so."""
        ...

    def watch(self, symbol: str, holder: str = "") -> AbstractAsyncContextManager[Book]:
        """Hold the symbol's book subscribed, at the configured depth. Returns once the first book is verified.

        Counted: the subscription ends with the last holder. The caller owns the deadline. Raises VenueRefused.
        """
        ...

    def topic(self, channel: MarketChannel, spelling: str, variant: int | None = None) -> Topic:
        """Name what can be held; ``variant`` None is the configured depth or one minute.

        Raises VenueRefused for a symbol the venue does not list, ConfigError for a depth or interval it lacks.
        """
        ...

    def hold(self, topic: Topic, holder: str) -> None:
        """Hold a topic subscribed in this name until ``release``; the same name twice counts twice.

        A book is kept at the greatest depth that anyone holds: asking for a deeper one has it sent anew.
        """
        ...

    def release(self, topic: Topic, holder: str) -> bool:
        """End one hold of this name; False when it has none. The subscription ends with the last hold."""
        ...

    async def wait_standing(self, topic: Topic) -> None:
        """Return once a held topic is acknowledged, a book verified at its depth. Raises VenueRefused."""
        ...

    def held(self) -> tuple[Held, ...]:
        """Return every topic that is held, and by whom."""
        ...

    def ticker(self, symbol: str) -> Ticker | None:
        """Return the last ticker of a symbol whose ticker is held."""
        ...

    def freshness(self) -> tuple[Freshness, ...]:
        """Return how old and how late every held book is."""
        ...


class VenueLink(MarketLink, Protocol):
    """An open connection to a venue. Reconnects by itself; ends with the block that opened it."""

    def links(self) -> tuple[LinkView, ...]:
        """Return the state and the figures of every stream."""
        ...

    def protection(
        self, symbol: str, bracket: str, *, held: bool = False, targets: int = 0
    ) -> AbstractContextManager[None]:
        """Hold a bracket's protection reserved while the block stands: a bracket's scope does so for its whole life.

        Booked when the bracket's first entry is admitted, or at once with ``held`` (a resumed bracket with orders or
        quantity). Entries of all brackets on the symbol leave what is booked free. ``targets`` is how many orders are
        to rest beside the stop.
        """
        ...

    async def admit(self, lane: Lane, request: Request, bracket: str = "") -> Ticket:
        """Wait until the venue's budgets let this request go, and choose its way. ``bracket`` is whose request it is.

        An entry passes only when its bracket's whole protection is booked with it. Raises VenueUnavailable, with the
        numbers, when no way is open or no room comes: then certainly nothing was sent.
        """
        ...

    async def admit_batch(self, lane: Lane, requests: Sequence[Request], bracket: str = "") -> Ticket:
        """As admit, for one submit_batch or cancel_batch. Emergency batch cancels never wait for room."""
        ...

    def remember(self, earlier: Sequence[Earlier]) -> None:
        """Count what processes before this one may have sent towards the budgets; asked once, before anything is sent.

        A venue that tells its own count may be believed instead, then or later.
        """
        ...

    def give_back(self, ticket: Ticket) -> None:
        """Give a leave back whose requests were not sent and will not be: what it holds of the budgets is free."""
        ...

    async def submit(self, ticket: Ticket, order: NewOrder) -> Answer:
        """Send and wait for the answer, at most until the deadline and a grace have passed.

        Never raises for anything that happens to the request: every end is an Answer. Cancelling it loses the answer,
        so callers shield it.
        """
        ...

    async def amend(self, ticket: Ticket, amend: AmendOrder) -> Answer:
        """As submit, for new absolute values."""
        ...

    async def cancel(self, ticket: Ticket, cancel: CancelOrder) -> Answer:
        """As submit. ACCEPTED means the request was taken: the order has ended only when a report says so."""
        ...

    async def submit_batch(self, ticket: Ticket, orders: Sequence[NewOrder]) -> list[Answer]:
        """As submit, for 2 to 15 orders on one symbol in one request: one answer each, in their order."""
        ...

    async def cancel_batch(self, ticket: Ticket, cancels: Sequence[CancelOrder]) -> list[Answer]:
        """As cancel, for 2 to 50 orders in one request.

        The venue only counts: unless it has taken all of them, every answer is UNKNOWN until reports tell.
        """
        ...

    def headroom(self) -> list[Headroom]:
        """Return how full the budgets of the pairs used so far are."""
        ...

    def restart_bound(self, brackets: Mapping[str, Unprotected], reading_s: float) -> RestartBound:
        """Return how long protection may take after a restart; ``brackets`` by symbol, ``reading_s`` for questions."""
        ...

    @property
    def standing(self) -> Standing | None:
        """What the private stream proves that stands now, complete and without a gap; None while none stands."""
        ...

    def passed(self, deadline_ns: int) -> bool:
        """Tell whether the venue's clock is certainly beyond this venue time, whatever our measurement's error."""
        ...

    def refresh(self) -> None:
        """Ask for a fresh snapshot of the private stream, soon: the link reconnects it."""
        ...

    async def open_orders(self, cl_ord_id: str | None = None, *, urgent: bool = False) -> list[OrderReport]:
        """Ask (by REST) which orders are open; ``urgent`` goes before questions that no exit hangs on.

        Queries raise VenueRefused, VenueUnavailable or OutcomeUnknown.
        """
        ...

    async def closed_orders(
        self, *, cl_ord_id: str | None = None, since_ns: int | None = None, most: int = ..., urgent: bool = False
    ) -> list[OrderReport]:
        """Ask which orders have closed, newest first: the newest, or all since a moment (venue time).

        Raises TooMany where more than ``most`` have closed since, besides what queries raise.
        """
        ...

    async def query_orders(
        self, order_ids: Sequence[str], also: Callable[[int], Sequence[str]] = ...
    ) -> list[OrderReport]:
        """Ask for the state of orders by the venue's ids, in fifties.

        A question waits for its turn: ``also`` is asked for at most so many further ids when it is written.
        """
        ...

    async def reach_back(self, since_ns: int) -> None:
        """Have every fill of ours since a moment (venue time) told to the sink, as far as the stream has not told it.

        Returns when ``standing.fills_since_ns`` reaches back to it, or at once while no stream stands. Asks until then:
        the caller bounds it.
        """
        ...

    async def trades_since(self, since_ns: int, enough: EnoughFills | None = None) -> list[OrderReport]:
        """Ask for our fills from a moment on, unconsolidated, as TRADE reports, oldest first.

        A venue that tells them by pages, the newest first, is asked no further back once ``enough`` says so.
        """
        ...

    async def movements_since(self, since_ns: int, kind: str = "all", *, patient: bool = False) -> list[Movement]:
        """Ask for the ledger entries from a moment on, all or of one kind, whoever caused them, oldest first.

        ``patient``: every other question goes first.
        """
        ...

    async def order_of(self, ref_id: str) -> OrderReport | None:
        """Ask for the order that a ledger entry's reference names, by a fill of it or by itself; None for neither."""
        ...

    async def balances(self) -> list[Balance]:
        """Ask for all balances."""
        ...

    async def cancel_all_after(self, timeout_s: int) -> None:
        """Let the venue cancel every order of the whole account in so many seconds, unless asked anew; 0: never.

        Stops and foreign orders too. Raises VenueError: then it may be armed, or as it was before.
        """
        ...

    async def margin_positions(self) -> list[VenuePosition]:
        """Ask for the open margin positions, whoever opened them."""
        ...

    async def trade_balance(self, currency: str) -> TradeBalance:
        """Ask what the account can bear on margin, in units of ``currency``."""
        ...


class Venue(Protocol):
    """A configured exchange, not yet connected."""

    @property
    def identity(self) -> VenueIdentity:
        """Say which account on which venue this is."""
        ...

    @property
    def mark_key(self) -> bytes:
        """Key of the mark inside our order ids; derived from the account's secret, so another key's are not ours."""
        ...

    @property
    def former_mark_keys(self) -> tuple[bytes, ...]:
        """Mark keys of secrets that this account had before: orders that carry such a mark are ours as well."""
        ...

    def open(self, sink: VenueSink) -> AbstractAsyncContextManager[VenueLink]:
        """Connect; the block begins when instruments are known and the private stream is complete.

        Raises VenueUnavailable or VenueRefused when that cannot be reached in the configured time.
        """
        ...
