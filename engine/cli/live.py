"""The verbs that talk to a running engine: orders, order, reports, status, cancel, resolve."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Literal

import trio
from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, columns, directory_of, each_record, show_answer, show_refusal
from engine.cli.blotter import head_line, report_line
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.output import Output
from engine.cli.story import order_name
from engine.control.acting import Canceling, Resolved
from engine.control.reading import OrderDetail, OrderList, OrderRecord
from engine.control.refusal import Refusal
from engine.control.status import Status
from engine.control.table import CANCEL, ORDER, ORDERS, REPORTS, RESOLVE, STATUS
from engine.market.freshness import Freshness
from engine.net.link_view import LinkView
from engine.orders.events import ExecutionReport
from engine.runtime.bracket_scopes import said_bound
from engine.runtime.risk_desk import RiskView
from engine.values.money import trimmed
from engine.venue.protocol import Headroom

OrderId = Annotated[str, Parameter(help="cl_ord_id, any unique beginning of it, or the venue's order_id.")]


def orders(
    *,
    history: Annotated[int | None, Parameter(help="Also the last N fills, 1 to 1000.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """List the orders that have not settled, from the running engine or from its journal.

    Example: python -m engine orders --history 20
    """
    directory = directory_of(data_dir, config)
    return show_answer(ORDERS, {"history": history}, directory, as_json=as_json, lines=_orders_lines)


def order(order: OrderId, *, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Show one order and every report about it, from the running engine or from its journal.

    Example: python -m engine order 3f9c12ab
    """
    directory = directory_of(data_dir, config)
    return show_answer(ORDER, {"order": order}, directory, as_json=as_json, lines=_order_lines)


def reports(
    *,
    follow: Annotated[bool, Parameter(help="Go on until the engine ends, or Ctrl-C.")] = False,
    after: Annotated[int, Parameter(help="Offset of the last report already seen.")] = 0,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Print one JSON object a line.")] = False,
) -> Exit:
    """Print execution reports in order, each once; its offset is where to resume.

    Example: python -m engine reports --follow --after 120
    """
    output = Output()
    try:
        arguments = REPORTS.arguments({"after": after, "follow": follow})
        trio.run(partial(_print_reports, output, arguments, directory_of(data_dir, config), as_json))
    except Refusal as refusal:
        return show_refusal(output, refusal, as_json=as_json)
    return Exit.DONE


