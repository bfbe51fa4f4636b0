"""The profit curve: points in time, bounded for as long as an engine runs."""

from __future__ import annotations

from decimal import Decimal

from engine.runtime.money_views import Pnl, PnlRow
from engine.runtime.pnl_curve import POINTS_MOST, STEP_NS, PnlCurve


def profit(realized: int) -> Pnl:
    """Return the profit of one quote currency."""
    return Pnl("", (PnlRow("", "USD", 1, Decimal(realized), Decimal(0), {}, {}, None),))


def test_a_point_is_wanted_once_a_step():
    """Between two steps nothing is due."""
    curve = PnlCurve()
    assert curve.due(STEP_NS)
    curve.take(profit(1), STEP_NS)
    assert not curve.due(2 * STEP_NS - 1)
    assert curve.due(2 * STEP_NS)
    assert [point.realized for point in curve.points()] == [1]
    assert curve.points(after_ns=STEP_NS) == ()


def test_a_long_life_stays_within_its_bound_and_keeps_its_ends():
    """A full curve loses every second point, never the first or the newest, and steps half as often."""
    curve, now_ns, taken = PnlCurve(), 0, 0
    while taken < 3 * POINTS_MOST:
        now_ns += STEP_NS
        if curve.due(now_ns):
            taken += 1
            curve.take(profit(taken), now_ns)
            assert len(curve.points()) <= POINTS_MOST
            assert curve.points()[-1].realized == taken
    points = curve.points()
    assert points[0].realized == 1
    assert sorted(points, key=lambda point: point.ts_ns) == list(points)
    assert not curve.due(now_ns + STEP_NS)
