"""Which way orders go, in batches too, and that nothing is ever sent twice: against the simulated exchange."""

import random
from collections import Counter

import pytest
import trio

from engine.errors import OutcomeUnknown, VenueUnavailable
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder
from engine.orders.reports import Outcome
from engine.sim import ScriptedFaults, accept_late, answer_late, http_error, kill_after, lie_with, lose_answer
from engine.venue.protocol import Lane

from .conftest import dec

BTC = "BTC/USD"
WAYS = ["ws", "rest"]


def limit(name, price="49000.0", qty="0.01", symbol=BTC) -> NewOrder:
    """A limit order that rests."""
    return NewOrder(name, symbol, "buy", "limit", dec(qty), dec(price))


async def place(link, order, lane=Lane.ENTRY, bracket=""):
    """Admit and submit."""
    return await link.submit(await link.admit(lane, order, bracket), order)


async def place_batch(link, orders, lane=Lane.ENTRY):
    """Admit and submit a batch."""
    return await link.submit_batch(await link.admit_batch(lane, orders), orders)


async def cancel_batch(link, cancels, lane=Lane.CANCEL):
    """Admit and cancel a batch."""
    return await link.cancel_batch(await link.admit_batch(lane, cancels), cancels)


def kick(stage):
    """Break every connection."""
    for connection in stage.wire.connections:
        connection.reset()


def lives(stage):
    """What each of our orders went through, without ids and times."""
    told: dict[str, list] = {}
    for report in stage.sink.reports:
        told.setdefault(report.cl_ord_id, []).append((str(report.report_type), report.order_qty, report.cum_qty))
    return told


async def test_leave_given_back_holds_neither_points_nor_a_slot(stage, autojump_clock):
    """Nothing was sent with it: the counter stands as before, and so do the open orders."""
    async with stage.link() as link:
        ticket = await link.admit(Lane.REDUCING, limit("c-1"))
        (held,) = link.headroom()
        link.give_back(ticket)
        (free,) = link.headroom()
    assert ((held.level, held.open_orders), (free.level, free.open_orders)) == ((1, 1), (0, 0))


async def test_orders_go_by_ws_then_by_rest_then_by_ws_again(stage, autojump_clock):
    """While the private stream is away orders go by REST; once it is complete again they go back to it."""
    ways = []
    async with stage.link() as link:
        ways.append((await place(link, limit("c-1"))).transport)
        kick(stage)
        await stage.sink.wait(lambda: not link.private_up)
        ways.append((await place(link, limit("c-2"))).transport)
        await stage.sink.wait(lambda: link.private_up)
        ways.append((await place(link, limit("c-3"))).transport)
        assert {order.cl_ord_id for order in await link.open_orders()} == {"c-1", "c-2", "c-3"}
    assert ways == ["ws", "rest", "ws"]
    assert [r[3] for r in stage.exchange.truth.requests] == ["c-1", "c-2", "c-3"]


async def test_missing_answer_moves_no_order_to_the_other_way(stage, autojump_clock):
    """The request is unknown and stays unknown; it is sent nowhere else, and the next one goes by WebSocket too."""
    stage.exchange.faults = ScriptedFaults().at("add_order", 1, lose_answer())
    async with stage.link() as link:
        assert (await place(link, limit("c-1"))).outcome is Outcome.UNKNOWN
        assert (await place(link, limit("c-2"))).transport == "ws"
    assert [(r[1], r[3]) for r in stage.exchange.truth.requests] == [("ws", "c-1"), ("ws", "c-2")]


async def test_each_answer_goes_to_the_request_it_names(stage, autojump_clock):
    """The first request is answered last, and refused: the second's acceptance is not taken for its own."""
    stage.exchange.faults = ScriptedFaults().at("add_order", 1, accept_late(1))
    answers = {}

    async def ask(link, order) -> None:
        answers[order.cl_ord_id] = await place(link, order)

    async with stage.link() as link, trio.open_nursery() as nursery:
        nursery.start_soon(ask, link, limit("c-1", qty="1000"))  # more than the account can pay for
        await trio.sleep(0.1)
        nursery.start_soon(ask, link, limit("c-2"))
    told = [(name, answer.outcome, answer.cl_ord_id) for name, answer in answers.items()]
    assert told == [("c-2", Outcome.ACCEPTED, "c-2"), ("c-1", Outcome.REFUSED, "c-1")]
    assert [order.cl_ord_id for order in stage.exchange.truth.orders.values()] == ["c-2"]


