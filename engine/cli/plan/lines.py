"""A plan in words."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from engine.cli.asking import columns
from engine.cli.plan.rate import RateCost
from engine.cli.plan.wire import WireMessage
from engine.risk.measures import Measure
from engine.risk.preview import Child, Preview, Terms
from engine.values.money import trimmed

CENT = Decimal("0.01")


def plan_lines(told: Preview, terms: Terms, messages: tuple[WireMessage, ...], rate: RateCost) -> Iterator[str]:
    """Yield the plan, part by part."""
    yield from _head(told)
    yield from ("", "checks", *_checks(told.checks))
    if told.orders and told.instrument is not None:
        yield from ("", "orders, were all filled at once", *_orders(told))
        yield from ("", "rate limits", *_rate(rate))
        yield from ("", "on the wire (either the first line or the second; what is in <> is known only then)")
        for child, message in zip(told.orders, messages, strict=True):
            yield f"  {child.order.cl_ord_id}{'' if _at_once(child) else ', when its time comes'}"
            yield f"    {message.websocket}"
            yield f"    {message.rest}  {message.body}"
    if told.worst is not None:
        yield from ("", "worst case", *_worst(told, terms))
    yield ""
    yield from (f"note: {note}" for note in told.notes)
    yield "nothing was sent"


def _head(told: Preview) -> Iterator[str]:
    signal = told.signal
    limit = "" if signal.limit_price is None else f" at {trimmed(signal.limit_price)}"
    yield f"{signal.side} {trimmed(signal.order_qty)} {signal.symbol} {signal.order_type}{limit} ({signal.signal_id})"
    if told.bid is not None and told.ask is not None:
        yield f"bid {trimmed(told.bid)}, ask {trimmed(told.ask)}"
    yield f"verdict: would be {told.verdict}" + (f": {told.code}: {told.reason}" if told.code else "")


def _checks(checks: tuple[Measure, ...]) -> list[str]:
    marks = {True: "ok", False: "DENIED", None: "?"}
    rows = [
        (f"  {one.name}", marks[one.passed], _amount(one.observed, one.unit), _bound(one), one.reason) for one in checks
    ]
    return columns(("  check", "", "this order", "limit", ""), rows)


def _bound(one: Measure) -> str:
    return "" if one.observed is None and one.limit is None else _amount(one.limit, one.unit) or "none set"


def _amount(value: Decimal | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{trimmed(round(value, 8))} {unit}".rstrip()


def _orders(told: Preview) -> Iterator[str]:
    instrument = told.instrument
    if instrument is None:
        return
    rows = []
    for child in told.orders:
        order = child.order
        price = ", ".join(
            f"{name} {trimmed(value)}"
            for name, value in (("limit", order.limit_price), ("trigger", order.trigger_price), ("trail", order.trail))
            if value is not None
        )
        fits = "" if child.orderable else "BELOW THE MINIMA"
        how = "rests" if child.rests else "at once" if child.role == "entry" else "watched, sent when touched"
        rows.append(
            (
                f"  {order.cl_ord_id}",
                order.side,
                f"{trimmed(order.order_qty)} {instrument.base}",
                order.order_type,
                price or "at market",
                order.time_in_force,
                how,
                f"{trimmed(child.cost.quantize(CENT))} {instrument.quote}",
                "; ".join((*child.rounded, fits)).strip("; "),
            )
        )
    yield from columns(("  order", "side", "quantity", "type", "price", "tif", "how", "worth", "rounded"), rows)
    yield (
        f"  least: {trimmed(instrument.qty_min)} {instrument.base} and {trimmed(instrument.cost_min)}"
        f" {instrument.quote}; lot {trimmed(instrument.qty_increment)}, tick {trimmed(instrument.price_increment)}"
    )
    yield "  each fill is covered by itself, net of fees that are taken in the base currency"


def _rate(rate: RateCost) -> Iterator[str]:
    level = "nobody counts here" if rate.level is None else f"{rate.level:.1f} used now"
    fits = {True: "it fits now", False: "it would wait for room", None: ""}[rate.fits_now]
    yield (
        f"  the pair's counter: {rate.entry_points} for the entry, {rate.kept_free} kept free for its protection, of"
        f" {rate.threshold:g} ({level}, {rate.decay_per_s:g} go each second)" + (f": {fits}" if fits else "")
    )
    there = "" if rate.open_orders is None else f", {rate.open_orders} are open"
    yield f"  slots: {rate.slots} of {rate.most_slots} open orders{there}"
    yield f"  a cancel within 5 s costs {rate.early_cancel} points"
    yield "  REST's own counter: orders and cancels cost nothing of it"


def _worst(told: Preview, terms: Terms) -> Iterator[str]:
    worst = told.worst
    if worst is None:
        return
    if worst.entry_px is not None:
        yield f"  entry at {_money(worst.entry_px)}, fees {trimmed(terms.fee_bps)} bps of each trade"
    if worst.exit_px is not None:
        slip = (
            ""
            if told.signal.stop_loss and told.signal.stop_loss.limit_price
            else (f", {trimmed(terms.slippage_bps)} bps past its trigger")
        )
        yield f"  stop fires, trades at {_money(worst.exit_px)}{slip}"
    if worst.loss is not None:
        yield f"  loss {_money(worst.loss)} {worst.currency}, of it {_money(worst.fees)} fees"
    yield f"  {worst.gap}"


def _money(value: Decimal) -> str:
    return trimmed(value.quantize(CENT) if abs(value) >= 1 else round(value, 8))


def _at_once(child: Child) -> bool:
    return child.role == "entry"
