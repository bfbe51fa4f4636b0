"""The engine: opens its services in the order in which they must die, and offers the few calls a program needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal

import structlog
import trio

from engine.errors import ConfigError, EngineError, VenueError
from engine.journal.journal import Journal
from engine.journal.opening import open_journal
from engine.market.book import Book
from engine.orders.brackets import Bracket
from engine.orders.events import ExecutionReport
from engine.orders.order import OrderView
from engine.orders.replay import rebuild_bracket, rebuild_orders
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.bus import Bus, Lagged, Subscription, call_each, reports_from
from engine.runtime.history import facts_of, signal_of
from engine.runtime.intake import Intake, Submitted
from engine.runtime.investigator import Investigator
from engine.runtime.market_desk import MarketDesk
from engine.runtime.order_desk import OrderDesk, OrderHandle
from engine.runtime.poll_task import PollTask
from engine.runtime.recovery import Loose, Unfinished, load_unfinished, reconcile
from engine.runtime.sender import Sender
from engine.runtime.services import Services
from engine.runtime.settings import EngineSettings
from engine.runtime.views import BracketView, bracket_view
from engine.seams.chance import Chance, SystemChance
from engine.seams.clock import Clock, SteadyClock, SystemClock
from engine.values.ids import is_marked
from engine.values.instrument import Instrument
from engine.values.money import ZERO
from engine.venue.protocol import Balance, PublicTrade, Venue, VenueLink

log = structlog.get_logger()

JOURNAL_FILE = "journal.sqlite"


class Sink:
    """The engine's ear: hears the venue and routes at once. Nothing here blocks."""

    def __init__(self, desk: OrderDesk, market: MarketDesk) -> None:
        self._desk, self._market = desk, market
        self.stream_up = False

    def on_report(self, report: OrderReport) -> None:
        """Route a report to its order."""
        self._desk.route(report)

    def on_snapshot(self, open_orders: Sequence[OrderReport], trades: Sequence[OrderReport]) -> None:
        """Route everything, then suspect resting orders the snapshot does not hold."""
        for report in (*trades, *open_orders):
            self._desk.route(report)
        self._desk.suspect_missing({r.cl_ord_id for r in open_orders if r.cl_ord_id})

    def on_private_link(self, *, up: bool, why: str) -> None:
        """Remember whether the stream is complete up to now; entries wait for it."""
        if up != self.stream_up:
            log.info("stream.complete" if up else "stream.lost", why=why)
        self.stream_up = up
        if up:
            self._market.wake_all()

    def on_book(self, book: Book) -> None:
        """Let brackets look at a changed book."""
        self._market.on_book(book)

    def on_trade(self, trade: PublicTrade) -> None:
        """Prices are judged by books alone."""

    def on_instrument(self, instrument: Instrument) -> None:
        """Instruments are read from the link when needed."""

    def on_balance(self, balance: Balance) -> None:
        """Positions come from our own fills, never from balances."""


