"""The words scenarios are told in: a market, our signals, time, and what both sides know in the end.

Every story ends with ``settled_truth``: whatever was told, the engine's memory and the exchange's must agree.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

import trio

from engine.chaos.world import World, open_world
from engine.journal.opening import seeded_journal
from engine.journal.reader import JournalReader
from engine.net.wire import Connection
from engine.orders.events import ExecutionReport, OrderEvent
from engine.orders.order import Order
from engine.orders.replay import Closed, Intent, Opened, Requested, rebuild_orders
from engine.orders.signal import Signal, parse_signal
from engine.runtime.bus import reports_from
from engine.runtime.engine import Engine
from engine.runtime.history import facts_of
from engine.runtime.intake import Submitted
from engine.runtime.settings import EngineSettings
from engine.seams.clock import VirtualClock
from engine.sim import SimOrder, SimSettings
from engine.sim.events import Event
from engine.sim.events import OrderReport as SimReport

BTC, ETH = "BTC/USD", "ETH/USD"
Side = Literal["buy", "sell"]
TICK_S = 0.005
"""How often ``until`` looks: half of the virtual wire's latency."""


def d(text: str) -> Decimal:
    """Spell a Decimal shortly."""
    return Decimal(text)


@dataclass(frozen=True)
class Moment:
    """One order as the exchange had it right after one of its events."""

    ts_ns: int
    order_id: str
    cl_ord_id: str
    side: Side
    leaves: Decimal
    cum: Decimal
    base_fee: Decimal


class Witness:
    """Writes down every step of every client order on the exchange, so that the past can be judged too."""

    def __init__(self, world: World) -> None:
        self.moments: list[Moment] = []
        self._pairs = {pair.symbol: pair for pair in world.exchange.settings.pairs}
        world.exchange._venue.core.listen(self._see)

    def _see(self, event: Event) -> None:
        if not isinstance(event, SimReport) or event.order.account != "client":
            return
        order = event.order
        base_fee = order.fee if order.fee_asset == self._pairs[order.symbol].base else Decimal(0)
        self.moments.append(
            Moment(
                event.ts_ns,
                order.order_id,
                order.cl_ord_id or "",
                order.side,
                order.leaves_qty,
                order.cum_qty,
                base_fee,
            )
        )


@dataclass(frozen=True)
class Standing:
    """What one signal held and had resting at one time, by the exchange's truth."""

    ts_ns: int
    position: Decimal
    exits: Decimal
    stops: Decimal


class Case:
    """One signal of the story and everything that came of it."""

    def __init__(self, story: Story, signal: Signal, submitted: Submitted) -> None:
        self._story, self.signal, self.submitted = story, signal, submitted
        self.signal_id = signal.signal_id

    # --- as the engine knows it

    def orders(self, role: str) -> list[Order]:
        """Our orders of one role, as the journal tells them, oldest first."""
        facts = facts_of(self._story.journal, signal_id=self.signal_id)
        return [order for order in rebuild_orders(facts).values() if order.role == role]

    def entry(self) -> Order:
        """The one entry."""
        (entry,) = self.orders("entry")
        return entry

    def entry_is(self, state: str) -> bool:
        """The entry exists and stands in this state."""
        return [order.state for order in self.orders("entry")] == [state]

    def stops(self) -> list[Order]:
        """All stops, ended ones too."""
        return self.orders("stop")

    def targets(self) -> list[Order]:
        """All targets."""
        return self.orders("target")

    def closes(self) -> list[Order]:
        """All market closes."""
        return self.orders("close")

    @property
    def phase(self) -> str:
        """Where the bracket stands: ``active()`` while it lives, the journal's last word after."""
        for view in [] if self._story._ended else self._story.engine.active():
            if view.signal.signal_id == self.signal_id:
                return view.state
        return self.walk()[-1] if self.walk() else "none"

    def walk(self) -> list[str]:
        """The states the bracket was moved to, by the journal."""
        rows = self._story.journal.rows(signal_id=self.signal_id, kind="bracket")
        return [body["to_state"] for row in rows if (body := json.loads(row.body))["move"]]

    def alarms(self) -> list[str]:
        """Alarms of the bracket and of its orders."""
        rows = self._story.journal.rows(signal_id=self.signal_id)
        found = [json.loads(row.body).get("alarm", "") for row in rows if row.kind in ("bracket", "order")]
        return [alarm for alarm in found if alarm]

    @property
    def closed(self) -> Closed | None:
        """The newest closing row, None while the bracket lives."""
        rows = list(self._story.journal.rows(signal_id=self.signal_id, kind="closed"))
        return rows[-1].decode(Closed) if rows else None

    @property
    def outcome(self) -> str:
        """How it ended ("" while it lives)."""
        return self.closed.outcome if self.closed else ""

    # --- as the exchange knows it

    def resting(self, role: str = "") -> list[SimOrder]:
        """Our orders open on the exchange."""
        return [order for order in self.sent(role) if order.is_open]

    def sent(self, role: str = "") -> list[SimOrder]:
        """Our orders the exchange ever took."""
        roles, names = self._story.roles(), self._story.names()
        mine = {cl for cl, (signal_id, its) in roles.items() if signal_id == self.signal_id and role in ("", its)}
        orders = self._story.truth.orders.values()
        return [order for order in orders if (order.cl_ord_id or names.get(order.order_id)) in mine]

    def covered(self, qty: str) -> bool:
        """Exactly ``qty`` rests as stops on the exchange, and the engine calls the bracket covered."""
        return self.phase == "covered" and sum(o.leaves_qty for o in self.resting("stop")) == d(qty)

    def longest_bare_s(self) -> float:
        """Longest time for which held quantity had no stop on the exchange (dust does not count)."""
        longest, since = 0, None
        for standing in self._story.standings(self.signal_id):
            bare = standing.position - standing.stops >= d("0.00005")
            if since is not None:
                longest = max(longest, standing.ts_ns - since)
            since = (since or standing.ts_ns) if bare else None
        return longest / 1e9


