"""Slots: what rests, what is on its way, whose it is."""

from decimal import Decimal

from engine.kraken.open_orders import OpenOrders
from engine.kraken.protection import Protection
from engine.orders.reports import OrderReport, ReportType

BTC, ETH = "BTC/USD", "ETH/USD"


def report(order_id, status="new", symbol=BTC, cl_ord_id=None, order_type="limit", **more) -> OrderReport:
    """A whole report."""
    return OrderReport(
        ReportType.STATUS, "stream", order_id, status, 0, cl_ord_id, symbol, order_type=order_type, **more
    )


def test_foreign_orders_take_slots_too():
    """Every order of the account counts on its pair; one not yet named counts on all pairs."""
    orders = OpenOrders()
    orders.snapshot([report("O1"), report("O2", order_type="stop-loss"), report("O3", symbol=ETH)])
    assert orders.taken(BTC, 0) == (2, 1)
    orders.report(report("O4", symbol=None))
    assert (orders.taken(BTC, 0), orders.taken(ETH, 0)) == ((3, 1), (2, 0))
    orders.report(report("O4", symbol=ETH))
    assert orders.taken(BTC, 0) == (2, 1)


def test_fired_stop_is_no_trigger_order_any_more():
    """It still takes a slot among the open orders until it ends."""
    orders = OpenOrders()
    orders.report(report("O1", order_type="stop-loss", triggered=False))
    orders.report(report("O1", order_type="stop-loss", triggered=True))
    assert orders.taken(BTC, 0) == (1, 0)
    orders.report(report("O1", "filled"))
    assert orders.taken(BTC, 0) == (0, 0)


def test_order_on_its_way_counts_once():
    """From its leave until the stream shows it, and then as what it is."""
    orders = OpenOrders()
    orders.expect("c-1", BTC, trigger=True)
    assert orders.taken(BTC, 0) == (1, 1)
    orders.accepted("c-1")
    orders.report(report("O1", cl_ord_id="c-1", order_type="stop-loss", cum_qty=Decimal("0.5")))
    assert orders.taken(BTC, 0) == (1, 1)
    assert orders.filled("O1") == Decimal("0.5")
    assert orders.rests("c-1")
    orders.report(report("O1", "canceled", cl_ord_id="c-1"))
    orders.accepted("c-1")
    assert orders.taken(BTC, 0) == (0, 0)
    assert not orders.rests("c-1")


def test_doubtful_order_counts_until_it_cannot_appear_any_more():
    """Refused and unsent ones go at once."""
    orders = OpenOrders()
    for name in ("c-1", "c-2"):
        orders.expect(name, BTC, trigger=False)
    orders.drop("c-1")
    orders.doubtful("c-2", 60)
    assert orders.taken(BTC, 59) == (1, 0)
    assert orders.taken(BTC, 60) == (0, 0)


def test_snapshot_settles_what_was_accepted_before_it():
    """What the snapshot lacks has ended; what is still unanswered may yet come."""
    orders = OpenOrders()
    for name in ("c-1", "c-2"):
        orders.expect(name, BTC, trigger=False)
    orders.accepted("c-1")
    orders.snapshot([])
    assert orders.taken(BTC, 0) == (1, 0)


def test_protection_is_booked_once_per_bracket_and_counts_for_all_entries():
    """Cover and the dearest swap for every booked bracket and for the one that enters; on its own pair only."""
    orders = OpenOrders()
    kept = Protection(orders)
    for bracket, symbol in (("a", BTC), ("b", BTC), ("c", ETH)):
        kept.open(bracket, symbol, booked=False)
    assert (kept.points(BTC, "a", 0), kept.slots(BTC, "a", 0)) == (12, 2)
    assert kept.book("a")
    assert not kept.book("a")
    assert not kept.book("stranger")
    assert (kept.points(BTC, "a", 0), kept.points(BTC, "b", 0), kept.points(BTC, "", 0)) == (12, 14, 14)
    assert kept.points(ETH, "c", 0) == 12
    kept.unbook("a")
    assert kept.points(BTC, "b", 0) == 12
    kept.book("a")
    kept.close("a")
    assert kept.points(BTC, "b", 0) == 12


def test_resting_exits_stand_on_the_booked_slots():
    """A slot that a bracket's stop has taken is not kept a second time."""
    orders = OpenOrders()
    kept = Protection(orders)
    kept.open("a", BTC, booked=True)
    orders.expect("stop", BTC, trigger=True)
    kept.covered_by("a", "stop")
    assert (kept.slots(BTC, "a", 0), orders.taken(BTC, 0)) == (1, (1, 1))
    orders.drop("stop")
    assert kept.slots(BTC, "a", 0) == 2


def test_covered_bracket_gives_back_what_its_cover_kept():
    """Its entry gone and its stop resting for a while: one swap a pair and the stop's own slot stay kept."""
    orders = OpenOrders()
    kept = Protection(orders)
    kept.open("a", BTC, booked=False)
    kept.book("a")
    for name, note in (("entry", kept.entered_by), ("stop", kept.covered_by)):
        orders.expect(name, BTC, trigger=name == "stop")
        note("a", name)
    assert (kept.points(BTC, "b", 0), kept.slots(BTC, "b", 0)) == (14, 3)
    orders.drop("entry")
    orders.accepted("stop")
    assert (kept.points(BTC, "b", 10), kept.slots(BTC, "b", 10)) == (14, 3)
    assert (kept.points(BTC, "b", 15), kept.slots(BTC, "b", 15)) == (12, 2)
    orders.drop("stop")  # a swap: its slot is not an entry's to take, and the cover is to be made anew
    assert (kept.points(BTC, "b", 16), kept.slots(BTC, "b", 16)) == (14, 4)


def test_exit_that_nobody_has_answered_for_covers_nothing():
    """Squall 1331413: five stops in doubt were taken for covers, and entries took the points of the ones to come."""
    orders = OpenOrders()
    kept = Protection(orders)
    kept.open("a", BTC, booked=False)
    kept.book("a")
    orders.expect("entry", BTC, trigger=False)
    kept.entered_by("a", "entry")
    orders.drop("entry")
    orders.expect("stop", BTC, trigger=True)
    kept.covered_by("a", "stop")
    orders.doubtful("stop", 60)
    assert [kept.points(BTC, "b", now_s) for now_s in (0, 10, 50)] == [14, 14, 14]
    orders.accepted("stop")
    assert [kept.points(BTC, "b", now_s) for now_s in (50, 56)] == [14, 12]


def test_resumed_bracket_keeps_its_booking():
    """Whether its entry still rests is not known here."""
    orders = OpenOrders()
    kept = Protection(orders)
    kept.open("a", BTC, booked=True)
    orders.expect("stop", BTC, trigger=True)
    kept.covered_by("a", "stop")
    assert [kept.points(BTC, "b", now_s) for now_s in (0, 100)] == [14, 14]