@pytest.mark.parametrize(("via", "down"), [("ws", "stream"), ("rest", "rest")])
async def test_chosen_way_is_the_only_one(stage, autojump_clock, via, down):
    """``orders_via`` ws or rest: when that way is closed, nothing is sent by the other."""
    async with stage.link(orders_via=via) as link:
        if down == "rest":
            stage.wire.refuse(60)
            kick(stage)
            with pytest.raises((OutcomeUnknown, VenueUnavailable)):
                await link.open_orders()
        else:
            kick(stage)
            await stage.sink.wait(lambda: not link.private_up)
        with pytest.raises(VenueUnavailable, match=f"no way for orders.*orders_via {via}"):
            await link.admit(Lane.EMERGENCY, limit("c-1"))


async def test_both_ways_give_the_same_reports(stages, autojump_clock):
    """Place, amend, partial fill, cancel, and a batch of each: the stream tells the same whichever way was used."""
    told = {}
    for via in WAYS:
        async with stages() as stage, stage.link(orders_via=via) as link:
            answer = await place(link, limit("c-1", "50000.0", "0.03"))
            amend = AmendOrder("c-1", answer.order_id, BTC, dec("0.02"), dec("50000.0"))
            await link.amend(await link.admit(Lane.REDUCING, amend), amend)
            stage.exchange.house.take(BTC, "sell", dec("0.01"))
            batch = await place_batch(link, [limit("c-2"), limit("c-3")])
            cancels = [CancelOrder(f"c-{n}", a.order_id, BTC) for n, a in enumerate([answer, *batch], 1)]
            assert [a.outcome for a in await cancel_batch(link, cancels)] == [Outcome.ACCEPTED] * 3
            await stage.sink.wait(lambda: sum(r.report_type == "canceled" for r in stage.sink.reports) == 3)
            told[via] = lives(stage)
    assert told["ws"] == told["rest"]
    assert [kind for kind, _, _ in told["ws"]["c-1"]] == ["pending_new", "new", "amended", "trade", "canceled"]


@pytest.mark.parametrize("shape", ["array", "orders"])
@pytest.mark.parametrize("via", WAYS)
async def test_one_member_of_a_batch_may_fail_alone(stages, autojump_clock, via, shape):
    """The one without funds is refused with the venue's words, the others rest."""
    async with stages(batch_result=shape) as stage, stage.link(orders_via=via) as link:
        orders = [limit("c-1"), limit("c-2", qty="100"), limit("c-3")]
        answers = await place_batch(link, orders)
        assert [(a.cl_ord_id, str(a.outcome), a.code, a.transport) for a in answers] == [
            ("c-1", "accepted", "", via),
            ("c-2", "refused", "INSUFFICIENT_FUNDS", via),
            ("c-3", "accepted", "", via),
        ]
        assert {o.order_id for o in await link.open_orders()} == {answers[0].order_id, answers[2].order_id}


@pytest.mark.parametrize("via", WAYS)
async def test_batch_that_is_invalid_is_refused_as_a_whole(stage, autojump_clock, via):
    """Validation is all or nothing."""
    async with stage.link(orders_via=via) as link:
        answers = await place_batch(link, [limit("c-1"), limit("c-2", price="49000.05")])
        assert [a.outcome for a in answers] == [Outcome.REFUSED] * 2
        assert await link.open_orders() == []


@pytest.mark.parametrize("via", WAYS)
@pytest.mark.parametrize(
    ("action", "code"),
    [
        (lose_answer(), "ANSWER_TIMEOUT"),
        (kill_after(), "CONNECTION_LOST"),
        (lie_with("EService:Unavailable"), "SERVICE_UNAVAILABLE"),
    ],
)
async def test_batch_of_unknown_outcome_is_unknown_for_each_member(stage, autojump_clock, via, action, code):
    """And it is sent once."""
    stage.exchange.faults = ScriptedFaults().at("batch_add", 1, action).at("AddOrderBatch", 1, action)
    async with stage.link(orders_via=via) as link:
        answers = await place_batch(link, [limit("c-1"), limit("c-2")])
        assert {(str(a.outcome), a.code) for a in answers} == {("unknown", code)}
        assert len(stage.exchange.truth.orders) == 2


@pytest.mark.parametrize("via", WAYS)
async def test_batch_cancel_that_takes_only_some_says_so(stage, autojump_clock, via):
    """One of them has ended: the venue does not say which, so each is unknown until the reports tell."""
    async with stage.link(orders_via=via) as link:
        answers = await place_batch(link, [limit("c-1"), limit("c-2")])
        cancels = [CancelOrder(a.cl_ord_id, a.order_id, BTC) for a in answers]
        await link.cancel(await link.admit(Lane.CANCEL, cancels[0]), cancels[0])
        again = await cancel_batch(link, cancels)
        assert {(str(a.outcome), a.code) for a in again} == {("unknown", "PARTLY_TAKEN")}
        await stage.sink.wait(lambda: sum(r.report_type == "canceled" for r in stage.sink.reports) == 2)


