"""Opens the engine: its services in the order in which they must die."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog
import trio

from engine.errors import ConfigError, EngineError, JournalError, VenueError
from engine.journal.journal import Journal
from engine.journal.lease import hold_lease
from engine.journal.opening import open_sound_journal
from engine.net.link import COMPLETE
from engine.orders.commands import CancelOrder
from engine.risk.breaker import Breaker
from engine.runtime.account_desk import AccountDesk
from engine.runtime.alarm_desk import AlarmDesk
from engine.runtime.alarm_outbox import GOODBYE_S, AlarmSink, Outbox, open_outboxes
from engine.runtime.alarm_watch import AlarmWatch
from engine.runtime.balance_desk import BalanceDesk
from engine.runtime.bus import Bus
from engine.runtime.charge_desk import ChargeDesk
from engine.runtime.corruption import halt_if_corrupt
from engine.runtime.counting import Counting
from engine.runtime.dead_man import DeadManSwitch
from engine.runtime.earlier_requests import earlier_requests
from engine.runtime.engine import Engine
from engine.runtime.entry_gate import EntryGate
from engine.runtime.fence import Fence
from engine.runtime.halt_watch import HaltCheck, HaltFile, HaltWatch
from engine.runtime.history import signal_of
from engine.runtime.investigator import Investigator
from engine.runtime.journal_keeper import JournalKeeper
from engine.runtime.leftovers import Leftovers
from engine.runtime.loop_watch import watching_loop
from engine.runtime.margin_desk import Lags, MarginDesk
from engine.runtime.market_bus import MarketBus
from engine.runtime.market_data import MarketData
from engine.runtime.market_desk import MarketDesk
from engine.runtime.metrics import Metrics
from engine.runtime.money_bus import MoneyBus
from engine.runtime.money_desk import MoneyDesk
from engine.runtime.order_desk import OrderDesk
from engine.runtime.poll_task import PollTask
from engine.runtime.position_books import PositionBooks
from engine.runtime.pulse import PULSE_FILE, FileSlot, PulseSlot
from engine.runtime.recovery import load_unfinished
from engine.runtime.reloading import SettingsSource
from engine.runtime.resumption import Resumption
from engine.runtime.risk_desk import RiskDesk
from engine.runtime.sender import Sender
from engine.runtime.services import Services
from engine.runtime.settings import EngineSettings
from engine.runtime.sink import Sink
from engine.runtime.snapshots import Snapshots, believing
from engine.runtime.strays import Strays
from engine.runtime.trading_desk import TradingDesk
from engine.runtime.vital_signs import VitalSigns
from engine.seams.chance import Chance, SystemChance
from engine.seams.clock import Clock, SteadyClock, SystemClock
from engine.venue.protocol import Lane, Venue, VenueLink

log = structlog.get_logger()

JOURNAL_FILE = "journal.sqlite"
PRIVATE = "private"
"""Name of the stream of our own orders, among the link's."""
LAST_ANSWERS_S = 1.0
"""Answers of requests whose orders have ended are waited for this long at shutdown: they only complete the record."""
LINK_CLOSE_S = 1.0
"""What the streams may take to say goodbye."""
LAST_CANCELS_S = 5.0
"""How long a dying engine may take to cancel its entries: about what Kraken needs to answer fifty."""


