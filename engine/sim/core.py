"""The exchange without its wires: commands in, events out, everything synchronous.

A command either raises Refused and has changed nothing, or has happened completely: matches, stops fired by its prints,
balances, events. No await inside means that no task ever sees half a command.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from engine.seams.clock import Clock
from engine.sim import admission, errors
from engine.sim.accounts import Account
from engine.sim.errors import Refused
from engine.sim.events import Event, MarketMoved, OrderReport, PublicTrade, StatusChanged
from engine.sim.execution import Execution
from engine.sim.ids import Ids
from engine.sim.instruments import PairSpec
from engine.sim.market_state import Market
from engine.sim.orders import AmendRecord, NewOrder, Side, SimOrder, SimTrade
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
        self._fired: deque[SimOrder] = deque()
        self.settlement = Settlement(settings, ids, self.emit)
        self._execution = Execution(self)

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

    def add(self, account: Account, new: NewOrder) -> SimOrder | None:
        """Check and take a new order; None when it only asked for validation. Raises Refused."""
        self.now_ns = self.clock.now_ns()
        market = self.market(new.symbol)
        if not account.unlimited:
            admission.check_mode(self.status, new)
        admission.check_shape(new, self.now_ns)
        admission.check_client_ids(new, account, self.settings)
        reference = None if account.unlimited else market.reference_price(new.side)
        admission.check_amounts(new, market.pair, reference)
        admission.check_room(account, market.pair, self.settings)
        order = self._make(account, new, market.pair)
        self._check_funds(order, account, market)
        admission.check_deadline(new.deadline_ns, self.now_ns)
        self._check_entry(order, market)
        if new.validate:
            return None
        self._accept(order, account, market)
        self._finish()
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
        amend_id = self._note_amend(order, "user")
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
            self._execution.enter(order, market)
        elif order.is_armed and is_due(order, market.tape.last_price):
            self._already_due(order, market)
        self._finish()
        return amend_id

    def cancel(self, order: SimOrder, reason: str | None = None) -> None:
        """Cancel an open order. Raises Refused when the venue is in maintenance."""
        self.now_ns = self.clock.now_ns()
        if self.status == "maintenance" and order.account != HOUSE:
            raise Refused(errors.UNAVAILABLE)
        self.end(order, "canceled", self.settings.reason_user if reason is None else reason)
        self._finish()

    def expire_due(self) -> int | None:
        """End the GTD orders whose time has come; return when the next one ends."""
        self.now_ns = self.clock.now_ns()
        waiting: list[int] = []
        for account in list(self.accounts.values()):
            for order in [o for o in account.open.values() if o.expire_ns is not None]:
                expire_ns = order.expire_ns or 0
                if expire_ns <= self.now_ns:
                    self.end(order, "expired", self.settings.reason_expired)
                else:
                    waiting.append(expire_ns)
        self._finish()
        return min(waiting, default=None)

    def print_trade(self, symbol: str, price: Decimal, qty: Decimal, side: Side) -> None:
        """Print a trade that touches no order: the last price moves and triggers look at it."""
        self.now_ns = self.clock.now_ns()
        self.printed(self.market(symbol), price, qty, side, "market")
        self._finish()

    # --- parts that the execution uses

    def printed(self, market: Market, price: Decimal, qty: Decimal, side: Side, ord_type: str) -> int:
        """Write a trade on the tape, collect the orders it fires, return its number."""
        trade_id = market.tape.next_trade_id()
        trade = PublicTrade(market.pair.symbol, side, price, qty, ord_type, trade_id, self.now_ns)
        market.tape.print(trade)
        market.traded = True
        self._fired.extend(market.triggers.fired_by(price))
        self.emit(trade)
        return trade_id

    def end(self, order: SimOrder, status: str, reason: str | None = None) -> None:
        """Close an order as filled, canceled or expired, wherever it is."""
        market = self.markets[order.symbol]
        market.book.drop(order)
        market.triggers.disarm(order)
        order.status, order.reason, order.closed_ns = status, reason, self.now_ns
        self.accounts[order.account].ended(order)
        self.report(order, status)

    # --- inside

    def _make(self, account: Account, new: NewOrder, pair: PairSpec) -> SimOrder:
        return SimOrder(
            order_id=self.ids.order(),
            account=account.name,
            symbol=new.symbol,
            side=new.side,
            order_type=new.order_type,
            order_qty=new.order_qty,
            fee_asset=pair.base if new.fee_in_base else pair.quote,
            opened_ns=self.now_ns,
            limit_price=new.limit_price,
            trigger_price=new.trigger_price,
            time_in_force=new.time_in_force,
            expire_ns=new.expire_ns,
            post_only=new.post_only,
            fee_in_base=new.fee_in_base,
            stp=new.stp,
            cl_ord_id=new.cl_ord_id,
            userref=new.userref,
            owner=new.owner,
        )

    def _check_funds(self, order: SimOrder, account: Account, market: Market) -> None:
        if order.order_type == "market" or (order.triggered and order.limit_price is None):
            need = self.settlement.market_need(order, market.pair, market.book)
        else:
            need = self.settlement.hold_of(order, market.pair)
        account.require(*need, besides=order.order_id)

    def _check_entry(self, order: SimOrder, market: Market) -> None:
        if self.settings.post_only_manner == "refuse" and self._would_take(order, market):
            raise Refused(errors.POST_ONLY_ORDER)
        if self.settings.would_trigger_immediately == "refuse" and is_due(order, market.tape.last_price):
            raise Refused(self.settings.error_would_trigger)

    def _would_take(self, order: SimOrder, market: Market) -> bool:
        return order.post_only and market.book.crosses(order.side, order.limit_price)

    def _accept(self, order: SimOrder, account: Account, market: Market) -> None:
        account.opened(order)
        if not account.unlimited:
            self.orders[order.order_id] = order
        self._note_amend(order, "original")
        if order.order_type != "market":
            account.hold(order.order_id, *self.settlement.hold_of(order, market.pair))
        self.report(order, "pending_new")
        if self._would_take(order, market):
            self.end(order, "canceled", self.settings.reason_post_only)
        elif order.is_armed and is_due(order, market.tape.last_price):
            self._already_due(order, market)
        else:
            order.status = "new"
            self.report(order, "new")
            if order.is_armed:
                market.triggers.arm(order)
            else:
                self._execution.enter(order, market)

    def _already_due(self, order: SimOrder, market: Market) -> None:
        if self.settings.would_trigger_immediately != "fire":
            self.end(order, "canceled", self.settings.reason_would_trigger)
            return
        if order.status == "pending_new":
            order.status = "new"
            self.report(order, "new")
        market.triggers.disarm(order)
        self._fired.append(order)

    def _activate(self, order: SimOrder) -> None:
        """Let a fired order enter the book as a market or limit order, at the back, with its id."""
        market, account = self.markets[order.symbol], self.accounts[order.account]
        order.triggered, order.last_at_trigger = True, market.tape.last_price
        self.report(order, self.settings.trigger_exec_type)
        try:
            self._check_funds(order, account, market)
        except Refused:
            self.end(order, "canceled", self.settings.reason_funds)
            return
        account.hold(order.order_id, *self.settlement.hold_of(order, market.pair))
        self._execution.enter(order, market)

    def _note_amend(self, order: SimOrder, amend_type: str) -> str:
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

    def _finish(self) -> None:
        """Fire what this command's prints have fired, then tell which markets moved."""
        while self._fired:
            order = self._fired.popleft()
            if order.is_open:
                self._activate(order)
        for market in self.markets.values():
            book, traded = market.book.changed, market.traded
            if book or traded:
                market.book.changed = market.traded = False
                best = book and market.best_moved()
                self.emit(MarketMoved(market.pair.symbol, book, best, traded, self.now_ns))
