"""What the dashboard is told: one snapshot of everything, then what has changed. Amounts are plain decimal strings.

Times ending in ``_ms`` are our wall clock in UTC milliseconds: what a page can hold without losing digits.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.net.link_view import LinkView
from engine.orders.events import ExecutionReport, Role
from engine.orders.view import OrderView
from engine.risk.breaker import BreakerView
from engine.runtime.money_views import PnlRow, PositionView
from engine.runtime.risk_desk import RiskView
from engine.runtime.trading_desk import TradingView
from engine.values.money import Side, trimmed
from engine.venue.protocol import Headroom, RestartBound

MS = 1_000_000
"""Nanoseconds of a millisecond."""


class BoardOrder(msgspec.Struct, frozen=True):
    """One order as a row. ``since_ms`` is when it was sent (0: it was not), ``doubt``: no proof that it is there.

    ``ended_as`` is what a settled order was before: filled, canceled, rejected …
    """

    cl_ord_id: str
    order_id: str
    signal_id: str
    strategy_id: str
    role: Role
    symbol: str
    side: Side
    order_type: str
    time_in_force: str
    state: str
    ended_as: str
    order_qty: str
    cum_qty: str
    avg_px: str
    limit_price: str
    trigger_price: str
    since_ms: int
    changed_ms: int
    ended: bool
    doubt: bool
    reason: str


class BoardBracket(msgspec.Struct, frozen=True):
    """One bracket as a row. ``held`` is its exposure, ``uncovered`` what of it has no sure stop (base units).

    ``uncovered_qty_s`` is the gauge so far, ``outcome`` is "" while it lives, ``realized`` quote units after all fees.
    """

    signal_id: str
    strategy_id: str
    symbol: str
    side: Side
    state: str
    outcome: str
    order_qty: str
    held: str
    uncovered: str
    uncovered_qty_s: str
    stop_price: str
    target_price: str
    realized: str
    since_ms: int
    changed_ms: int
    ended: bool
    orders: int
    reason: str


class Happening(msgspec.Struct, frozen=True):
    """One line of the activity list: a fill, a refusal, an end, an alarm."""

    offset: int
    at_ms: int
    exec_type: str
    signal_id: str
    cl_ord_id: str
    role: Role
    symbol: str
    side: Side
    qty: str
    price: str
    text: str
    alarm: str


class BoardPoint(msgspec.Struct, frozen=True):
    """A point of the profit curve, in ``quote`` units; ``unrealized`` is "" where a price was missing."""

    at_ms: int
    quote: str
    realized: str
    unrealized: str


class BoardEngine(msgspec.Struct, frozen=True):
    """Which engine this is; another ``started_ms`` is another process."""

    version: str
    venue: str
    account: str
    mode: str
    pid: int
    started_ms: int


class BoardTrading(msgspec.Struct, frozen=True):
    """Whether entries pass: the latch, and every further reason that keeps them back."""

    latch: TradingView
    gate: dict[str, str]


class BoardMoney(msgspec.Struct, frozen=True):
    """What is held by strategy and by market, and profit by quote currency."""

    positions: tuple[PositionView, ...]
    totals: tuple[PositionView, ...]
    pnl: tuple[PnlRow, ...]


class BoardMarket(msgspec.Struct, frozen=True):
    """How fresh one held book is. Ages in seconds."""

    symbol: str
    status: str
    usable: bool
    fault: str
    update_age_s: float | None
    latency_s: float | None
    resyncs: int


class BoardAlarm(msgspec.Struct, frozen=True):
    """An alarm that is not over. ``acked_ms`` 0: nobody has acknowledged it yet."""

    number: int
    code: str
    subject: str
    level: str
    text: str
    what_to_do: str
    first_ms: int
    last_ms: int
    count: int
    acked_ms: int


class BoardHealth(msgspec.Struct, frozen=True):
    """How the engine does: looked at once a second.

    ``uncovered_qty_s`` is by base asset since this engine started; ``cover_bound_s`` is how long quantity may be bare.
    """

    uptime_s: float
    links: tuple[LinkView, ...]
    counters: tuple[Headroom, ...]
    breaker: BreakerView
    risk: RiskView
    markets: tuple[BoardMarket, ...]
    uncovered_qty_s: dict[str, Decimal]
    cover_bound_s: float
    restart_bound: RestartBound
    in_flight: int
    journal_rows: int


class Board(msgspec.Struct, frozen=True, tag="snapshot", tag_field="kind"):
    """Everything, at one moment. ``offset`` is the journal's head then; ``number`` that of the last change in it."""

    number: int
    offset: int
    at_ms: int
    engine: BoardEngine
    orders: tuple[BoardOrder, ...]
    brackets: tuple[BoardBracket, ...]
    activity: tuple[Happening, ...]
    points: tuple[BoardPoint, ...]
    trading: BoardTrading
    alarms: tuple[BoardAlarm, ...]
    money: BoardMoney
    health: BoardHealth


