"""Deltas become whole reports."""

from decimal import Decimal

import msgspec
import pytest

from engine.errors import VenueProtocolError
from engine.kraken import decode, session
from engine.kraken.frame_cache import FrameCache
from engine.kraken.session import Session
from engine.orders.reports import Fee, OrderReport, ReportType


@pytest.fixture
def rows(wire_text):
    """Decode the execution rows of a fixture, with members changed."""

    def read(name, **changes):
        found = decode.executions(decode.message(wire_text(name)))
        return tuple(msgspec.structs.replace(row, **changes) for row in found)

    return read


def test_delta_without_symbol_becomes_a_whole_report(rows):
    """``new`` carries four members; its report carries everything the first frame said."""
    one = Session()
    one.update(rows("executions_pending_new"), 0)
    (report,) = one.update(rows("executions_new"), 0)
    assert (report.report_type, report.ord_status) == (ReportType.NEW, "new")
    assert (report.symbol, report.side, report.order_type) == ("BTC/USD", "buy", "limit")
    assert (str(report.order_qty), str(report.limit_price), report.cum_qty) == ("0.00010000", "80000.0", 0)
    assert not one.unnamed


def test_life_of_an_order_in_reports(rows):
    """pending_new, new, trade, filled: quantities follow the frames, the fill is whole."""
    one = Session()
    for name in ("executions_pending_new", "executions_new"):
        one.update(rows(name), 0)
    (trade,) = one.update(rows("executions_trade"), 0)
    assert (trade.ord_status, str(trade.cum_qty), str(trade.avg_px)) == ("partially_filled", "0.00004000", "80000.0")
    assert trade.fill is not None
    assert trade.fill.exec_id == "TAAAAA-BBBBB-CCCCCC"
    assert trade.fill.fees == (Fee("USD", Decimal("0.01280")),)
    assert trade.fill.liquidity_ind == "taker"
    assert trade.fill.ts_ns == 1_767_225_605_000_000_000
    (filled,) = one.update(rows("executions_filled"), 0)
    assert (filled.ord_status, filled.cum_qty, filled.fill) == ("filled", Decimal("0.0001"), None)


def test_filled_frame_without_quantity_means_all_of_it(rows):
    """The members of ``filled`` are not confirmed: without cum_qty it is the order's quantity."""
    one = Session()
    one.update(rows("executions_pending_new"), 0)
    (filled,) = one.update(rows("executions_filled", cum_qty=None, avg_price=None), 0)
    assert filled.cum_qty == Decimal("0.00010000")


def test_last_trade_may_say_partially_filled(rows):
    """Completion is the separate frame; the status of the trade frame is passed on as it came."""
    one = Session()
    one.update(rows("executions_pending_new"), 0)
    (trade,) = one.update(rows("executions_trade", cum_qty=Decimal("0.00010000")), 0)
    assert trade.ord_status == "partially_filled"


def test_amend_changes_what_it_names(rows):
    """New quantity and price arrive, the rest stays."""
    one = Session()
    one.update(rows("executions_pending_new"), 0)
    (report,) = one.update(rows("executions_amended"), 0)
    assert report.report_type is ReportType.AMENDED
    assert (str(report.order_qty), str(report.limit_price), report.side) == ("0.00020000", "79999.0", "buy")


@pytest.mark.parametrize("exec_type", ["status", "restated", "triggered", "something_new"])
def test_fired_trigger_is_reported_once(rows, exec_type):
    """Whichever type announces it, the first frame with a fired trigger is TRIGGERED, the next is not."""
    one = Session()
    (armed,) = one.update(rows("executions_stop_pending_new"), 0)
    assert (armed.triggered, str(armed.trigger_price)) == (False, "49000.0")
    (fired,) = one.update(rows("executions_stop_triggered", exec_type=exec_type), 0)
    assert (fired.report_type, fired.triggered, fired.ord_status) == (ReportType.TRIGGERED, True, "new")
    (later,) = one.update(rows("executions_stop_triggered", exec_type="restated", timestamp="2026-01-01T00:00:11Z"), 0)
    assert (later.report_type, later.triggered) == (ReportType.RESTATED, True)


