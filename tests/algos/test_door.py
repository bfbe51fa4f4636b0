"""The same algorithms on an engine in another place, through its door: real sockets, real clock."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
import trio

from engine.algos import Budget, Chase, ChaseTerms, DoorHands, Iceberg, IcebergTerms, Twap, TwapTerms
from engine.algos.hands import Verdict
from engine.client import AsyncClient
from tests.algos.working import PARENT_ID, parent
from tests.cli.processes import Cli, signal_line
from tests.control.conftest import data_dir as data_dir
from tests.control.conftest import open_live as open_live

pytestmark = pytest.mark.tcp


async def test_a_twap_works_through_the_door_and_goes_on_after_a_break(open_live, data_dir: Path):
    """Stopped after its first slice; the next one finds what was bought and buys the rest."""
    terms = TwapTerms(slices=3, over_s=3)
    async with open_live() as live, AsyncClient.on(data_dir) as client:
        hands, of = DoorHands(client), parent(time_in_force="ioc", order_qty="0.03")
        first = Twap(hands, of, terms)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.run)
            await live.until(lambda: first.ledger.cum_qty == Decimal("0.01"))
            first.stop()
        assert (first.course.state, first.ledger.cum_qty) == ("stopped", Decimal("0.01"))
        result = await Twap(hands, of, terms).run()
        assert (result.state, result.cum_qty) == ("complete", Decimal("0.03"))
        assert result.children[0].signal_id == of.child_id(0)
        found = [live.engine.signal(child.signal_id) for child in result.children]
        bought = [one.bracket.exposure for one in found if one is not None and one.bracket is not None]
        assert sum(bought) == Decimal("0.03")


async def test_a_chase_and_an_iceberg_rest_and_leave_nothing(open_live, data_dir: Path):
    """Cancelled while their entries rest: the door carries the cancels out."""
    async with open_live() as live, AsyncClient.on(data_dir) as client:
        hands = DoorHands(client)
        both = (
            Chase(hands, parent(), ChaseTerms(over_s=60)),
            Iceberg(
                hands,
                parent(signal_id=PARENT_ID[:-1] + "2", limit_price="49000", stop_loss=None),
                IcebergTerms(Decimal("0.02"), 60),
            ),
        )
        async with trio.open_nursery() as nursery:
            for one in both:
                nursery.start_soon(one.run)
            await live.until(lambda: [one.course.state for one in both] == ["resting", "showing"])
            await live.until(lambda: all(one.ledger.current and one.ledger.current.resting for one in both))
            nursery.cancel_scope.cancel()
        with trio.fail_after(5):
            await live.engine.wait_idle()
        assert not [order for order in live.exchange.truth.orders.values() if order.is_open and order.cl_ord_id]


class Told(DoorHands):
    """Says when a submit sets out."""

    def __init__(self, client: AsyncClient) -> None:
        super().__init__(client)
        self.set_out = trio.Event()

    async def submit(self, text: str) -> Verdict:
        """See DoorHands."""
        self.set_out.set()
        return await super().submit(text)


async def test_cancelled_with_a_submit_under_way_it_takes_the_child_back(open_live, data_dir: Path):
    """The engine would go on with a request whose client has gone: so it is seen through, and then canceled."""
    async with open_live() as live, AsyncClient.on(data_dir) as client:
        hands = Told(client)
        work = Iceberg(hands, parent(limit_price="49500"), IcebergTerms(Decimal("0.02"), 60))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work.run)
            await hands.set_out.wait()
            nursery.cancel_scope.cancel()
        assert live.engine.signal(work.parent.child_id(0)) is not None
        with trio.fail_after(5):
            await live.engine.wait_idle()
        assert not [order for order in live.exchange.truth.orders.values() if order.is_open and order.cl_ord_id]


async def test_halt_behind_the_door_is_seen(open_live, data_dir: Path):
    """A strategy that is halted by itself is halted here too."""
    async with open_live() as live, AsyncClient.on(data_dir) as client:
        live.engine.halt("enough", strategy_id="algo")
        result = await Iceberg(DoorHands(client), parent(), IcebergTerms(Decimal("0.02"), 60), Budget()).run()
        assert (result.state, result.reason, result.children) == ("stopped", "TRADING_HALTED", ())


@pytest.mark.process
def test_the_verb_works_a_signal_on_a_running_engine(tmp_path: Path):
    """A process that runs, another that works: its result is one object, and its bad input costs nothing."""
    cli = Cli(tmp_path)
    try:
        place = ("--data-dir", str(cli.data_dir))
        away = cli.run(
            "algo", "twap", "--signal", signal_line(order_type="limit", limit_price="60000"), "--over", "2", *place
        )
        assert (away.code, "start an engine" in away.err) == (6, True)
        running = cli.start("run", *place, env={"ENGINE_CONTROL__PORT": "0"})
        while cli.run("status", *place).code != 0:
            assert running.poll() is None
        line = signal_line(order_type="limit", limit_price="50800.0", take_profit=None, time_in_force="ioc")
        done = cli.run("algo", "twap", "--signal", line, "--slices", "2", "--over", "2", "--json", *place)
        assert done.code == 0, done.err + done.out
        assert (done.json["state"], Decimal(done.json["cum_qty"])) == ("complete", Decimal("0.002"))
        assert len(done.json["children"]) == 2
        again = cli.run("algo", "iceberg", "--signal", line, "--over", "2", *place)
        assert (again.code, "--display" in again.err) == (2, True)
        wrong = cli.run("algo", "twap", "--signal", signal_line(), "--over", "2", *place)
        assert (wrong.code, "worst price" in wrong.err) == (2, True)
        assert json.loads(line)["order_qty"] == done.json["order_qty"]
    finally:
        cli.kill_all()