class Engine:
    """A running engine. Use ``open_engine``."""

    def __init__(self, services: Services, bracket_nursery: trio.Nursery) -> None:
        self._services, self._nursery = services, bracket_nursery
        self._scopes: dict[str, BracketScope] = {}
        self._idle = trio.Event()
        self._idle.set()
        self._progress = trio.Event()
        self._intake = Intake(services, self._start)

    @property
    def journal(self) -> Journal:
        """The journal, for reading."""
        return self._services.journal

    @property
    def services(self) -> Services:
        """What its scopes stand on, for looking at."""
        return self._services

    async def submit(self, signal: Signal) -> Submitted:
        """Judge a signal; returns once the verdict is durable. The same id with the same content starts nothing."""
        return await self._intake.submit(signal)

    def cancel(self, signal_id: str, why: str = "asked by the user") -> bool:
        """Cancel what is left of a signal's entry; what has filled stays protected. False when it is not active."""
        scope = self._scopes.get(signal_id)
        if scope is not None:
            scope.end_entry(why)
        return scope is not None

    def order(self, cl_ord_id: str) -> OrderView | None:
        """Return an order's view: from its scope while it lives, else rebuilt from the journal. None: not ours."""
        handle = self._services.desk.live.get(cl_ord_id)
        if handle is not None:
            return handle.view
        order = rebuild_orders(facts_of(self.journal, cl_ord_id=cl_ord_id)).get(cl_ord_id)
        return None if order is None else order.view()

    def active(self) -> list[BracketView]:
        """Return the brackets that have not ended."""
        return [bracket_view(scope.bracket) for scope in self._scopes.values()]

    async def wait_idle(self) -> None:
        """Return when no bracket is active."""
        while self._scopes:
            await self._idle.wait()

    @contextmanager
    def subscribe(self, capacity: int | None = None) -> Iterator[Subscription]:
        """Receive every execution report from now on; see Subscription for what happens to slow readers."""
        with self._services.bus.subscribe(capacity) as subscription:
            yield subscription

    async def reports(self, after: int | None = None) -> AsyncGenerator[ExecutionReport, None]:
        """Yield execution reports for ever, each once, in journal order.

        With ``after`` (an offset, 0 = from the start) first what the journal holds beyond it. A reader that falls
        behind its queue is taken back to the journal and misses nothing.
        """
        last = self.journal.head[0] if after is None else after
        while True:
            with self.subscribe() as subscription:
                await self._services.bus.flush()
                for report in reports_from(self.journal, last):
                    last = report.offset
                    yield report
                lagged = False
                async for item in subscription:
                    if isinstance(item, Lagged):
                        lagged = True
                    elif item.offset > last:
                        last = item.offset
                        yield item
            if not lagged:
                return

    async def call_on_report(self, callback: Callable[[ExecutionReport], Awaitable[None] | None]) -> None:
        """Run a callback for every report until the engine ends. Start it in a nursery of yours."""
        with self.subscribe() as subscription:
            await call_each(subscription, callback)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _start(
        self,
        bracket: Bracket,
        opened_row: int,
        *,
        loose: tuple[Loose, ...] | None = None,
        late: OrderReport | None = None,
    ) -> BracketScope:
        scope = BracketScope(self._services, bracket, opened_row, self._progressed, loose=loose, late=late)
        self._scopes[bracket.signal.signal_id] = scope
        self._idle = trio.Event()
        self._nursery.start_soon(self._run_scope, scope, name=f"bracket/{bracket.signal.signal_id[:8]}")
        return scope

    async def _run_scope(self, scope: BracketScope) -> None:
        try:
            await scope.run()
        finally:
            del self._scopes[scope.signal_id]
            self._idle.set()
            self._progress.set()

    def rebuild(self, left: list[Unfinished]) -> list[BracketScope]:
        """Give the brackets an earlier process left a scope again; they act only after ``resume``."""
        return [self._start(u.bracket, u.opened_row, loose=u.loose) for u in left]

    async def resume(self, scopes: list[BracketScope]) -> None:
        """Ask the venue about every order of rebuilt brackets, then let them act.

        Returns when they act. While the venue cannot be asked it is asked again; with a complete private stream
        protection waits no longer than ``resume_bound_s`` for REST.
        """
        handles: list[OrderHandle] = []
        for scope in scopes:
            await scope.begun.wait()
            handles += list(scope.handles.values())
        await self._reconcile(handles)
        for scope in sorted(scopes, key=_bare, reverse=True):  # naked quantity first
            scope.release()
        if scopes:
            log.info("brackets.resumed", brackets=len(scopes), orders=len(handles))

    async def _reconcile(self, handles: list[OrderHandle]) -> None:
        services = self._services
        until_s = trio.current_time() + services.settings.resume_bound_s
        pause_s = 0.5
        while handles:
            try:
                await reconcile(services.desk, services.link, handles)
                return
            except VenueError as error:
                log.warning("reconcile.failed", error=str(error))
            if trio.current_time() >= until_s and services.stream_up():
                log.warning("reconcile.put_off", why="REST does not answer; the stream's snapshot must do")
                return
            await trio.sleep(pause_s)
            pause_s = min(pause_s * 2, 10.0)

    async def run_strays(self) -> None:
        """Look up reports whose order has no scope: old news, a late fill, an orphan of ours, or somebody else's."""
        while True:
            for report in await self._services.desk.next_strays():
                self._look_up(report)

    def _look_up(self, report: OrderReport) -> None:
        counts = self._services.desk.counts
        if report.cl_ord_id in self._services.desk.live:
            self._services.desk.route(report)  # its scope opened while the report waited
            return
        signal_id = signal_of(self.journal, report.cl_ord_id) if report.cl_ord_id else None
        if signal_id is None or report.cl_ord_id is None:
            ours = is_marked(report.cl_ord_id, self._services.mark_key)
            counts["orphans" if ours else "foreign"] += 1
            if report.cl_ord_id is None:
                self._services.desk.note_unexplained(report)
            if ours:
                log.warning("order.orphan", cl_ord_id=report.cl_ord_id, order_id=report.order_id)
            return
        order = rebuild_orders(facts_of(self.journal, cl_ord_id=report.cl_ord_id))[report.cl_ord_id]
        if not order.reported(report):
            counts["old_news"] += 1
            return
        log.warning("order.late_report", cl_ord_id=report.cl_ord_id, report=str(report.report_type))
        scope = self._scopes.get(signal_id)
        if scope is not None:
            scope.late_report(report)
            return
        bracket = rebuild_bracket(facts_of(self.journal, signal_id=signal_id), self._services.settings.policy)
        if bracket is not None:
            self._start(bracket, self.journal.head[0], late=report)

    async def shut_down(self) -> None:
        """Detach: end entries, wait (bounded) until they have ended, leave protection on the venue."""
        self._intake.closed = True
        for scope in list(self._scopes.values()):
            scope.end_entry("shutdown")
        with trio.move_on_after(self._services.settings.shutdown_bound_s) as bound:
            while any(_has_work(scope.bracket) for scope in self._scopes.values()):
                self._progress = trio.Event()
                await self._progress.wait()
        if bound.cancelled_caught:
            log.warning("shutdown.bound_reached", brackets=len(self._scopes))
        for scope in self._scopes.values():
            log.info("bracket.detached", signal_id=scope.signal_id, state=scope.bracket.state)

    def _progressed(self) -> None:
        self._progress.set()