def test_status_triggered_is_understood_though_unconfirmed(rows):
    """An order_status of ``triggered`` fires the trigger and leaves the order open."""
    one = Session()
    one.update(rows("executions_stop_pending_new"), 0)
    (fired,) = one.update(rows("executions_stop_triggered", order_status="triggered", triggers=None), 0)
    assert (fired.report_type, fired.triggered, fired.ord_status) == (ReportType.TRIGGERED, True, "new")


def test_repeated_frame_is_dropped_and_late_fill_is_not(rows):
    """Exact repeats vanish; after the end only an unseen fill gets through, and moves the status nowhere."""
    one = Session()
    one.update(rows("executions_pending_new"), 0)
    assert len(one.update(rows("executions_canceled"), 0)) == 1
    assert one.update(rows("executions_canceled"), 1) == []
    assert one.update(rows("executions_new"), 1) == []
    (late,) = one.update(rows("executions_trade"), 2)
    assert (late.report_type, late.ord_status, late.symbol) == (ReportType.TRADE, "canceled", "BTC/USD")


def test_order_without_first_frame_is_reported_and_remembered_for_asking(rows):
    """A lone delta is passed on as far as it goes; the answer to the query completes it without going back."""
    one = Session()
    (report,) = one.update(rows("executions_canceled"), 0)
    assert (report.symbol, report.ord_status) == (None, "canceled")
    assert list(one.unnamed) == ["OAAAAA-BBBBB-CCCCCC"]
    asked = OrderReport(
        ReportType.STATUS, "rest", report.order_id, "new", 5, symbol="BTC/USD", side="buy", order_qty=Decimal(1)
    )
    whole = one.name(asked)
    assert (whole.symbol, whole.side, whole.ord_status, whole.source) == ("BTC/USD", "buy", "canceled", "rest")
    assert not one.unnamed


def test_snapshot_gives_open_orders_and_trades_apart(wire_text):
    """Its order rows open the memory; its trades do not, and their ``filled`` is not believed."""
    one = Session()
    opened, trades = one.snapshot(decode.executions(decode.message(wire_text("executions_snapshot"))))
    assert [(o.source, o.ord_status, str(o.cum_qty)) for o in opened] == [
        ("snapshot", "partially_filled", "0.00400000")
    ]
    assert [(t.report_type, t.ord_status, t.fill.liquidity_ind) for t in trades] == [
        (ReportType.TRADE, "partially_filled", "maker")
    ]
    assert one.snapshot(()) == ([], [])


def test_trade_without_identity_breaks_the_contract(rows):
    """A fill that cannot be told from others is no fill: the stream is resynchronised."""
    with pytest.raises(VenueProtocolError, match="exec_id"):
        Session().update(rows("executions_trade", exec_id=None), 0)


def test_frame_cache_is_bounded_by_number_and_age():
    """Old and surplus entries are forgotten."""
    cache = FrameCache(kept=2, kept_s=10)
    assert [cache.repeated(k, t) for k, t in [("a", 0), ("a", 1), ("b", 1), ("c", 1), ("a", 1), ("a", 20)]] == [
        False, True, False, False, False, False,
    ]  # fmt: skip


def test_ended_orders_are_kept_within_a_bound(rows, monkeypatch):
    """Ten thousand and one ended orders leave ten thousand (here: three leave two)."""
    monkeypatch.setattr(session, "ENDED_KEPT", 2)
    one = Session()
    for number in range(3):
        one.update(rows("executions_canceled", order_id=f"O{number}"), 0)
    assert [one._known(f"O{n}") is None for n in range(3)] == [True, False, False]


def test_wallets_are_kept_apart_and_a_change_carries_its_ledger_entry(wire_text):
    """Orders are paid from the spot wallet; what lies elsewhere is told by its wallet's name."""
    snapshot = session.balances(decode.balances(decode.message(wire_text("balances_snapshot"))))
    assert [(b.asset, str(b.total)) for b in snapshot if b.wallet == "spot"] == [
        ("BTC", "1.2000000000"),
        ("USD", "60.0000"),
    ]
    update = session.balances(decode.balances(decode.message(wire_text("balances_update"))))
    assert [(b.asset, str(b.total)) for b in update] == [("USD", "56.7872")]
    earn = wire_text("balances_update").replace('"wallet_type":"spot"', '"wallet_type":"earn"')
    (away,) = session.balances(decode.balances(decode.message(earn)))
    assert away.wallet == "earn/main"
    assert (update[0].wallet, update[0].movement.kind) == ("spot", "trade")
