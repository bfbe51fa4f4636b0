"""Whatever happens, our positions, fees and profit are the exchange's own books, to the last digit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from engine.runtime.ledger_rows import read_ledger
from engine.seams.determinism import deterministic
from engine.sim import Refused
from tests.scenarios.restart.lives import kill, open_cut_story
from tests.scenarios.story import BTC, ETH, Case, Story, d

EXAMPLES = int(os.environ.get("MONEY_EXAMPLES", "12"))
"""``MONEY_EXAMPLES=500`` looks for long, and shrinks what it finds."""
WORLDS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(
        *(Phase.explicit, Phase.reuse, Phase.generate),
        *((Phase.shrink,) if "MONEY_EXAMPLES" in os.environ else ()),
    ),
)
"""What fails is told as it was drawn: shrunk it would take longer than a test may, and hypothesis calls a test that is
cut off flaky. Explained it never is: that traces every line of a world."""
MIDDLES = {BTC: 50_000, ETH: 2_500}
SETTLE_S = 45.0
"""Longer than any order stays in doubt here, and than balances need to mean something after a reconnect."""

symbols, sides = st.sampled_from([BTC, ETH]), st.sampled_from(["buy", "sell"])
quantities = st.integers(400_000, 3_000_000).map(lambda lots: lots * Decimal("0.00000001"))
COMMANDS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), symbols, sides, quantities, st.booleans(), st.sampled_from("ab")),
        st.tuples(st.just("submit"), symbols, sides, quantities, st.booleans(), st.sampled_from("ab")),
        st.tuples(st.just("submit"), symbols, sides, quantities, st.just(True), st.sampled_from("ab")),
        st.tuples(st.just("move"), symbols, st.integers(-30, 30)),
        st.tuples(st.just("meet"), symbols, sides, quantities),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("person"), symbols, sides, quantities),
        st.tuples(st.just("deposit"), st.sampled_from(["USD", "BTC", "ETH"]), st.integers(-500, 500)),
        st.tuples(st.just("fees_in_base")),
        st.tuples(st.just("drop")),
        st.tuples(st.just("kill"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([0.02, 0.3, 12.0])),
    ),
    min_size=3,
    max_size=14,
)


class Teller:
    """Tells one command list; what the exchange refuses, or what is not there, is left out."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.cases: list[Case] = []

    async def do(self, command: tuple[Any, ...]) -> None:
        """Carry one out."""
        act: Callable[..., Any] = getattr(self, command[0])
        await act(*command[1:])
        await trio.sleep(0.05)

    async def submit(self, symbol: str, side: str, qty: Decimal, at_market: bool, strategy: str) -> None:
        """Hand a signal in, at the middle or at market."""
        middle, sign = MIDDLES[symbol], 1 if side == "buy" else -1
        self.cases.append(
            await self.story.submit(
                symbol=symbol,
                side=side,
                qty=str(qty),
                limit=None if at_market else str(middle),
                stop=str(middle - sign * middle // 50),
                target=str(middle + sign * middle // 50),
                strategy_id=strategy,
            )
        )

    async def move(self, symbol: str, thousandths: int) -> None:
        """Let the market go elsewhere, and print there."""
        middle = MIDDLES[symbol] * (1000 + thousandths) // 1000
        self.story.market(str(middle - 1), str(middle + 1), "3", symbol)
        self.story.print(str(middle - 1), symbol=symbol)

    async def meet(self, symbol: str, side: str, qty: Decimal) -> None:
        """Trade against what rests, in part or in whole."""
        with contextlib.suppress(Refused):
            self.story.house.quote(symbol, side, Decimal(MIDDLES[symbol]), qty)

    async def cancel(self, which: int) -> None:
        """Take an entry back."""
        if which < len(self.cases):
            self.story.engine.cancel(self.cases[which].signal_id)

    async def person(self, symbol: str, side: str, qty: Decimal) -> None:
        """Trade as a person would on the same account."""
        with contextlib.suppress(Refused):
            self.story.house.place_client(symbol, side, qty)

    async def deposit(self, asset: str, amount: int) -> None:
        """Pay in, or out."""
        core = self.story.world.exchange._venue.core
        with contextlib.suppress(Refused):
            core.pay_in(core.accounts["client"], asset, Decimal(amount) / 100)

    async def fees_in_base(self) -> None:
        """Have fees of buys taken in coins from now on."""
        self.story.take_fees_in_base()

    async def drop(self) -> None:
        """Break every connection."""
        for connection in self.story.world.wire.connections:
            connection.reset()

    async def kill(self, and_wait: bool) -> None:
        """Kill the engine and start the next one."""
        kill(self.story)
        await trio.sleep(20 if and_wait else 0.5)
        await self.story.boot()

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await trio.sleep(seconds)


async def _tell(seed: int, commands: list[tuple[Any, ...]]) -> None:
    with trio.fail_after(3600):
        async with open_cut_story(seed) as story:
            teller = Teller(story)
            for symbol in MIDDLES:
                await teller.move(symbol, 0)
            for command in commands:
                await teller.do(command)
            for view in story.engine.active():
                story.engine.cancel(view.signal.signal_id)
            await trio.sleep(SETTLE_S)
            _compare(story)


def _compare(story: Story) -> None:
    """Hold our books against the exchange's ledger: the rows of trades of our orders, and no others."""
    account, roles = story.world.exchange._venue.core.accounts["client"], story.roles()
    ours = {trade.exec_id: trade for trade in story.truth.trades if trade.cl_ord_id in roles}
    moved: dict[str, Decimal] = {}
    fees: dict[str, Decimal] = {}
    for entry in account.ledger.rows:
        if entry.ref_id in ours:
            moved[entry.asset] = moved.get(entry.asset, d("0")) + entry.amount - entry.fee
            fees[entry.asset] = fees.get(entry.asset, d("0")) + entry.fee
    ledger = story.engine.services.accounts.ledger
    booked: dict[str, Decimal] = {}
    charged: dict[str, Decimal] = {}
    for one in ledger.results.values():
        booked[one.quote] = booked.get(one.quote, d("0")) + one.realized
        for asset, qty in one.fees.items():
            charged[asset] = charged.get(asset, d("0")) + qty
    for held in ledger.positions.values():
        booked[held.quote] = booked.get(held.quote, d("0")) - held.cost
        booked[held.base] = booked.get(held.base, d("0")) + held.qty
    assert _known(booked) == _known(moved), story.tale()
    assert _known(charged) == _known(fees)
    assert sum(one.fills for one in ledger.results.values()) == len(ours)
    _compare_averages(story, ours)
    _compare_balances(story)
    folded, _ = read_ledger(story.journal, {"USD": Decimal(1)})
    assert (folded.positions, folded.results) == (ledger.positions, ledger.results)


def _compare_averages(story: Story, ours: dict[str, Any]) -> None:
    """Average prices agree where the venue rounds them."""
    for order in story.truth.orders.values():
        mine = story.engine.order(order.cl_ord_id) if order.cl_ord_id in story.roles() else None
        if mine is not None and order.cum_qty:
            pair = next(pair for pair in story.world.exchange.settings.pairs if pair.symbol == order.symbol)
            rounded = Decimal(1).scaleb(-pair.price_precision)
            assert mine.avg_px.quantize(rounded) == (order.cum_cost / order.cum_qty).quantize(rounded)


def _compare_balances(story: Story) -> None:
    """Nothing is unexplained, and every total is the venue's."""
    desk = story.engine.services.balance_desk
    assert desk.mismatch() == {}, f"{desk.reconciliation.lines()}\n{story.tale()}"
    totals = {line.asset: line.total for line in desk.reconciliation.lines()}
    assert _known(totals) == _known(story.truth.balances())


def _known(amounts: dict[str, Decimal]) -> dict[str, Decimal]:
    return {asset: amount for asset, amount in amounts.items() if amount}


@WORLDS
@given(COMMANDS, st.integers(0, 1000))
def test_money_is_conserved_over_any_command_list(commands, seed):
    """Positions, fees and profit equal the exchange's ledger; balances are explained; a replay has the same books."""
    with deterministic(seed):
        trio.run(partial(_tell, seed, commands), clock=MockClock(autojump_threshold=0))