def _bare(scope: BracketScope) -> Decimal:
    """Quantity held without a resting stop: those brackets are let act first."""
    resting = sum((o.least for o in scope.bracket.orders.values() if o.role == "stop"), ZERO)
    return max(ZERO, scope.bracket.exposure - resting)


def _has_work(bracket: Bracket) -> bool:
    """An entry still lives, an answer is out, quantity waits for its stop, or a swap is under way."""
    orders = bracket.orders.values()
    entry_lives = any(o.role == "entry" and o.state != "settled" for o in orders)
    return entry_lives or any(o.busy for o in orders) or bracket.uncovered > 0 or bracket.swap is not None


@asynccontextmanager
async def open_engine(
    settings: EngineSettings,
    venue: Venue,
    *,
    journal: Journal | None = None,
    clock: Clock | None = None,
    chance: Chance | None = None,
) -> AsyncIterator[Engine]:
    """Run an engine on ``venue`` while the block stands; leaving it, also by cancellation, detaches in order.

    The journal lies in ``settings.data_dir`` unless one is given. Raises ConfigError (no place for a journal),
    JournalBusy and JournalError (held by another, another account's, unfinished brackets), VenueUnavailable and
    VenueRefused. A failure while running arrives in an exception group.
    """
    core = _Core(settings, venue, journal, clock or SystemClock(), chance or SystemChance())
    async with trio.open_nursery() as core_nursery:
        started = await core_nursery.start(core.run)
        if isinstance(started, Engine):
            try:
                yield started
            finally:
                core.stop.set()  # the core is shielded: the nursery waits until it has shut down
    if isinstance(started, EngineError):
        raise started


class _Core:
    """The task in which everything below the user's block lives, so that a cancelled block ends before its services."""

    def __init__(
        self, settings: EngineSettings, venue: Venue, journal: Journal | None, clock: Clock, chance: Chance
    ) -> None:
        self._settings, self._venue, self._journal = settings, venue, journal
        self._clock, self._chance = clock, chance
        self.stop = trio.Event()

    async def run(self, task_status: trio.TaskStatus[Engine | EngineError]) -> None:
        """Open all services, report the engine (or why there is none), and shut down in order after ``stop``."""
        running = False
        with trio.CancelScope() as scope:
            try:
                async with self._open() as engine:
                    scope.shield = running = True
                    task_status.started(engine)
                    await self.stop.wait()
                    await engine.shut_down()
            except EngineError as error:
                if running:
                    raise
                task_status.started(error)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Engine]:
        """Nest what must die last outermost: journal, link, senders and bus, brackets with their orders."""
        desk, market = OrderDesk(), MarketDesk()
        sink = Sink(desk, market)
        with self._open_journal() as journal:
            journal.verify()
            left = load_unfinished(journal, self._settings.policy)
            async with self._venue.open(sink) as link, trio.open_nursery() as service_nursery:
                services = self._services(journal, desk, market, link, service_nursery, sink)
                poll = PollTask(self._settings, desk, link, lambda: sink.stream_up)
                service_nursery.start_soon(services.bus.run, name="bus")
                service_nursery.start_soon(poll.run, name="poll/orders")
                service_nursery.start_soon(Investigator(self._settings, desk, link).run, name="poll/unknown")
                async with trio.open_nursery() as bracket_nursery:
                    engine = Engine(services, bracket_nursery)
                    scopes = engine.rebuild(left)
                    bracket_nursery.start_soon(engine.run_strays, name="strays")
                    await engine.resume(scopes)
                    yield engine
                    bracket_nursery.cancel_scope.cancel("the engine has shut down")
                await services.bus.flush()
                services.bus.close()
                service_nursery.cancel_scope.cancel("the engine has shut down")

    @contextmanager
    def _open_journal(self) -> Iterator[Journal]:
        if self._journal is not None:
            yield self._journal
            return
        if self._settings.data_dir is None:
            raise ConfigError("open_engine needs settings.data_dir or a journal")
        path = self._settings.data_dir / JOURNAL_FILE
        identity, durability = self._venue.identity, self._settings.durability
        with open_journal(path, identity, self._clock, durability=durability) as journal:
            yield journal

    def _services(
        self,
        journal: Journal,
        desk: OrderDesk,
        market: MarketDesk,
        link: VenueLink,
        sender_nursery: trio.Nursery,
        sink: Sink,
    ) -> Services:
        steady = SteadyClock(self._clock)
        return Services(
            settings=self._settings,
            journal=journal,
            clock=steady,
            bus=Bus(journal, self._settings.subscriber_queue),
            desk=desk,
            market=market,
            link=link,
            sender=Sender(journal, link, steady, sender_nursery, self._settings.send_bound_s),
            stream_up=lambda: sink.stream_up,
            id_stream=self._chance.stream("cl_ord_id"),
            pauses=self._chance.stream("pauses"),
            mark_key=self._venue.mark_key,
        )
