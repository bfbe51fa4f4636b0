"""Checks on requests and what the stream says of them."""

from __future__ import annotations

from engine.orders.commands import AmendOrder, CancelOrder, NewOrder
from engine.orders.reports import Outcome, ReportType
from engine.seams.clock import NS
from engine.values.money import NO_QTY, Price, Qty, other_side
from engine.venue.protocol import Lane, Ticket
from engine.venue.trial import Trial, need, same, shown
from engine.venue.witness import Breach

# every adapter


async def opens_complete(trial: Trial) -> None:
    """The block begins with a snapshot told, then the private link up, and the instrument known."""
    kinds = [kind for kind, _ in trial.witness.told if kind in ("snapshot", "up", "down")]
    same("what was told at the opening", kinds, ["snapshot", "up"])
    need(trial.link.standing is not None, "the link is open and no unbroken stream stands")
    need(bool(trial.link.links()), "the link shows no stream")


async def instrument_has_steps(trial: Trial) -> None:
    """The symbol is known, with steps and minima that an order can be rounded to."""
    instrument = trial.link.instrument(trial.ground.symbol)
    if instrument is None:
        raise Breach(f"{trial.ground.symbol} is not known")
    same("symbol", instrument.symbol, trial.ground.symbol)
    steps = (instrument.price_increment, instrument.qty_increment)
    need(min(steps) > 0, f"an increment is not above zero: {steps}")
    need(instrument.qty_min >= 0 <= instrument.cost_min, "a minimum is below zero")
    same("status", instrument.status, "online")
    need(trial.link.instrument("NO/SUCH") is None, "an unknown symbol has an instrument")


async def place_is_reported(trial: Trial) -> None:
    """An accepted order is told once as new, whole, under the id of the answer."""
    order = trial.order()
    order_id = await trial.rest(order)
    new = await trial.reported(order, ReportType.NEW)
    same("order_id", new.order_id, order_id)
    same("symbol", new.symbol, order.symbol)
    same("side", new.side, order.side)
    same("order_type", new.order_type, order.order_type)
    same("order_qty", new.order_qty, order.order_qty)
    same("limit_price", new.limit_price, order.limit_price)
    same("cum_qty", new.cum_qty or NO_QTY, NO_QTY)
    same("ord_status", new.ord_status, "new")
    await trial.withdraw(order, order_id)
    news = [report for report in trial.of(order) if report.report_type is ReportType.NEW]
    same("count of reports that say new", len(news), 1)


async def cl_ord_id_is_echoed(trial: Trial) -> None:
    """Every report on our order carries our name for it, to the letter."""
    order = trial.order()
    await trial.withdraw(order, await trial.rest(order))
    nameless = [report.report_type for report in trial.of(order) if report.cl_ord_id != order.cl_ord_id]
    need(not nameless, f"reports without our cl_ord_id: {nameless}")


async def refusal_is_told_truly(trial: Trial) -> None:
    """What the venue refuses is REFUSED with a code and the venue's words, and no such order lives."""
    order = trial.order(qty=trial.ground.unaffordable_qty)
    answer = await trial.send(order)
    need(answer.outcome is Outcome.REFUSED, f"an order beyond the funds: {shown(answer)}, wanted refused")
    need(bool(answer.code and answer.text), "a refusal without code or text")
    witness = trial.order()
    await trial.rest(witness)  # whatever the stream had to say of the refused one, it has said before this
    alive = [r.report_type for r in trial.of(order) if r.report_type in (ReportType.NEW, ReportType.TRADE)]
    need(not alive, f"a refused order was reported: {alive}")


async def cancel_is_reported(trial: Trial) -> None:
    """A cancel is answered, and the order's end is told by a report with its quantities."""
    order = trial.order()
    canceled = await trial.withdraw(order, await trial.rest(order))
    same("ord_status", canceled.ord_status, "canceled")
    same("cum_qty", canceled.cum_qty or NO_QTY, NO_QTY)


async def cancel_of_ended_order_is_refused(trial: Trial) -> None:
    """A cancel for an order that has ended is REFUSED with a code, and nothing is told twice."""
    order = trial.order()
    order_id = await trial.rest(order)
    await trial.withdraw(order, order_id)
    again = await trial.send(CancelOrder(order.cl_ord_id, order_id, order.symbol), Lane.CANCEL)
    need(again.outcome is Outcome.REFUSED and bool(again.code), f"second cancel: {shown(again)}, wanted refused")
    ends = [report for report in trial.of(order) if report.report_type is ReportType.CANCELED]
    same("count of reports that say canceled", len(ends), 1)


async def two_orders_are_told_apart(trial: Trial) -> None:
    """Of two like orders the one that was meant is canceled."""
    stays, goes = trial.order(), trial.order()
    await trial.rest(stays)
    await trial.withdraw(goes, await trial.rest(goes))
    need(not [r for r in trial.of(stays) if r.ord_status == "canceled"], "the other order was canceled as well")


