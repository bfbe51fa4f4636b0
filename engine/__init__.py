"""An order-execution engine for Kraken spot.

Approved trade signals go in, orders are placed, watched, protected and closed, execution reports come out::

    async with engine.open_engine(settings, venue) as running:
        await running.submit(engine.parse_signal(line))
        async for report in running.reports():
            ...

The names of ``__all__`` are the public ones. They are fetched when first used: every room imports this package, so it
may import none of them, and ``import engine`` stays light. Their types stand in ``__init__.pyi``.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "engine.runtime.engine": ("Engine",),
    "engine.runtime.opening": ("open_engine",),
    "engine.runtime.settings": ("EngineSettings", "MarketSettings"),
    "engine.runtime.market_data": ("MarketData",),
    "engine.runtime.readers": ("Conflated", "Every", "Latest", "CutOff"),
    "engine.market.updates": ("BookView", "Ticker", "PublicTrade", "TradesMissed", "Candle", "InstrumentChanged"),
    "engine.market.topics": ("Topic", "Held"),
    "engine.market.freshness": ("Freshness",),
    "engine.runtime.intake": ("Submitted",),
    "engine.runtime.close_report": ("CloseReport",),
    "engine.runtime.amending": ("Amended",),
    "engine.runtime.protecting": ("Protected",),
    "engine.runtime.bus": ("Lagged", "Subscription"),
    "engine.runtime.views": ("BracketView", "SignalView"),
    "engine.values.instrument": ("Instrument",),
    "engine.values.money": ("Price", "Qty"),
    "engine.venue.protocol": ("Headroom",),
    "engine.kraken.limits": ("amend_points",),
    "engine.orders.bracket_events": ("Policy",),
    "engine.orders.signal": ("Signal", "SignalFault", "StopLoss", "TakeProfit", "parse_signal"),
    "engine.orders.events": ("ExecutionReport",),
    "engine.orders.view": ("OrderView",),
    "engine.kraken.settings": ("KrakenSettings", "Secret"),
    "engine.kraken.venue": ("KrakenVenue",),
    "engine.kraken.nonce": ("MemoryNonceStore",),
    "engine.kraken.nonce_file": ("FileNonceStore",),
    "engine.net.wire": ("TcpWire",),
    "engine.net.fence": ("FencedStream",),
    "engine.runtime.fence": ("Fence",),
    "engine.seams.chance": ("SystemChance",),
    "engine.seams.clock": ("SystemClock",),
    "engine.errors": (
        "EngineError",
        "ConfigError",
        "VenueError",
        "VenueRefused",
        "VenueUnavailable",
        "OutcomeUnknown",
        "VenueProtocolError",
        "OrderInvariantError",
        "LeaseLost",
        "JournalError",
        "JournalBusy",
        "JournalCorrupt",
    ),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = ["__version__", *_PLACE_OF]


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
