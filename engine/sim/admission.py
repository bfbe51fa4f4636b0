"""The checks a new order or an amend must pass before the engine takes it (protocol section 11.1)."""

from __future__ import annotations

import re
from decimal import Decimal

from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.errors import Refused, invalid
from engine.sim.instruments import PairSpec
from engine.sim.numbers import MOST_DIGITS, NS, decimals_of
from engine.sim.offsets import Offset, Price
from engine.sim.orders import (
    CLOSE_TYPES,
    LIMIT_TYPES,
    ORDER_TYPES,
    TRAILING_TYPES,
    TRIGGER_TYPES,
    CloseSpec,
    NewOrder,
    SimOrder,
)
from engine.sim.pricing import Prices
from engine.sim.settings import SimSettings

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_FREE = re.compile(r"[\x21-\x7e]{1,18}")
_MONTH_NS = 31 * 86_400 * NS


def check_cl_ord_id(cl_ord_id: str, name: str = "cl_ord_id") -> None:
    """Accept a UUID, 32 hex digits or at most 18 printable ASCII characters. Raises Refused."""
    if not _UUID.fullmatch(cl_ord_id) and not _FREE.fullmatch(cl_ord_id):
        raise invalid(name)


def check_price(pair: PairSpec, price: Decimal) -> None:
    """Check sign, decimals and tick of a price. Raises Refused."""
    if price <= 0 or price.adjusted() >= MOST_DIGITS:  # a relative one may have grown beyond what can be reckoned with
        raise invalid("price")
    if decimals_of(price) > pair.price_precision:
        raise Refused(
            f"EOrder:Invalid price:{pair.rest_key} price can only be specified up to {pair.price_precision} decimals."
        )
    if price % pair.tick:
        raise Refused(errors.TICK_SIZE)


def check_qty(pair: PairSpec, qty: Decimal, price: Decimal | None) -> None:
    """Check decimals and minima of a quantity; ``price`` is what its cost is judged by. Raises Refused."""
    if qty <= 0 or decimals_of(qty) > pair.qty_precision:
        raise invalid("volume")
    if qty < pair.qty_min:
        raise Refused(errors.ORDER_MINIMUM)
    check_size(qty, price)
    if price is not None and qty * price < pair.cost_min:
        raise Refused(errors.COST_MINIMUM)


def check_size(qty: Decimal, price: Decimal | None) -> None:
    """Refuse a cost beyond what can be reckoned with to the last digit. Raises Refused."""
    if price is not None and (qty * price).adjusted() >= MOST_DIGITS:
        raise invalid("volume")


def check_deadline(deadline_ns: int | None, now_ns: int) -> None:
    """Refuse what reaches the engine after its deadline. Raises Refused."""
    if deadline_ns is not None and now_ns > deadline_ns:
        raise Refused(errors.DEADLINE_ELAPSED)


def deadline_bounds(settings: SimSettings, deadline_ns: int, now_ns: int, floor_s: float) -> int:
    """Check a deadline at its arrival and return it; one already past is left for the engine. Raises Refused."""
    ahead = deadline_ns - now_ns
    if ahead > settings.deadline_ceiling_s * NS:
        raise invalid("deadline")
    if settings.enforce_deadline_floor and 0 < ahead < floor_s * NS:
        raise invalid("deadline")
    return deadline_ns


def check_shape(new: NewOrder, now_ns: int) -> None:
    """Check which members go together. Raises Refused."""
    if new.order_type not in ORDER_TYPES:
        raise invalid("ordertype")
    check_prices(new)
    if new.post_only and (new.order_type not in ("limit", "iceberg") or new.time_in_force in ("ioc", "fok")):
        raise invalid("post_only")
    if new.time_in_force not in ("gtc", "ioc", "fok", "gtd"):
        raise invalid("timeinforce")
    if new.time_in_force == "fok" and new.order_type != "limit":
        raise invalid("timeinforce")
    if new.time_in_force == "ioc" and new.order_type not in ("limit", "market"):
        raise invalid("timeinforce")
    check_expiry(new, now_ns)
    check_display(new.order_type, new.display_qty)
    _check_cash(new)
    _check_margin(new)
    if new.close is not None:
        _check_close(new.close)


def check_prices(new: NewOrder | CloseSpec) -> None:
    """Check that the prices are those of the type; what trails has a distance ahead of zero. Raises Refused."""
    if (new.limit_price is not None) != (new.order_type in LIMIT_TYPES):
        raise invalid("price")
    if (new.trigger_price is not None) != (new.order_type in TRIGGER_TYPES):
        raise invalid("price")
    if new.order_type in TRAILING_TYPES:
        check_distance(new.trigger_price)


def check_distance(price: Price | None) -> None:
    """Check the distance of a trailing order: relative, above zero, its direction automatic. Raises Refused."""
    if not isinstance(price, Offset) or price.by_side or price.value <= 0:
        raise invalid("price")