async def fills_add_up(trial: Trial) -> None:
    """Fills come one by one in their order, each once, and sum up to what the last report says."""
    bought = trial.order("buy", "market", qty=trial.ground.sweep_qty)
    await trial.place(bought)
    filled = await trial.ended(bought)
    await _sell_back(trial, bought, filled.cum_qty or NO_QTY)
    same("ord_status", filled.ord_status, "filled")
    same("order_qty", filled.order_qty, bought.order_qty)
    fills = trial.fills(bought)
    same("sum of the fills", sum((fill.last_qty for fill in fills), NO_QTY), bought.order_qty)
    same("cum_qty at the end", filled.cum_qty, bought.order_qty)
    steps = [report.cum_qty or NO_QTY for report in trial.of(bought)]
    need(steps == sorted(steps), f"cum_qty went back: {[str(step) for step in steps]}")
    prices = [fill.last_px for fill in fills]
    average = filled.avg_px
    need(average is not None and min(prices) <= average <= max(prices), f"avg_px {average} is outside its fills")


async def a_fill_is_told_once(trial: Trial) -> None:
    """No exec_id comes twice on a stream that did not break, and each has a price, a time and fees."""
    bought = trial.order("buy", "market", qty=trial.ground.sweep_qty)
    await trial.place(bought)
    filled = await trial.ended(bought)
    await _sell_back(trial, bought, filled.cum_qty or NO_QTY)
    fills = trial.fills(bought)
    names = [fill.exec_id for fill in fills]
    need(len(names) == len(set(names)) > 0, f"exec_ids of one order: {names}")
    for fill in fills:
        need(fill.last_px > 0 < fill.last_qty, f"fill {fill.exec_id}: no price or no quantity")
        need(fill.ts_ns > 0, f"fill {fill.exec_id}: no time")
        need(all(fee.asset and fee.qty >= 0 for fee in fill.fees), f"fill {fill.exec_id}: a strange fee")


async def _sell_back(trial: Trial, bought: NewOrder, qty: Qty) -> None:
    """Leave the account as it was, but for fees."""
    if qty > 0:
        sold = trial.order(other_side(bought.side), "market", qty=qty)
        await trial.place(sold, Lane.REDUCING)
        await trial.ended(sold)


# by the manifest


async def ioc_never_rests(trial: Trial) -> None:
    """An immediate-or-cancel order that finds nobody ends by itself, unfilled."""
    order = trial.order(time_in_force="ioc")
    await trial.place(order)
    end = await trial.ended(order)
    need(end.ord_status in ("canceled", "expired"), f"it ended as {end.ord_status}")
    same("cum_qty", end.cum_qty or NO_QTY, NO_QTY)


async def stop_rests(trial: Trial) -> None:
    """A stop-loss is accepted and reported untriggered, with its trigger; it can be canceled."""
    await _stop_rests(trial, trial.order("sell", "stop-loss", trigger=trial.ground.stop_price))


async def stop_limit_rests(trial: Trial) -> None:
    """The same for stop-loss-limit, with its limit."""
    price = trial.ground.stop_price
    await _stop_rests(trial, trial.order("sell", "stop-loss-limit", trigger=price, price=price))


async def _stop_rests(trial: Trial, stop: NewOrder) -> None:
    order_id = await trial.rest(stop, Lane.REDUCING)
    new = await trial.reported(stop, ReportType.NEW)
    same("trigger_price", new.trigger_price, stop.trigger_price)
    same("limit_price", new.limit_price, stop.limit_price)
    need(new.triggered is not True, "it says that it has fired")
    await trial.withdraw(stop, order_id)


async def stop_fires(trial: Trial) -> None:
    """When the price goes through the trigger the stop says so, then fills."""
    stop = trial.order("sell", "stop-loss", trigger=trial.ground.stop_price)
    await trial.rest(stop, Lane.REDUCING)
    if trial.ground.move is not None:
        trial.ground.move(trial.ground.stop_price)
    end = await trial.ended(stop)
    same("ord_status", end.ord_status, "filled")
    kinds = [report.report_type for report in trial.of(stop)]
    need(ReportType.TRIGGERED in kinds, f"no report says triggered: {[str(kind) for kind in kinds]}")
    need(kinds.index(ReportType.TRIGGERED) < kinds.index(ReportType.TRADE), "it filled before it said triggered")


async def amend_of_quantity(trial: Trial) -> None:
    """A new total is taken and reported; the order keeps both its names."""
    order = trial.order(qty=Qty(trial.ground.qty * 2))
    order_id = await trial.rest(order)
    await _amend(trial, order, AmendOrder(order.cl_ord_id, order_id, order.symbol, trial.ground.qty))


