"""Rows of the private channels: ``executions`` (protocol section 9) and ``balances`` (section 6.6)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.sim.accounts import Account
from engine.sim.events import LedgerEntry, OrderReport
from engine.sim.instruments import PairSpec
from engine.sim.numbers import ZERO, fixed, number, rfc3339, upward
from engine.sim.offsets import Offset
from engine.sim.orders import CloseSpec, SimOrder, SimTrade
from engine.sim.settings import SimSettings

_USD_PLACES = 4
QUIET_EXEC_TYPES = ("new", "trade", "filled", "canceled", "expired")  # what order_status=false still shows


class ExecutionRows:
    """Writes the rows of ``executions`` from live orders."""

    def __init__(self, settings: SimSettings) -> None:
        self._settings = settings
        self._pairs = {pair.symbol: pair for pair in settings.pairs}
        self._decimals = {asset.name: asset.decimals for asset in settings.assets}

    def row(self, report: OrderReport) -> dict[str, object]:
        """Return the row of one report: full for the first, a delta for the others."""
        order, pair = report.order, self._pairs[report.order.symbol]
        head: dict[str, object] = {
            "timestamp": rfc3339(report.ts_ns),
            "order_status": self._status(report),
            "exec_type": report.exec_type,
            **_identity(order),
        }
        if report.trade is not None:
            return head | self._trade(report.trade, pair) | self._totals(order, pair)
        if report.exec_type == "pending_new":
            return head | self._full(order, pair)
        if report.exec_type == "new":
            return head | ({"post_only": True} if order.post_only else {})
        if report.exec_type in ("filled", "canceled", "expired"):
            return head | self._totals(order, pair) | _reason(order)
        if report.exec_type == "amended":
            return head | {"amended": True, "reason": self._settings.reason_user} | self._changed(order, pair)
        if report.exec_type == "restated":
            reason = {"reason": self._settings.reason_reduce_only} if order.reduce_only else {}
            return head | reason | self._changed(order, pair) | self._triggers(order, pair, with_last=True)
        if report.exec_type == "iceberg_refill":
            return head | _display(order, pair)
        return head | self._triggers(order, pair, with_last=True)

    def snapshot_order(self, order: SimOrder, now_ns: int) -> dict[str, object]:
        """Return the full row of an open order."""
        pair = self._pairs[order.symbol]
        row: dict[str, object] = {
            "timestamp": rfc3339(order.amended_ns or order.opened_ns or now_ns),
            "order_status": order.status,
            "exec_type": self._settings.snapshot_exec_type,
            **_identity(order),
            **self._full(order, pair),
            **self._totals(order, pair),
        }
        return row | ({"amended": True} if order.amended else {})

    def snapshot_trade(self, trade: SimTrade, order: SimOrder) -> dict[str, object]:
        """Return the row of a past fill; it has no cumulative members."""
        head: dict[str, object] = {
            "timestamp": rfc3339(trade.ts_ns),
            "order_status": "filled",
            "exec_type": "trade",
            **_identity(order),
        }
        return head | self._trade(trade, self._pairs[trade.symbol])

    def _status(self, report: OrderReport) -> str:
        if report.trade is not None and report.order.status == "filled":
            return self._settings.trade_frame_completes_as
        return report.order.status

    def _full(self, order: SimOrder, pair: PairSpec) -> dict[str, object]:
        price = pair.price_precision
        row: dict[str, object] = {
            "symbol": order.symbol,
            "side": order.side,
            "order_type": order.order_type,
            **self._asked(order, pair),
            "cum_cost": number(order.cum_cost, pair.cost_precision),
            "time_in_force": order.time_in_force.upper(),
        }
        if order.limit_price is not None:
            row |= self._limit(order, pair)
        row["stop_price"] = number(order.trigger_price or ZERO, price)
        row["fee_usd_equiv"] = number(self._fee_usd(order), _USD_PLACES)
        row["fee_ccy_pref"] = "fcib" if order.fee_in_base else "fciq"
        if order.post_only:
            row["post_only"] = True
        for name, at_ns in (("effective_time", order.effective_ns), ("expire_time", order.expire_ns)):
            if at_ns is not None:
                row[name] = rfc3339(at_ns)
        return row | self._links(order, pair) | _display(order, pair) | self._triggers(order, pair)

    def _asked(self, order: SimOrder, pair: PairSpec) -> dict[str, object]:
        """Return how much was asked for: base units, or quote currency."""
        if order.cash_order_qty is not None:
            return {"cash_order_qty": number(order.cash_order_qty, pair.cost_precision)}
        return {"order_qty": number(order.order_qty, pair.qty_precision)}

    @staticmethod
    def _limit(order: SimOrder, pair: PairSpec) -> dict[str, object]:
        if order.limit_price is None:
            return {}
        offset = order.limit_offset if order.trails and not order.triggered else None
        kind = "static" if offset is None else offset.price_type
        return {"limit_price_type": kind, "limit_price": number(order.limit_price, pair.price_precision)}

    @staticmethod
    def _links(order: SimOrder, pair: PairSpec) -> dict[str, object]:
        """Return what ties an order to others and to positions."""
        row: dict[str, object] = {}
        if order.ref_id is not None:
            row["ord_ref_id"] = order.ref_id
        if order.close is not None:
            row["contingent"] = _contingent(order.close, pair)
        if order.leverage is not None:
            row["margin"] = True
        if order.reduce_only:
            row["reduce_only"] = True
        if order.sender_sub_id is not None:
            row["sender_sub_id"] = order.sender_sub_id
        return row

    def _triggers(self, order: SimOrder, pair: PairSpec, *, with_last: bool = False) -> dict[str, object]:
        if order.trigger_price is None:
            return {}
        price, offset = pair.price_precision, order.trigger_offset
        triggers: dict[str, object] = {
            "price": number(order.trigger_price, price) if offset is None else _asked_offset(offset, price),
            "price_type": "static" if offset is None else offset.price_type,
            "reference": order.trigger_reference,
            "status": "triggered" if order.triggered else "untriggered",
        }
        if offset is not None:
            triggers["actual_price"] = number(order.trigger_price, price)
        if order.peak_price is not None:
            triggers["peak_price"] = number(order.peak_price, price)
        if with_last and order.last_at_trigger is not None:
            triggers["last_price"] = number(order.last_at_trigger, pair.price_precision)
        return {"trigger": order.trigger_reference, "triggers": triggers}

    def _totals(self, order: SimOrder, pair: PairSpec) -> dict[str, object]:
        return {
            "cum_qty": number(order.cum_qty, pair.qty_precision),
            "cum_cost": number(order.cum_cost, pair.cost_precision),
            "avg_price": number(order.avg_price, pair.price_precision),
            "fee_usd_equiv": number(self._fee_usd(order), _USD_PLACES),
        }

    def _trade(self, trade: SimTrade, pair: PairSpec) -> dict[str, object]:
        places = pair.cost_precision if trade.fee_asset == pair.quote else self._decimals[trade.fee_asset]
        fee_usd = trade.fee if trade.fee_asset == pair.quote else trade.fee * trade.price
        row: dict[str, object] = {
            "exec_id": trade.exec_id,
            "trade_id": trade.trade_id,
            "symbol": trade.symbol,
            "side": trade.side,
            "order_type": trade.order_type,
            "last_qty": number(trade.qty, pair.qty_precision),
            "last_price": number(trade.price, pair.price_precision),
            "cost": number(trade.cost, pair.cost_precision),
            "liquidity_ind": trade.liquidity,
            "fees": [{"asset": trade.fee_asset, "qty": number(trade.fee, places)}],
            "fee_usd_equiv": number(fee_usd, _USD_PLACES),
        }
        if trade.position_status is not None:
            row |= {"margin": True, "margin_borrow": True, "position_status": trade.position_status}
            row["liquidated"] = trade.liquidated
        return row

    def _changed(self, order: SimOrder, pair: PairSpec) -> dict[str, object]:
        row: dict[str, object] = {
            "cum_qty": number(order.cum_qty, pair.qty_precision),
            "order_qty": number(order.order_qty, pair.qty_precision),
        }
        return row | self._limit(order, pair) | _display(order, pair) | self._triggers(order, pair)

    def _fee_usd(self, order: SimOrder) -> Decimal:
        """Return the fee in quote terms; a fee in base is valued at the order's average price."""
        return order.fee * order.avg_price if order.fee_in_base else order.fee


