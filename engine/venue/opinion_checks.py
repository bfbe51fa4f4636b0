"""Checks on what is known apart from the stream's reports: questions, snapshots after a break, budgets."""

from __future__ import annotations

from collections.abc import Callable

from engine.orders.reports import OrderReport, ReportType
from engine.seams.clock import NS
from engine.values.money import NO_QTY, Qty, Side
from engine.venue.protocol import Headroom, Lane
from engine.venue.trial import Trial, need, same
from engine.venue.witness import Breach

# questions


async def open_orders_agree(trial: Trial) -> None:
    """A resting order is among the open ones with the values of its report, and gone after its cancel."""
    order, other = trial.order(), trial.order()
    order_id, _ = await trial.rest(order), await trial.rest(other)
    everything = {one.order_id: one for one in await trial.link.open_orders()}
    need(order_id in everything, "open_orders leaves out a resting order")
    _agree(everything[order_id], await trial.reported(order, ReportType.NEW))
    same("open_orders(cl_ord_id)", [one.order_id for one in await trial.link.open_orders(order.cl_ord_id)], [order_id])
    await trial.withdraw(order, order_id)
    same("open_orders(cl_ord_id) after the cancel", await trial.link.open_orders(order.cl_ord_id), [])


async def closed_orders_agree(trial: Trial) -> None:
    """An order that has ended is found among the closed ones by its name."""
    order = trial.order()
    order_id = await trial.rest(order)
    canceled = await trial.withdraw(order, order_id)
    found = await trial.link.closed_orders(cl_ord_id=order.cl_ord_id)
    same("closed_orders(cl_ord_id)", [one.order_id for one in found], [order_id])
    _agree(found[0], canceled)


async def order_by_id_agrees(trial: Trial) -> None:
    """Asked by the venue's ids, an open and an ended order are as the stream told them; an unknown id is left out."""
    order, ended = trial.order(), trial.order()
    order_id, ended_id = await trial.rest(order), await trial.rest(ended)
    canceled = await trial.withdraw(ended, ended_id)
    found = {one.order_id: one for one in await trial.link.query_orders([order_id, ended_id])}
    need(set(found) == {order_id, ended_id}, f"query_orders gives {sorted(found)}")
    _agree(found[order_id], await trial.reported(order, ReportType.NEW))
    _agree(found[ended_id], canceled)


async def history_equals_stream(trial: Trial) -> None:
    """The fills asked for are those the stream told: the same names, quantities and prices, in the same order."""
    began_ns = trial.clock.now_ns()
    sides: tuple[Side, Side] = ("buy", "sell")
    for side in sides:
        order = trial.order(side, "market", qty=trial.ground.sweep_qty)
        await trial.place(order, Lane.ENTRY if side == "buy" else Lane.REDUCING)
        await trial.ended(order)
    told = [report for report in trial.witness.reports if report.fill is not None]
    asked = await trial.link.trades_since(began_ns - NS)
    ours = {report.order_id for report in told}
    wanted = [_fill(report) for report in told]
    same("trades_since", [_fill(one) for one in asked if one.order_id in ours], wanted)


async def balances_follow_fills(trial: Trial) -> None:
    """After a buy the account holds more of the base by its fills, less what was charged in it."""
    instrument = trial.link.instrument(trial.ground.symbol)
    base = instrument.base if instrument is not None else ""
    before = {one.asset: one.total for one in await trial.link.balances()}
    order = trial.order("buy", "market")
    await trial.place(order)
    await trial.ended(order)
    after = {one.asset: one.total for one in await trial.link.balances()}
    fees = sum((fee.qty for fill in trial.fills(order) for fee in fill.fees if fee.asset == base), NO_QTY)
    gained = after.get(base, NO_QTY) - before.get(base, NO_QTY)
    same(f"gain in {base}", gained, order.order_qty - fees)
    await trial.place(trial.order("sell", "market", qty=order.order_qty), Lane.REDUCING)


def _agree(asked: OrderReport, told: OrderReport) -> None:
    for name in ("order_id", "cl_ord_id", "symbol", "side", "order_type", "order_qty", "ord_status", "limit_price"):
        same(f"{name} as asked", getattr(asked, name), getattr(told, name))
    same("cum_qty as asked", asked.cum_qty or NO_QTY, told.cum_qty or NO_QTY)


