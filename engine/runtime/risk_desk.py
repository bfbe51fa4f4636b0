"""The one path before the wire: every entry and every exit is judged here, by what stands at that moment.

It keeps what the checks need: what is in flight, balances, the rate of sends; positions and profit are the account
desk's. Entries are judged three times by the same checks: when their signal comes, when an attempt is decided, and when
the limiter has let it go; the last look counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec
import structlog

from engine.journal.journal import Journal
from engine.market.book import Book
from engine.orders.brackets import Bracket
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.events import OrderEvent
from engine.orders.signal import Signal
from engine.orders.view import OrderView
from engine.risk.checks import check_entry, check_instrument, check_validity
from engine.risk.denials import Denial
from engine.risk.entry_quantity import check_entry_quantity
from engine.risk.exit_checks import check_exit
from engine.risk.in_flight import InFlight, awaited, commitment_of
from engine.risk.limit_checks import breaches, check_limits
from engine.risk.limits import Limits
from engine.risk.situation import Candidate, Situation, Standing
from engine.risk.throttle import THROTTLE_ROW, Throttle, ThrottleEvent
from engine.runtime.account_desk import AccountDesk
from engine.runtime.entry_gate import EntryGate
from engine.runtime.trading_desk import TradingDesk
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Qty, Side, other_side
from engine.values.time import NS
from engine.venue.protocol import Balance, VenueLink

log = structlog.get_logger()


class RiskView(msgspec.Struct, frozen=True):
    """What the limits are measured by now. Money in ``currency``; losses are positive."""

    currency: str
    exposure: Decimal
    orders: int
    realized_today: Decimal
    unrealized: Decimal
    drawdown: Decimal
    throttled: tuple[ThrottleEvent, ...]


class RiskDesk:
    """Judges every request. Nothing here blocks; it is asked in the tick in which a request would go."""

    def __init__(
        self,
        limits: Limits,
        journal: Journal,
        link: VenueLink,
        clock: Clock,
        gate: EntryGate,
        trading: TradingDesk,
        accounts: AccountDesk,
        balances: Mapping[str, Balance],
    ) -> None:
        self._limits, self._journal, self._link, self._clock = limits, journal, link, clock
        self._gate, self._trading, self._accounts = gate, trading, accounts
        self._brackets: dict[str, Bracket] = {}
        self._born_ns: dict[str, int] = {}
        self._in_flight = InFlight()
        self._throttle = Throttle(limits.repeats_most, limits.repeats_window_s)
        self._throttle.replay(row.decode(ThrottleEvent) for row in journal.rows(kind=THROTTLE_ROW))
        self._sent: deque[tuple[int, str]] = deque(maxlen=limits.orders_per_second)
        self._balances = balances
        self._unsent: set[str] = set()  # signals whose entry is decided and has not left
        self._executed: set[str] = set()  # entries of living brackets that have filled at all

    # --- what it is told --------------------------------------------------------------------------------------------

    def open(self, bracket: Bracket, born_ns: int) -> None:
        """Count a bracket from the tick on in which it is accepted or resumed."""
        self._brackets[bracket.signal.signal_id], self._born_ns[bracket.signal.signal_id] = bracket, born_ns
        self.moved(bracket)

    def moved(self, bracket: Bracket) -> None:
        """Look again at what a bracket may still bring: it has learned or decided something."""
        if bracket.signal.signal_id in self._brackets:
            self._in_flight.put(bracket.signal.signal_id, commitment_of(bracket, self._facing(bracket)))
            (self._unsent.add if _is_unsent(bracket) else self._unsent.discard)(bracket.signal.signal_id)

    def close(self, bracket: Bracket) -> None:
        """Forget a bracket that has ended; its fills stay in the books."""
        signal_id = bracket.signal.signal_id
        self._brackets.pop(signal_id, None)
        self._born_ns.pop(signal_id, None)
        self._in_flight.drop(signal_id)
        self._unsent.discard(signal_id)
        self._executed.difference_update(bracket.orders)

    def learned(self, bracket: Bracket, view: OrderView, events: Iterable[OrderEvent]) -> None:
        """Book the fills of one order, and look whether the entries have come to more than the signal asked for."""
        for event in events:
            if event.fill is not None:
                self._accounts.book(bracket.signal, bracket.instrument, view.spec.side, event.fill, event.ts_ns)
        if view.role == "entry":
            if view.done_qty and view.cl_ord_id not in self._executed:
                self._executed.add(view.cl_ord_id)
                self._count_execution(bracket.signal, bracket.instrument.symbol)
            excess = check_entry_quantity(bracket)
            if excess is not None:
                self._trading.halt("ENTRY_OVERFILL", f"signal {bracket.signal.signal_id}: {excess.reason}")

    def rearm(self, strategy_id: str, reason: str) -> bool:
        """Let a strategy that was throttled go on. False when it was not."""
        event = self._throttle.rearm(strategy_id, reason, self._clock.now_ns())
        if event is not None:
            log.warning("throttle.rearmed", strategy=strategy_id, why=reason)
            self._journal.append(THROTTLE_ROW, event, ts_ns=event.ts_ns)
        return event is not None

    def _count_execution(self, signal: Signal, symbol: str) -> None:
        event = self._throttle.executed(signal.strategy_id, symbol, signal.side, self._clock.now_ns())
        if event is not None:
            log.error("throttle.tripped", strategy=event.strategy_id, symbol=symbol, side=event.side, why=event.reason)
            self._journal.append(THROTTLE_ROW, event, ts_ns=event.ts_ns)

    def _facing(self, bracket: Bracket) -> Decimal:
        """Return the price that an entry without a limit would take, zero when nobody knows it."""
        book = self._link.book(bracket.instrument.symbol)
        return (book.best(other_side(bracket.signal.side)) if book is not None else None) or ZERO

    def view(self) -> RiskView:
        """Return what the limits are measured by now."""
        accounts = self._accounts
        accounts.look(self._in_flight.symbols())
        symbols = {one.symbol for one in accounts.ledger.positions.values()} | set(self._in_flight.symbols())
        standings = (
            Standing(accounts.ledger.qty(one), self._in_flight.flow(one), accounts.values.get(one)) for one in symbols
        )
        return RiskView(
            currency=self._limits.currency,
            exposure=sum((one.exposure() for one in standings), ZERO),
            orders=self._in_flight.orders(),
            realized_today=accounts.realized_today(),
            unrealized=accounts.unrealized(),
            drawdown=accounts.drawdown(),
            throttled=self._throttle.tripped(),
        )

    # --- what it is asked -------------------------------------------------------------------------------------------

    def entry(self, signal: Signal, instrument: Instrument | None, book: Book | None) -> Denial | None:
        """Judge an entry by every check. ``instrument`` and ``book`` as the venue has them now."""
        denial = self.early(signal) or check_instrument(signal, instrument)
        if denial is not None or instrument is None:
            return denial
        if book is None or not book.usable:
            return Denial("BOOK_NOT_FRESH", f"no verified book of {signal.symbol}")
        denial = check_entry(signal, instrument, book)
        if denial is not None:
            return denial
        order = self._candidate(signal, instrument, book)
        return check_limits(order, self._situation(order, signal, instrument, book), self._limits)

    def early(self, signal: Signal) -> Denial | None:
        """Judge an entry by what needs no market: halt, throttle, validity. Its symbol is in our spelling."""
        return (
            self._gate.denial(signal.symbol)
            or self._trading.denial(signal.strategy_id, reduces=self.reduces(signal))
            or self._throttle.check(signal.strategy_id, signal.symbol, signal.side)
            or check_validity(signal, self._clock.now_ns())
        )

    def reduces(self, signal: Signal) -> bool:
        """Tell whether a signal's entry, with all else in flight on its side, leaves its strategy with less."""
        own, orders = self._counted(signal.signal_id), self._in_flight
        flow = orders.flow(signal.symbol, signal.strategy_id).on(signal.side)
        standing = Standing(self._accounts.ledger.qty(signal.symbol, signal.strategy_id))
        return not standing.worst(signal.side, flow - own[0] + max(own[0], signal.order_qty))

    def last_look(self, request: Request, view: OrderView, signal_id: str) -> Denial | None:
        """Judge a request that is about to be journalled and written. Cancels always pass.

        An entry that passes is counted as sent. Exits are denied by their four checks alone; a limit only warns.
        """
        bracket = self._brackets.get(signal_id)
        if isinstance(request, CancelOrder):
            return None
        if bracket is None:
            return Denial("NO_BRACKET", f"order {request.cl_ord_id} belongs to no living bracket")
        if view.role == "entry":
            return (
                self._last_amend(bracket, request, view)
                if isinstance(request, AmendOrder)
                else self._last_entry(bracket, view)
            )
        return self._last_exit(bracket, request, view)

    def still(self, request: Request, view: OrderView, signal_id: str) -> Denial | None:
        """Ask the latch alone once more, right before the bytes: it may have fallen while the row was synced."""
        bracket = self._brackets.get(signal_id)
        if view.role != "entry" or bracket is None or not isinstance(request, NewOrder):
            return None
        return self._trading.denial(bracket.signal.strategy_id, reduces=self.reduces(bracket.signal))

    def _last_entry(self, bracket: Bracket, view: OrderView) -> Denial | None:
        signal = bracket.signal
        excess = check_entry_quantity(bracket, view)
        if excess is not None:
            self._trading.halt("ENTRY_OVERFILL", f"signal {signal.signal_id}: {excess.reason}")
            return excess
        denial = self.entry(signal, self._link.instrument(signal.symbol), self._link.book(signal.symbol))
        if denial is None and self._limits.orders_per_second is not None:
            self._sent.append((self._clock.now_ns(), signal.signal_id))
        return denial

    def _last_amend(self, bracket: Bracket, request: AmendOrder, view: OrderView) -> Denial | None:
        """Judge a change of a resting entry by every check of entries, as if the changed rest were sent now."""
        left = Qty(request.order_qty - view.done_qty)
        changed = msgspec.structs.replace(view, most=left, order_qty=request.order_qty)
        denial = check_entry_quantity(bracket, changed)
        if denial is not None:
            return denial
        signal = msgspec.structs.replace(bracket.signal, limit_price=request.limit_price, order_qty=left)
        return self.entry(signal, self._link.instrument(signal.symbol), self._link.book(signal.symbol))

    def _last_exit(self, bracket: Bracket, request: NewOrder | AmendOrder, view: OrderView) -> Denial | None:
        denial = check_exit(bracket, request, view.spec.side, self._clock.now_ns())
        if denial is not None:
            log.error("exit.denied", cl_ord_id=view.cl_ord_id, code=denial.code, reason=denial.reason)
        elif isinstance(request, NewOrder):
            self._warn(bracket, request, view)
        return denial

    def _warn(self, bracket: Bracket, request: NewOrder, view: OrderView) -> None:
        """Tell which limits an exit breaks. It goes all the same."""
        book = self._link.book(request.symbol)
        if book is None:
            return
        price = request.limit_price or request.trigger_price or book.best(other_side(request.side)) or ZERO
        order = Candidate(
            symbol=request.symbol,
            strategy_id=bracket.signal.strategy_id,
            side=request.side,
            qty=request.order_qty,
            price=price,
            limit_price=request.limit_price,
            born_ns=self._born_ns.get(bracket.signal.signal_id, 0),
        )
        if request.trigger_price is not None:
            order = msgspec.structs.replace(order, limit_price=request.trigger_price)
        situation = self._situation(order, bracket.signal, bracket.instrument, book)
        for denial in breaches(order, situation, self._limits):
            log.warning("exit.warned", cl_ord_id=view.cl_ord_id, code=denial.code, reason=denial.reason)

    # --- what the checks see ----------------------------------------------------------------------------------------

    def _candidate(self, signal: Signal, instrument: Instrument, book: Book) -> Candidate:
        facing = book.best(other_side(signal.side)) or ZERO
        price = signal.limit_price or signal.trigger_price or facing
        if signal.side == "sell":
            price = max(price, facing)  # it trades at the bid, or higher
        return Candidate(
            symbol=instrument.symbol,
            strategy_id=signal.strategy_id,
            side=signal.side,
            qty=instrument.lots(signal.order_qty),
            price=price,
            limit_price=signal.limit_price,
            born_ns=self._born_ns.get(signal.signal_id, self._clock.now_ns()),
        )

    def _situation(self, order: Candidate, signal: Signal, instrument: Instrument, book: Book) -> Situation:
        now_ns, strategy_id = self._clock.now_ns(), signal.strategy_id
        accounts, rate = self._accounts, self._limits.rate(instrument)
        accounts.ledger.turn(now_ns)
        accounts.look(self._in_flight.symbols())
        mine = self._counted(signal.signal_id)
        all_losses, own_losses = accounts.losses(), accounts.losses(strategy_id)
        return Situation(
            now_ns=now_ns,
            instrument=instrument,
            book=book,
            rate=rate,
            standings=self._standings(order, None, mine[0], rate),
            own=self._standings(order, strategy_id, mine[0], rate),
            orders=self._in_flight.orders() - mine[2],
            own_orders=self._in_flight.orders(strategy_id) - mine[2],
            sent_lately=self._sent_lately(now_ns, signal.signal_id),
            realized_loss=all_losses.realized,
            loss=all_losses.total,
            own_realized_loss=own_losses.realized,
            own_loss=own_losses.total,
            drawdown=accounts.drawdown(),
            free=self._free(instrument, order.side, mine),
        )

    def _counted(self, signal_id: str) -> tuple[Decimal, Decimal, int]:
        """Return what one entry of this bracket is already counted with: quantity, cost, orders. Zero when it is not.

        What its other attempts may still bring stays in the sums.
        """
        known, bracket = self._in_flight.without(signal_id), self._brackets.get(signal_id)
        if known is None or bracket is None or not known.qty:
            return ZERO, ZERO, 0
        qty = min(known.qty, bracket.instrument.lots(bracket.signal.order_qty))
        cost = known.cost if qty == known.qty else known.cost * qty / known.qty
        return qty, cost, min(1, known.orders)

    def _standings(
        self, order: Candidate, strategy_id: str | None, mine: Decimal, rate: Decimal | None
    ) -> dict[str, Standing]:
        held = (
            one.symbol for one in self._accounts.ledger.positions.values() if strategy_id in (None, one.strategy_id)
        )
        found = {}
        for symbol in {order.symbol: None} | dict.fromkeys(held) | dict.fromkeys(self._in_flight.symbols(strategy_id)):
            flow, value = self._in_flight.flow(symbol, strategy_id), self._accounts.values.get(symbol)
            if symbol == order.symbol:
                name = "buying" if order.side == "buy" else "selling"
                flow = msgspec.structs.replace(flow, **{name: flow.on(order.side) - mine})
                value = max(value or ZERO, order.price * rate) if rate is not None else None
            found[symbol] = Standing(self._accounts.ledger.qty(symbol, strategy_id), flow, value)
        return found

    def _free(self, instrument: Instrument, side: Side, mine: tuple[Decimal, Decimal, int]) -> Decimal | None:
        """Return what no order of ours may take of the asset an entry pays with."""
        asset = instrument.quote if side == "buy" else instrument.base
        balance = self._balances.get(asset)
        if balance is None:
            return ZERO if self._balances else None  # the venue tells every asset there is
        bound = self._in_flight.bound(asset) - (mine[1] if side == "buy" else mine[0])
        return balance.total - max(bound, balance.hold or ZERO)

    def _sent_lately(self, now_ns: int, signal_id: str) -> int:
        """Count entries sent within the last second, and those accepted and not yet sent."""
        if self._limits.orders_per_second is None:
            return 0
        sent = [name for at, name in self._sent if now_ns - at < NS]
        return len(sent) + len(self._unsent) - len(self._unsent.intersection((signal_id, *sent)))


def _is_unsent(bracket: Bracket) -> bool:
    entries = [one for one in bracket.orders.values() if one.role == "entry"]
    return awaited(bracket, entries) or any(one.state == "new" for one in entries)
