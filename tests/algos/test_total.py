"""Whatever happens, in whatever order: children never come to more than their parent, and nothing is left resting."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.algos import Budget, Chase, ChaseTerms, Iceberg, IcebergTerms, Twap, TwapTerms
from engine.algos.stage import Algorithm
from engine.seams.chance import SeededChance
from engine.seams.determinism import virtual_clock
from tests.algos.bench import Bench, Fate
from tests.algos.working import parent

QTY = Decimal("23.4")
FATES = ("take", "reject", "deny", "doubt_live", "doubt_dead", "hang_taken", "hang_lost")

COMMAND = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from((0.3, 2.0, 11.0))),
    st.tuples(st.just("fill"), st.sampled_from(("0.1", "0.5", "1"))),
    st.tuples(st.just("fate"), st.sampled_from(FATES)),
    st.tuples(st.just("resolve"), st.none()),
    st.tuples(st.just("bid"), st.integers(95, 110)),
    st.tuples(st.just("ioc"), st.sampled_from(("0", "0.3", "1"))),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("other"), st.sampled_from(("chase", "twap", "iceberg"))),
)


def made(kind: str, bench: Bench, *, whole: bool = False) -> Algorithm:
    """An algorithm of a kind on the bench; ``whole``: all of it in one child."""
    members: dict[str, Any] = {"order_qty": str(QTY), "limit_price": "105", "stop_loss": {"trigger_price": "90"}}
    budget = Budget(children=40)
    if kind == "chase":
        return Chase(bench, parent(**members), ChaseTerms(over_s=90, take=True, every_s=1), budget)
    if kind == "iceberg":
        return Iceberg(bench, parent(**members), IcebergTerms(QTY if whole else Decimal(5), 90), budget)
    of = parent(**members, time_in_force="ioc")
    return Twap(bench, of, TwapTerms(slices=1 if whole else 8, over_s=90, jitter=0.3), budget, SeededChance(1))


class Life:
    """One life of an algorithm: cancelled like any task, or ended by itself."""

    def __init__(self, nursery: trio.Nursery, algorithm: Algorithm) -> None:
        self.algorithm, self._scope, self._gone = algorithm, trio.CancelScope(), trio.Event()
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        with self._scope:
            await self.algorithm.run()
        self._gone.set()

    async def end(self) -> None:
        """Cancel it wherever it is."""
        self._scope.cancel()
        await self._gone.wait()


async def played(kind: str, commands: list[tuple[str, Any]], bench: Bench) -> Algorithm:
    """Play commands against an algorithm, then let time run out; returns its last life."""
    async with trio.open_nursery() as nursery:
        life = Life(nursery, made(kind, bench))
        for name, value in commands:
            match name:
                case "wait":
                    await trio.sleep(value)
                case "fill":
                    bench.fill(Decimal(value))
                case "fate":
                    bench.fates.append(value)
                case "resolve":
                    bench.resolve()
                case "bid":
                    bench.bid = Decimal(value)
                case "ioc":
                    bench.ioc_part = Decimal(value)
                case "restart" | "other":
                    await life.end()
                    kind = value or kind
                    life = Life(nursery, made(kind, bench))
            await trio.sleep(0.05)
        await trio.sleep(100)
        bench.resolve()
        await trio.sleep(5)
        await life.end()
    return life.algorithm


@pytest.mark.parametrize("kind", ["chase", "twap", "iceberg"])
@settings(max_examples=150, deadline=None)
@given(commands=st.lists(COMMAND, max_size=30))
def test_total_never_exceeds_the_parent(kind: str, commands: list[tuple[str, Any]]) -> None:
    """Over fills, refusals, doubts, submits cut off on either side of the wire, restarts and changes of algorithm."""
    bench = Bench(QTY)
    last = trio.run(played, kind, commands, bench, clock=virtual_clock())
    assert bench.taken() <= QTY
    assert not [order for order in bench.orders.values() if order.lives]
    assert len(bench.orders) <= 40
    if last.course.ended:
        assert last.ledger.cum_qty == bench.taken()
        assert (last.course.state == "complete") == (bench.taken() == QTY)


@pytest.mark.parametrize("kind", ["chase", "twap", "iceberg"])
def test_left_alone_it_completes(kind: str) -> None:
    """The bench is no wall: filled as it goes, each comes to its end."""
    bench = Bench(QTY)
    commands = [("wait", 11.0), ("fill", "1")] * 8
    last = trio.run(played, kind, commands, bench, clock=virtual_clock())
    assert (last.course.state, bench.taken()) == ("complete", QTY)


@pytest.mark.parametrize("kind", ["chase", "twap", "iceberg"])
def test_full_counter_keeps_children_back(kind: str) -> None:
    """Above its share of the venue's counter it waits, and goes on when there is room again."""
    bench = Bench(QTY)
    bench.level = 30.0

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            life = Life(nursery, made(kind, bench))
            await trio.sleep(20)
            assert not bench.orders
            bench.level = 10.0
            await trio.sleep(2)
            assert len(bench.orders) == 1
            await life.end()

    trio.run(main, clock=virtual_clock())


@pytest.mark.parametrize("kind", ["chase", "iceberg"])
def test_denials_that_pass_are_asked_again_ever_later(kind: str) -> None:
    """A doubt on the market for a minute costs a handful of children, and then it goes on."""
    bench = Bench(QTY)
    bench.denial = "SYMBOL_IN_DOUBT"
    bench.fates = ["deny"] * 5

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            life = Life(nursery, made(kind, bench))
            await trio.sleep(28)
            assert len(bench.orders) == 5
            await trio.sleep(10)
            assert [order.lives for order in bench.orders.values()] == [False] * 5 + [True]
            await life.end()

    trio.run(main, clock=virtual_clock())


@pytest.mark.parametrize("fills", [False, True])
@pytest.mark.parametrize(
    ("kind", "fates", "after_s", "state"),
    [
        ("chase", ["doubt_live"], 3, "doubting"),
        ("chase", [], 1, "resting"),
        ("chase", [], 81, "giving_up"),
        ("chase", ["take", "pend"], 81, "taking"),
        ("twap", ["doubt_live"], 40, "doubting"),
        ("twap", ["pend"], 40, "working"),
        ("iceberg", ["doubt_live"], 3, "doubting"),
        ("iceberg", [], 1, "showing"),
    ],
)
def test_stopped_in_any_state_it_waits_for_the_truth(
    kind: str, fates: list[Fate], after_s: float, state: str, fills: bool
) -> None:
    """It says stopped, or complete, only once its last child is settled."""
    bench = Bench(QTY)
    bench.fates, bench.cancels_wait = list(fates), True

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            life = Life(nursery, made(kind, bench, whole=True))
            await trio.sleep(after_s)
            if state == "taking":
                bench.resolve()  # the passive part is gone
                await trio.sleep(2)
            assert life.algorithm.course.state == state
            life.algorithm.stop("enough")
            await trio.sleep(3)
            assert life.algorithm.course.state == "draining"
            if fills:
                bench.fill(Decimal(1))
            bench.resolve()
            await trio.sleep(3)
            result = life.algorithm.result()
            assert (result.state, result.cum_qty) == (("complete", QTY) if fills else ("stopped", 0))
            await life.end()

    trio.run(main, clock=virtual_clock())
    assert not [order for order in bench.orders.values() if order.lives]