async def test_emergency_batch_cancel_is_taken_above_the_threshold(stages, autojump_clock):
    """Both counters are over, the venue's too: single cancels would be refused, the batch is not."""
    async with stages(tier="starter") as stage, stage.link(tier="starter") as link:
        placed = [await place_batch(link, [limit(f"{n}-{m}") for m in range(10)], Lane.REDUCING) for n in range(4)]
        orders = [a for batch in placed for a in batch]
        cancels = [CancelOrder(a.cl_ord_id, a.order_id, BTC) for a in orders]
        began = trio.current_time()
        answers = await cancel_batch(link, cancels, Lane.EMERGENCY)
        assert {a.outcome for a in answers} == {Outcome.ACCEPTED}
        assert trio.current_time() - began < 1
        assert link.headroom()[0].level > 300


@pytest.mark.parametrize(("lane", "calls"), [(Lane.CANCEL, 0), (Lane.EMERGENCY, 1)])
async def test_cancels_by_rest_go_one_by_one_where_calls_run_short(stage, autojump_clock, lane, calls):
    """Squall 1341511: parts of a close of everything each took a call, and one was refused for the rate of calls."""
    async with stage.link(orders_via="rest") as link:
        placed = [await place(link, limit(f"c-{n}")) for n in range(3)]
        counter = link._rest.trade_key.budget.counter
        counter.correct(counter.threshold - 2, trio.current_time())
        before = counter.level(trio.current_time())
        answers = await cancel_batch(link, [CancelOrder(a.cl_ord_id, a.order_id, BTC) for a in placed], lane)
        assert [a.outcome for a in answers] == [Outcome.ACCEPTED] * 3
        assert round(counter.level(trio.current_time()) - before) == calls
        assert await link.open_orders() == []


async def test_storm_of_requests_never_overruns_the_exchange(stages, autojump_clock):
    """Adds, amends and cancels as fast as the limiter lets them: the exchange refuses none for its rate."""
    rng = random.Random(11)
    codes: Counter[str] = Counter()
    async with (
        stages(tier="starter", processing_delay_s=0.05) as stage,
        stage.link(tier="starter", admit_timeout_s=300) as link,
    ):

        async def life(name: str) -> None:
            await trio.sleep(rng.random() * 20)
            answer = await place(link, limit(name), Lane.REDUCING)
            codes[answer.code] += 1
            for turn in range(rng.randrange(3)):
                await trio.sleep(rng.random() * 12)
                amend = AmendOrder(name, answer.order_id, BTC, dec("0.01"), dec(f"4800{turn}.0"))
                codes[(await link.amend(await link.admit(Lane.REDUCING, amend), amend)).code] += 1
            await trio.sleep(rng.random() * 12)
            cancel = CancelOrder(name, answer.order_id, BTC)
            codes[(await link.cancel(await link.admit(Lane.CANCEL, cancel), cancel)).code] += 1

        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(life, f"c-{number}")
    assert set(codes) == {""}
    assert codes[""] > 150


async def test_reported_counter_corrects_ours(stages, autojump_clock):
    """Someone else uses the account's points: the next report tells, whichever name its member has."""
    for field, as_text in (("ratecount", False), ("rate_count", True)):
        async with stages(ratecounter_field=field, ratecounter_as_text=as_text) as stage, stage.link() as link:
            stage.exchange._venue.core.rates.charge("client", BTC, stage.clock.now_ns(), dec("40"))
            await place(link, limit("c-1"))
            await stage.sink.wait_report("new")
            assert 40 < link.headroom()[0].level <= 41


async def test_snapshot_brings_foreign_orders_into_the_slots(stage, autojump_clock):
    """What rested before we came counts, and so does what others place afterwards."""
    async with stage.link() as link:
        await place(link, limit("foreign"))
    async with stage.link() as link:
        await place(link, limit("c-1"))
        await stage.sink.wait(lambda: link.headroom()[0].open_orders == 2)


async def test_exit_goes_ahead_of_entries_over_rest(stage, autojump_clock):
    """One call at a time: the exit that came last is the second to go."""
    stage.exchange.faults = ScriptedFaults().at("AddOrder", 1, answer_late(2))
    async with stage.link(orders_via="rest") as link, trio.open_nursery() as nursery:
        for name, lane in [("e-1", Lane.ENTRY), ("e-2", Lane.ENTRY), ("x-1", Lane.REDUCING), ("x-2", 0)]:
            ticket = await link.admit(Lane(lane), limit(name))
            nursery.start_soon(link.submit, ticket, limit(name))
            await trio.sleep(0.01)
    assert [r[3] for r in stage.exchange.truth.requests] == ["e-1", "x-2", "x-1", "e-2"]


