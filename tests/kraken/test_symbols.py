"""One market, many names."""

import msgspec
import pytest

from engine.kraken import decode
from engine.kraken.symbols import PairRow, Symbols


class Answer(msgspec.Struct):
    """AssetPairs."""

    result: dict[str, PairRow]


@pytest.fixture
def symbols(wire_text):
    """A directory from the documented messages."""
    one = Symbols()
    one.learn_pairs(msgspec.json.decode(wire_text("rest_asset_pairs"), type=Answer).result)
    one.learn_instruments(decode.instruments(decode.message(wire_text("instrument"))))
    return one


@pytest.mark.parametrize("spelling", ["BTC/USD", "XBT/USD", "XBTUSD", "XXBTZUSD", "BTCUSD", "btc/usd", "xbtusd"])
def test_every_spelling_is_one_instrument(symbols, spelling):
    """v2 symbol, wsname, altname and pair key resolve to the same instrument."""
    assert symbols.instrument(spelling) is symbols.instrument("BTC/USD")
    assert symbols.symbol(spelling) == "BTC/USD"


def test_renamed_and_unknown_names(symbols):
    """XDG is DOGE in v2; a pair that the venue's lists do not join stays unknown."""
    assert symbols.symbol("XDG/USD") == symbols.symbol("XDGUSD") == "DOGE/USD"
    assert symbols.rest_name("DOGE/USD") == "XDGUSD"
    assert symbols.rest_name("BTC/USD") == "XBTUSD"
    assert symbols.instrument("HALFUSD") is None
    assert symbols.instrument("NOPE") is None


def test_assets_resolve_and_keep_their_suffix(symbols):
    """XXBT, XBT and BTC are one asset; what earns rewards keeps its mark."""
    assert [symbols.asset(a) for a in ("XXBT", "XBT", "BTC", "ZUSD", "USD", "XXDG", "XXBT.F", "ADA")] == [
        "BTC", "BTC", "BTC", "USD", "USD", "DOGE", "BTC.F", "ADA",
    ]  # fmt: skip


def test_only_changes_are_told(symbols, wire_text):
    """Learning the same list again changes nothing."""
    assert symbols.learn_instruments(decode.instruments(decode.message(wire_text("instrument")))) == []