async def amend_of_price(trial: Trial) -> None:
    """A new limit price is taken and reported."""
    order = trial.order()
    order_id = await trial.rest(order)
    price = Price(trial.ground.resting_price + trial.tick)
    await _amend(trial, order, AmendOrder(order.cl_ord_id, order_id, order.symbol, order.order_qty, price))


async def amend_of_trigger(trial: Trial) -> None:
    """A new trigger price of a resting stop is taken and reported."""
    stop = trial.order("sell", "stop-loss", trigger=trial.ground.stop_price)
    order_id = await trial.rest(stop, Lane.REDUCING)
    trigger = Price(trial.ground.stop_price - trial.tick)
    amend = AmendOrder(stop.cl_ord_id, order_id, stop.symbol, stop.order_qty, trigger_price=trigger)
    await _amend(trial, stop, amend)


async def _amend(trial: Trial, order: NewOrder, amend: AmendOrder) -> None:
    answer = await trial.send(amend, Lane.REDUCING)
    need(answer.outcome is Outcome.ACCEPTED, f"amend: {shown(answer)}, wanted accepted")
    amended = await trial.reported(order, ReportType.AMENDED)
    same("order_id", amended.order_id, amend.order_id)
    same("order_qty", amended.order_qty, amend.order_qty)
    if amend.limit_price is not None:
        same("limit_price", amended.limit_price, amend.limit_price)
    if amend.trigger_price is not None:
        same("trigger_price", amended.trigger_price, amend.trigger_price)
    await trial.withdraw(order, amend.order_id)


async def amend_of_ended_order_is_refused(trial: Trial) -> None:
    """An amend for an order that has ended is REFUSED."""
    order = trial.order()
    order_id = await trial.rest(order)
    await trial.withdraw(order, order_id)
    answer = await trial.send(AmendOrder(order.cl_ord_id, order_id, order.symbol, order.order_qty), Lane.REDUCING)
    need(answer.outcome is Outcome.REFUSED, f"amend of an ended order: {shown(answer)}, wanted refused")


async def batch_is_answered_in_order(trial: Trial) -> None:
    """Each member of a batch has its own answer, in its place, and its own report."""
    orders = [trial.order() for _ in range(3)]
    ticket = await trial.link.admit_batch(Lane.ENTRY, orders)
    answers = await trial.link.submit_batch(ticket, orders)
    for order, answer in zip(orders, answers, strict=True):
        trial.remember(order, answer)
    same("names in the answers", [one.cl_ord_id for one in answers], [one.cl_ord_id for one in orders])
    need(all(one.outcome is Outcome.ACCEPTED for one in answers), f"batch: {[shown(one) for one in answers]}")
    for order, answer in zip(orders, answers, strict=True):
        new = await trial.reported(order, ReportType.NEW)
        same("order_id", new.order_id, answer.order_id)


async def batch_member_can_fail_alone(trial: Trial) -> None:
    """One impossible member is REFUSED in its place; the others live."""
    orders = [trial.order(), trial.order(qty=trial.ground.unaffordable_qty), trial.order()]
    ticket = await trial.link.admit_batch(Lane.ENTRY, orders)
    answers = await trial.link.submit_batch(ticket, orders)
    for order, answer in zip(orders, answers, strict=True):
        trial.remember(order, answer)
    wanted = [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.ACCEPTED]
    need([one.outcome for one in answers] == wanted, f"batch: {[shown(one) for one in answers]}")
    for order in (orders[0], orders[2]):
        await trial.reported(order, ReportType.NEW)


async def batch_of_cancels(trial: Trial) -> None:
    """Several orders go by one request; each end is told by a report."""
    orders = [trial.order(), trial.order()]
    cancels = [CancelOrder(one.cl_ord_id, await trial.rest(one), one.symbol) for one in orders]
    ticket = await trial.link.admit_batch(Lane.CANCEL, cancels)
    answers = await trial.link.cancel_batch(ticket, cancels)
    need(all(one.outcome is Outcome.ACCEPTED for one in answers), f"batch: {[shown(one) for one in answers]}")
    for order in orders:
        await trial.reported(order, ReportType.CANCELED)


async def passed_deadline_places_nothing(trial: Trial) -> None:
    """A request whose wire deadline lies behind is refused or never sent, and no such order lives."""
    order = trial.order()
    ticket = await trial.link.admit(Lane.ENTRY, order)
    stale = Ticket(ticket.transport, trial.clock.now_ns() - NS, ticket.lane, ticket.leave)
    answer = await trial.link.submit(stale, order)
    trial.remember(order, answer)
    need(answer.outcome in (Outcome.REFUSED, Outcome.NOT_SENT), f"after its deadline: {shown(answer)}")
    await trial.rest(trial.order())
    need(not trial.of(order), "the late order was reported")
    need(trial.link.passed(1), "a moment of 1970 has not passed")
    need(not trial.link.passed(trial.clock.now_ns() + 3600 * NS), "an hour ahead has passed")