async def test_reads_are_repeated_and_orders_never(stage, autojump_clock):
    """The exchange counts: two failed reads bring a third; a failed order brings nothing."""
    counted: Counter[str] = Counter()

    class Counting(ScriptedFaults):
        async def on_request(self, transport, method, phase, *more):
            counted[method] += phase == "before"
            return await super().on_request(transport, method, phase, *more)

    faults = Counting()
    for nth in (1, 2):
        faults.at("OpenOrders", nth, http_error(502))
    for method in ("AddOrder", "AmendOrder", "CancelOrder", "AddOrderBatch", "CancelOrderBatch"):
        faults.at(method, 1, http_error(502))
    stage.exchange.faults = faults
    async with stage.link(orders_via="rest") as link:
        assert await link.open_orders() == []
        await place(link, limit("c-1"))
        amend, cancel = AmendOrder("c-1", "O", BTC, dec("1")), CancelOrder("c-1", "O", BTC)
        await link.amend(await link.admit(Lane.REDUCING, amend), amend)
        await link.cancel(await link.admit(Lane.CANCEL, cancel), cancel)
        await place_batch(link, [limit("c-2"), limit("c-3")])
        await cancel_batch(link, [cancel, CancelOrder("c-2", "P", BTC)])
        await trio.sleep(120)
    orders = {name: count for name, count in counted.items() if name.startswith(("Add", "Amend", "Cancel"))}
    assert counted["OpenOrders"] == 3
    assert set(orders.values()) == {1}
    assert len(orders) == 5


async def test_entry_waits_for_its_brackets_protection(stages, autojump_clock):
    """Near the threshold exits pass and an entry does not, until its reserve is there."""
    async with stages(tier="starter") as stage, stage.link(tier="starter") as link:
        with link.protection("XBTUSD", "signal-1"):
            for number in range(49):
                await place(link, limit(f"x-{number}", qty="0.001"), Lane.REDUCING)
            began = trio.current_time()
            assert (await place(link, limit("e-1", qty="0.001"), bracket="signal-1")).outcome is Outcome.ACCEPTED
            assert 0.5 < trio.current_time() - began < 3


async def test_storm_of_reads_never_overruns_the_exchange(stages, autojump_clock):
    """History calls at four points, tokens and orders between them: the exchange refuses none for its rate."""
    dear = ("TradesHistory", "ClosedOrders")
    async with (
        stages(tier="starter", rest_history_cost=4, rest_history_calls=dear) as stage,
        stage.link(tier="starter", read_timeout_s=300, orders_via="rest") as link,
    ):
        refused = []

        async def read(number: int) -> None:
            ask = (link.open_orders, link.closed_orders, lambda: link.trades_since(0), link.balances)[number % 4]
            try:
                await ask()
            except Exception as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            for number in range(24):
                nursery.start_soon(read, number)
                await trio.sleep(0.2)
            assert (await place(link, limit("c-1"))).outcome is Outcome.ACCEPTED
        assert refused == []


async def test_order_whose_deadline_passes_in_the_nonce_line_is_not_sent(stages, autojump_clock):
    """Lag 300024: another order's answer is lost, the line stays taken, and what went out after that came too late."""
    async with stages() as stage, stage.link(orders_via="rest") as link:
        stage.exchange.faults = ScriptedFaults().at("AddOrder", 1, lose_answer())
        answers = {}

        async def go(name):
            answers[name] = await place(link, limit(name))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(go, "c-1")
            await trio.sleep(1)
            nursery.start_soon(go, "c-2")
        assert answers["c-1"].outcome is Outcome.UNKNOWN
        assert (answers["c-2"].outcome, answers["c-2"].code) == (Outcome.NOT_SENT, "DEADLINE_PASSED")
        assert len(stage.exchange.truth.orders) == 1


@pytest.mark.parametrize(("heartbeat_s", "way"), [(1, "rest"), (3600, "ws")])
async def test_silence_counts_only_where_heartbeats_were_seen(stages, autojump_clock, heartbeat_s, way):
    """Four quiet seconds: behind heartbeats of a second it may be dead; without any they tell nothing."""
    async with stages(heartbeat_s=heartbeat_s) as stage, stage.link() as link:
        await trio.sleep(6)  # a ping has just been answered
        for connection in stage.wire.connections:
            connection.stall(3.9, to_server=False)
        await trio.sleep(3.8)
        assert (await link.admit(Lane.ENTRY, limit("c-1"), "")).transport == way