@asynccontextmanager
async def open_engine(
    settings: EngineSettings,
    venue: Venue,
    *,
    journal: Journal | None = None,
    clock: Clock | None = None,
    chance: Chance | None = None,
    halt_check: HaltCheck | None = None,
    alarm_sinks: Sequence[AlarmSink] = (),
    source: SettingsSource | None = None,
    fence: Fence | None = None,
    pulse: PulseSlot | None = None,
) -> AsyncIterator[Engine]:
    """Run an engine on ``venue`` while the block stands; leaving it, also by cancellation, ends in order.

    ``halt_check`` is called once a second, on the engine's loop: whatever reason it returns halts trading, and so does
    an exception in it. ``alarm_sinks`` are told of alarms and never waited for; they outlive all else by GOODBYE_S.
    ``source`` is where ``settings`` came from and are read anew: without one nothing can be reloaded.
    ``fence`` is the one that the venue's wire asks, where that asks any. ``pulse`` is where the pulse is left: the data
    directory unless the journal is given. Raises LeaseLost (in a group) when another process has become the writer.

    The journal lies in ``settings.data_dir`` unless one is given. Raises ConfigError (no place for a journal, no limits
    for a live venue),
    JournalBusy and JournalError (held by another, another account's, unfinished brackets), VenueUnavailable and
    VenueRefused. A failure while running arrives in an exception group.
    """
    core = _Core(
        settings, venue, journal, clock or SystemClock(), chance or SystemChance(), halt_check, alarm_sinks, source
    )
    core.live_by(fence or Fence(), pulse)
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
        self,
        settings: EngineSettings,
        venue: Venue,
        journal: Journal | None,
        clock: Clock,
        chance: Chance,
        halt_check: HaltCheck | None,
        alarm_sinks: Sequence[AlarmSink],
        source: SettingsSource | None,
    ) -> None:
        self._alarm_sinks, self._source = alarm_sinks, source
        self._goodbye_s = GOODBYE_S if alarm_sinks else 0.0
        self._settings, self._venue, self._journal = settings, venue, journal
        self._clock, self._chance, self._halt_check = clock, chance, halt_check
        self.stop = trio.Event()

    def live_by(self, fence: Fence, pulse: PulseSlot | None) -> None:
        """Take the fence, and the place of the pulse; without one it lies beside a journal of our own."""
        data_dir = self._settings.data_dir
        if pulse is None and self._journal is None and data_dir is not None:
            pulse = FileSlot(data_dir / PULSE_FILE)
        self._fence, self._vital_signs = fence, VitalSigns(fence, pulse)

    async def run(self, task_status: trio.TaskStatus[Engine | EngineError]) -> None:
        """Open all services, report the engine (or why there is none), and shut down in order after ``stop``."""
        running = False
        with trio.CancelScope() as scope:
            try:
                async with self._open() as engine:
                    scope.shield = running = True
                    task_status.started(engine)
                    await self.stop.wait()
                    if self._settings.on_stop == "flatten":
                        await engine.flatten()
                    await engine.shut_down(
                        self._settings.shutdown_bound_s - LAST_ANSWERS_S - LINK_CLOSE_S - self._goodbye_s
                    )
            except EngineError as error:
                if running:
                    raise
                task_status.started(error)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Engine]:
        """Nest what must die last outermost: alarms, journal, link, senders and bus, brackets with their orders."""
        alarms = AlarmDesk(SteadyClock(self._clock), self._settings.alarms)

        def lost(sink: str, why: str) -> None:
            alarms.occurred("ALARMS_LOST", sink, why)

        async with open_outboxes(self._alarm_sinks, self._settings.alarms.tell_from, lost) as outboxes:
            alarms.sinks.extend(one.put for one in outboxes)
            async with self._open_on_journal(alarms, outboxes) as engine:
                yield engine

    @asynccontextmanager
    async def _open_on_journal(self, alarms: AlarmDesk, outboxes: tuple[Outbox, ...]) -> AsyncIterator[Engine]:
        if self._venue.identity.mode == "live" and self._settings.limits.judges_nothing:
            raise ConfigError("no limits are set: a live venue is traded on only within limits, see config/limits.toml")
        desk, market, market_bus = OrderDesk(), MarketDesk(), MarketBus()
        gate = EntryGate()
        balances = BalanceDesk(SteadyClock(self._clock))
        sink = Sink(desk, market, gate, market_bus, balances)
        engine: Engine | None = None
        with self._open_journal() as journal:
            halt_if_corrupt(journal, self._clock)
            counting = Counting.of(journal)
            left = load_unfinished(journal, self._settings.policy, counting)
            earlier = earlier_requests(journal)
            metrics = Metrics(journal, SteadyClock(self._clock))
            async with (
                self._vital_signs.last_word(),
                self._venue.open(sink) as link,
                _ending_entries(link, lambda: engine, alarms),
                _watching_loop(metrics, journal),
                trio.open_nursery() as service_nursery,
            ):
                link.remember(earlier)
                data = MarketData(link, market_bus, self._settings.market)
                services = self._services(
                    journal,
                    desk,
                    market,
                    data,
                    link,
                    service_nursery,
                    sink,
                    gate,
                    balances,
                    alarms,
                    outboxes,
                    metrics,
                    counting.leftovers.copy(),
                )
                data.begin()
                self._vital_signs.begin(services, service_nursery)
                dead_man = DeadManSwitch(journal, link, desk, services.clock, alarms, self._settings.dead_man_s)
                services.sender.make_way = dead_man.make_way
                poll = PollTask(self._settings, desk, link, lambda: sink.stream_up)
                service_nursery.start_soon(services.bus.run, name="bus")
                service_nursery.start_soon(poll.run, name="poll/orders")
                service_nursery.start_soon(Investigator(self._settings, desk, link).run, name="poll/unknown")
                service_nursery.start_soon(services.money_bus.run, name="money/bus")
                snapshots = Snapshots(journal, counting, services.clock, self._settings.snapshot_rows)
                keeper = JournalKeeper(journal, lambda: services.sender.in_flight > 0, snapshots=snapshots)
                service_nursery.start_soon(keeper.run, name="journal/keeper")
                async with trio.open_nursery() as bracket_nursery:
                    engine = Engine(services, bracket_nursery, left, self._source)
                    watch = AlarmWatch(services, engine.brackets)
                    journal.taps.append(watch.heard)
                    resumption = Resumption(services, engine.brackets, left)
                    services.halt_watch.look()  # before anything resumes: a halt file may lie there already
                    engine.enforce_halt()
                    engine.resume_closes()  # its brackets are latched before they are let act
                    service_nursery.start_soon(services.halt_watch.run, name="halt/watch")
                    service_nursery.start_soon(watch.run, name="alarms/watch")
                    service_nursery.start_soon(services.money.run, name="money/watch")
                    service_nursery.start_soon(services.margin.run, name="margin/watch")
                    service_nursery.start_soon(services.charges.run, name="charges/watch")
                    strays = Strays(services, engine.brackets)
                    await dead_man.begin()
                    await resumption.run(strays)
                    if dead_man.has_work:
                        service_nursery.start_soon(dead_man.run, name="dead_man")
                    bracket_nursery.start_soon(strays.run, name="strays")
                    if journal.footing.snapshot is not None:
                        service_nursery.start_soon(snapshots.prove, services.trading, name="journal/proof")
                    yield engine
                    bracket_nursery.cancel_scope.cancel("the engine has shut down")
                await services.sender.drain(LAST_ANSWERS_S)
                await dead_man.end()
                services.money.keep()
                await services.money_bus.flush()
                services.money_bus.close()
                await services.bus.flush()
                services.bus.close()
                market_bus.close()
                alarms.close()
                service_nursery.cancel_scope.cancel("the engine has shut down")

    @contextmanager
    def _open_journal(self) -> Iterator[Journal]:
        if self._journal is not None:
            self._journal.find_footing()
            with believing(self._journal, self._clock):
                yield self._journal
            return
        if self._settings.data_dir is None:
            raise ConfigError("open_engine needs settings.data_dir or a journal")
        path = self._settings.data_dir / JOURNAL_FILE
        identity, durability = self._venue.identity, self._settings.durability
        with (
            self._hold_key(identity.account, self._settings.data_dir),
            open_sound_journal(path, identity, self._clock, durability=durability) as journal,
            believing(journal, self._clock),
        ):
            yield journal

    @contextmanager
    def _hold_key(self, account: str, data_dir: Path) -> Iterator[None]:
        if self._settings.lease_dir is None:
            yield
            return
        self._settings.lease_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._settings.lease_dir / f"{account}.lock"
        with hold_lease(lock, what=f"API key {account}", data_dir=data_dir, now_ns=self._clock.now_ns()):
            yield

    def _services(
        self,
        journal: Journal,
        desk: OrderDesk,
        market: MarketDesk,
        data: MarketData,
        link: VenueLink,
        sender_nursery: trio.Nursery,
        sink: Sink,
        gate: EntryGate,
        balances: BalanceDesk,
        alarms: AlarmDesk,
        outboxes: tuple[Outbox, ...],
        metrics: Metrics,
        leftovers: Leftovers,
    ) -> Services:
        steady = SteadyClock(self._clock)
        journal.taps = [metrics.take, leftovers.heard]
        journal.on_synced = metrics.sync.observe
        breaker = Breaker(self._settings.breaker_failures, self._settings.breaker_rest_s)
        journal.on_slow = lambda seconds: alarms.occurred("JOURNAL_SLOW", "journal", f"a sync took {seconds:.3f} s")
        journal.on_stalled = lambda seconds: gate.close("JOURNAL_STALLED", f"a sync took {seconds:.1f} s")
        limits, trading = self._settings.limits, TradingDesk(journal, steady)
        accounts = AccountDesk(limits, journal, link, steady)
        money_bus = MoneyBus(journal, self._settings.subscriber_queue)
        lags = Lags(self._settings.visibility_lag_s, self._settings.visibility_lag_broken_s)
        margin = MarginDesk(self._settings.margin, lags, limits.currency, link, steady, accounts, money_bus)
        margin.on_change, margin.signal_of = market.wake_all, lambda order_id: _signal_of(journal, desk, order_id)
        risk = RiskDesk(limits, journal, link, steady, gate, trading, accounts, balances.spot, margin)
        charges = ChargeDesk(
            journal, link, steady, accounts, balances, margin, money_bus, lags, desk.name_of, lambda: sink.stream_up
        )
        bus = Bus(journal, self._settings.subscriber_queue)
        bus.on_posted = lambda report: metrics.posted(report, desk.framed_s.get(report.cl_ord_id))
        bus.on_published = metrics.published
        sender = Sender(journal, link, steady, breaker, risk, sender_nursery, self._settings.send_bound_s, self._fence)
        sender.on_written = metrics.written
        return Services(
            settings=self._settings,
            journal=journal,
            clock=steady,
            bus=bus,
            desk=desk,
            market=market,
            market_data=data,
            link=link,
            sender=sender,
            gate=gate,
            breaker=breaker,
            trading=trading,
            accounts=accounts,
            risk=risk,
            fence=self._fence,
            halt_watch=HaltWatch(
                trading,
                accounts,
                PositionBooks(accounts, link, wanted=limits.judges_losses),
                lambda: _away(link, stream_up=sink.stream_up),
                HaltFile(self._settings.data_dir),
                self._halt_check,
                limits.link_loss_halt_s,
            ),
            stream_up=lambda: sink.stream_up,
            id_stream=self._chance.stream("cl_ord_id"),
            pauses=self._chance.stream("pauses"),
            mark_key=self._venue.mark_key,
            former_mark_keys=self._venue.former_mark_keys,
            balances=balances.spot,
            balance_desk=balances,
            charges=charges,
            leftovers=leftovers,
            money=MoneyDesk(
                journal, link, steady, accounts, balances, money_bus, lambda: sink.stream_up, margin, charges
            ),
            margin=margin,
            money_bus=money_bus,
            alarms=alarms,
            outboxes=outboxes,
            metrics=metrics,
        )


