"""What became of a bracket that was to be closed, and why one is not flat."""

from __future__ import annotations

from decimal import Decimal

from engine.orders.brackets import Bracket
from engine.orders.view import OrderView
from engine.runtime.bracket_end import outcome_of
from engine.runtime.close_report import BracketClose, NotFlat
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Qty, sign


def bracket_close(bracket: Bracket) -> BracketClose:
    """Sum up a bracket's closing orders."""
    closes = [one for one in bracket.orders.values() if one.role == "close"]
    traded = sum((one.cum_qty for one in closes), ZERO)
    cost = sum((one.cum_cost for one in closes), ZERO)
    fees: dict[str, Decimal] = {}
    for one in closes:
        for asset, qty in one.fees.items():
            fees[asset] = fees.get(asset, ZERO) + qty
    return BracketClose(
        signal_id=bracket.signal.signal_id,
        symbol=bracket.instrument.symbol,
        side=bracket.signal.side,
        outcome=outcome_of(bracket) if bracket.ended else bracket.state,
        orders=sum(1 for one in closes if one.done_qty),
        traded_qty=Qty(traded),
        avg_px=cost / traded if traded else ZERO,
        fees=fees,
        left=sign(bracket.signal.side) * bracket.exposure,
        dust=bracket.ended and bool(bracket.exposure),
    )


def why_not_flat(bracket: Bracket, listed: Instrument | None, bound_s: float) -> NotFlat:
    """Say of a bracket that still lives, or holds something, what keeps it."""
    orders = list(bracket.orders.values())
    code, reason = _cause(orders, listed, bound_s)
    qty = abs(bracket.exposure) or sum((one.most for one in orders), ZERO)
    return NotFlat(bracket.instrument.symbol, bracket.signal.signal_id, qty, code, reason)


def _cause(orders: list[OrderView], listed: Instrument | None, bound_s: float) -> tuple[str, str]:
    for one in orders:
        if one.in_doubt:
            said = f"{one.role} {one.cl_ord_id[:8]} may be live: {one.reason}; resolve takes your word on it"
            return "ORDER_UNKNOWN", said
    if listed is not None and listed.status != "online":
        return f"MARKET_{listed.status.upper()}", f"the market is in {listed.status} mode; it goes on when that ends"
    for one in orders:
        if not one.ended and one.state in ("pending", "pending_cancel", "pending_amend"):
            return "UNANSWERED", f"{one.role} {one.cl_ord_id[:8]} is {one.state}: no answer yet"
    refused = [one for one in orders if one.role == "close" and one.code]
    if refused:
        return refused[-1].code, refused[-1].reason
    entry = next((one for one in orders if one.role == "entry" and not one.ended), None)
    if entry is not None:
        return entry.code or "ENTRY_LIVE", f"entry {entry.cl_ord_id[:8]} is {entry.state}: {entry.reason}"
    unsettled = next((one for one in orders if one.ended and one.state != "settled"), None)
    if unsettled is not None:
        return "FILLS_MISSING", f"{unsettled.role} {unsettled.cl_ord_id[:8]}: not all of its fills have been told"
    return "STILL_TRADING", f"not all was traded within {bound_s:g} s"
