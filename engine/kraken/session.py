"""The private stream's memory: deltas merged by order_id into whole reports (§9).

One object per subscription; a reconnect starts with a new one. Pure: times come in as arguments.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, cast, get_args

import msgspec

from engine.accounts.movement import SPOT, Movement
from engine.errors import VenueProtocolError
from engine.kraken import decode
from engine.kraken.frame_cache import FrameCache
from engine.kraken.frames import BalanceRow, ExecutionRow
from engine.orders.reports import Fee, Fill, OrderReport, ReportType, VenueStatus
from engine.values.money import NO_QTY, Price, Qty
from engine.venue.protocol import Balance

ENDED_KEPT = 10_000
"""Ended orders stay known, so that a late fill finds its symbol and side."""

_STATUSES = frozenset(get_args(VenueStatus))
_LIQUIDITY: dict[str | None, Literal["maker", "taker"]] = {"m": "maker", "t": "taker"}
TERMINAL = frozenset(("filled", "canceled", "expired"))

_FINAL_WORDS = frozenset(("trade", "filled", "canceled", "expired", "pending_new"))
"""Reports with news of their own: a trigger seen in one of them does not rename it."""

_STATUS_OF_TYPE: dict[str, VenueStatus] = {
    "pending_new": "pending_new",
    "new": "new",
    "trade": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
    "expired": "expired",
}


class Session:
    """What one subscription has said about orders so far."""

    def __init__(self) -> None:
        self._live: dict[str, OrderReport] = {}
        self._ended: OrderedDict[str, OrderReport] = OrderedDict()
        self._cache = FrameCache()
        self.unnamed: dict[str, None] = {}
        """Orders whose first frame never came: their symbol and quantity must be asked for."""

    def snapshot(self, rows: Sequence[ExecutionRow]) -> tuple[list[OrderReport], list[OrderReport]]:
        """Take the opening snapshot, return (open orders, trades, the oldest first)."""
        orders = [self._merge(row, None, "snapshot") for row in rows if row.exec_type != "trade"]
        for report in orders:
            self._keep(report)
        trades = sorted((_past_trade(row) for row in rows if row.exec_type == "trade"), key=lambda trade: trade.ts_ns)
        return [one for one in orders if one.ord_status not in TERMINAL], trades

    def update(self, rows: Sequence[ExecutionRow], now_s: float) -> list[OrderReport]:
        """Take an update, return a whole report per row.

        Left out: exact repeats, and what follows an order's end unless it is a fill.
        """
        reports = []
        for row in rows:
            if self._cache.repeated(row, now_s):
                continue
            known = self._known(row.order_id)
            if known is not None and known.ord_status in TERMINAL and row.exec_type != "trade":
                continue
            report = self._merge(row, known, "stream")
            self._keep(report)
            reports.append(report)
        return reports

    def name(self, asked: OrderReport) -> OrderReport:
        """Complete an unnamed order with the answer to a query; what the stream said stands. Returns the whole."""
        self.unnamed.pop(asked.order_id, None)
        known = self._known(asked.order_id)
        if known is None:
            return asked
        missing = {name: getattr(asked, name) for name in _NAMING if getattr(known, name) is None}
        named = msgspec.structs.replace(known, report_type=ReportType.STATUS, source="rest", fill=None, **missing)
        self._keep(named)
        return named

    def name_of(self, order_id: str) -> str | None:
        """Return the ``cl_ord_id`` of an order, None when this subscription has not told it."""
        known = self._known(order_id)
        return None if known is None else known.cl_ord_id

    def _known(self, order_id: str) -> OrderReport | None:
        return self._live.get(order_id) or self._ended.get(order_id)

    def _keep(self, report: OrderReport) -> None:
        if report.ord_status not in TERMINAL:
            self._live[report.order_id] = report
            return
        self._live.pop(report.order_id, None)
        self._ended[report.order_id] = report
        if len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)

    def _merge(
        self, row: ExecutionRow, known: OrderReport | None, source: Literal["stream", "snapshot"]
    ) -> OrderReport:
        if known is None:
            known = OrderReport(ReportType.STATUS, source, row.order_id, "pending_new", 0)
            if row.symbol is None or row.order_qty is None:
                self.unnamed[row.order_id] = None
        triggered = _triggered(row, known)
        order_qty = Qty(row.order_qty) if row.order_qty is not None else known.order_qty
        return OrderReport(
            report_type=_report_type(row, known, triggered),
            source=source,
            order_id=row.order_id,
            ord_status=_status(row, known),
            ts_ns=decode.moment(row.timestamp),
            cl_ord_id=row.cl_ord_id or known.cl_ord_id,
            symbol=row.symbol or known.symbol,
            side=row.side or known.side,
            order_type=row.order_type or known.order_type,
            order_qty=order_qty,
            cum_qty=_cum_qty(row, known, order_qty),
            avg_px=_price(row.avg_price) or known.avg_px,
            limit_price=_price(row.limit_price) or known.limit_price,
            trigger_price=_price(row.triggers.price if row.triggers else row.stop_price) or known.trigger_price,
            triggered=triggered,
            fill=_fill(row) if row.exec_type == "trade" else None,
            reason=row.reason or row.cancel_reason or "",
            ord_ref_id=row.ord_ref_id or known.ord_ref_id,
            margin=known.margin if row.margin is None else row.margin,
            reduce_only=known.reduce_only if row.reduce_only is None else row.reduce_only,
            liquidated=known.liquidated if row.liquidated is None else row.liquidated,
        )


_NAMING = (
    "cl_ord_id",
    "symbol",
    "side",
    "order_type",
    "order_qty",
    "cum_qty",
    "limit_price",
    "trigger_price",
    "ord_ref_id",
)


def balances(rows: Sequence[BalanceRow]) -> list[Balance]:
    """Return every wallet's balance that a balances frame tells of, the spot wallets of an asset as one."""
    return [balance for row in rows for balance in _wallets(row)]


