"""The questions that end a close: does anything of ours rest there, and is the balance what our fills say?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec
import trio

from engine.accounts.movement import SPOT
from engine.errors import VenueError
from engine.orders.events import OrderEvent
from engine.orders.replay import Intent
from engine.orders.reports import Fill, OrderReport
from engine.runtime.close_report import BalanceProof
from engine.runtime.services import Services
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Side, sign
from engine.values.time import NS
from engine.venue.protocol import Balance

ASK_BOUND_S = 3.0
"""One question by REST; then what the stream says must do, if it stands."""
ROWS_BACK = 50_000
"""More than are written within LAG_NS."""
LAG_NS = 60 * NS
"""REST may show a balance this much older than now (krakenex #60): the first one may miss fills we know of."""

AskedBy = Literal["rest", "stream", "nothing"]


class Wallets(msgspec.Struct, frozen=True):
    """All balances at one time, by the names of the wallets (BTC, BTC.F, …).

    ``asked_row`` is the journal's head when they were asked for, ``row`` when they were told: what was decided in
    between may have traded before or after, for a resumed bracket closes on its own.
    ``spot`` is what orders can be paid from, by asset.
    """

    by_name: dict[str, Decimal]
    spot: dict[str, Decimal]
    asked_by: AskedBy
    asked_row: int
    row: int
    ts_ns: int

    def of(self, asset: str) -> dict[str, Decimal]:
        """Return every wallet of one asset."""
        return {name: total for name, total in self.by_name.items() if name.partition(".")[0] == asset}


class _Flow(NamedTuple):
    """What one fill added. ``new``: told since the first balance was asked for; ``after``: decided once it was told.

    ``profit``: it is on margin and settled in this asset, and may have moved that by a profit nobody here knows.
    """

    ts_ns: int
    amount: Decimal
    new: bool
    after: bool
    profit: bool


class CloseProof:
    """Asks the venue, and holds its answers against the journal."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def wallets(self, bound_s: float = ASK_BOUND_S) -> Wallets:
        """Ask for all balances; without an answer take the stream's, while it stands."""
        services, rows = self._services, self._services.journal.head[0]
        found: Iterable[Balance] = ()
        asked_by: AskedBy = "nothing"
        with trio.move_on_after(bound_s):
            try:
                found, asked_by = await services.link.balances(), "rest"
            except VenueError:
                asked_by = "nothing"
        if asked_by == "nothing" and services.stream_up():
            found, asked_by = list(services.balances.values()), "stream"
        by_name: dict[str, Decimal] = {}
        for one in found:
            name = one.asset if one.wallet == SPOT else f"{one.asset.partition('.')[0]}.{one.wallet}"
            by_name[name] = by_name.get(name, ZERO) + one.total
        spot = {one.asset: one.total for one in found if one.wallet == SPOT}
        return Wallets(by_name, spot, asked_by, rows, services.journal.head[0], services.clock.now_ns())

    async def resting(
        self, chosen: Callable[[OrderReport], bool], made_us: Callable[[str], bool]
    ) -> tuple[list[OrderReport], AskedBy]:
        """Return our orders that rest there by the venue's word and are chosen.

        Stops that the venue has made of our entries carry no mark: they come with the name that we call them by, and
        those not named yet are ours where ``made_us`` knows the entry that they came from.
        """
        services = self._services
        with trio.move_on_after(ASK_BOUND_S):
            try:
                found = await services.link.open_orders()
                named = [self._named(one) for one in found]
                ours = [one for one in named if services.is_ours(one.cl_ord_id) or made_us(one.ord_ref_id or "")]
                return [one for one in ours if chosen(one)], "rest"
            except VenueError:
                pass
        return [], "stream" if services.stream_up() else "nothing"  # complete: our own orders' states are the venue's

    def _named(self, order: OrderReport) -> OrderReport:
        name = order.cl_ord_id or self._services.desk.name_of(order.order_id)
        return order if name == order.cl_ord_id else msgspec.structs.replace(order, cl_ord_id=name)

    def balance(self, asset: str, before: Wallets, after: Wallets) -> BalanceProof:
        """Hold an asset's change against our fills since."""
        wallets = after.of(asset)
        total = sum(wallets.values(), ZERO)
        flows = self._flows(asset, before)
        since = sum((one.amount for one in flows if one.new), ZERO)
        if before.asked_by == "nothing" or after.asked_by != before.asked_by:
            return BalanceProof(asset, None, total, None, since, wallets, None)
        held = sum(before.of(asset).values(), ZERO)
        explained: bool | None = any(total - held == some for some in _cuts(flows))
        fills = total - held if explained else since
        if not explained and any(one.profit for one in flows):
            explained = None
        return BalanceProof(asset, held, total, total - held, fills, wallets, explained)

    def _flows(self, asset: str, before: Wallets) -> list[_Flow]:
        """Return what our fills from shortly before ``before`` on brought, oldest first."""
        journal, flows = self._services.journal, []
        for row in journal.rows(after=max(0, before.row - ROWS_BACK), kind="order"):
            fill = row.decode(OrderEvent).fill
            if fill is None or row.ts_ns < before.ts_ns - LAG_NS:
                continue
            intent = next(journal.rows(cl_ord_id=row.cl_ord_id, kind="intent"))
            spec = intent.decode(Intent).spec
            instrument = self._services.link.instrument(spec.symbol)
            if instrument is not None:
                margin = spec.leverage is not None
                amount, profit = flow_of(fill, instrument, spec.side, asset, margin=margin), asset == instrument.quote
                new, after = row.seq > before.asked_row, intent.seq > before.row
                flows.append(_Flow(fill.ts_ns, amount, new, after, margin and profit))
        return sorted(flows, key=lambda one: one.ts_ns)


def flow_of(fill: Fill, instrument: Instrument, side: Side, asset: str, *, margin: bool = False) -> Decimal:
    """Return what one fill adds to an asset, fees included. On margin nothing else moves, but the profit of an exit."""
    flow = ZERO
    if asset == instrument.base and not margin:
        flow += sign(side) * fill.last_qty
    if asset == instrument.quote and not margin:
        flow -= sign(side) * fill.cost
    return flow - sum((fee.qty for fee in fill.fees if fee.asset == asset), ZERO)


def _cuts(flows: list[_Flow]) -> list[Decimal]:
    """Return what our fills can come to: the first balance was read between any two of those that may be in it."""
    sums = [sum((one.amount for one in flows if one.after), ZERO)]
    for one in reversed([one for one in flows if not one.after]):
        sums.append(sums[-1] + one.amount)
    return sums
