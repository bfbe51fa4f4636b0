"""What positions and balances say of margin, in words."""

from __future__ import annotations

from decimal import Decimal

from engine.cli.money import _balances_lines, _pnl_lines, _positions_lines
from engine.runtime.balance_views import BalanceList
from engine.runtime.margin_views import MarginView, VenuePositionView
from engine.runtime.money_views import Pnl, PnlRow, PositionList, PositionView

LENT = PositionView(
    "a", "BTC/USD", "USD", Decimal("0.02"), Decimal(50000), Decimal(1000), Decimal(49000), "", Decimal(-20), Decimal(0),
    {}, margin=True, leverage=Decimal("5.00"), liquidation_px=Decimal("41000.5"), liquidation_pct=Decimal("16.33"),
)  # fmt: skip
THERE = VenuePositionView("T1", "BTC/USD", "buy", Decimal("0.015"), Decimal(750), Decimal(150), "3f9c12ab-0000")


def test_margin_stands_apart_with_leverage_liquidation_and_the_venues_positions():
    """What differs is said in capitals, what nobody told is said to be unknown."""
    text = "\n".join(
        _positions_lines(
            PositionList((LENT,), (LENT,), (THERE,), {"BTC/USD": Decimal("-0.005")}, "EGeneral:Permission denied")
        )
    )
    assert "BTC/USD on margin" in text
    assert "on margin BTC/USD: leverage 5, liquidation at 41000.5 (16.33 % away)" in text
    assert "at the venue: buy 0.015 BTC/USD for 750, margin 150, opened by signal 3f9c12ab (T1)" in text
    assert "MISMATCH on margin in BTC/USD: the venue holds -0.005 beyond our brackets" in text
    assert "the venue's margin positions are not known: EGeneral:Permission denied" in text


def test_profit_of_all_has_no_column_of_names():
    """Asked by day or strategy, each row has its name."""
    row = PnlRow("", "USD", 1, Decimal(-2), Decimal("-0.5"), {"USD": Decimal(2)}, {}, None)
    assert next(iter(_pnl_lines(Pnl("", (row,))))).startswith("currency")
    assert next(iter(_pnl_lines(Pnl("day", (row,))))).startswith("day")


def test_balances_tell_the_trade_balance_where_somebody_trades_on_margin():
    """Equity, used, free, level; without margin not a word of it."""
    figures = (Decimal(1000), Decimal(200), Decimal(800), Decimal(-20), Decimal(500))
    margin = MarginView("2026-01-01T00:00:00Z", "USD", *figures)
    with_margin = BalanceList("2026-01-01T00:00:00Z", True, (), (), (), margin=margin)
    text = "\n".join(_balances_lines(with_margin))
    assert "in USD: equity 1000, margin used 200, free 800, unrealised -20, level 500 %" in text
    plain = "\n".join(_balances_lines(BalanceList("2026-01-01T00:00:00Z", True, (), (), ())))
    assert "trade balance" not in plain
