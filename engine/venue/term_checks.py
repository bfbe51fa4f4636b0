"""Checks on the terms of an order: triggers beyond the stop, lifetimes, post-only, what its fills and twins set off."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.orders.commands import CancelOrder, Conditional, NewOrder, StpType
from engine.orders.reports import OrderReport, Outcome, ReportType
from engine.seams.clock import NS
from engine.values.money import NO_QTY, Price, Qty, other_side
from engine.venue.protocol import Lane
from engine.venue.trial import TERMINAL, Trial, need, same, shown
from engine.venue.witness import Breach

TRAIL_PCT = Decimal(10)
LIFE_NS = 7 * NS
"""Of a GTD order: longer than the shortest that a venue may take, shorter than a check's patience."""


async def take_profit_rests(trial: Trial) -> None:
    """A take-profit to buy, far below, is accepted and reported untriggered, with its trigger."""
    await _rests(trial, trial.order("buy", "take-profit", trigger=trial.ground.stop_price))


async def take_profit_limit_rests(trial: Trial) -> None:
    """The same for take-profit-limit, with its limit."""
    price = trial.ground.stop_price
    await _rests(trial, trial.order("buy", "take-profit-limit", trigger=price, price=price))


async def _rests(trial: Trial, order: NewOrder) -> None:
    order_id = await trial.rest(order)
    new = await trial.reported(order, ReportType.NEW)
    same("trigger_price", new.trigger_price, order.trigger_price)
    same("limit_price", new.limit_price, order.limit_price)
    need(new.triggered is not True, "it says that it has fired")
    await trial.withdraw(order, order_id)


def _trailing(trial: Trial) -> NewOrder:
    return msgspec.structs.replace(trial.order("sell", "trailing-stop"), trail=TRAIL_PCT, trail_unit="pct")


async def trailing_stop_rests(trial: Trial) -> None:
    """A trailing stop is accepted and reported with a trigger of its own, untriggered."""
    stop = _trailing(trial)
    order_id = await trial.rest(stop, Lane.REDUCING)
    new = await trial.reported(stop, ReportType.NEW)
    need(new.trigger_price is not None and new.trigger_price > 0, f"its trigger is {new.trigger_price}")
    need(new.triggered is not True, "it says that it has fired")
    await trial.withdraw(stop, order_id)


async def trailing_stop_fires(trial: Trial) -> None:
    """When the price falls by more than its distance it says so, then sells what was bought for it."""
    bought = trial.order("buy", "market")
    await trial.place(bought)
    await trial.ended(bought)
    stop = _trailing(trial)
    await trial.rest(stop, Lane.REDUCING)
    if trial.ground.move is not None:
        trial.ground.move(trial.ground.stop_price)
    end = await trial.ended(stop)
    same("ord_status", end.ord_status, "filled")
    kinds = [report.report_type for report in trial.of(stop)]
    need(ReportType.TRIGGERED in kinds, f"no report says triggered: {[str(kind) for kind in kinds]}")


async def post_only_never_takes(trial: Trial) -> None:
    """Post-only at a price that would take is refused or canceled unfilled; away from the market it rests."""
    async with trial.link.watch(trial.ground.symbol) as book:
        ask = book.best("sell")
    crossing = msgspec.structs.replace(trial.order(price=ask), post_only=True)
    answer = await trial.send(crossing)
    if answer.outcome is Outcome.ACCEPTED:
        end = await trial.ended(crossing)
        same("ord_status", end.ord_status, "canceled")
    else:
        need(answer.outcome is Outcome.REFUSED and bool(answer.code), f"post-only: {shown(answer)}")
    need(not trial.fills(crossing), "a post-only order took")
    resting = msgspec.structs.replace(trial.order(), post_only=True)
    await trial.withdraw(resting, await trial.rest(resting))