def _wallets(row: BalanceRow) -> list[Balance]:
    if row.ledger_id:
        wallet = _wallet(row.wallet_type, row.wallet_id)
        return [Balance(row.asset, row.balance, wallet=wallet, movement=_movement(row, wallet))]
    if not row.wallets:
        return [Balance(row.asset, row.balance)]
    totals = {SPOT: Decimal(0)}
    for one in row.wallets:
        wallet = _wallet(one.type, one.id)
        totals[wallet] = totals.get(wallet, Decimal(0)) + one.balance
    return [Balance(row.asset, total, wallet=wallet) for wallet, total in totals.items()]


def _wallet(kind: str, name: str) -> str:
    return kind if kind == SPOT else f"{kind}/{name}"


def _movement(row: BalanceRow, wallet: str) -> Movement:
    ts_ns = decode.moment(row.timestamp) if row.timestamp else 0
    return Movement(row.ledger_id, row.ref_id, row.type, row.asset, row.amount, row.fee, ts_ns, wallet)


def _report_type(row: ExecutionRow, known: OrderReport, triggered: bool | None) -> ReportType:
    if triggered and known.triggered is False and row.exec_type not in _FINAL_WORDS:
        return ReportType.TRIGGERED
    try:
        return ReportType(row.exec_type)
    except ValueError:  # iceberg_refill, or a type yet to come
        return ReportType.STATUS


def _status(row: ExecutionRow, known: OrderReport) -> VenueStatus:
    if known.ord_status in TERMINAL:  # a fill after the end is counted and moves nothing back
        return known.ord_status
    if row.order_status in _STATUSES:
        return cast("VenueStatus", row.order_status)
    if row.exec_type in _STATUS_OF_TYPE:
        return _STATUS_OF_TYPE[row.exec_type]
    return "new" if known.ord_status == "pending_new" else known.ord_status


def _triggered(row: ExecutionRow, known: OrderReport) -> bool | None:
    if known.triggered:
        return True
    if row.order_status == "triggered" or row.exec_type == "triggered":
        return True
    if row.triggers is not None and row.triggers.status is not None:
        return row.triggers.status == "triggered"
    return known.triggered


def _cum_qty(row: ExecutionRow, known: OrderReport, order_qty: Qty | None) -> Qty | None:
    if row.cum_qty is not None:
        return Qty(row.cum_qty)
    if row.exec_type == "filled":
        return order_qty
    if row.exec_type == "pending_new":
        return NO_QTY
    return known.cum_qty


def _price(value: Decimal | None) -> Price | None:
    """Kraken writes 0 where there is no price."""
    return Price(value) if value else None


def _fill(row: ExecutionRow) -> Fill:
    if row.exec_id is None or row.last_qty is None or row.last_price is None:
        raise VenueProtocolError(f"executions: trade of {row.order_id} without exec_id, last_qty or last_price")
    return Fill(
        exec_id=row.exec_id,
        last_qty=Qty(row.last_qty),
        last_px=Price(row.last_price),
        cost=row.cost if row.cost is not None else row.last_qty * row.last_price,
        fees=tuple(Fee(fee.asset, fee.qty) for fee in row.fees),
        liquidity_ind=_LIQUIDITY.get(row.liquidity_ind, "unknown"),
        ts_ns=decode.moment(row.timestamp),
    )


def _past_trade(row: ExecutionRow) -> OrderReport:
    """Return a snapshot's trade. It says ``filled`` of every order it touched, so its status is not believed."""
    return OrderReport(
        report_type=ReportType.TRADE,
        source="snapshot",
        order_id=row.order_id,
        ord_status="partially_filled",
        ts_ns=decode.moment(row.timestamp),
        cl_ord_id=row.cl_ord_id,
        symbol=row.symbol,
        side=row.side,
        order_type=row.order_type,
        fill=_fill(row),
        ord_ref_id=row.ord_ref_id,
        margin=row.margin,
        liquidated=row.liquidated,
    )
