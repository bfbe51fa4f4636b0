"""Whatever happens on margin: no exit opens a position, and our books are the exchange's own, to the last digit."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from engine.runtime.ledger_rows import read_ledger
from engine.seams.determinism import deterministic
from engine.sim import Refused, SimSettings
from tests.scenarios.margin_story import LENT, at_venue, never_opened
from tests.scenarios.restart.lives import open_cut_story
from tests.scenarios.story import BTC, ETH, Story, d
from tests.scenarios.test_money_conserved import MIDDLES, SETTLE_S, WORLDS, Teller, quantities, sides, symbols

leverages = st.sampled_from(["2", "5", "5", None])
COMMANDS = st.lists(
    st.one_of(
        st.tuples(st.just("lent"), symbols, sides, quantities, leverages, st.sampled_from("ab")),
        st.tuples(st.just("lent"), symbols, sides, quantities, leverages, st.sampled_from("ab")),
        st.tuples(st.just("lent"), st.just(BTC), st.just("buy"), quantities, leverages, st.sampled_from("ab")),
        st.tuples(st.just("move"), symbols, st.integers(-30, 30)),
        st.tuples(st.just("liquidate"), symbols, st.sampled_from(["1", "0.3", "0.7"])),
        st.tuples(st.just("late"), st.integers(0, 9), st.sampled_from(["1", "0.5"])),
        st.tuples(st.just("unprotect"), st.integers(0, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("drop")),
        st.tuples(st.just("kill"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([0.02, 0.3, 12.0])),
    ),
    min_size=3,
    max_size=14,
)


CHARGES = st.fixed_dictionaries(
    {
        "margin_open_fee_pct": st.sampled_from([d("0"), d("0.02"), d("0.0137")]),
        "margin_rollover_fee_pct": st.sampled_from([d("0"), d("0.02"), d("0.0137")]),
        "margin_rollover_s": st.sampled_from([11, 37]),
        "margin_open_fee_in": st.sampled_from(["entry", "fill", "own_entry"]),
        "margin_rollover_ref": st.sampled_from(["position", "order"]),
    }
)
"""What the venue takes, how often, and how it tells it."""


class Lender(Teller):
    """Tells a command list in which entries may borrow."""

    async def lent(self, symbol: str, side: str, qty: Decimal, leverage: str | None, strategy: str) -> None:
        """Hand a market signal in, on margin or in coins."""
        middle, sign = MIDDLES[symbol], 1 if side == "buy" else -1
        self.cases.append(
            await self.story.submit(
                symbol=symbol,
                side=side,
                qty=str(qty),
                limit=None,
                stop=str(middle - sign * middle // 25),
                target=str(middle + sign * middle // 25),
                strategy_id=strategy,
                leverage=leverage,
            )
        )

    async def liquidate(self, symbol: str, share: str) -> None:
        """Let the venue close a part of the oldest position."""
        positions = self.story.world.exchange._venue.core.accounts["client"].positions.values()
        oldest = next((one for one in positions if one.symbol == symbol), None)
        if oldest is not None:
            self.story.house.liquidate(symbol, oldest.open_qty * d(share))

    async def late(self, which: int, share: str) -> None:
        """Tell a fill of an exit that was canceled, if it was matched while there was something to reduce."""
        dead = [o for o in self.story.truth.orders.values() if o.reduce_only and o.status == "canceled"]
        if which < len(dead):
            order = dead[which]
            left = (order.order_qty - order.cum_qty) * d(share)
            with contextlib.suppress(Refused):
                self.story.house.late_fill(order.order_id, left, Decimal(MIDDLES[order.symbol]))

    async def unprotect(self, which: int) -> None:
        """Let a person take a stop away."""
        armed = [o for o in self.story.truth.orders.values() if o.reduce_only and o.is_open]
        if which < len(armed):
            self.story.house.cancel_client(armed[which].order_id)


async def _tell(seed: int, commands: list[tuple[Any, ...]], charges: dict[str, Any]) -> None:
    with trio.fail_after(3600):
        async with open_cut_story(seed, settings=LENT, sim=SimSettings(**charges)) as story:
            teller = Lender(story)
            for symbol in MIDDLES:
                await teller.move(symbol, 0)
            for command in commands:
                await teller.do(command)
            await trio.sleep(3 * SETTLE_S)
            await _told(story)
            story.cases = teller.cases
            never_opened(story)
            _compare(story)


async def _told(story: Story) -> None:
    """Let the exchange charge no more, and wait until what it has charged was told and looked at."""
    positions = story.world.exchange._venue.core.accounts["client"].positions
    for name, position in positions.items():
        positions[name] = replace(position, rollover_ns=None)
    await trio.sleep(3)


def _compare(story: Story) -> None:
    """Our books against the exchange's rows of the very fills that are ours, open positions at their cost."""
    names, roles = story.names(), story.roles()
    named = {trade.exec_id: trade.cl_ord_id or names.get(trade.order_id, "") for trade in story.truth.trades}
    ours = {trade.exec_id: trade for trade in story.truth.trades if named[trade.exec_id] in roles}
    account = story.world.exchange._venue.core.accounts["client"]
    ledger = story.engine.services.accounts.ledger
    assert sum(one.fills for one in ledger.results.values()) == len(ours), story.tale()
    made = sum((one.realized for one in ledger.results.values()), d("0"))
    made -= sum((one.cost for one in ledger.positions.values()), d("0"))
    orders = {trade.order_id for trade in ours.values()}
    rows = [row for row in account.ledger.rows if row.ref_id in ours.keys() | orders and row.asset == "USD"]
    moved = sum((row.amount - row.fee for row in rows), d("0"))
    charged = sum((one.fees.get("USD", d("0")) for one in ledger.results.values()), d("0"))
    assert charged == sum((row.fee for row in rows), d("0")), story.tale()
    strangers = [trade for trade in story.truth.trades if trade.liquidated and trade.exec_id not in ours]
    if not strangers:  # of one that could be anybody's, nothing is booked: it is told
        lent = sum((p.open_cost if p.side == "buy" else -p.open_cost for p in account.positions.values()), d("0"))
        assert made == moved - lent, story.tale()
        for symbol in (BTC, ETH):
            assert ledger.qty(symbol, margin=True) == at_venue(story, symbol), story.tale()
    assert story.engine.services.balance_desk.mismatch() == {}, story.tale()
    folded, _ = read_ledger(story.journal, {"USD": Decimal(1)})
    assert (folded.positions, folded.results) == (ledger.positions, ledger.results)
    assert story.engine.money.pnl().charges_why == ""


def _run(seed: int, commands: list[tuple[Any, ...]], charges: dict[str, Any]) -> None:
    with deterministic(seed):
        trio.run(partial(_tell, seed, commands, charges), clock=MockClock(autojump_threshold=0))


@WORLDS
@given(COMMANDS, st.integers(0, 1000))
def test_no_exit_opens_a_position_and_money_is_conserved_on_margin(commands, seed):
    """Liquidations, late fills, lost stops, kills and broken links: each exit reduces, and every dollar is found."""
    _run(seed, commands, {})


@WORLDS
@given(COMMANDS, st.integers(0, 1000), CHARGES)
def test_opening_fees_and_rollovers_are_conserved_too(commands, seed, charges):
    """A rollover every few seconds, wherever the venue tells them, also while the engine is off: to the last digit."""
    _run(seed, commands, charges)
