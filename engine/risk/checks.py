"""Checks every entry meets before its bracket opens."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from engine.market.book import Book
from engine.orders.events import Numbers
from engine.orders.signal import Signal
from engine.orders.targets import sell_price
from engine.risk.denials import Denial, over
from engine.values.instrument import Instrument
from engine.values.money import NO_QTY, ZERO, Price, Qty, limit_not_worse, other_side, trimmed
from engine.values.time import rfc3339


def check_validity(signal: Signal, now_ns: int) -> Denial | None:
    """Deny a signal whose ``valid_until`` has passed."""
    if signal.valid_until_ns is not None and now_ns >= signal.valid_until_ns:
        return Denial("SIGNAL_EXPIRED", f"valid until {rfc3339(signal.valid_until_ns)}, it is {rfc3339(now_ns)}")
    return None


def check_instrument(signal: Signal, instrument: Instrument | None) -> Denial | None:
    """Deny a symbol the venue does not list or does not trade now."""
    if instrument is None:
        return Denial("SYMBOL_UNKNOWN", f"the venue lists no {signal.symbol}")
    if instrument.status != "online":
        return Denial("SYMBOL_NOT_ONLINE", f"{instrument.symbol} is {instrument.status}")
    return None


def check_leverage(signal: Signal, instrument: Instrument) -> Denial | None:
    """Deny a leverage that the pair does not lend on that side, by the venue's list as it is now."""
    if signal.leverage is None or signal.leverage in instrument.leverages(signal.side):
        return None
    listed = instrument.leverages(signal.side)
    offered = f"leverage {', '.join(map(str, listed))}" if listed else "no margin"
    said = f"{instrument.symbol} offers {offered} for a {signal.side}, asked for is {signal.leverage}"
    return Denial("LEVERAGE_NOT_OFFERED", said, Numbers(Decimal(max(listed, default=1)), Decimal(signal.leverage)))


def check_entry(signal: Signal, instrument: Instrument, book: Book) -> Denial | None:
    """Deny by book, order of prices and minima. A market entry is judged by the price it would take."""
    if not book.usable:
        return Denial("BOOK_NOT_FRESH", f"no verified book of {instrument.symbol}")
    facing = book.best(other_side(signal.side))
    entry = facing if signal.order_type == "market" else signal.limit_price or signal.trigger_price
    if entry is None:
        return Denial("BOOK_EMPTY", f"nobody {'sells' if signal.side == 'buy' else 'buys'} {instrument.symbol}")
    denial = check_leverage(signal, instrument)
    if denial is not None:
        return denial
    return _check_prices(signal, entry) or _check_minima(signal, instrument, entry) or _check_exits(signal, instrument)


def _check_prices(signal: Signal, entry: Price) -> Denial | None:
    """Stop < entry < target for a buy, reversed for a sell."""
    buy = signal.side == "buy"
    stop = signal.stop_loss.trigger_price if signal.stop_loss else None
    targets = [("target", target.price) for target in signal.targets]
    rising = (("stop", stop), ("entry", entry), *targets)
    named = [(name, price) for name, price in rising if price is not None]
    for (low_name, low), (high_name, high) in pairwise(named):
        if not (low < high if buy else low > high):
            order = "<" if buy else ">"
            return Denial(
                "PRICES_OUT_OF_ORDER",
                f"a {signal.side} needs {low_name} {order} {high_name}: "
                f"{low_name} {trimmed(low)}, {high_name} {trimmed(high)}",
            )
    return _check_stop_limit(signal)


def _check_stop_limit(signal: Signal) -> Denial | None:
    """A stop's limit lies beyond its trigger, or it would rest unfilled the moment it fires."""
    stop = signal.stop_loss
    if stop is None or stop.limit_price is None:
        return None
    beyond = stop.limit_price <= stop.trigger_price if signal.side == "buy" else stop.limit_price >= stop.trigger_price
    if beyond:
        return None
    return Denial(
        "STOP_LIMIT_OUT_OF_ORDER",
        f"limit {trimmed(stop.limit_price)} must not lie inside trigger {trimmed(stop.trigger_price)}",
    )


def _check_exits(signal: Signal, instrument: Instrument) -> Denial | None:
    """Deny what could not leave again: the stop, or a target's share of the quantity, below the venue's minima.

    Shares are judged for the whole quantity; of a partial fill a share too small is taken with the target after it.
    """
    lots = instrument.lots(signal.order_qty)
    stop = signal.stop_loss
    if stop is not None:
        denial = _below_minima("stop", lots, stop.limit_price or stop.trigger_price, instrument)
        if denial is not None:
            return denial
    share, gone = ZERO, NO_QTY
    for place, target in enumerate(signal.targets):
        share += target.share if target.share is not None else 1
        last = place == len(signal.targets) - 1
        part = Qty((lots if last else instrument.lots(lots * share)) - gone)
        denial = _below_minima(f"target {trimmed(target.price)}", part, sell_price(target), instrument)
        if denial is not None:
            return denial
        gone = Qty(gone + part)
    return None


def _below_minima(what: str, qty: Qty, price: Price, instrument: Instrument) -> Denial | None:
    if qty < instrument.qty_min:
        return over("EXIT_BELOW_MINIMUM", f"{what}, at least", instrument.qty_min, qty, unit=instrument.base)
    if qty * price < instrument.cost_min:
        return over("EXIT_BELOW_MINIMUM", f"{what}, at least", instrument.cost_min, qty * price, unit=instrument.quote)
    return None


def _check_minima(signal: Signal, instrument: Instrument, entry: Price) -> Denial | None:
    lots = instrument.lots(signal.order_qty)
    price = limit_not_worse(signal.side, entry, instrument.price_increment)
    if lots < instrument.qty_min:
        return Denial(
            "BELOW_MINIMUM_QTY",
            f"{trimmed(signal.order_qty)} {instrument.base} is below the minimum of {trimmed(instrument.qty_min)}",
        )
    if lots * price < instrument.cost_min:
        return Denial(
            "BELOW_MINIMUM_COST",
            f"{trimmed(lots)} {instrument.base} at {trimmed(price)} costs {trimmed(lots * price)} {instrument.quote}, "
            f"below the minimum of {trimmed(instrument.cost_min)}",
        )
    return None