class Story:
    """One world, told step by step. ``house`` is the rest of the market, ``truth`` is the exchange's memory."""

    def __init__(self, world: World, reader_nursery: trio.Nursery) -> None:
        self.world, self.reader_nursery = world, reader_nursery
        self.house, self.truth = world.exchange.house, world.exchange.truth
        self.reports: list[ExecutionReport] = []
        self.cases: list[Case] = []
        self.witness = Witness(world)
        self.may_exceed = False
        """Set where a target's end is not known within the swap's bound: then the stop goes back first."""
        self.leaves_entries = False
        """Set where the venue is out of reach at the end, so that nothing can be taken back."""
        self._signals = 0
        self._ended: JournalReader | None = None
        self._carried: dict[str, str] = {}
        self._roles: tuple[tuple[int, str], dict[str, tuple[str, str]]] | None = None
        """With the head they were read at: ``until`` asks every few milliseconds, and rows come seldom."""
        self._names: tuple[tuple[int, str], dict[str, str]] | None = None
        world.wire.observers.append(self._note_channel)

    @property
    def engine(self) -> Engine:
        """The engine that runs now."""
        return self.world.engine

    @property
    def journal(self) -> JournalReader:
        """The journal, also after the engine has let go of it."""
        return self._ended or self.world.journal

    def end(self, journal: JournalReader) -> None:
        """Go on with this copy of the journal, for the engine has ended."""
        self._ended = journal

    # --- the market

    def market(self, bid: str = "49990", ask: str = "50010", qty: str = "1", symbol: str = BTC) -> None:
        """Replace all the house's quotes by three levels on each side."""
        self.house.clear(symbol)
        for level in range(3):
            self.house.quote(symbol, "buy", d(bid) - level, d(qty))
            self.house.quote(symbol, "sell", d(ask) + level, d(qty))

    def bid(self, price: str, qty: str, symbol: str = BTC) -> str:
        """Let somebody buy."""
        return self.house.quote(symbol, "buy", d(price), d(qty))

    def ask(self, price: str, qty: str, symbol: str = BTC) -> str:
        """Let somebody sell."""
        return self.house.quote(symbol, "sell", d(price), d(qty))

    def print(self, price: str, qty: str = "0.001", symbol: str = BTC) -> None:
        """Print a lone trade."""
        self.house.print_trade(symbol, d(price), d(qty))

    # --- ours

    def signal(
        self,
        *,
        side: Side = "buy",
        qty: str = "0.02",
        limit: str | None = "50000",
        stop: str | None = "49000",
        stop_limit: str | None = None,
        target: str | None = "51000",
        symbol: str = BTC,
        signal_id: str | None = None,
        **members: Any,
    ) -> Signal:
        """Write a signal; ``limit=None`` is a market entry."""
        self._signals += 1
        loss = None if stop is None else {"trigger_price": stop} | ({"limit_price": stop_limit} if stop_limit else {})
        text: dict[str, Any] = {
            "signal_id": signal_id or f"00000000-0000-4000-8000-{self._signals:012d}",
            "symbol": symbol,
            "side": side,
            "order_type": "limit" if limit else "market",
            "order_qty": qty,
            "limit_price": limit,
            "stop_loss": loss,
            "take_profit": {"price": target} if target else None,
        }
        return parse_signal(json.dumps(text | members))

    async def submit(self, **members: Any) -> Case:
        """Hand a signal in (members as in ``signal``)."""
        return await self.hand_in(self.signal(**members))

    async def hand_in(self, signal: Signal) -> Case:
        """Hand this very signal in."""
        case = Case(self, signal, await self.engine.submit(signal))
        self.cases.append(case)
        return case

    async def bought(self, qty: str = "0.02", **members: Any) -> Case:
        """Begin where many stories begin: a filled limit entry whose stop rests."""
        case = await self.submit(qty=qty, **members)
        await self.until(lambda: bool(case.resting("entry")))
        side = case.signal.side
        self.house.quote(case.signal.symbol, "sell" if side == "buy" else "buy", case.signal.limit_price, d(qty))
        await self.until(lambda: case.covered(qty))
        return case

    # --- time

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await trio.sleep(seconds)

    async def until(self, holds: Callable[[], Any], within_s: float = 30, every_s: float = TICK_S) -> None:
        """Go on as soon as it holds; fail with the tale so far when it does not in time."""
        end_s = trio.current_time() + within_s
        while not holds():
            assert trio.current_time() < end_s, f"not within {within_s} s\n{self.tale()}"
            await trio.sleep(every_s)

    async def ended(self, *cases: Case, within_s: float = 30) -> None:
        """Wait until these brackets have ended. Each look reads the journal: one every tenth of a second is enough."""
        await self.until(lambda: all(case.outcome for case in cases), within_s, every_s=0.1)

    # --- what both sides know

    def roles(self) -> dict[str, tuple[str, str]]:
        """Signal and role of every order the journal intended, by cl_ord_id."""
        if self._roles is None or self._roles[0] != self.journal.head:
            rows = self.journal.rows(kind="intent")
            told = {row.cl_ord_id: (row.signal_id, row.decode(Intent).role) for row in rows}
            self._roles = self.journal.head, told
        return self._roles[1]

    def names(self) -> dict[str, str]:
        """Our names of orders that the exchange knows by its own id alone, by that id."""
        if self._names is None or self._names[0] != self.journal.head:
            rows = self.journal.rows(kind="order")
            told = ((event.order_id, row.cl_ord_id) for row in rows if (event := row.decode(OrderEvent)).order_id)
            self._names = self.journal.head, {order_id: name for order_id, name in told if order_id is not None}
        return self._names[1]

    def of(self, case: Case, exec_type: str, role: str = "") -> list[ExecutionReport]:
        """Reports of one kind on one signal."""
        mine = [r for r in self.reports if r.signal_id == case.signal_id]
        return [r for r in mine if r.exec_type == exec_type and role in ("", r.role)]

    def standings(self, signal_id: str) -> list[Standing]:
        """Position and live exits of a signal after each event on the exchange, one per moment."""
        roles, names = self.roles(), self.names()
        now: dict[str, Moment] = {}
        out: list[Standing] = []
        entry_side = next(c.signal.side for c in self.cases if c.signal_id == signal_id)
        sign = 1 if entry_side == "buy" else -1
        for moment in self.witness.moments:
            name = moment.cl_ord_id or names.get(moment.order_id, "")
            if roles.get(name, ("", ""))[0] != signal_id:
                continue
            now[moment.order_id] = replace(moment, cl_ord_id=name)
            held = sum(m.cum if m.side == entry_side else -m.cum for m in now.values())
            held -= sign * sum(m.base_fee for m in now.values())
            exits = [m for m in now.values() if m.side != entry_side and roles[m.cl_ord_id][1] != "entry"]
            stops = [m for m in exits if roles[m.cl_ord_id][1] == "stop"]
            standing = Standing(moment.ts_ns, held, sum(m.leaves for m in exits), sum(m.leaves for m in stops))
            out.append(standing)
        return out

    def stands(self, code: str) -> list[str]:
        """Subjects of the alarms of this code that stand now."""
        return [one.subject for one in self.engine.alarms.alarms() if one.code == code and one.standing]

    def tale(self) -> str:
        """What happened, for a failing test."""
        lines = [f"seed {self.world.seed!r}"]
        start_ns = VirtualClock().epoch_ns
        lines += [
            f"{(r.ts_ns - start_ns) / 1e9:9.3f} {r.signal_id[-4:]} {r.role:6} {r.exec_type:14} {r.ord_status:14} "
            f"{r.cum_qty}/{r.order_qty} {r.reason} {r.alarm}"
            for r in self.reports[-80:]
        ]
        lines += [f"{case.signal_id[-4:]}: {case.phase} {case.walk()} {case.closed}" for case in self.cases]
        lines += [
            f"open on the exchange: {o.order_type} {o.side} {o.leaves_qty} of {o.order_qty} "
            f"limit {o.limit_price} trigger {o.trigger_price} {o.cl_ord_id}"
            for o in self.truth.orders.values()
            if o.is_open
        ]
        return "\n".join(lines)

    # --- what goes wrong

    def connection(self, channel: str) -> Connection:
        """The newest connection that carried this channel: ``instrument`` is the public one, ``executions`` ours."""
        name = self._carried[channel]
        return next(c for c in self.world.wire.connections if c.name == name)

    def _note_channel(self, end: str, data: bytes) -> None:
        for channel in ("instrument", "executions"):
            if end.endswith("/server") and f'"channel":"{channel}"'.encode() in data:
                self._carried[channel] = end.removesuffix("/server")

    def fill_late(self, order: SimOrder, qty: str, price: str) -> None:
        """Let the exchange report a trade of an order that has ended: it was matched first and told last."""
        core, status = self.world.exchange._venue.core, order.status
        market, account = core.markets[order.symbol], core.accounts[order.account]
        core.now_ns = core.clock.now_ns()
        match = (d(price), d(qty), "m", market.tape.next_trade_id(), core.now_ns)
        trade = core.settlement.fill(order, account, market.pair, match)
        order.status = status
        account.trades.append(trade)
        core.trades.append(trade)
        core.report(order, "trade", trade)

    def take_fees_in_base(self) -> None:
        """Charge our buys in the base asset, as an account does whose fee preference says so."""
        core = self.world.exchange._venue.core

        def prefer(event: Event) -> None:
            if isinstance(event, SimReport) and event.exec_type == "pending_new" and event.order.account == "client":
                order = event.order
                order.fee_in_base = order.side == "buy"
                order.fee_asset = core.markets[order.symbol].pair.base if order.fee_in_base else order.fee_asset

        core.listen(prefer)

    async def hear(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Collect every execution report until the engine ends, from the last one heard on."""
        task_status.started()
        async for report in self.engine.reports(after=self.reports[-1].offset if self.reports else 0):
            self.reports.append(report)

    async def boot(self) -> None:
        """Start the next engine on this disk and listen to it."""
        await self.world.boot()
        await self.reader_nursery.start(self.hear)


@asynccontextmanager
async def open_story(
    seed: int | str = 1,
    *,
    sim: SimSettings | None = None,
    settings: EngineSettings | None = None,
    latency_s: float = 0.01,
    limit_s: float = 4 * 3600,
    **venue_changes: Any,
) -> AsyncIterator[Story]:
    """Tell one story in a fresh world on virtual time, then hold the engine and the exchange against each other."""
    with plainly(), trio.fail_after(limit_s):
        async with trio.open_nursery() as reader_nursery:  # noqa: SIM117 - the world is spoken of after its end
            async with open_world(seed, sim=sim, settings=settings, latency_s=latency_s, **venue_changes) as world:
                story = Story(world, reader_nursery)
                await reader_nursery.start(story.hear)
                world.exchange.set_status("online")  # no news, but it shows which connection is the public one
                await trio.sleep(5 * latency_s)
                yield story
        story.end(seeded_journal(world.disk, world.journal.identity, world.clock))  # open for the test's asserts
    settled_truth(story)


@contextmanager
def plainly() -> Iterator[None]:
    """Let a lone failure out of the nurseries it passed, so that a test shows what failed, not where it went."""
    lone: BaseException | None = None
    try:
        yield
    except BaseExceptionGroup as group:
        lone = group
        while isinstance(lone, BaseExceptionGroup) and len(lone.exceptions) == 1:
            lone = lone.exceptions[0]
    if lone is not None:
        raise lone from None


def settled_truth(story: Story) -> None:
    """Hold the engine's memory against the exchange's. Runs when the engine has ended."""
    orders = rebuild_orders(facts_of(story.journal))
    story.journal.verify()
    _one_order_per_id(story)
    _fills_agree(story, orders)
    _reports_agree(story, orders)
    _requests_were_journalled(story)
    _exits_never_exceeded(story)
    _nothing_rests_unwatched(story)


def _one_order_per_id(story: Story) -> None:
    taken = Counter(order.cl_ord_id for order in story.truth.orders.values() if order.cl_ord_id is not None)
    assert [cl for cl, n in taken.items() if n > 1] == [], "two orders with one cl_ord_id"
    assert set(taken) <= set(story.roles()), "the exchange has an order the journal never intended"


def _fills_agree(story: Story, orders: dict[str, Order]) -> None:
    rows = story.journal.rows(kind="order")
    booked = Counter(event.fill.exec_id for row in rows if (event := row.decode(OrderEvent)).fill)
    assert [e for e, n in booked.items() if n > 1] == [], "a fill was booked twice"
    names = story.names()
    ours = [trade for trade in story.truth.trades if (trade.cl_ord_id or names.get(trade.order_id)) in orders]
    assert set(booked) == {trade.exec_id for trade in ours}, f"fills differ from the exchange's\n{story.tale()}"
    for cl_ord_id, order in orders.items():
        mine = [trade for trade in ours if (trade.cl_ord_id or names.get(trade.order_id)) == cl_ord_id]
        fees: dict[str, Decimal] = defaultdict(Decimal)
        for trade in mine:
            fees[trade.fee_asset] += trade.fee
        assert order.cum_qty == sum(trade.qty for trade in mine)
        assert order.fills.cum_cost == sum(trade.cost for trade in mine)
        assert {asset: fee for asset, fee in order.fills.fees.items() if fee} == {a: f for a, f in fees.items() if f}
    for case in story.cases:
        standings = story.standings(case.signal_id)
        if case.closed and case.submitted.status == "accepted":
            held = standings[-1].position if standings else Decimal(0)
            sign = 1 if case.signal.side == "buy" else -1
            assert case.closed.net_qty == sign * held, f"net quantity differs\n{story.tale()}"


def _reports_agree(story: Story, orders: dict[str, Order]) -> None:
    told = list(reports_from(story.journal, 0))
    assert [r.offset for r in story.reports] == [r.offset for r in told], "a report was lost, doubled or out of order"
    for published, again in zip(story.reports, told, strict=True):
        assert published == again, f"a report reads otherwise folded again:\n{published}\n{again}"
    # a signal that was denied has a report and no order
    last: dict[str, ExecutionReport] = {report.cl_ord_id: report for report in story.reports if report.cl_ord_id}
    for cl_ord_id, report in last.items():
        order = orders[cl_ord_id]
        assert (report.ord_status, report.cum_qty, report.avg_px) == (order.state, order.cum_qty, order.fills.avg_px)
        assert (report.order_id, report.order_qty) == (order.order_id, order.order_qty)
        venue = story.truth.orders.get(order.order_id or "")
        if venue is not None and order.state == "settled":
            assert not venue.is_open, f"settled here, open there: {venue}"


_METHODS = {
    "add_order": "new",
    "AddOrder": "new",
    "amend_order": "amend",
    "AmendOrder": "amend",
    "cancel_order": "cancel",
    "CancelOrder": "cancel",
    "batch_cancel": "cancel",
    "CancelOrderBatch": "cancel",
}


def _requests_were_journalled(story: Story) -> None:
    rows = list(story.journal.rows(kind="request"))
    noted = [(row.ts_ns, row.decode(Requested).request) for row in rows]
    arrived: Counter[str] = Counter()
    for ts_ns, _, method, cl_ord_id in story.truth.requests:
        if method == "CancelAllOrdersAfter":
            continue  # names no order; the switch has rows of its own
        kind = _METHODS[method]
        arrived[kind] += 1
        before = [r for noted_ns, r in noted if noted_ns < ts_ns and r.__struct_config__.tag == kind]
        assert len(before) >= arrived[kind], f"a {method} reached the exchange that no row announced"
        if kind == "new":
            assert any(r.cl_ord_id == cl_ord_id for r in before)


def _exits_never_exceeded(story: Story) -> None:
    if story.may_exceed:
        return
    for case in story.cases:
        for standing in story.standings(case.signal_id):
            assert standing.exits <= max(standing.position, Decimal(0)), f"{standing}\n{story.tale()}"


def _nothing_rests_unwatched(story: Story) -> None:
    roles = story.roles()
    opened = {row.signal_id for row in story.journal.rows(kind="signal") if row.decode(Opened)}
    alive = opened - {row.signal_id for row in story.journal.rows(kind="closed")}
    for order in story.truth.orders.values():
        if order.is_open and order.cl_ord_id is not None:
            signal_id, role = roles[order.cl_ord_id]
            assert signal_id in alive, f"rests although its bracket has ended: {order}"
            assert role == "stop" or story.leaves_entries, f"the engine has ended and left a live {role}: {order}"
