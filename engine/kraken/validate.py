"""What a decoded row must be besides well typed (§6.5, §9.4). Raises VenueProtocolError naming channel and member.

No more is asked than what we rest on: a rule too many would resynchronise for ever.
"""

from __future__ import annotations

from decimal import Decimal

from engine.errors import VenueProtocolError
from engine.kraken.frames import BalanceRow, BookRow, CandleRow, ExecutionRow, PairInfo, TickerRow, TradeRow

LEAST_EXPONENT, MOST_EXPONENT = -40, 15
"""Powers of ten between which every amount of a market lies; beyond, arithmetic would lose digits or fail."""
MOST_PRECISION = 30


def execution(row: ExecutionRow) -> None:
    """Every amount is one. That a fill has its identity is for the session to see, which makes fills."""
    for name in ("order_qty", "cum_qty", "last_qty"):
        amount("executions", name, getattr(row, name))
    for name in ("avg_price", "limit_price", "stop_price", "last_price", "cost", "ratecount", "rate_count"):
        number("executions", name, getattr(row, name))
    for fee in row.fees:
        number("executions", "fees", fee.qty)
    if row.triggers is not None:
        number("executions", "triggers", row.triggers.price)


def balance(row: BalanceRow) -> None:
    """Every balance is a number; it may be negative, as an amount moved may."""
    for name in ("balance", "amount", "fee"):
        number("balances", name, getattr(row, name))
    for wallet in row.wallets:
        number("balances", "balance", wallet.balance)


def book(row: BookRow) -> None:
    """Prices are positive, quantities not negative."""
    for side in (row.bids, row.asks):
        for level in side:
            amount("book", "qty", level.qty)
            positive("book", "price", level.price)


def trade(row: TradeRow) -> None:
    """Price and quantity are positive."""
    positive("trade", "price", row.price)
    positive("trade", "qty", row.qty)


def ticker(row: TickerRow) -> None:
    """What never was is zero."""
    for name in ("bid", "bid_qty", "ask", "ask_qty", "last", "volume"):
        amount("ticker", name, getattr(row, name))
    for name in ("vwap", "low", "high"):
        amount("ticker", name, getattr(row, name))
    for name in ("change", "change_pct"):
        number("ticker", name, getattr(row, name))


def candle(row: CandleRow) -> None:
    """Prices and volume are amounts; an interval is some minutes long."""
    for name in ("open", "high", "low", "close", "vwap", "volume"):
        amount("ohlc", name, getattr(row, name))
    if row.interval <= 0:
        raise VenueProtocolError(f"ohlc: interval {row.interval}")


def pair(row: PairInfo) -> None:
    """Steps are positive, minima not negative, precisions countable."""
    for name in ("qty_precision", "price_precision", "cost_precision"):
        if not 0 <= getattr(row, name) <= MOST_PRECISION:
            raise VenueProtocolError(f"instrument: {row.symbol}: {name} {getattr(row, name)}")
    for name in ("qty_increment", "price_increment"):
        positive("instrument", name, getattr(row, name))
    for name in ("qty_min", "cost_min"):
        amount("instrument", name, getattr(row, name))


def positive(channel: str, name: str, value: Decimal) -> None:
    """Refuse what is not above zero."""
    amount(channel, name, value)
    if not value:
        raise VenueProtocolError(f"{channel}: {name} is zero")


def amount(channel: str, name: str, value: Decimal | None) -> None:
    """Refuse what is below zero; None is nothing said."""
    number(channel, name, value)
    if value is not None and value < 0:
        raise VenueProtocolError(f"{channel}: {name} is negative: {value}")


def number(channel: str, name: str, value: Decimal | None) -> None:
    """Refuse what no market and no clock ever says: NaN, infinities, sizes that arithmetic cannot take."""
    if value is not None and not (value.is_finite() and LEAST_EXPONENT <= value.adjusted() <= MOST_EXPONENT):
        raise VenueProtocolError(f"{channel}: {name} is out of any market's range")
