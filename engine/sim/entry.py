"""How an order comes into the market: its checks, its acceptance, and the firing of a stop (protocol section 11.1)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from engine.sim import admission, errors
from engine.sim.accounts import Account
from engine.sim.amounts import completed
from engine.sim.errors import Refused
from engine.sim.instruments import PairSpec
from engine.sim.market_state import Market
from engine.sim.numbers import ZERO
from engine.sim.offsets import Offset
from engine.sim.orders import NewOrder, SimOrder
from engine.sim.pricing import Prices, priced
from engine.sim.triggers import is_due, set_trail

if TYPE_CHECKING:
    from engine.sim.core import Core

_FRESH_CANCEL = Decimal(8)  # what the cancel of a new order costs


class Entry:
    """The admitting half of the core."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def check_request(self, account: Account, new: NewOrder) -> tuple[NewOrder, Prices]:
        """Check everything that depends on the request alone, not on funds or the book; return the request with its
        quantity filled in, and its prices. Raises Refused.
        """
        core = self._core
        market = core.market(new.symbol)
        if not account.unlimited:
            admission.check_mode(core.status, post_only=new.post_only)
            admission.check_pair_mode(market.status, new, post_only=new.post_only)
        admission.check_shape(new, core.now_ns)
        admission.check_client_ids(new, account, core.settings)
        if new.trigger_reference == "index" and not market.has_index:
            raise Refused(errors.INDEX_UNAVAILABLE)
        prices = priced(new, market)
        reference = market.reference_price(new.side)
        new = completed(new, account, market.pair, reference)
        admission.check_amounts(new, prices, market.pair, None if account.unlimited else reference)
        core.margin.check_leverage(new, market.pair)
        return new, prices

    def admit(self, account: Account, new: NewOrder, replaced: SimOrder | None = None) -> SimOrder:
        """Return the order of a request that passes every check; the place and the hold of an order that it is to
        replace count as free. Raises Refused.
        """
        core = self._core
        market = core.market(new.symbol)
        new, prices = self.check_request(account, new)
        if replaced is None:
            admission.check_room(account, market.pair, core.settings)
        core.rates.pay(account, new.symbol, core.now_ns)
        order = self.make(account, new, market.pair, prices)
        self._check_means(order, account, market, order if replaced is None else replaced)
        admission.check_deadline(new.deadline_ns, core.now_ns)
        if not order.is_scheduled:
            self._check_entry(order, market)
        return order

    def make(self, account: Account, new: NewOrder, pair: PairSpec, prices: Prices) -> SimOrder:
        """Return the order of a request, with a new id."""
        by_habit = self._core.settings.buys_pay_fees_in_base and new.side == "buy" and new.leverage is None
        in_base = new.fee_in_base or by_habit
        return SimOrder(
            order_id=self._core.ids.order(),
            account=account.name,
            symbol=new.symbol,
            side=new.side,
            order_type=new.order_type,
            order_qty=new.order_qty,
            fee_asset=pair.base if in_base else pair.quote,
            opened_ns=self._core.now_ns,
            limit_price=prices.limit,
            trigger_price=prices.trigger,
            peak_price=prices.peak,
            limit_offset=new.limit_price if isinstance(new.limit_price, Offset) else None,
            trigger_offset=new.trigger_price if isinstance(new.trigger_price, Offset) else None,
            trigger_reference=new.trigger_reference,
            time_in_force=new.time_in_force,
            expire_ns=new.expire_ns,
            effective_ns=new.effective_ns,
            post_only=new.post_only,
            fee_in_base=in_base,
            stp=new.stp,
            cl_ord_id=new.cl_ord_id,
            userref=new.userref,
            owner=new.owner,
            display_qty=new.display_qty,
            shown_qty=new.display_qty or ZERO,
            cash_order_qty=new.cash_order_qty,
            close=new.close,
            leverage=new.leverage,
            reduce_only=new.reduce_only,
            sender_sub_id=new.sender_sub_id,
        )

    def accept(self, order: SimOrder, account: Account) -> None:
        """Take an admitted order and let it enter, unless it waits for its effective time."""
        self.take(order, account)
        if not order.is_scheduled:
            self._begin(order, self._core.markets[order.symbol])

    def take(self, order: SimOrder, account: Account) -> None:
        """Remember an order, set aside what it needs, and tell of it."""
        core = self._core
        account.opened(order)
        if not account.unlimited:
            core.orders[order.order_id] = order
        core.note_amend(order, "original")
        self.hold(order, account)
        core.report(order, "pending_new")

    def hold(self, order: SimOrder, account: Account) -> None:
        """Set aside what is needed for the rest of an open order; a market order needs it only while it takes."""
        if order.order_type not in ("market", "settle-position"):
            pair = self._core.markets[order.symbol].pair
            account.hold(order.order_id, *self._core.settlement.hold_of(order, pair))

    def begin(self, order: SimOrder) -> None:
        """Let an order whose effective time has come enter; what has no means by now is canceled."""
        market = self._core.markets[order.symbol]
        price = market.trigger_reference(order.trigger_reference)
        if order.trails and price is not None:
            order.peak_price = price
            set_trail(order, market.pair.tick)
        if self._goes_on(order):
            self._begin(order, market)

    def _begin(self, order: SimOrder, market: Market) -> None:
        core = self._core
        if self._would_take(order, market):
            if core.settings.post_only_cancel_is_charged:
                core.rates.charge(order.account, order.symbol, core.now_ns, _FRESH_CANCEL)
            core.end(order, "canceled", core.settings.reason_post_only)
        elif order.is_armed and is_due(order, market.trigger_reference(order.trigger_reference)):
            self.already_due(order, market)
        else:
            order.status = "new"
            core.report(order, "new")
            if order.is_armed:
                self.arm(order, market)
            elif order.order_type == "settle-position":
                core.lending.settle(order)
            else:
                core.execution.enter(order, market)

    def arm(self, order: SimOrder, market: Market) -> None:
        """Let a stop or take-profit wait for its price."""
        market.book.places += 1
        order.place = market.book.places
        market.triggers.arm(order)

    def already_due(self, order: SimOrder, market: Market) -> None:
        """Fire or cancel an order whose trigger price has been reached before it could wait."""
        core = self._core
        if core.settings.would_trigger_immediately != "fire":
            core.end(order, "canceled", core.settings.reason_would_trigger)
            return
        if order.status == "pending_new":
            order.status = "new"
            core.report(order, "new")
        market.triggers.disarm(order)
        core.fired.append(order)

    def look(self, market: Market) -> None:
        """Show the armed orders the present reference prices: some follow, some fire at the end of the command."""
        core = self._core
        moved, fired = market.triggers.look(market.trigger_reference, market.pair.tick)
        for order in moved:
            self.hold(order, core.accounts[order.account])
            core.report(order, "status")
        core.fired.extend(fired)

    def look_again(self, order: SimOrder, market: Market) -> None:
        """Judge an armed order whose trigger has been amended by the present reference price."""
        if is_due(order, market.trigger_reference(order.trigger_reference)):
            self.already_due(order, market)

    def activate(self, order: SimOrder) -> None:
        """Let a fired order enter the book as a market or limit order, at the back, with its id."""
        core = self._core
        market, account = core.markets[order.symbol], core.accounts[order.account]
        order.triggered, order.last_at_trigger = True, market.trigger_reference(order.trigger_reference)
        core.report(order, core.settings.trigger_exec_type)
        if order.reduce_only and not core.margin.closable(order):
            core.end(order, "canceled", core.settings.reason_reduce_only)
        elif self._goes_on(order):
            self.hold(order, account)
            core.execution.enter(order, market)

    def can_pay(self, order: SimOrder) -> bool:
        """Tell whether the account has the funds, or the free margin, for an order."""
        try:
            self._check_means(order, self._core.accounts[order.account], self._core.markets[order.symbol], order)
        except Refused:
            return False
        return True

    def _goes_on(self, order: SimOrder) -> bool:
        if self.can_pay(order):
            return True
        settings = self._core.settings
        self._core.end(order, "canceled", settings.reason_funds if order.leverage is None else settings.reason_margin)
        return False

    def _check_means(self, order: SimOrder, account: Account, market: Market, instead_of: SimOrder) -> None:
        settlement = self._core.settlement
        if order.order_type == "settle-position":  # its funds are judged when it settles
            if not self._core.margin.closable(order):
                raise Refused(errors.UNKNOWN_POSITION)
            return
        if order.leverage is not None:
            self._core.margin.check(order, account, market)
            return
        if order.order_type == "market" or (order.triggered and order.limit_price is None):
            need = settlement.market_need(order, market.pair, market.book)
        else:
            need = settlement.hold_of(order, market.pair)
        account.require(*need, besides=instead_of.order_id)

    def _check_entry(self, order: SimOrder, market: Market) -> None:
        settings = self._core.settings
        if settings.post_only_manner == "refuse" and self._would_take(order, market):
            raise Refused(errors.POST_ONLY_ORDER)
        due = is_due(order, market.trigger_reference(order.trigger_reference))
        if settings.would_trigger_immediately == "refuse" and due:
            raise Refused(settings.error_would_trigger)

    @staticmethod
    def _would_take(order: SimOrder, market: Market) -> bool:
        return order.post_only and market.book.crosses(order.side, order.limit_price)