def _fill(report: OrderReport) -> tuple[object, ...]:
    fill = report.fill
    if fill is None:
        raise Breach(f"trades_since gives a report without a fill: {report.report_type}")
    return fill.exec_id, report.order_id, report.side, fill.last_qty, fill.last_px


# breaks


async def refresh_brings_a_snapshot(trial: Trial) -> None:
    """Asked for a fresh snapshot, the link tells one that holds every open order, and the unbroken time starts anew."""
    order = trial.order()
    order_id = await trial.rest(order)
    before, count = trial.link.standing, len(trial.witness.snapshots)
    trial.link.refresh()
    await trial.witness.until(lambda: len(trial.witness.snapshots) > count, "no snapshot after refresh")
    await trial.witness.until(lambda: trial.witness.links[-1], "the private link is not told up")
    after = trial.link.standing
    anew = before is not None and after is not None and after.since_s > before.since_s
    need(anew, "the unbroken time did not start anew")
    need(order_id in {one.order_id for one in trial.witness.snapshots[-1][0]}, "the snapshot lacks an open order")


async def reconnect_keeps_orders(trial: Trial) -> None:
    """A break is told down, then a snapshot, then up; an order placed before is in it and can be canceled."""
    order = trial.order()
    order_id = await trial.rest(order)
    await _break(trial)
    opened = {one.order_id: one for one in trial.witness.snapshots[-1][0]}
    need(order_id in opened, "the snapshot after the break lacks an open order")
    same("cl_ord_id in the snapshot", opened[order_id].cl_ord_id, order.cl_ord_id)
    await trial.withdraw(order, order_id)


async def reconnect_keeps_reports(trial: Trial) -> None:
    """A fill that happened while the connection was broken is told afterwards, and is told as one fill."""
    order = trial.order()
    order_id = await trial.rest(order)
    take, price = trial.ground.take, trial.ground.resting_price
    if take is None:
        raise Breach("the ground lends no hand to take")
    await _break(trial, lambda: take(order.side, order.order_qty, price))

    def fills() -> dict[str, Qty]:
        past = [one for _, trades in trial.witness.snapshots for one in trades if one.order_id == order_id]
        told = [one for one in (*past, *trial.witness.reports) if one.order_id == order_id]
        return {one.fill.exec_id: one.fill.last_qty for one in told if one.fill is not None}

    await trial.witness.until(lambda: bool(fills()), "the fill made during the break was not told")
    same("quantity filled during the break", sum(fills().values(), NO_QTY), order.order_qty)


async def _break(trial: Trial, meanwhile: Callable[[], object] | None = None) -> None:
    """Cut, let something happen while the link is down, and wait until it is whole again."""
    told, cut = len(trial.witness.told), trial.ground.cut
    if cut is None:
        raise Breach("the ground lends no hand to cut")

    def since(kind: str) -> list[int]:
        return [place for place, (one, _) in enumerate(trial.witness.told[told:]) if one == kind]

    cut()
    await trial.witness.until(lambda: bool(since("down")), "the broken link was not told down")
    if meanwhile is not None:
        meanwhile()
    await trial.witness.until(lambda: bool(since("up")), "the link did not come back")
    need(bool(since("snapshot")), "the link came back without a snapshot")
    need(since("down")[0] < since("snapshot")[0] < since("up")[0], "down, snapshot, up came in another order")


# budgets


async def headroom_follows_orders(trial: Trial) -> None:
    """An order takes its place in the symbol's budgets, its end gives it back, and nothing is beyond its bound."""
    before = _headroom(trial)
    order = trial.order()
    order_id = await trial.rest(order)
    during = _headroom(trial)
    if during is None:
        raise Breach("no headroom is told of a symbol with an open order")
    need(0 < during.level <= during.threshold, f"a counter of {during.level}, its threshold {during.threshold}")
    at_first = 0 if before is None else before.open_orders
    same("open orders with one more", during.open_orders, at_first + 1)
    need(during.open_orders <= during.most_open_orders, f"open orders of {during.most_open_orders}")
    await trial.withdraw(order, order_id)
    after = _headroom(trial)
    same("open orders after its end", None if after is None else after.open_orders, at_first)


def _headroom(trial: Trial) -> Headroom | None:
    return next((row for row in trial.link.headroom() if row.symbol == trial.ground.symbol), None)
