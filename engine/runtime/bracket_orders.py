"""A bracket's orders: decided, given a scope of their own, and told what the plan wants of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import trio

from engine.orders.brackets import Bracket
from engine.orders.commands import NewOrder
from engine.orders.events import Role
from engine.orders.order import Order
from engine.orders.replay import rebuild_orders
from engine.orders.reports import OrderReport
from engine.orders.specs import close_order, stop_order, target_order
from engine.orders.steps import (
    AmendStop,
    CancelExit,
    ExitStep,
    PlaceClose,
    PlaceStop,
    PlaceTarget,
    Step,
    WithdrawChange,
)
from engine.orders.view import OrderView
from engine.runtime.bracket_journal import BracketJournal
from engine.runtime.history import facts_of
from engine.runtime.messages import Amend, Cancel, OrderChanged, Withdraw
from engine.runtime.order_desk import OrderHandle
from engine.runtime.order_scope import OrderScope
from engine.runtime.recovery import Loose
from engine.runtime.services import Services


class BracketOrders:
    """Starts and commands them. ``handles`` are by cl_ord_id; ``tell`` puts what they become into the inbox."""

    def __init__(
        self,
        services: Services,
        bracket: Bracket,
        journal: BracketJournal,
        tell: Callable[[OrderChanged], Awaitable[None]],
    ) -> None:
        self._services, self._bracket, self._journal, self._tell = services, bracket, journal, tell
        self.handles: dict[str, OrderHandle] = {}
        self._commands: dict[str, int] = {}  # sent to each order; a view that has taken fewer is not news enough

    def do(
        self, order_nursery: trio.Nursery, step: ExitStep | PlaceStop | PlaceTarget | WithdrawChange, why: str
    ) -> None:
        """Do a step of the plan; those that concern the entry are its own."""
        bracket, name = self._bracket, self._services.new_cl_ord_id
        signal, instrument = bracket.terms, bracket.instrument
        match step:
            case PlaceStop():
                self.open(order_nursery, stop_order(signal, instrument, name(), step.qty), "stop", why, step)
            case PlaceTarget():
                order = target_order(signal, instrument, name(), step.qty, step.place, rest=step.rest)
                self.open(order_nursery, order, "target", why if step.rest else "target touched", step)
            case PlaceClose():
                order = close_order(instrument, name(), step.side, step.qty, step.limit_price, leverage=signal.leverage)
                self.open(order_nursery, order, "close", step.why, step)
            case AmendStop():
                amend = Amend(step.order_qty, why, step.trigger_price, step.limit_price)
                self.command(step.cl_ord_id, amend, step)
            case CancelExit():
                self.command(step.cl_ord_id, Cancel(step.why, bracket.close_all), step)
            case WithdrawChange():
                self.command(step.cl_ord_id, Withdraw(), step)

    def open(self, order_nursery: trio.Nursery, spec: NewOrder, role: Role, why: str, step: Step | None = None) -> None:
        """Decide an order: its intent row, its scope, its task. Nothing is sent before both rows are synced."""
        row = self._journal.intend(spec, role, why)
        if step is not None:
            self._bracket.commanded(spec.cl_ord_id, step)
        self.start(order_nursery, Order(spec, role), row)

    def start(self, order_nursery: trio.Nursery, order: Order, row: int, loose: Loose | None = None) -> OrderScope:
        """Give an order a scope and let it run."""
        scope = self.scope(order, row, loose)
        self.run(order_nursery, scope)
        return scope

    def scope(self, order: Order, row: int, loose: Loose | None) -> OrderScope:
        """Give an order a scope; its reports are heard from now on."""
        return OrderScope(self._services, order, self._bracket.signal, row, self._tell, loose)

    def run(self, order_nursery: trio.Nursery, scope: OrderScope) -> None:
        """Let a scope run, and the bracket know its order."""
        view = scope.handle.view
        self.handles[view.cl_ord_id] = scope.handle
        self._bracket.learn(view, [], self._services.clock.now_ns())
        order_nursery.start_soon(scope.run, name=f"order/{view.cl_ord_id[:8]}")

    def reopen(self, order_nursery: trio.Nursery, report: OrderReport) -> None:
        """Give a settled order a scope again, because the venue has more to say about it."""
        cl_ord_id = report.cl_ord_id or ""
        running = self._services.desk.live.get(cl_ord_id)
        if running is not None:
            running.put(report)
            return
        order = rebuild_orders(facts_of(self._services.journal, cl_ord_id=cl_ord_id))[cl_ord_id]
        if order.state == "settled":
            order.reopen()
        scope = self.start(order_nursery, order, self._journal.cause)
        scope.handle.put(report)

    def command(self, cl_ord_id: str, message: Cancel | Amend | Withdraw, step: Step) -> None:
        """Tell an order what is wanted of it; one that has ended or is overfull brings a new plan by its next view."""
        handle = self.handles.get(cl_ord_id)
        if handle is None or not handle.put(message):
            return
        self._commands[cl_ord_id] = self._commands.get(cl_ord_id, 0) + 1
        self._bracket.commanded(cl_ord_id, step)
        view = msgspec.structs.replace(self._bracket.orders[cl_ord_id], busy=True)
        self._bracket.learn(view, [], self._services.clock.now_ns())

    def commanded(self, cl_ord_id: str) -> bool:
        """Whether anything was ever asked of an order."""
        return cl_ord_id in self._commands

    def view_of(self, change: OrderChanged) -> OrderView:
        """Return what an order is now; one that has not yet looked at our last command is still busy with it."""
        view = change.view
        if change.taken < self._commands.get(view.cl_ord_id, 0) and not view.ended:
            return msgspec.structs.replace(view, busy=True, waits=False)
        return view