def status(*, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Say how the running engine is. Exit code 6 when none runs there.

    Example: python -m engine status --json
    """
    return show_answer(STATUS, {}, directory_of(data_dir, config), as_json=as_json, lines=_status_lines)


def cancel(
    order: Annotated[str | None, Parameter(help="The order to cancel.")] = None,
    *,
    signal: Annotated[str | None, Parameter(help="Cancel what is left of this signal's entry.")] = None,
    symbol: Annotated[str | None, Parameter(help="Cancel what is left of every entry in this market.")] = None,
    all_entries: Annotated[bool, Parameter(name="--all", help="Cancel what is left of every entry of ours.")] = False,
    reason: Annotated[str | None, Parameter(help="Why, for the journal.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Cancel an order, or entries by signal, market or all. What has filled stays protected.

    Example: python -m engine cancel --symbol BTC/USD
    """
    given = {"order": order, "signal": signal, "symbol": symbol, "all": all_entries or None, "reason": reason}
    return show_answer(CANCEL, given, directory_of(data_dir, config), as_json=as_json, lines=_cancel_lines)


def resolve(
    order: OrderId,
    *,
    verdict: Annotated[Literal["live", "dead"], Parameter(name="--as", help="What you know became of it.")],
    reason: Annotated[str, Parameter(help="How you know, for the journal.")],
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Decide what became of an order whose outcome is unknown, when the venue cannot be asked.

    Example: python -m engine resolve 3f9c12ab --as dead --reason "not among the orders on Kraken's page"
    """
    given = {"order": order, "as": verdict, "reason": reason}
    return show_answer(RESOLVE, given, directory_of(data_dir, config), as_json=as_json, lines=_resolve_lines)


async def _print_reports(output: Output, arguments: dict[str, Any], directory: Any, as_json: bool) -> None:
    def show(report: ExecutionReport) -> bool:
        if as_json:
            output.json(report)
        else:
            output.show(report_line(report))
        return not output.closed

    if not as_json:
        output.show(head_line())
    failure: Exception | None = None
    async with open_interrupts() as stop:
        try:
            with stop:
                await each_record(REPORTS, arguments, directory, show)
        except Exception as error:  # raised below as it is: the nursery would wrap it in a group
            failure = error
    if failure is not None:
        raise failure


# --- in words ------------------------------------------------------------------------------------------------------


def _orders_lines(found: OrderList) -> Iterator[str]:
    if found.active:
        yield from orders_table(found.active)
    else:
        yield "no order is active"
    if found.history:
        yield ""
        yield head_line().plain
        yield from (report_line(report).plain for report in found.history)


def orders_table(found: tuple[OrderRecord, ...]) -> list[str]:
    """Lay out orders, one a row."""
    head = ("order", "symbol", "side", "type", "filled", "price", "state", "order_id", "signal")
    rows = [
        (
            order_name(one.role, one.cl_ord_id),
            one.symbol,
            one.side,
            one.order_type,
            f"{trimmed(one.cum_qty)}/{trimmed(one.order_qty)}",
            _price(one),
            one.state,
            one.order_id or "",
            one.signal_id[:8],
        )
        for one in found
    ]
    return columns(head, rows)


def _price(one: OrderRecord) -> str:
    prices = [trimmed(price) for price in (one.trigger_price, one.limit_price) if price is not None]
    return "/".join(prices) or ("trails" if one.order_type.startswith("trailing") else "market")


def _order_lines(found: OrderDetail) -> Iterator[str]:
    one = found.order
    yield from orders_table((one,))
    fees = ", ".join(f"{trimmed(qty)} {asset}" for asset, qty in one.fees.items()) or "none"
    yield f"cl_ord_id {one.cl_ord_id}, average {trimmed(one.avg_px)}, fees {fees}"
    yield f"walked: {' > '.join(one.states)}"
    if one.reason:
        yield f"last reason: {one.reason}"
    yield ""
    yield head_line().plain
    yield from (report_line(report).plain for report in found.reports)


def _status_lines(found: Status) -> Iterator[str]:
    counts = found.orders
    yield f"engine {found.version}, process {found.pid}, up {found.uptime_s:.0f} s, {found.venue} {found.mode}"
    yield f"active: {found.active_brackets} brackets, {found.active_orders} orders"
    yield (
        f"orders since its start: {counts.submitted} submitted ({counts.by_websocket} by WebSocket, "
        f"{counts.by_rest} by REST), {counts.filled} filled, {counts.canceled} canceled, {counts.expired} expired, "
        f"{counts.rejected} rejected, {counts.denied} denied, {counts.unknown} unknown ({counts.unknown_now} now)"
    )
    yield f"{counts.executions} executions, {found.execution_messages} execution messages, {counts.alarms} alarms"
    yield from (link_line(link) for link in found.links)
    if found.breaker is not None:
        yield f"breaker: {found.breaker.state}, {found.breaker.failures} of {found.breaker.limit} failures"
    yield from (counter_line(counter) for counter in found.counters)
    for book in found.market:
        yield _book_line(book)
    yield from _trading_lines(found)
    if found.restart_bound.brackets:
        yield said_bound(found.restart_bound)
    for reason, why in found.halted.items():
        yield f"entries are kept back: {reason}: {why}"
    queues, journal = found.queues, found.journal
    yield (
        f"waiting: {queues.requests_in_flight} requests in flight, {queues.reports_unpublished} reports, "
        f"{queues.strays} strays, {queues.suspect_orders} suspect orders"
    )
    slowest_ms = journal.slowest_sync_s * 1000
    yield f"journal: {journal.rows} rows, {journal.durable} durable, slowest sync {slowest_ms:.1f} ms"


def link_line(link: LinkView) -> str:
    """Say how one link is."""
    why = f" ({link.why})" if link.why else ""
    return f"link {link.name}: {link.state}{why}, up {link.uptime_share:.1%}, {link.disconnects} disconnects"


def counter_line(counter: Headroom) -> str:
    """Say how full one of the venue's counters is."""
    return (
        f"counter {counter.symbol}: {counter.level:.1f} of {counter.threshold:g} points, "
        f"{counter.open_orders} of {counter.most_open_orders} orders, {counter.waiting} waiting"
    )


def _book_line(book: Freshness) -> str:
    state = "usable" if book.usable else f"unusable ({book.fault})"
    age = "never updated" if book.update_age_s is None else f"updated {book.update_age_s:.1f} s ago"
    late = "" if book.latency_s is None else f", {book.latency_s * 1000:.0f} ms late"
    held = f", held by {len(book.holders)}" if book.holders else ""
    return f"book {book.symbol}: {state}, {book.status}, depth {book.depth}, {age}{late}, {book.resyncs} resyncs{held}"


def limit_line(risk: RiskView) -> str:
    """Say what the limits are measured by."""
    return (
        f"exposure {trimmed(risk.exposure)} {risk.currency}, today {trimmed(risk.realized_today)} realised and "
        f"{trimmed(risk.unrealized)} unrealised, drawdown {trimmed(risk.drawdown)}"
    )


def _trading_lines(found: Status) -> Iterator[str]:
    risk = found.risk
    yield f"trading: {found.trading_state}; {limit_line(risk)}"
    for cause in found.trading.causes:
        yield f"{cause.strategy_id or 'all trading'}: {cause.code}: {cause.reason}"
    for trip in risk.throttled:
        yield f"throttled: {trip.strategy_id} {trip.side} {trip.symbol}: {trip.reason}"


def _cancel_lines(done: Canceling) -> Iterator[str]:
    for name in (*done.signals, *done.orders):
        yield f"canceling {name}"
    if not done.signals and not done.orders:
        yield "nothing was active"


def _resolve_lines(done: Resolved) -> Iterator[str]:
    yield f"{done.cl_ord_id} is taken for {done.verdict}: {done.reason}"
