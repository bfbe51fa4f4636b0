"""What ``watch`` shows, as plain text."""

from __future__ import annotations

import io
from decimal import Decimal

from rich.console import Console

from engine.cli.market_lines import Picture, book_line, trade_line
from engine.market.freshness import Freshness
from engine.market.updates import BookView, PublicTrade, Ticker, TradesMissed
from engine.values.money import Price, Qty

TS_NS = 1_767_225_600_123_000_000


def level(price: str, qty: str) -> tuple[Price, Qty]:
    """One level."""
    return Price(Decimal(price)), Qty(Decimal(qty))


BOOK = BookView(
    "BTC/USD", 10, True, "", 7, TS_NS,
    bids=(level("50000.0", "0.50000000"), level("49999.0", "1.00000000")),
    asks=(level("50000.1", "0.25000000"), level("50001.0", "0.25000000")),
)  # fmt: skip
TRADE = PublicTrade("BTC/USD", "sell", Price(Decimal("50000.0")), Qty(Decimal("0.00100000")), 9, TS_NS)
FRESH = Freshness("BTC/USD", "online", 10, True, "", 0.25, 0.25, 0.012, 0.02, 7, 1, ("reader/1",))


def drawn(picture: Picture, fresh: Freshness | None = FRESH, width: int = 110, height: int = 20) -> list[str]:
    """The picture's lines without colours."""
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, color_system=None)
    console.print(picture.draw(fresh, console))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def full() -> Picture:
    """A picture with something of everything."""
    picture = Picture("BTC/USD", "ws://127.0.0.1:1/v2")
    picture.book = BOOK
    picture.trades.extend([TRADE, TradesMissed("BTC/USD", 10, 12)])
    numbers = [Decimal(one) for one in ("50000.0", "1", "50000.1", "1", "50000.0", "12.50000000")]
    picture.ticker = Ticker("BTC/USD", *numbers, low=Decimal(49000), high=Decimal(51000), change_pct=Decimal("-0.5"))  # type: ignore[arg-type]
    return picture


def test_asks_stand_above_the_spread_and_bids_below() -> None:
    """The best of both next to it; sums grow away from it; trades beside them, newest first."""
    lines = drawn(full())
    assert lines[0] == "BTC/USD   online   verified   updated 0.2 s ago   12 ms late   7 updates, 1 resyncs"
    assert lines[1] == "last 50000   24 h: volume 12.5   49000 to 51000   -0.5 %"
    first = [line[:34].split() for line in lines[4:9]]
    assert first == [
        ["50001.0", "0.25000000", "0.50000000"],
        ["50000.1", "0.25000000", "0.25000000"],
        ["spread", "0.1"],
        ["50000.0", "0.50000000", "0.50000000"],
        ["49999.0", "1.00000000", "1.50000000"],
    ]
    assert lines[4].split()[-4:] == ["missed", "10", "to", "12"]
    assert lines[5].split()[-4:] == ["00:00:00.123", "sell", "50000.0", "0.00100000"]


def test_no_number_is_cut_on_a_narrow_screen() -> None:
    """Bars go first, then trades."""
    for width, bars, trades in ((110, True, True), (95, False, True), (60, False, False), (30, False, False)):
        text = "\n".join(drawn(full(), width=width)[3:-1])
        assert ("▇" in text, "sell" in text, "0.25000000" in text, "…" in text) == (bars, trades, True, False), width


def test_an_unusable_book_is_shown_as_such() -> None:
    """In words, with the reason; before the first book there is only the head."""
    fresh = Freshness("BTC/USD", "online", 10, False, "checksum", 1.0, 2.0, None, None, 7, 1, ())
    assert "UNUSABLE: checksum" in drawn(full(), fresh)[0]
    assert drawn(Picture("BTC/USD", "here"), None)[0] == "BTC/USD"


def test_lines_for_a_file_say_the_same() -> None:
    """One line for a book, one for a trade; what was skipped or is missing is told."""
    assert book_line(BOOK, 0) == "00:00:00.123 BTC/USD book  0.50000000 at 50000.0 | 0.25000000 at 50000.1  verified"
    assert book_line(BOOK, 3).endswith(", 3 skipped")
    assert trade_line(TRADE) == "00:00:00.123 BTC/USD trade sell 0.00100000 at 50000.0"
    assert trade_line(TradesMissed("BTC/USD", 10, 12)).endswith("BTC/USD trade 10 to 12 missed")