def counter_member(settings: SimSettings, level: Decimal) -> dict[str, object]:
    """Return the member that shows the engine counter, rounded up to hundredths: never less than it is."""
    shown = upward(level, 2)
    return {settings.ratecounter_field: fixed(shown, 2) if settings.ratecounter_as_text else number(shown, 2)}


def _identity(order: SimOrder) -> dict[str, object]:
    """Name the order: with a cl_ord_id there is no order_userref, without both it is 0."""
    if order.cl_ord_id is not None:
        return {"cl_ord_id": order.cl_ord_id, "order_id": order.order_id}
    return {"order_userref": order.userref or 0, "order_id": order.order_id}


def _display(order: SimOrder, pair: PairSpec) -> dict[str, object]:
    """Return an iceberg's slice and what of it is left in the book."""
    if order.display_qty is None:
        return {}
    return {
        "display_qty": number(order.display_qty, pair.qty_precision),
        "display_qty_remain": number(order.visible_qty, pair.qty_precision),
    }


def _contingent(close: CloseSpec, pair: PairSpec) -> dict[str, object]:
    """Return the template of the orders that fills will create."""
    row: dict[str, object] = {"order_type": close.order_type}
    for name, price in (("trigger_price", close.trigger_price), ("limit_price", close.limit_price)):
        if price is not None:
            if isinstance(price, Offset):
                row |= {name: _asked_offset(price, pair.price_precision), f"{name}_type": price.price_type}
            else:
                row |= {name: number(price, pair.price_precision), f"{name}_type": "static"}
    return row


def _asked_offset(offset: Offset, price_places: int) -> msgspec.Raw:
    return number(offset.value, offset.places(price_places))


def _reason(order: SimOrder) -> dict[str, object]:
    return {} if order.reason is None else {"cancel_reason": order.reason, "reason": order.reason}


def balance_snapshot(account: Account, settings: SimSettings) -> list[dict[str, object]]:
    """Return a row per asset of the account."""
    rows: list[dict[str, object]] = []
    for asset in settings.assets:
        if asset.name in account.balances:
            total = number(account.balances[asset.name], asset.decimals)
            wallet = {"type": "spot", "id": "main", "balance": total}
            rows.append({"asset": asset.name, "asset_class": "currency", "balance": total, "wallets": [wallet]})
    return rows


def ledger_row(entry: LedgerEntry, settings: SimSettings) -> dict[str, object]:
    """Return the row of one ledger entry."""
    places = settings.asset(entry.asset).decimals
    return {
        "ledger_id": entry.ledger_id,
        "ref_id": entry.ref_id,
        "timestamp": rfc3339(entry.ts_ns),
        "type": entry.type,
        **({"subtype": entry.subtype} if entry.subtype else {}),
        "category": entry.type,
        "asset": entry.asset,
        "asset_class": "currency",
        "amount": number(entry.amount, places),
        "fee": number(entry.fee, places),
        "balance": number(entry.balance, places),
        "wallet_type": "spot",
        "wallet_id": "main",
    }
