"""The public names, pinned: they are only ever added to."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import engine

ROOT = Path(__file__).parents[1]

PUBLIC = {
    *("__version__", "open_engine", "Engine", "EngineSettings", "Policy"),
    *("Signal", "SignalFault", "StopLoss", "TakeProfit", "parse_signal", "Submitted"),
    *("CloseReport", "Amended", "Protected"),
    *("ExecutionReport", "OrderView", "BracketView", "SignalView", "Lagged", "Subscription"),
    *("Instrument", "Price", "Qty", "Headroom", "amend_points"),
    *("MarketSettings", "MarketData", "Conflated", "Every", "Latest", "CutOff", "Topic", "Held", "Freshness"),
    *("BookView", "Ticker", "PublicTrade", "TradesMissed", "Candle", "InstrumentChanged"),
    *("KrakenVenue", "KrakenSettings", "Secret", "FileNonceStore", "MemoryNonceStore"),
    *("TcpWire", "SystemClock", "SystemChance", "Fence", "FencedStream"),
    *("EngineError", "ConfigError", "OrderInvariantError", "LeaseLost"),
    *("VenueError", "VenueRefused", "VenueUnavailable", "OutcomeUnknown", "VenueProtocolError"),
    *("JournalError", "JournalBusy", "JournalCorrupt"),
}


def test_public_names_are_the_agreed_ones() -> None:
    """Taking one away breaks somebody's program."""
    assert set(engine.__all__) == PUBLIC


def test_every_public_name_is_there_and_documented() -> None:
    """Each is found, under its own name, with a docstring."""
    for name in PUBLIC - {"__version__"}:
        value = getattr(engine, name)
        assert value.__name__ == name
        assert value.__doc__


def test_stub_says_the_same() -> None:
    """What a type checker sees is what there is."""
    tree = ast.parse((ROOT / "engine" / "__init__.pyi").read_text())
    imported = {
        (node.module, alias.name) for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert {name for _, name in imported} | {"__version__"} == PUBLIC
    for module, name in imported:
        assert getattr(engine, name) is getattr(sys.modules[str(module)], name)


def test_import_stays_light() -> None:
    """``import engine`` pulls in no room and no library."""
    code = "import sys, engine; print([name for name in ('trio', 'engine.errors') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