class BoardChange(msgspec.Struct, frozen=True, tag="change", tag_field="kind", omit_defaults=True):
    """What differs from the frame before. Rows are whole rows; ``gone`` names rows that are no longer shown.

    Left out means unchanged. ``ended``: the engine has shut down, and this is the last frame.
    """

    number: int
    offset: int
    at_ms: int
    orders: tuple[BoardOrder, ...] = ()
    orders_gone: tuple[str, ...] = ()
    brackets: tuple[BoardBracket, ...] = ()
    brackets_gone: tuple[str, ...] = ()
    activity: tuple[Happening, ...] = ()
    points: tuple[BoardPoint, ...] = ()
    trading: BoardTrading | None = None
    alarms: tuple[BoardAlarm, ...] | None = None
    money: BoardMoney | None = None
    health: BoardHealth | None = None
    ended: bool = False


class BoardBook(msgspec.Struct, frozen=True, tag="market", tag_field="kind"):
    """The chosen market: levels as (price, qty), best first, and the trades since the frame before.

    While ``usable`` is false the levels are what was last held, and ``fault`` says why.
    """

    symbol: str
    at_ms: int
    usable: bool
    fault: str
    bids: tuple[tuple[str, str], ...]
    asks: tuple[tuple[str, str], ...]
    trades: tuple[BoardTrade, ...]


class BoardTrade(msgspec.Struct, frozen=True):
    """A trade anyone made; ``side`` is the taker's."""

    at_ms: int
    side: Side
    price: str
    qty: str


BoardFrame = Board | BoardChange | BoardBook
"""What the stream is made of."""


def order_row(signal_id: str, strategy_id: str, view: OrderView) -> BoardOrder:
    """Put an order's view into a row."""
    return BoardOrder(
        cl_ord_id=view.cl_ord_id,
        order_id=view.order_id or "",
        signal_id=signal_id,
        strategy_id=strategy_id,
        role=view.role,
        symbol=view.spec.symbol,
        side=view.spec.side,
        order_type=view.spec.order_type,
        time_in_force=view.spec.time_in_force,
        state=view.state,
        ended_as=view.states[-2] if view.state == "settled" and len(view.states) > 1 else "",
        order_qty=trimmed(view.order_qty),
        cum_qty=trimmed(view.cum_qty),
        avg_px=amount(view.avg_px or None),
        limit_price=amount(view.limit_price),
        trigger_price=amount(view.trigger_price),
        since_ms=view.dispatched_ns // MS,
        changed_ms=view.changed_ns // MS,
        ended=view.ended,
        doubt=view.in_doubt,
        reason=view.reason,
    )


def happening(report: ExecutionReport) -> Happening | None:
    """Put a report into a line of the activity list; None for the steps in between."""
    if report.exec_type not in TOLD and not report.alarm:
        return None
    traded = report.exec_type == "trade"
    return Happening(
        offset=report.offset,
        at_ms=report.ts_ns // MS,
        exec_type=report.exec_type,
        signal_id=report.signal_id,
        cl_ord_id=report.cl_ord_id,
        role=report.role,
        symbol=report.symbol,
        side=report.side,
        qty=amount(report.last_qty) if traded else trimmed(report.order_qty),
        price=amount(report.last_px) if traded else "",
        text=": ".join(part for part in (report.code, report.reason) if part),
        alarm=report.alarm,
    )


TOLD = frozenset({"trade", "denied", "rejected", "canceled", "expired", "unknown"})
"""What a person at a desk wants to have seen."""


def amount(value: Decimal | None) -> str:
    """Plain text, "" for none."""
    return "" if value is None else trimmed(value)
