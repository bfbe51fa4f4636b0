"""One exchange order: how answers and reports move it."""

from __future__ import annotations

import msgspec

from engine.errors import OrderInvariantError
from engine.orders.commands import AmendOrder, NewOrder, Request, kind_of
from engine.orders.events import Numbers, OrderEvent, Role
from engine.orders.machine import RESTING, UNPROVEN
from engine.orders.order_record import OrderRecord
from engine.orders.reports import Answer, Fill, OrderReport, Outcome, ReportType
from engine.orders.specs import made_by_venue
from engine.orders.steps import NOT_APPLIED, SHRUNK
from engine.values.money import Price, Qty

_NOT_SENT = "NOT_SENT"
"""Code of every request that certainly never left, whatever kept it: it may be tried again."""


class Order(OrderRecord):
    """An order and the only one who concludes for it. Exactly one task may touch it; others get ``view()``.

    Every change is an OrderEvent: ``dispatched``, ``ask``, ``answered`` and ``reported`` conclude, apply and return
    them for the journal; the record's ``apply`` alone folds them again on replay.
    """

    def __init__(self, spec: NewOrder, role: Role) -> None:
        super().__init__(spec, role)
        self._echoes: list[AmendOrder] = []  # concluded amends whose amended frame is still to come

    # --- what moves it ------------------------------------------------------------------------------------------

    def dispatched(self, ts_ns: int) -> list[OrderEvent]:
        """The new-order request is durable and about to be written."""
        return [self._conclude("dispatch", ts_ns)]

    def sent_before(self, now_ns: int) -> None:
        """Whoever sent it is gone: our clock may have been stepped back since. Its bounds run from now at latest."""
        self.dispatched_ns = min(self.dispatched_ns, now_ns)

    def deny(self, why: str, code: str, ts_ns: int, numbers: Numbers | None = None) -> list[OrderEvent]:
        """We refuse it before anything was sent. ``numbers`` are what a check of ours compared."""
        event = self._conclude("deny", ts_ns, why=why, code=code)
        self.outgoing = None
        return [event if numbers is None else msgspec.structs.replace(event, numbers=numbers)]

    def ask(self, request: Request, ts_ns: int, why: str) -> list[OrderEvent]:
        """An amend or cancel is about to be written. The order must rest without another unanswered request."""
        move = "ask_amend" if isinstance(request, AmendOrder) else "ask_cancel"
        events = [self._conclude(move, ts_ns, why=why)]
        self.pending = request
        self.let_go()
        return events

    def answered(self, answer: Answer) -> list[OrderEvent]:
        """Take the end of a request. Evidence that came before the answer is not undone by it."""
        if self.outgoing is not None and kind_of(self.outgoing) == answer.request:
            self.outgoing = None
        match answer.request, answer.outcome:
            case "new", Outcome.ACCEPTED:
                return self._accepted(answer.ts_ns, answer.order_id)
            case "new", Outcome.REFUSED if self.state in UNPROVEN:
                return [self._conclude("reject", answer.ts_ns, why=_said(answer), code=answer.code)]
            case "new", Outcome.REFUSED if not self.ended or self.done_qty:
                return [self._note(answer.ts_ns, f"refused after evidence: {_said(answer)}", "REFUSED_BUT_LIVE")]
            case "new", Outcome.NOT_SENT if self.state == "pending":
                return [self._conclude("not_sent", answer.ts_ns, why=_said(answer), code=_NOT_SENT)]
            case "new", Outcome.NOT_SENT if self.state == "new":
                return [self._conclude("deny", answer.ts_ns, why=_said(answer), code=_NOT_SENT)]
            case "new", Outcome.UNKNOWN if self.state == "pending":
                return [
                    self._conclude("doubt", answer.ts_ns, why=_said(answer), code=answer.code, alarm="ORDER_UNKNOWN")
                ]
            case "amend", Outcome.ACCEPTED:
                return self._amend_taken(answer)
            case (("amend" | "cancel"), Outcome.REFUSED | Outcome.NOT_SENT):
                return self._change_refused(answer)
        return []  # a taken cancel ends with the venue's report; an unknown change keeps its state until evidence

    def reported(self, report: OrderReport) -> list[OrderEvent]:
        """Take one report. Repeats add nothing, stale ones never move it backwards."""
        events: list[OrderEvent] = []
        if report.source != "rest" and report.shows_life:
            self._disowned = False
        if self.state == "settled" and self._is_news(report):
            self.reopen()
        if self.state in UNPROVEN:
            events += self._accepted(report.ts_ns, report.order_id)
        elif self.state == "rejected" and report.shows_life:
            why, alarm = "the venue shows what was held for refused or dead", "REFUSED_BUT_LIVE"
            events.append(self._conclude("accept", report.ts_ns, why=why, alarm=alarm, order_id=report.order_id))
        if self.order_id is None and report.order_id:
            events.append(self._note(report.ts_ns, "named by the venue", order_id=report.order_id))
        if report.fill is not None:
            events += self._trade(report.fill, report)
        events += self._told_quantities(report)
        match report.report_type, report.ord_status:
            case (ReportType.CANCELED, _) | (_, "canceled"):
                events += self._end("cancel", report)
            case (ReportType.EXPIRED, _) | (_, "expired"):
                events += self._end("expire", report)
            case (ReportType.FILLED, _) | (_, "filled") if report.fill is None or self.state in ("open", "partial"):
                events += self._end("fill_out", report)
        if report.triggered and not self.triggered and not self.ended:
            events.append(self._note(report.ts_ns, "stop triggered", triggered=True))
        return events

    def shown(self, report: OrderReport) -> list[OrderEvent]:
        """Take a state asked for late enough that an unanswered amend or cancel must show in it, or was not applied."""
        events = self.reported(report)  # ends an amend whose values it shows
        resting = report.ord_status in ("new", "partially_filled", "pending_new")
        if resting and self.state in ("pending_amend", "pending_cancel"):
            why = "the venue shows it unchanged"
            events.append(self._conclude("refuse_change", report.ts_ns, why=why, code=NOT_APPLIED))
        return events

    def doubt(self, why: str, ts_ns: int) -> list[OrderEvent]:
        """Nobody is left who could hear the answer: it may be live."""
        return [self._conclude("doubt", ts_ns, why=why, alarm="ORDER_UNKNOWN")]

    def prove_dead(self, why: str, ts_ns: int) -> list[OrderEvent]:
        """All proofs hold that the venue never took it, whatever an operator may have declared."""
        if not self.in_doubt:
            raise OrderInvariantError(f"{self.cl_ord_id}: the venue has shown it, it cannot be proved dead: {why}")
        return [self._conclude("prove_dead", ts_ns, why=why)]

    def disown(self) -> None:
        """The stream's newest snapshot lacks it, and its cancel was refused as one of an unknown order.

        Nothing of it surely rests until the stream shows it; REST, which may lag, is no word against these two.
        """
        self._disowned = self.order_id is not None and self.state in RESTING

    def prove_ended(self, why: str, ts_ns: int) -> list[OrderEvent]:
        """The venue has disowned it, and all its fills are booked: the rest of it was canceled, or has expired."""
        over = 0 < self.spec.expire_ns <= ts_ns and not 0 < self._cancel_ns < self.spec.expire_ns
        move = "expire" if over else "cancel"
        return [self._conclude(move, ts_ns, why=why)] if self._disowned and not self.ended else []

    def declare_live(self, why: str, ts_ns: int) -> list[OrderEvent]:
        """Take an operator's word that an unknown order rests; evidence corrects it later."""
        return [self._conclude("accept", ts_ns, why=why)] if self.state == "unknown" else []

    def settle(self, ts_ns: int) -> list[OrderEvent]:
        """Close it if it has ended and the quantities agree with the venue's."""
        if self.state == "settled" or not self.agrees:
            return []
        return [self._conclude("settle", ts_ns)]

    # --- conclusions --------------------------------------------------------------------------------------------

    def _accepted(self, ts_ns: int, order_id: str | None) -> list[OrderEvent]:
        if self.state in UNPROVEN:
            return [self._conclude("accept", ts_ns, order_id=order_id or None)]
        if self.order_id is None and order_id is not None:
            return [self._note(ts_ns, "named by the venue", order_id=order_id)]
        return []

    def _amend_taken(self, answer: Answer) -> list[OrderEvent]:
        if self.state != "pending_amend" or not isinstance(self.pending, AmendOrder):
            return []
        return self._amended_as_asked(answer.ts_ns, self.pending)

    def _amended_as_asked(self, ts_ns: int, asked: AmendOrder) -> list[OrderEvent]:
        self._echoes.append(asked)
        return [
            self._conclude(
                "amended",
                ts_ns,
                order_qty=Qty(max(asked.order_qty, self.done_qty)),
                limit_price=asked.limit_price,
                trigger_price=asked.trigger_price,
            )
        ]

    def _change_refused(self, answer: Answer) -> list[OrderEvent]:
        waiting = "pending_amend" if answer.request == "amend" else "pending_cancel"
        code = _NOT_SENT if answer.outcome is Outcome.NOT_SENT else answer.code
        if self.state == waiting:
            return [self._conclude("refuse_change", answer.ts_ns, why=_said(answer), code=code)]
        if self.state in ("open", "partial"):
            return [self._note(answer.ts_ns, _said(answer), code=code)]  # it fell before it was written: say so
        return []

    def _trade(self, fill: Fill, report: OrderReport) -> list[OrderEvent]:
        if fill.exec_id in self.fills:
            return []
        cum_qty, asked = Qty(self.cum_qty + fill.last_qty), self.pending
        events: list[OrderEvent] = []
        if isinstance(asked, AmendOrder) and self.most_qty < cum_qty <= asked.order_qty:
            events = self._amended_as_asked(report.ts_ns, asked)  # without it so much could not have filled
        alarm = "OVERFILL" if cum_qty > self.most_qty else ""
        if self.state == "rejected":
            alarm = alarm or "REFUSED_BUT_LIVE"
        if self.role == "close" and made_by_venue(self.spec):
            alarm = alarm or "LIQUIDATED"
        why = "late fill" if self.state in ("canceled", "expired", "rejected") else ""
        filled_before = self.order_qty < cum_qty <= self.most_qty  # an amend cannot set less than what had filled
        order_qty = cum_qty if filled_before else None
        return [*events, self._conclude("trade", report.ts_ns, why=why, fill=fill, alarm=alarm, order_qty=order_qty)]

    def _is_news(self, report: OrderReport) -> bool:
        """Whether a report says of a settled order what its settlement did not know."""
        if report.fill is not None and report.fill.exec_id not in self.fills:
            return True
        if report.cum_qty is not None and report.cum_qty > self.done_qty:
            return True
        return self.walk[-1][0] == "rejected" and report.shows_life

    def _told_quantities(self, report: OrderReport) -> list[OrderEvent]:
        """Book what the report says of totals: a higher cum_qty, an order_qty or price changed by someone else."""
        events: list[OrderEvent] = []
        if report.cum_qty is not None and report.cum_qty > self.done_qty:
            events.append(self._note(report.ts_ns, "venue counts more than we booked", venue_cum=report.cum_qty))
        if self._tells_terms(report):
            if self.state == "pending_amend" and isinstance(self.pending, AmendOrder) and report.source == "rest":
                self._echoes.append(self.pending)
            events.append(
                self._conclude(
                    "amended",
                    report.ts_ns,
                    why=report.reason,
                    code=SHRUNK if self._is_shrunk(report) else "",
                    order_qty=report.order_qty,
                    limit_price=report.limit_price if self.limit_price is not None else None,
                    trigger_price=report.trigger_price if self.trigger_price is not None else None,
                )
            )
        return events

    def _is_shrunk(self, report: OrderReport) -> bool:
        """Whether the venue has cut the order itself: reduce-only, and for more than there is to reduce."""
        fewer = report.order_qty is not None and report.order_qty < self.order_qty
        return fewer and self.spec.reduce_only and report.report_type is ReportType.RESTATED

    def _tells_terms(self, report: OrderReport) -> bool:
        """Whether a report ends our own amend, or tells of a change made elsewhere.

        While our amend is unanswered only its own values count, but from any source: the frame of the amend before it
        may come late, the frame of its own may be lost. Else only the stream tells terms; REST may lag behind it.
        """
        if self.state == "pending_amend" and isinstance(self.pending, AmendOrder):
            return not self._is_echo(report) and _has_terms(report, self.pending, self.done_qty)
        snapshot = report.report_type is ReportType.STATUS and report.source == "snapshot"
        if not snapshot and report.report_type not in (ReportType.AMENDED, ReportType.RESTATED):
            return False
        return (
            self.state in RESTING
            and not self._is_echo(report)
            and (
                (report.order_qty is not None and report.order_qty != self.order_qty)
                or (self.limit_price is not None and report.limit_price not in (None, self.limit_price))
                or (self.trigger_price is not None and report.trigger_price not in (None, self.trigger_price))
            )
        )

    def _is_echo(self, report: OrderReport) -> bool:
        """Whether this is the amended frame of an amend that its answer, or REST, has concluded already."""
        if report.source == "snapshot":
            self._echoes.clear()  # the stream starts anew: frames lost with the old one do not come any more
        if report.report_type is not ReportType.AMENDED:
            return False
        for place, past in enumerate(self._echoes):
            if _has_terms(report, past, self.done_qty):
                del self._echoes[: place + 1]
                return True
        return False

    def _end(self, move: str, report: OrderReport) -> list[OrderEvent]:
        if self.ended and self.state != "rejected":
            return []
        # the venue's own last word, after all its trades: less than we booked means a trade was taken back
        alarm = "CUM_SHRANK" if report.cum_qty is not None and report.cum_qty < self.cum_qty else ""
        total = self.order_qty if move == "fill_out" and report.cum_qty is None else None
        told_qty = report.cum_qty if move == "fill_out" else None
        # less than we took it for: an amend that was held for not applied had lowered it
        lowered = told_qty is not None and self.done_qty <= told_qty < self.order_qty
        why = report.reason
        if move == "cancel" and self.state == "pending_cancel" and self.reason:
            why = f"{self.reason} ({why})" if why else self.reason  # the venue's "User requested" was us: say why
        order_qty = told_qty if lowered else None
        return [self._conclude(move, report.ts_ns, why=why, alarm=alarm, venue_cum=total, order_qty=order_qty)]

    def _note(
        self,
        ts_ns: int,
        why: str,
        alarm: str = "",
        *,
        code: str = "",
        order_id: str | None = None,
        venue_cum: Qty | None = None,
        triggered: bool = False,
    ) -> OrderEvent:
        event = OrderEvent(
            move="",
            from_state=self.state,
            to_state=self.state,
            ts_ns=ts_ns,
            why=why,
            code=code,
            alarm=alarm,
            order_id=order_id,
            venue_cum=venue_cum,
            triggered=triggered,
        )
        self._fold(event)
        return event

    def _conclude(
        self,
        move: str,
        ts_ns: int,
        *,
        why: str = "",
        code: str = "",
        alarm: str = "",
        fill: Fill | None = None,
        order_id: str | None = None,
        order_qty: Qty | None = None,
        limit_price: Price | None = None,
        trigger_price: Price | None = None,
        venue_cum: Qty | None = None,
    ) -> OrderEvent:
        before = self.state
        after = self._move(move, fill, order_qty)
        event = OrderEvent(
            move=move,
            from_state=before,
            to_state=after,
            ts_ns=ts_ns,
            why=why,
            code=code,
            alarm=alarm,
            fill=fill,
            order_id=order_id,
            order_qty=order_qty,
            limit_price=limit_price,
            trigger_price=trigger_price,
            venue_cum=venue_cum,
        )
        self._fold(event)
        return event


def _said(answer: Answer) -> str:
    return f"{answer.code}: {answer.text}" if answer.code and answer.text else answer.code or answer.text


def _has_terms(report: OrderReport, asked: AmendOrder, done_qty: Qty) -> bool:
    """Whether a report shows the values an amend asked for; the venue never sets less than what has filled."""
    least = max(asked.order_qty, done_qty)
    return (
        report.order_qty in (asked.order_qty, least)
        and (asked.limit_price is None or report.limit_price in (None, asked.limit_price))
        and (asked.trigger_price is None or report.trigger_price in (None, asked.trigger_price))
    )
