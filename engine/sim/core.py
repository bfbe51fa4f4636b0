"""The exchange without its wires: commands in, events out, everything synchronous.

A command either raises Refused and has changed nothing, or has happened completely: matches, stops fired by its prints,
balances, events. No await inside means that no task ever sees half a command.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from engine.seams.clock import Clock
from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.entry import Entry
from engine.sim.errors import Refused
from engine.sim.events import CommandDone, Event, MarketMoved, OrderReport, PublicTrade, StatusChanged
from engine.sim.execution import Execution
from engine.sim.ids import Ids
from engine.sim.market_state import Market
from engine.sim.orders import AmendRecord, NewOrder, Side, SimOrder, SimTrade
from engine.sim.rates import EngineRates
from engine.sim.settings import SimSettings
from engine.sim.settlement import Settlement
from engine.sim.triggers import is_due

Listener = Callable[[Event], None]
HOUSE = "house"


class Core:
    """Accounts, markets, orders. ``orders`` and ``trades`` keep all of the clients'; the house's are dropped."""

    def __init__(self, settings: SimSettings, clock: Clock, ids: Ids, accounts: list[Account]) -> None:
        self.settings, self.clock, self.ids = settings, clock, ids
        self.status = "online"
        self.accounts = {account.name: account for account in accounts}
        self.house = self.accounts[HOUSE] = Account(HOUSE, {}, unlimited=True)
        self.markets = {pair.symbol: Market(pair) for pair in settings.pairs}
        self.orders: dict[str, SimOrder] = {}
        self.trades: list[SimTrade] = []
        self.now_ns = 0  # the moment of the running command: all its events carry it
        self._listeners: dict[int, Listener] = {}
        self.fired: deque[SimOrder] = deque()
        self.settlement = Settlement(settings, ids, self.emit)
        self.rates = EngineRates(settings)
        self.dead_man: dict[str, int] = {}  # account -> when everything of it is canceled
        self.execution = Execution(self)
        self.entry = Entry(self)
        self._depth = 0

    # --- events

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` for each event until the returned function is called."""
        key = max(self._listeners, default=0) + 1
        self._listeners[key] = listener
        return lambda: self._listeners.pop(key, None) and None

    def emit(self, event: Event) -> None:
        """Tell every listener."""
        for listener in list(self._listeners.values()):
            listener(event)

    def report(self, order: SimOrder, exec_type: str, trade: SimTrade | None = None) -> None:
        """Tell what happened to an order."""
        self.emit(OrderReport(order, exec_type, self.now_ns, trade))

    def set_status(self, status: str) -> None:
        """Enter a mode: ``online``, ``cancel_only``, ``post_only`` or ``maintenance``."""
        self.status = status
        self.emit(StatusChanged(status))

    # --- commands

    def market(self, symbol: str) -> Market:
        """Return the market of a v2 symbol. Raises Refused."""
        market = self.markets.get(symbol)
        if market is None:
            raise Refused(errors.UNKNOWN_PAIR)
        return market

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one command of several: it is done, and durable, when the block ends."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self._done()

    def add(self, account: Account, new: NewOrder) -> SimOrder | None:
        """Check and take a new order; None when it only asked for validation. Raises Refused."""
        self.now_ns = self.clock.now_ns()
        order = self.entry.admit(account, new)
        if new.validate:
            return None
        self.entry.accept(order, account)
        self.finish()
        return order

    def amend(self, account: Account, order: SimOrder, changed: SimOrder) -> str:
        """Change an open order to what ``changed`` says, by the queue rules of section 11.6. Returns the amend id.

        ``changed`` is a checked copy (see amending.py). Raises Refused.
        """
        market = self.market(order.symbol)
        shrunk_only = changed.limit_price == order.limit_price and changed.order_qty <= order.order_qty
        ends = changed.order_qty <= order.cum_qty
        before = order.leaves_qty
        order.order_qty = max(changed.order_qty, order.cum_qty)
        order.limit_price, order.trigger_price = changed.limit_price, changed.trigger_price
        order.post_only, order.amended, order.amended_ns = changed.post_only, True, self.now_ns
        amend_id = self.note_amend(order, "user")
        if not ends:
            account.hold(order.order_id, *self.settlement.hold_of(order, market.pair))
        resting = market.book.rests(order)
        if resting and shrunk_only:
            market.book.shrink(order, before - order.leaves_qty)
        elif resting:
            market.book.drop(order)
        self.report(order, "amended")
        if ends:
            self.end(order, "canceled", self.settings.reason_user)
        elif resting and not shrunk_only:
            self.execution.enter(order, market)
        elif order.is_armed and is_due(order, market.tape.last_price):
            self.entry.already_due(order, market)
        self.finish()
        return amend_id

    def cancel(self, order: SimOrder, reason: str | None = None) -> None:
        """Cancel an open order. Raises Refused when the venue is in maintenance."""
        self.now_ns = self.clock.now_ns()
        if self.status == "maintenance" and order.account != HOUSE:
            raise Refused(errors.UNAVAILABLE)
        self.end(order, "canceled", self.settings.reason_user if reason is None else reason)
        self.finish()

    def expire_due(self) -> int | None:
        """End the GTD orders whose time has come, and all of whom a dead man's switch names; return the next time."""
        self.now_ns = self.clock.now_ns()
        waiting: list[int] = self._dead_man_due()
        for account in list(self.accounts.values()):
            for order in [o for o in account.open.values() if o.expire_ns is not None]:
                expire_ns = order.expire_ns or 0
                if expire_ns <= self.now_ns:
                    self.end(order, "expired", self.settings.reason_expired)
                else:
                    waiting.append(expire_ns)
        self.finish()
        return min(waiting, default=None)

    def _dead_man_due(self) -> list[int]:
        for name, at_ns in list(self.dead_man.items()):
            if at_ns <= self.now_ns:
                del self.dead_man[name]
                for order in list(self.accounts[name].open.values()):
                    self.end(order, "canceled", self.settings.reason_dead_man)
        return list(self.dead_man.values())

    def print_trade(self, symbol: str, price: Decimal, qty: Decimal, side: Side) -> None:
        """Print a trade that touches no order: the last price moves and triggers look at it."""
        self.now_ns = self.clock.now_ns()
        self.printed(self.market(symbol), price, qty, side, "market")
        self.finish()

    # --- parts that the execution uses

    def printed(self, market: Market, price: Decimal, qty: Decimal, side: Side, ord_type: str) -> int:
        """Write a trade on the tape, collect the orders it fires, return its number."""
        trade_id = market.tape.next_trade_id()
        trade = PublicTrade(market.pair.symbol, side, price, qty, ord_type, trade_id, self.now_ns)
        market.tape.print(trade)
        market.traded = True
        self.fired.extend(market.triggers.fired_by(price))
        self.emit(trade)
        return trade_id

    def end(self, order: SimOrder, status: str, reason: str | None = None) -> None:
        """Close an order as filled, canceled or expired, wherever it is."""
        market = self.markets[order.symbol]
        market.book.drop(order)
        market.triggers.disarm(order)
        order.status, order.reason, order.closed_ns = status, reason, self.now_ns
        self._closed(order)
        self.report(order, status)

    # --- inside

    def _closed(self, order: SimOrder) -> None:
        account, keep = self.accounts[order.account], self.settings.keep_closed
        account.ended(order)
        if keep is not None and not account.unlimited:
            for order_id in account.forget(keep):
                del self.orders[order_id]
            if len(self.trades) > 20 * keep:
                del self.trades[: -10 * keep]

    def note_amend(self, order: SimOrder, amend_type: str) -> str:
        """Add the order's present state to its list of amends and return the amend id."""
        if order.account == HOUSE:
            return ""
        record = AmendRecord(
            amend_id=self.ids.amend(),
            amend_type=amend_type,
            order_qty=order.order_qty,
            remaining_qty=order.leaves_qty,
            limit_price=order.limit_price,
            trigger_price=order.trigger_price,
            post_only=order.post_only,
            ts_ns=self.now_ns,
        )
        order.amends.append(record)
        return record.amend_id

    def finish(self) -> None:
        """Fire what this command's prints have fired, tell which markets moved, and that the command is done."""
        while self.fired:
            order = self.fired.popleft()
            if order.is_open:
                self.entry.activate(order)
        for market in self.markets.values():
            book, traded = market.book.changed, market.traded
            if book or traded:
                market.book.changed = market.traded = False
                best = book and market.best_moved()
                self.emit(MarketMoved(market.pair.symbol, book, best, traded, self.now_ns))
        self._done()

    def _done(self) -> None:
        if not self._depth:
            self.emit(CommandDone(self.now_ns))
