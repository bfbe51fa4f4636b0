"""The embedded exchange as a ground for the conformance kit, with hands to lend."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.kraken.settings import KrakenSettings, Secret
from engine.sim import Exchange
from engine.values.money import Price, Qty, Side, other_side
from engine.venue.ground import Ground

HOST = "exchange.sim"
SYMBOL = "BTC/USD"
RESTING, STOP = Price(Decimal("40000.0")), Price(Decimal("39000.0"))


def _fill_book(exchange: Exchange) -> None:
    for step in range(40):  # small orders, so that every sweep takes several
        exchange.house.quote(SYMBOL, "buy", Decimal(49_990 - step), Decimal("0.02"))
        exchange.house.quote(SYMBOL, "sell", Decimal(50_010 + step), Decimal("0.02"))


def prepare(exchange: Exchange) -> Ground:
    """Fill the book on both sides, and return the ground."""
    house = exchange.house
    _fill_book(exchange)
    house.print_trade(SYMBOL, Decimal("50000.0"), Decimal("0.01"))

    def take(side: Side, qty: Qty, price: Price) -> None:
        house.clear(SYMBOL)  # ours becomes the best of its side
        house.quote(SYMBOL, other_side(side), price, qty)
        _fill_book(exchange)

    def move(price: Price) -> None:
        house.print_trade(SYMBOL, price, Decimal("0.001"))

    return Ground(
        symbol=SYMBOL,
        qty=Qty(Decimal("0.01")),
        sweep_qty=Qty(Decimal("0.05")),
        resting_price=RESTING,
        stop_price=STOP,
        unaffordable_qty=Qty(Decimal(1000)),
        cut=exchange.kick,
        take=take,
        move=move,
    )


def settings_of(exchange: Exchange, address: str, **changes: Any) -> KrakenSettings:
    """Return settings that fit the exchange at this address."""
    return KrakenSettings(
        **{
            "api_key": Secret(exchange.api_key),
            "api_secret": Secret(exchange.api_secret),
            "mode": "simulated",
            "rest_url": f"http://{address}",
            "ws_url": f"ws://{address}/v2",
            "ws_auth_url": f"ws://{address}/v2",
            "plain_host": HOST,
            **changes,
        }
    )
