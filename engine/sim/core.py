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
from engine.sim.closes import Closes
from engine.sim.entry import Entry
from engine.sim.errors import Refused
from engine.sim.events import CommandDone, Event, MarketMoved, OrderReport, PublicTrade, StatusChanged
from engine.sim.execution import Execution
from engine.sim.ids import Ids
from engine.sim.lending import Lending
from engine.sim.margin import Margin
from engine.sim.market_state import HALTED, PAIR_STATUSES, Market
from engine.sim.numbers import ZERO
from engine.sim.orders import AmendRecord, NewOrder, Side, SimOrder, SimTrade
from engine.sim.rates import EngineRates
from engine.sim.settings import SimSettings
from engine.sim.settlement import Settlement

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
        self.settlement = Settlement(settings, ids, self.emit, self.in_usd)
        self.rates = EngineRates(settings)
        self.dead_man: dict[str, int] = {}  # account -> when everything of it is canceled
        self.execution = Execution(self)
        self.entry = Entry(self)
        self.closes = Closes(self)
        self.margin = Margin(self)
        self.lending = Lending(self)
        self._depth = 0
        self._gathers = False
        for account in accounts:
            self.open_ledger(account)

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
        self._resume()

    def set_pair_status(self, symbol: str, status: str) -> None:
        """Put one pair in a mode of its own (PAIR_STATUSES). Raises Refused for an unknown pair or mode."""
        market = self.market(symbol)
        if status not in PAIR_STATUSES:
            raise errors.invalid("status")
        market.status = status
        self.emit(StatusChanged(status, symbol))
        self._resume()

    def is_halted(self, market: Market) -> bool:
        """Tell whether nothing matches on a market, by the venue's mode or its own."""
        return self.status in HALTED or market.status in HALTED

    def _resume(self) -> None:
        """Do on every market that is open what the time and the reference prices have asked for meanwhile."""
        self.now_ns = self.clock.now_ns()
        for market in self.markets.values():
            if not self.is_halted(market):
                self.entry.look(market)
        self.expire_due()

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

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Make one command of several and one move of the markets: what they set off happens when the block ends."""
        self._gathers = True
        try:
            yield
        finally:
            self._gathers = False
            self.finish()

    def add(self, account: Account, new: NewOrder) -> SimOrder | None:
        """Check and take a new order; None when it only asked for validation. Raises Refused."""
        self.now_ns = self.clock.now_ns()
        order = self.entry.admit(account, new)
        if new.validate:
            return None
        self.entry.accept(order, account)
        self.finish()
        return order

    def cancel(self, order: SimOrder, reason: str | None = None) -> None:
        """Cancel an open order. Raises Refused when the venue is in maintenance."""
        self.now_ns = self.clock.now_ns()
        if order.account != HOUSE:
            self.check_cancel(self.markets[order.symbol])
        self.end(order, "canceled", self.settings.reason_user if reason is None else reason)
        self.finish()

    def check_cancel(self, market: Market) -> None:
        """Refuse a client's cancel in maintenance, of the venue or of the pair alone. Raises Refused."""
        if "maintenance" in (self.status, market.status):
            raise Refused(errors.UNAVAILABLE)

    def expire_due(self) -> int | None:
        """Do what the time asks for: end GTD orders, let scheduled ones enter, fire dead man's switches, charge
        rollovers; return the next such time.
        """
        self.now_ns = self.clock.now_ns()
        waiting: list[int] = [*self._dead_man_due(), *self._effective_due(), *self.lending.rollovers_due()]
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

    def _effective_due(self) -> list[int]:
        waiting = [o for a in self.accounts.values() for o in a.open.values() if o.is_scheduled]
        scheduled = [order for order in waiting if not self.is_halted(self.markets[order.symbol])]
        for order in scheduled:
            if (order.effective_ns or 0) <= self.now_ns:
                self.entry.begin(order)
        return [order.effective_ns or 0 for order in scheduled if order.is_scheduled]

    def set_index(self, symbol: str, price: Decimal | None) -> None:
        """Tell a market's index price; None when its source has fallen silent. Triggers look at once."""
        self.now_ns = self.clock.now_ns()
        market = self.market(symbol)
        market.index_price, market.has_index = price, True
        if not self.is_halted(market):
            self.entry.look(market)
        self.finish()

    def print_trade(self, symbol: str, price: Decimal, qty: Decimal, side: Side) -> None:
        """Print a trade that touches no order: the last price moves and triggers look at it."""
        self.now_ns = self.clock.now_ns()
        self.printed(self.market(symbol), price, qty, side, "market")
        self.finish()

    def open_ledger(self, account: Account) -> None:
        """Begin an account's ledger with a deposit for each balance it has, so that its rows add up to the balances."""
        now_ns = self.clock.now_ns()
        for asset, amount in account.balances.items():
            if amount:
                self.settlement.book(account, asset, amount, ZERO, self.ids.deposit(), now_ns, "deposit")

    def pay_in(self, account: Account, asset: str, amount: Decimal) -> None:
        """Deposit (or, below zero, withdraw) from outside the exchange. Raises Refused beyond what is free."""
        self.now_ns = self.clock.now_ns()
        if amount < 0:
            account.require(asset, -amount)
        self.settlement.pay_in(account, asset, amount, self.now_ns)
        self.finish()

    def in_usd(self, asset: str, amount: Decimal) -> Decimal:
        """Value an amount by the last price of its USD pair; what has none is worth nothing."""
        if asset == "USD":
            return amount
        market = self.markets.get(f"{asset}/USD")
        return amount * ((market.tape.last_price if market is not None else None) or ZERO)

    # --- parts that the execution uses

    def printed(self, market: Market, price: Decimal, qty: Decimal, side: Side, ord_type: str) -> int:
        """Write a trade on the tape, collect the orders it fires, return its number."""
        trade_id = market.tape.next_trade_id()
        stamp = market.tape.stamp(self.now_ns)
        trade = PublicTrade(market.pair.symbol, side, price, qty, ord_type, trade_id, stamp)
        market.tape.print(trade)
        market.traded = True
        self.entry.look(market)
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
            if len(self.trades) > 4 * keep:
                del self.trades[: -2 * keep]

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
            display_qty=order.display_qty,
        )
        order.amends.append(record)
        return record.amend_id

    def finish(self) -> None:
        """Do what this command has set off: orders fired or created by its fills, positions liquidated; then tell
        which markets moved, and that the command is done.
        """
        if self._gathers:
            return
        while self.closes.create() or self._fire() or self.margin.enforce():
            pass
        for market in self.markets.values():
            book, traded = market.book.changed, market.traded
            if book or traded:
                market.traded = False
                best = book and market.best_moved()
                if best:
                    market.note_spread(self.now_ns)
                self.emit(MarketMoved(market.pair.symbol, book, best, traded, self.now_ns))
                market.book.settle()
        self._done()

    def _fire(self) -> bool:
        if not self.fired:
            return False
        order = self.fired.popleft()
        if order.is_open:
            self.entry.activate(order)
        return True

    def _done(self) -> None:
        if not self._depth:
            self.emit(CommandDone(self.now_ns))
