"""Orders of a bracket that its own plans did not open: forgotten ones, and what the venue has made by itself."""

from __future__ import annotations

import msgspec
import structlog
import trio

from engine.orders.brackets import Bracket
from engine.orders.commands import NewOrder
from engine.orders.events import Role
from engine.orders.order import Order
from engine.orders.reports import OrderReport
from engine.orders.specs import child_order, liquidation_order
from engine.runtime.bracket_journal import BracketJournal
from engine.runtime.bracket_orders import BracketOrders
from engine.runtime.messages import Adopted, BracketMessage
from engine.runtime.order_desk import OrderHandle
from engine.runtime.order_scope import OrderScope
from engine.runtime.recovery import WHY_ADOPTED, Loose
from engine.runtime.services import Services

log = structlog.get_logger()


class BracketAdoption:
    """Takes them in, called from outside the bracket's task; that runs them when it looks into its ``inbox``."""

    def __init__(
        self,
        services: Services,
        bracket: Bracket,
        journal: BracketJournal,
        orders: BracketOrders,
        inbox: trio.MemorySendChannel[BracketMessage],
    ) -> None:
        self._services, self._bracket, self._journal, self._orders, self._inbox = (
            services,
            bracket,
            journal,
            orders,
            inbox,
        )
        self._adopted: dict[str, OrderScope] = {}
        self._ended = False

    def order(self, spec: NewOrder, role: Role, since_ns: int) -> OrderHandle | None:
        """Take an order of this bracket in that the journal had lost; its reports go to the handle.

        None when the bracket has ended or its inbox is full.
        """
        inbox = self._inbox.statistics()
        if self._ended or inbox.current_buffer_used >= inbox.max_buffer_size:
            return None
        row = self._journal.intend(spec, role, WHY_ADOPTED)
        order = Order(spec, role)
        scope = self._orders.scope(order, row, Loose(order, None, (), since_ns))
        self._adopted[spec.cl_ord_id] = scope
        self._inbox.send_nowait(Adopted(spec.cl_ord_id))
        return scope.handle

    def child(self, report: OrderReport) -> bool:
        """Take in a stop that the venue has made of a fill of this bracket's entry; later reports find it by its id.

        False when it is none of this bracket's, or nobody is there to take it.
        """
        desk, entries = self._services.desk, [o for o in self._bracket.orders.values() if o.role == "entry"]
        ref = report.ord_ref_id or ""
        named = desk.name_of(ref)  # known a turn before the entry's own view has its id
        parent = next((o for o in entries if ref and (o.order_id == ref or o.cl_ord_id == named)), None)
        if parent is None or desk.name_of(report.order_id) is not None:
            return False
        spec = child_order(self._bracket.signal, self._bracket.instrument, self._services.new_cl_ord_id(), report)
        handle = None if spec is None else self.order(spec, "stop", parent.dispatched_ns)
        if spec is None or handle is None:
            return False
        desk.name(report.order_id, spec.cl_ord_id)
        log.info("child.adopted", cl_ord_id=spec.cl_ord_id, order_id=report.order_id, entry=parent.cl_ord_id)
        return handle.put(msgspec.structs.replace(report, cl_ord_id=spec.cl_ord_id))

    def liquidation(self, report: OrderReport) -> bool:
        """Take in the order by which the venue has closed some of this margin position; its fills are the bracket's.

        False when nobody is there to take it.
        """
        entries = [o.dispatched_ns for o in self._bracket.orders.values() if o.role == "entry"]
        spec = liquidation_order(self._bracket.signal, self._bracket.instrument, self._services.new_cl_ord_id(), report)
        handle = None if spec is None else self.order(spec, "close", min(entries, default=0))
        if spec is None or handle is None:
            return False
        self._services.desk.name(report.order_id, spec.cl_ord_id)
        log.error("position.liquidated", alarm="LIQUIDATED", order_id=report.order_id, qty=str(report.cum_qty))
        return handle.put(msgspec.structs.replace(report, cl_ord_id=spec.cl_ord_id))

    def end(self) -> None:
        """Take nothing in any more: the bracket has looked into its inbox for the last time."""
        self._ended = True

    def run(self, order_nursery: trio.Nursery, cl_ord_id: str) -> OrderHandle:
        """Let an order that was taken in run."""
        scope = self._adopted.pop(cl_ord_id)
        self._orders.run(order_nursery, scope)
        return scope.handle
