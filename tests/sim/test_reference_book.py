"""The exchange's matching beside a plain, slow reference: the same commands, the same fills, queues and books."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.seams.chance import SeededChance
from engine.sim import Exchange, Refused, SimOrder, SimSettings, amending
from engine.sim.core import Core
from engine.sim.events import Event, OrderReport
from engine.sim.orders import Amend, NewOrder
from tests.sim.reference_book import Entry, Fill, ReferenceBook

SYMBOL = "BTC/USD"
RICH = {"USD": Decimal(10**9), "BTC": Decimal(10**5)}


class StillClock:
    """A wall clock that stands."""

    def now_ns(self) -> int:
        return 1_767_225_600 * 10**9


adds = st.fixed_dictionaries(
    {
        "do": st.just("add"),
        "owner": st.sampled_from(["a", "b", "house"]),
        "side": st.sampled_from(["buy", "sell"]),
        "kind": st.sampled_from(["limit", "limit", "limit", "iceberg", "iceberg", "market"]),
        "ticks": st.integers(499_996, 500_004),
        "lots": st.integers(1, 40),
        "slices": st.integers(1, 6),
        "tif": st.sampled_from(["gtc", "gtc", "gtc", "ioc", "fok"]),
        "post_only": st.sampled_from([False, False, False, True]),
        "stp": st.sampled_from(["cancel_newest", "cancel_oldest", "cancel_both"]),
    }
)
changes = st.fixed_dictionaries(
    {
        "do": st.sampled_from(["cancel", "amend", "amend"]),
        "nth": st.integers(0, 9),
        "ticks": st.integers(499_996, 500_004),
        "lots": st.integers(1, 40),
    }
)


class Both:
    """The exchange and the reference, led by the same commands."""

    def __init__(self) -> None:
        config = SimSettings(accounts={"a": RICH, "b": RICH}, post_only_manner="cancel")
        self.core: Core = Exchange(config, StillClock(), SeededChance(1))._venue.core
        self.reference = ReferenceBook()
        self.orders: dict[str, SimOrder] = {}
        self.names: dict[str, str] = {}
        self._halves: dict[int, dict[str, tuple[str, Decimal, Decimal]]] = {}
        self.core.listen(self._on_event)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, OrderReport):
            self.orders.setdefault(event.order.order_id, event.order)
            self.names.setdefault(event.order.order_id, f"#{len(self.names)}")
            if event.trade is not None:
                half = (self.names[event.order.order_id], event.trade.price, event.trade.qty)
                self._halves.setdefault(event.trade.trade_id, {})[event.trade.liquidity] = half

    @property
    def fills(self) -> list[Fill]:
        """Both sides of every match of the exchange agree; return them as the reference writes them."""
        for half in self._halves.values():
            assert half["t"][1:] == half["m"][1:]
        return [(half["t"][0], half["m"][0], half["m"][1], half["m"][2]) for half in self._halves.values()]

    def do(self, command: dict[str, Any]) -> None:
        price, qty = command["ticks"] * Decimal("0.1"), command["lots"] * Decimal("0.001")
        if command["do"] == "add":
            self._add(command, price, qty)
            return
        resting = [o for o in self.orders.values() if self.core.market(SYMBOL).book.rests(o)]
        if not resting:
            return
        order = resting[command["nth"] % len(resting)]
        if command["do"] == "cancel":
            self.core.cancel(order)
            self.reference.cancel(self.names[order.order_id])
            return
        account = self.core.accounts[order.account]
        refused = ""
        try:
            amending.amend(self.core, account, Amend(order_id=order.order_id, order_qty=qty, limit_price=price))
        except Refused as refusal:
            refused = refusal.text
        assert refused in ("", "EOrder:Post only order", "EGeneral:Invalid arguments:display_qty")
        if refused:
            return
        self.reference.amend(self.names[order.order_id], qty, price)

    def _add(self, command: dict[str, Any], price: Decimal, qty: Decimal) -> None:
        kind, plain = command["kind"], command["kind"] == "limit"
        tif = command["tif"] if plain else "gtc"
        post_only = command["post_only"] and kind != "market" and tif == "gtc"
        display = (qty / command["slices"]).quantize(Decimal("0.00000001")) if kind == "iceberg" else None
        limit = None if kind == "market" else price
        self.core.add(
            self.core.accounts[command["owner"]],
            NewOrder(
                symbol=SYMBOL,
                side=command["side"],
                order_type=kind,
                order_qty=qty,
                limit_price=limit,
                display_qty=display,
                time_in_force=tif,
                post_only=post_only,
                stp=command["stp"],
            ),
        )
        name = f"#{len(self.reference.entries)}"
        entry = Entry(name, command["owner"], command["side"], qty, limit, display, command["stp"], tif, post_only)
        self.reference.add(entry)

    def compare(self) -> None:
        """Fills, queues, levels, and every order's state and filled quantity are the same."""
        assert self.fills == self.reference.fills
        book = self.core.market(SYMBOL).book
        for side, name in ((book.bids, "buy"), (book.asks, "sell")):
            assert [self.names[order.order_id] for order in side.orders()] == self.reference.queue(name)
            assert side.top(1000) == self.reference.levels(name)
        for order_id, order in self.orders.items():
            entry = self.reference.entries[self.names[order_id]]
            state = "open" if order.is_open else order.status
            assert (state, order.cum_qty, order.order_qty) == (entry.state, entry.done, entry.qty)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=st.lists(st.one_of(adds, adds, adds, changes), min_size=10, max_size=45))
def test_matching_equals_the_reference(script: list[dict[str, Any]]) -> None:
    """After every command of a random list the exchange stands where the plain book stands."""
    both = Both()
    for command in script:
        both.do(command)
        both.compare()
