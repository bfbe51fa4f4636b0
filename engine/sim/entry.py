"""How an order comes into the market: its checks, its acceptance, and the firing of a stop (protocol section 11.1)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from engine.sim import admission, errors
from engine.sim.accounts import Account
from engine.sim.errors import Refused
from engine.sim.instruments import PairSpec
from engine.sim.market_state import Market
from engine.sim.orders import NewOrder, SimOrder
from engine.sim.triggers import is_due

if TYPE_CHECKING:
    from engine.sim.core import Core

_FRESH_CANCEL = Decimal(8)  # what the cancel of a new order costs


class Entry:
    """The admitting half of the core."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def check_request(self, account: Account, new: NewOrder) -> Market:
        """Check everything that depends on the request alone, not on funds or the book. Raises Refused."""
        core = self._core
        market = core.market(new.symbol)
        if not account.unlimited:
            admission.check_mode(core.status, new)
        admission.check_shape(new, core.now_ns)
        admission.check_client_ids(new, account, core.settings)
        reference = None if account.unlimited else market.reference_price(new.side)
        admission.check_amounts(new, market.pair, reference)
        return market

    def admit(self, account: Account, new: NewOrder) -> SimOrder:
        """Return the order of a request that passes every check. Raises Refused."""
        core = self._core
        market = self.check_request(account, new)
        admission.check_room(account, market.pair, core.settings)
        core.rates.pay(account, new.symbol, core.now_ns)
        order = self.make(account, new, market.pair)
        self._check_funds(order, account, market)
        admission.check_deadline(new.deadline_ns, core.now_ns)
        self._check_entry(order, market)
        return order

    def make(self, account: Account, new: NewOrder, pair: PairSpec) -> SimOrder:
        """Return the order of a request, with a new id."""
        return SimOrder(
            order_id=self._core.ids.order(),
            account=account.name,
            symbol=new.symbol,
            side=new.side,
            order_type=new.order_type,
            order_qty=new.order_qty,
            fee_asset=pair.base if new.fee_in_base else pair.quote,
            opened_ns=self._core.now_ns,
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

    def accept(self, order: SimOrder, account: Account) -> None:
        """Take an admitted order and let it enter."""
        core = self._core
        market = core.markets[order.symbol]
        account.opened(order)
        if not account.unlimited:
            core.orders[order.order_id] = order
        core.note_amend(order, "original")
        if order.order_type != "market":
            account.hold(order.order_id, *core.settlement.hold_of(order, market.pair))
        core.report(order, "pending_new")
        if self._would_take(order, market):
            if core.settings.post_only_cancel_is_charged:
                core.rates.charge(account.name, order.symbol, core.now_ns, _FRESH_CANCEL)
            core.end(order, "canceled", core.settings.reason_post_only)
        elif order.is_armed and is_due(order, market.tape.last_price):
            self.already_due(order, market)
        else:
            order.status = "new"
            core.report(order, "new")
            if order.is_armed:
                self.arm(order, market)
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

    def activate(self, order: SimOrder) -> None:
        """Let a fired order enter the book as a market or limit order, at the back, with its id."""
        core = self._core
        market, account = core.markets[order.symbol], core.accounts[order.account]
        order.triggered, order.last_at_trigger = True, market.tape.last_price
        core.report(order, core.settings.trigger_exec_type)
        try:
            self._check_funds(order, account, market)
        except Refused:
            core.end(order, "canceled", core.settings.reason_funds)
            return
        account.hold(order.order_id, *core.settlement.hold_of(order, market.pair))
        core.execution.enter(order, market)

    def _check_funds(self, order: SimOrder, account: Account, market: Market) -> None:
        settlement = self._core.settlement
        if order.order_type == "market" or (order.triggered and order.limit_price is None):
            need = settlement.market_need(order, market.pair, market.book)
        else:
            need = settlement.hold_of(order, market.pair)
        account.require(*need, besides=order.order_id)

    def _check_entry(self, order: SimOrder, market: Market) -> None:
        settings = self._core.settings
        if settings.post_only_manner == "refuse" and self._would_take(order, market):
            raise Refused(errors.POST_ONLY_ORDER)
        if settings.would_trigger_immediately == "refuse" and is_due(order, market.tape.last_price):
            raise Refused(settings.error_would_trigger)

    @staticmethod
    def _would_take(order: SimOrder, market: Market) -> bool:
        return order.post_only and market.book.crosses(order.side, order.limit_price)