def check_display(order_type: str, display_qty: Decimal | None) -> None:
    """An iceberg, and only that, says how much of it shows. Raises Refused."""
    if (display_qty is not None) != (order_type == "iceberg"):
        raise invalid("display_qty")


def _check_cash(new: NewOrder) -> None:
    plain_market_buy = new.order_type == "market" and new.side == "buy" and new.leverage is None
    if new.cash_order_qty is not None and (not plain_market_buy or new.order_qty):
        raise invalid("volume")


def _check_margin(new: NewOrder) -> None:
    if new.reduce_only and new.leverage is None:
        raise Refused(errors.REDUCE_ONLY_NOT_CLOSING)
    if new.leverage is not None and new.fee_in_base:
        raise invalid("leverage")
    if new.order_type == "settle-position" and (new.close is not None or new.reduce_only):
        raise invalid("ordertype")


def _check_close(close: CloseSpec) -> None:
    if close.order_type not in CLOSE_TYPES:
        raise invalid("close[ordertype]")
    check_prices(close)


def check_expiry(new: NewOrder, now_ns: int) -> None:
    """A GTD order, and only that, ends at a time within the next month. Raises Refused."""
    if (new.expire_ns is not None) != (new.time_in_force == "gtd"):
        raise invalid("expiretm")
    if new.expire_ns is not None and not now_ns < new.expire_ns <= now_ns + _MONTH_NS:
        raise invalid("expiretm")
    if new.effective_ns is not None:
        latest = now_ns + _MONTH_NS if new.expire_ns is None else new.expire_ns
        if not now_ns < new.effective_ns < latest:
            raise invalid("starttm")


def check_client_ids(new: NewOrder, account: Account, settings: SimSettings) -> None:
    """Check the client's own references: one of them, well formed, free among open orders. Raises Refused."""
    if new.sender_sub_id is not None:
        check_cl_ord_id(new.sender_sub_id, "sender_sub_id")
    if new.cl_ord_id is None:
        return
    if new.userref is not None:
        raise invalid("cl_ord_id and userref are exclusive")
    check_cl_ord_id(new.cl_ord_id)
    if account.open_by_cl_ord_id(new.cl_ord_id) is not None:
        raise Refused(settings.error_duplicate_cl_ord_id)


def check_mode(status: str, *, post_only: bool) -> None:
    """Check the venue's mode, or a pair's, for an order that enters or is amended. Raises Refused."""
    if status == "maintenance":
        raise Refused(errors.UNAVAILABLE)
    if status == "cancel_only":
        raise Refused(errors.CANCEL_ONLY)
    if status == "post_only" and not post_only:
        raise Refused(errors.POST_ONLY_MODE)


def check_pair_mode(status: str, order: NewOrder | SimOrder, *, post_only: bool) -> None:
    """Check the pair's own status for an order that enters or is amended. Raises Refused.

    The texts of the rarer ones are by analogy.
    """
    check_mode(status, post_only=post_only)
    if status == "limit_only" and order.order_type not in LIMIT_TYPES:
        raise Refused(errors.LIMIT_ONLY_MODE)
    if status == "reduce_only" and not order.reduce_only:
        raise Refused(errors.REDUCE_ONLY_MODE)
    if status in ("delisted", "work_in_progress"):
        raise Refused(errors.UNAVAILABLE)


def check_amounts(new: NewOrder, prices: Prices, pair: PairSpec, market_price: Decimal | None) -> None:
    """Check prices, precision and minima. Raises Refused."""
    templates = () if new.close is None else (new.close.limit_price, new.close.trigger_price)
    for price in (prices.limit, prices.trigger, *templates):
        if isinstance(price, Decimal):
            check_price(pair, price)
    if new.cash_order_qty is not None:
        _check_cash_amount(pair, new.cash_order_qty, new.order_qty)
        return
    check_qty(pair, new.order_qty, prices.limit or prices.trigger or market_price)
    if new.display_qty is not None:
        check_slice(pair, new.display_qty, new.order_qty)


def _check_cash_amount(pair: PairSpec, cash: Decimal, bought: Decimal) -> None:
    if cash <= 0 or decimals_of(cash) > pair.cost_precision:
        raise invalid("volume")
    if bought < pair.qty_min:
        raise Refused(errors.ORDER_MINIMUM)
    if cash < pair.cost_min:
        raise Refused(errors.COST_MINIMUM)


def check_slice(pair: PairSpec, display_qty: Decimal, of_qty: Decimal) -> None:
    """Check an iceberg's slice: at least a fifteenth of the whole (of what remains, in an amend). Raises Refused."""
    if decimals_of(display_qty) > pair.qty_precision or display_qty <= 0 or display_qty * 15 < of_qty:
        raise invalid("display_qty")


def check_room(account: Account, pair: PairSpec, settings: SimSettings) -> None:
    """Check the number of open orders on the pair. Raises Refused."""
    if account.unlimited:
        return
    if sum(order.symbol == pair.symbol for order in account.open.values()) >= settings.open_orders_limit_of(
        account.name
    ):
        raise Refused(errors.ORDERS_LIMIT)
