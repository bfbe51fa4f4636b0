from engine.errors import (
    ConfigError,
    EngineError,
    JournalBusy,
    JournalCorrupt,
    JournalError,
    LeaseLost,
    OrderInvariantError,
    OutcomeUnknown,
    VenueError,
    VenueProtocolError,
    VenueRefused,
    VenueUnavailable,
)
from engine.kraken.limits import amend_points
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.nonce_file import FileNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.market.freshness import Freshness
from engine.market.topics import Held, Topic
from engine.market.updates import BookView, Candle, InstrumentChanged, PublicTrade, Ticker, TradesMissed
from engine.net.fence import FencedStream
from engine.net.wire import TcpWire
from engine.orders.bracket_events import Policy
from engine.orders.events import ExecutionReport
from engine.orders.signal import Signal, SignalFault, StopLoss, TakeProfit, parse_signal
from engine.orders.view import OrderView
from engine.runtime.amending import Amended
from engine.runtime.bus import Lagged, Subscription
from engine.runtime.close_report import CloseReport
from engine.runtime.engine import Engine
from engine.runtime.fence import Fence
from engine.runtime.intake import Submitted
from engine.runtime.market_data import MarketData
from engine.runtime.opening import open_engine
from engine.runtime.protecting import Protected
from engine.runtime.readers import Conflated, CutOff, Every, Latest
from engine.runtime.settings import EngineSettings, MarketSettings
from engine.runtime.views import BracketView, SignalView
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty
from engine.venue.protocol import Headroom

__version__: str

__all__ = [
    "__version__",
    "Engine",
    "open_engine",
    "EngineSettings",
    "MarketSettings",
    "MarketData",
    "Conflated",
    "Every",
    "Latest",
    "CutOff",
    "BookView",
    "Ticker",
    "PublicTrade",
    "TradesMissed",
    "Candle",
    "InstrumentChanged",
    "Topic",
    "Held",
    "Freshness",
    "Submitted",
    "CloseReport",
    "Amended",
    "Protected",
    "Lagged",
    "Subscription",
    "BracketView",
    "SignalView",
    "Instrument",
    "Price",
    "Qty",
    "Headroom",
    "amend_points",
    "Policy",
    "Signal",
    "SignalFault",
    "StopLoss",
    "TakeProfit",
    "parse_signal",
    "ExecutionReport",
    "OrderView",
    "KrakenSettings",
    "Secret",
    "KrakenVenue",
    "MemoryNonceStore",
    "FileNonceStore",
    "TcpWire",
    "FencedStream",
    "Fence",
    "SystemChance",
    "SystemClock",
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
]