async def fok_is_all_or_nothing(trial: Trial) -> None:
    """Fill-or-kill for more than stands at its price ends by itself, with no part filled."""
    async with trial.link.watch(trial.ground.symbol) as book:
        price, qty = next(iter(book.levels("sell")))
    order = trial.order(qty=Qty(qty + trial.ground.qty), price=price, time_in_force="fok")
    await trial.place(order)
    end = await trial.ended(order)
    need(end.ord_status in ("canceled", "expired"), f"it ended as {end.ord_status}")
    same("cum_qty", end.cum_qty or NO_QTY, NO_QTY)
    need(not trial.fills(order), "a part of it was filled")


async def gtd_expires(trial: Trial) -> None:
    """An order with an end ends then, as expired, unfilled."""
    expire_ns = trial.clock.now_ns() + LIFE_NS
    order = msgspec.structs.replace(trial.order(time_in_force="gtd"), expire_ns=expire_ns)
    await trial.rest(order)
    end = await trial.ended(order)
    same("ord_status", end.ord_status, "expired")
    same("cum_qty", end.cum_qty or NO_QTY, NO_QTY)
    need(end.ts_ns >= expire_ns - NS, f"it ended {(expire_ns - end.ts_ns) / NS:.1f} s early")


async def conditional_close_follows_a_fill(trial: Trial) -> None:
    """What an order buys is covered by stops of the other side that name it, for just as much."""
    close = Conditional("stop-loss", trial.ground.stop_price)
    bought = msgspec.structs.replace(trial.order("buy", "market"), conditional=close)
    order_id = await trial.place(bought)
    filled = await trial.ended(bought)
    sold = trial.order(other_side(bought.side), "market", qty=filled.cum_qty)

    def stops() -> list[OrderReport]:
        told = {one.order_id: one for one in trial.witness.reports if one.ord_ref_id == order_id and one.order_qty}
        return list(told.values())

    def covered() -> Qty:
        return sum((stop.order_qty or NO_QTY for stop in stops()), NO_QTY)

    try:
        await trial.witness.until(lambda: covered() >= (filled.cum_qty or NO_QTY), "no stop for what was bought")
        same("quantity of the stops", covered(), filled.cum_qty)
        for stop in stops():
            same("side", stop.side, other_side(bought.side))
            same("order_type", stop.order_type, close.order_type)
            same("trigger_price", stop.trigger_price, close.trigger_price)
    finally:
        for stop in stops():
            await trial.send(CancelOrder(stop.cl_ord_id or "", stop.order_id, bought.symbol), Lane.CANCEL)
        await trial.place(sold, Lane.REDUCING)


async def self_trade_is_prevented(trial: Trial) -> None:
    """Two orders of ours that meet do not trade; which of them ends is as was asked, for every manner offered."""
    for manner in sorted(trial.manifest.self_trade_prevention):
        await _meet(trial, manner)


async def _meet(trial: Trial, manner: StpType) -> None:
    async with trial.link.watch(trial.ground.symbol) as book:
        bid, ask = book.best("buy"), book.best("sell")
    if bid is None or ask is None or bid + trial.tick >= ask:
        raise Breach(f"no room between bid {bid} and ask {ask} for two orders to meet")
    price = Price(bid + trial.tick)
    oldest = trial.order("buy", price=price)
    newest = msgspec.structs.replace(trial.order("sell", price=price), stp_type=manner)
    oldest_id = await trial.rest(oldest)
    newest_id = await trial.place(newest)
    for order, goes in ((oldest, manner != "cancel_newest"), (newest, manner != "cancel_oldest")):
        if goes:
            same(f"ord_status by {manner}", (await trial.ended(order)).ord_status, "canceled")
    await trial.reported(newest, ReportType.NEW)
    for order, order_id in ((oldest, oldest_id), (newest, newest_id)):
        need(not trial.fills(order), f"our own orders have traded, though {manner}")
        if not any(report.ord_status in TERMINAL for report in trial.of(order)):
            await trial.withdraw(order, order_id)