def _signal_of(journal: Journal, desk: OrderDesk, order_id: str) -> str:
    """Return whose order the venue knows by this id, "" for none of ours."""
    name = desk.name_of(order_id)
    return (signal_of(journal, name) if name is not None else None) or ""


def _away(link: VenueLink, *, stream_up: bool) -> frozenset[str]:
    """Name the streams that are not complete: the private one by what the engine has heard, others by their state."""
    others = {one.name for one in link.links() if one.name != PRIVATE and one.state not in COMPLETE}
    return frozenset(others if stream_up else others | {PRIVATE})


@asynccontextmanager
async def _watching_loop(metrics: Metrics, journal: Journal) -> AsyncIterator[None]:
    with watching_loop(metrics, journal.stopwatch):
        yield


@asynccontextmanager
async def _ending_entries(
    link: VenueLink, engine: Callable[[], Engine | None], alarms: AlarmDesk
) -> AsyncIterator[None]:
    """When the journal fails, cancel our resting entries without it; stops stay, nothing new is sent."""
    try:
        yield
    except* JournalError as group:
        running = engine()
        entries = running.brackets.resting_entries() if running is not None else []
        alarms.occurred("JOURNAL_FAILED", "journal", _said_first(group))
        log.critical("journal.failed", error=_said_first(group), entries_to_cancel=len(entries))
        with trio.move_on_after(LAST_CANCELS_S, shield=True):
            for entry in entries:
                with contextlib.suppress(VenueError):
                    cancel = CancelOrder(entry.cl_ord_id, entry.order_id or "", entry.spec.symbol)
                    await link.cancel(await link.admit(Lane.EMERGENCY, cancel), cancel)
        raise


def _said_first(error: BaseException) -> str:
    """Return what the first error inside nested groups says."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
