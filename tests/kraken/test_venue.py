"""The adapter against the simulated exchange, on virtual time."""

import logging
import re
from decimal import Decimal

import pytest
import trio

from engine.errors import VenueRefused, VenueUnavailable
from engine.kraken.settings import Secret
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder
from engine.orders.reports import Outcome
from engine.seams.clock import VirtualClock
from engine.sim import (
    ScriptedFaults,
    accept_late,
    answer_late,
    http_error,
    kill_after,
    kill_before,
    lie_with,
    lose_answer,
    refuse_with,
)
from engine.venue.earlier import Earlier
from engine.venue.protocol import Lane, Ticket


def limit(cl_ord_id="c-1", price="49000.0", qty="0.01", side="buy", **more) -> NewOrder:
    """A limit order."""
    return NewOrder(cl_ord_id, "BTC/USD", side, "limit", Decimal(qty), Decimal(price), **more)


async def place(link, order, lane=Lane.ENTRY):
    """Admit and submit."""
    return await link.submit(await link.admit(lane, order), order)


async def change(link, amend, lane=Lane.REDUCING):
    """Admit and amend."""
    return await link.amend(await link.admit(lane, amend), amend)


async def withdraw(link, cancel):
    """Admit and cancel."""
    return await link.cancel(await link.admit(Lane.CANCEL, cancel), cancel)


def kick(stage):
    """Break every connection."""
    for connection in stage.wire.connections:
        connection.reset()


async def test_open_is_complete_when_the_block_begins(stage, autojump_clock):
    """Instruments are known in every spelling, the snapshot came before the link was up, no skew is seen."""
    async with stage.link() as link:
        assert link.instrument("XXBTZUSD") == link.instrument("XBTUSD") == link.instrument("BTC/USD")
        assert link.instrument("BTC/USD").price_increment == Decimal("0.1")
        assert stage.sink.snapshots == [([], [])]
        assert stage.sink.links == [(True, "")]
        assert link.skew_ns == 0


async def test_identity_is_stable_and_shows_no_key(stage, autojump_clock):
    """Account is a hash of the API key; another key is another account."""
    from engine.kraken.venue import KrakenVenue

    def identity(**changes):
        return KrakenVenue(
            stage.settings(**changes), wire=stage.wire, clock=stage.clock, chance=stage.chance, nonces=stage.nonces
        ).identity

    one, other = identity(), identity(api_key=Secret("other"))
    assert (one.venue, one.mode, len(one.account)) == ("kraken", "simulated", 16)
    assert one == identity() != other
    assert stage.exchange.api_key not in repr(one)


@pytest.mark.parametrize("via", ["ws", "rest"])
async def test_limit_order_placed_amended_canceled(stage, autojump_clock, via):
    """Both ways give the same answers and, by the stream, the same reports."""
    async with stage.link(orders_via=via) as link:
        answer = await place(link, limit())
        assert (answer.outcome, answer.transport, answer.code) == (Outcome.ACCEPTED, via, "")
        new = await stage.sink.wait_report("new")
        assert (new.cl_ord_id, new.symbol, new.order_qty, new.limit_price) == (
            "c-1",
            "BTC/USD",
            Decimal("0.01"),
            Decimal("49000.0"),
        )
        amend = AmendOrder("c-1", answer.order_id, "BTC/USD", Decimal("0.02"), Decimal("49001.0"))
        assert (await change(link, amend)).outcome is Outcome.ACCEPTED
        amended = await stage.sink.wait_report("amended")
        assert (amended.order_qty, amended.limit_price) == (Decimal("0.02"), Decimal("49001.0"))
        cancel = CancelOrder("c-1", answer.order_id, "BTC/USD")
        assert (await withdraw(link, cancel)).outcome is Outcome.ACCEPTED
        canceled = await stage.sink.wait_report("canceled")
        assert (canceled.ord_status, canceled.cum_qty) == ("canceled", 0)
        again = await withdraw(link, cancel)
        assert (again.outcome, again.code) == (Outcome.REFUSED, "UNKNOWN_ORDER")


async def test_fills_arrive_with_fees_and_agree_with_rest(stage, autojump_clock):
    """A maker fill in two parts: reports and TradesHistory tell the same fills."""
    async with stage.link() as link:
        answer = await place(link, limit(price="50000.0", qty="0.03"))
        for part in ("0.01", "0.02"):
            stage.exchange.house.take("BTC/USD", "sell", Decimal(part))
        filled = await stage.sink.wait_report("filled", answer.order_id)
        assert (filled.ord_status, filled.cum_qty, filled.avg_px) == ("filled", Decimal("0.03"), Decimal("50000"))
        fills = [r.fill for r in stage.sink.reports if r.fill is not None]
        assert [(f.last_qty, f.last_px, f.liquidity_ind) for f in fills] == [
            (Decimal("0.01"), Decimal("50000.0"), "maker"),
            (Decimal("0.02"), Decimal("50000.0"), "maker"),
        ]
        assert all(f.fees[0].asset == "USD" and f.fees[0].qty > 0 for f in fills)
        asked = await link.trades_since(0)
        assert [t.fill.exec_id for t in asked] == [f.exec_id for f in fills]
        (order,) = await link.query_orders([answer.order_id])
        assert (order.ord_status, order.cum_qty) == ("filled", Decimal("0.03"))
        assert (await link.closed_orders(cl_ord_id="c-1"))[0].order_id == answer.order_id
        assert await link.open_orders() == []
        assert {b.asset for b in stage.sink.balances} >= {"BTC", "USD"}
        assert {b.asset: b.total for b in await link.balances()}["BTC"] == Decimal("2.03")
        assert (await link.fee_rates("BTC/USD")).taker > 0


async def test_reference_of_a_ledger_entry_names_an_order_by_a_fill_or_by_itself(stage, autojump_clock):
    """What names nothing is nobody's; a key that may not ask, or a venue in trouble, has said nothing about it."""
    async with stage.link() as link:
        answer = await place(link, limit(price="50000.0", qty="0.03"))
        stage.exchange.house.take("BTC/USD", "sell", Decimal("0.03"))
        await stage.sink.wait_report("filled", answer.order_id)
        (fill,) = [r.fill for r in stage.sink.reports if r.fill is not None]
        for ref_id in (fill.exec_id, answer.order_id):
            found = await link.order_of(ref_id)
            assert found is not None
            assert (found.order_id, found.cl_ord_id) == (answer.order_id, "c-1")
        for ref_id in ("TAAAAA-BBBBB-CCCCCC", "QAAAAA-BBBBB-CCCCCC"):
            assert await link.order_of(ref_id) is None
        (one,) = {m.kind for m in await link.movements_since(0, "trade", patient=True)}
        assert (one, await link.movements_since(0, "rollover")) == ("trade", [])
        stage.exchange.faults = ScriptedFaults().always("QueryTrades", refuse_with("EGeneral:Permission denied"))
        with pytest.raises(VenueRefused):
            await link.order_of(fill.exec_id)


async def test_stop_fires_and_says_so(stage, autojump_clock):
    """A resting stop-loss reports TRIGGERED before its fills."""
    stage.exchange.house.quote("BTC/USD", "buy", Decimal("48000.0"), Decimal(1))
    stage.exchange.house.print_trade("BTC/USD", Decimal("50000.0"), Decimal("0.01"))
    async with stage.link() as link:
        stop = NewOrder("s-1", "BTC/USD", "sell", "stop-loss", Decimal("0.01"), trigger_price=Decimal("49000.0"))
        answer = await place(link, stop, Lane.REDUCING)
        assert answer.outcome is Outcome.ACCEPTED
        assert (await stage.sink.wait_report("new")).triggered is False
        stage.exchange.house.print_trade("BTC/USD", Decimal("48999.0"), Decimal("0.01"))
        await stage.sink.wait_report("filled", answer.order_id)
        types = [str(r.report_type) for r in stage.sink.reports]
        assert types.index("triggered") < types.index("trade") < types.index("filled")


@pytest.mark.parametrize("via", ["ws", "rest"])
@pytest.mark.parametrize(
    ("order", "code"),
    [
        (limit(qty="100"), "INSUFFICIENT_FUNDS"),
        (limit(qty="0.00000001"), "ORDER_MINIMUM"),
        (NewOrder("c", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.05")), None),
    ],
)
async def test_refusals_are_values_with_codes(stage, autojump_clock, via, order, code):
    """The venue's no is REFUSED with a stable code and the venue's own words."""
    async with stage.link(orders_via=via) as link:
        answer = await place(link, order)
        assert answer.outcome is Outcome.REFUSED
        assert answer.text.startswith("E")
        assert code in (None, answer.code)


@pytest.mark.parametrize("via", ["ws", "rest"])
@pytest.mark.parametrize(
    ("action", "outcome", "code"),
    [
        (lose_answer(), Outcome.UNKNOWN, "ANSWER_TIMEOUT"),
        (kill_after(), Outcome.UNKNOWN, "CONNECTION_LOST"),
        (kill_before(), Outcome.UNKNOWN, "CONNECTION_LOST"),
        (lie_with("EService:Unavailable"), Outcome.UNKNOWN, "SERVICE_UNAVAILABLE"),
        (lie_with("EGeneral:Internal error"), Outcome.UNKNOWN, "INTERNAL_ERROR"),
        (refuse_with("EOrder:Never heard of"), Outcome.UNKNOWN, "UNLISTED"),
        (refuse_with("EOrder:Rate limit exceeded"), Outcome.REFUSED, "RATE_LIMIT"),
        (accept_late(6), Outcome.REFUSED, "DEADLINE_ELAPSED"),
        (answer_late(30), Outcome.UNKNOWN, "ANSWER_TIMEOUT"),
    ],
)
async def test_what_happens_to_a_request_is_told_truly(stage, autojump_clock, via, action, outcome, code):
    """Lost, killed, late and lying answers end as the outcome table says, within deadline and grace."""
    faults = ScriptedFaults().at("add_order", 1, action).at("AddOrder", 1, action)
    stage.exchange.faults = faults
    async with stage.link(orders_via=via) as link:
        began = trio.current_time()
        answer = await place(link, limit())
        assert (answer.outcome, answer.code) == (outcome, code)
        assert trio.current_time() - began < 7.1


@pytest.mark.parametrize("done", [True, False])
async def test_bad_gateway_is_unknown(stage, autojump_clock, done):
    """HTTP 502 over REST says nothing about the order, whether it was placed or not."""
    stage.exchange.faults = ScriptedFaults().at("AddOrder", 1, http_error(502, done=done))
    async with stage.link(orders_via="rest") as link:
        answer = await place(link, limit())
        assert (answer.outcome, answer.code) == (Outcome.UNKNOWN, "HTTP_502")
        assert len(await link.open_orders("c-1")) == (1 if done else 0)


async def test_kicked_stream_comes_back_with_what_was_missed(stage, autojump_clock):
    """Down is told at once; after the reconnect the snapshot holds the open order and the missed fill, then up."""
    async with stage.link() as link:
        answer = await place(link, limit(price="50000.0", qty="0.03"))
        await stage.sink.wait_report("new")
        kick(stage)
        await stage.sink.wait(lambda: stage.sink.links[-1][0] is False)
        assert not link.private_up
        stage.exchange.house.take("BTC/USD", "sell", Decimal("0.01"))
        began = trio.current_time()
        await stage.sink.wait(lambda: stage.sink.links[-1][0] is True)
        assert trio.current_time() - began < 5
        opened, trades = stage.sink.snapshots[-1]
        assert [(o.order_id, o.cum_qty, o.ord_status) for o in opened] == [
            (answer.order_id, Decimal("0.01"), "partially_filled")
        ]
        assert [t.fill.last_qty for t in trades] == [Decimal("0.01")]
        assert [up for up, _ in stage.sink.links] == [True, False, True]


@pytest.mark.parametrize("verdict", ["drop", "swap", "skip_sequence"])
async def test_broken_sequence_resynchronises(stage, autojump_clock, verdict):
    """A lost, overtaken or skipped frame ends the stream, and a new one starts from a snapshot."""
    stage.exchange.faults = ScriptedFaults().at_frame("executions", 3, verdict)
    async with stage.link() as link:
        await place(link, limit())
        await place(link, limit("c-2"))
        await stage.sink.wait(lambda: len(stage.sink.snapshots) == 2)
        assert "sequence" in stage.sink.links[1][1]
        assert len(stage.sink.snapshots[-1][0]) == 2


async def test_silent_stream_is_given_up(stage, autojump_clock):
    """A half-open connection is noticed within the heartbeat bound, and orders go by REST meanwhile."""
    async with stage.link() as link:
        for connection in stage.wire.connections:
            connection.stall(60, to_server=False)
        began = trio.current_time()
        await stage.sink.wait(lambda: stage.sink.links[-1][0] is False)
        assert trio.current_time() - began <= 11
        assert "nothing heard" in stage.sink.links[-1][1]
        assert (await link.admit(Lane.ENTRY, limit())).transport == "rest"


async def test_no_way_is_told_before_anything_is_sent(stage, autojump_clock):
    """With the venue unreachable on both ways admit raises; a ticket from before ends as not sent."""
    async with stage.link() as link:
        ticket = await link.admit(Lane.ENTRY, limit())
        stage.wire.refuse(120)
        kick(stage)
        await stage.sink.wait(lambda: not link.private_up)
        answer = await link.submit(ticket, limit())
        assert (answer.outcome, answer.code, answer.transport) == (Outcome.NOT_SENT, "NOT_CONNECTED", "none")
        await trio.sleep(3)
        with pytest.raises(VenueUnavailable, match="no way for orders"):
            await link.admit(Lane.ENTRY, limit())


async def test_deadlines_follow_lane_and_way(stage, autojump_clock):
    """Entries five seconds, exits one, REST never below its floor; a passed deadline is not sent."""
    async with stage.link() as link:
        now_ns = stage.clock.now_ns()
        leads = [((await link.admit(lane, limit())).deadline_ns - now_ns) / 1e9 for lane in (Lane.ENTRY, Lane.REDUCING)]
        assert leads == pytest.approx([5, 1], abs=1e-5)
        stale = await link.submit(Ticket("ws", now_ns), limit())
        assert (stale.outcome, stale.code) == (Outcome.NOT_SENT, "DEADLINE_PASSED")
    async with stage.link(orders_via="rest") as link:
        ticket = await link.admit(Lane.EMERGENCY, limit())
        assert (ticket.deadline_ns - stage.clock.now_ns()) / 1e9 == pytest.approx(3, abs=1e-5)


async def test_watched_book_is_verified_and_follows_the_market(stage, autojump_clock):
    """The block begins with a usable book; quotes arrive; the last holder ends the subscription."""
    stage.exchange.house.quote("BTC/USD", "buy", Decimal("49999.0"), Decimal(1))
    async with stage.link() as link:
        async with link.watch("XBTUSD") as book, link.watch("BTC/USD") as same:
            assert same is book is link.book("XXBTZUSD")
            assert (book.usable, book.best("buy")) == (True, Decimal("49999.0"))
            stage.exchange.house.quote("BTC/USD", "sell", Decimal("50001.0"), Decimal("0.5"))
            await stage.sink.wait(lambda: book.best("sell") == Decimal("50001.0"))
        await trio.sleep(1)
        assert link.book("BTC/USD") is None
        assert not book.usable
        with pytest.RaisesGroup(VenueRefused, allow_unwrapped=True, flatten_subgroups=True):
            async with link.watch("NO/PE"):
                pass


async def test_lost_stream_makes_books_unusable_until_verified_anew(stage, autojump_clock):
    """Every watched book is lost with the connection and usable again after the next snapshot."""
    stage.exchange.house.quote("BTC/USD", "buy", Decimal("49999.0"), Decimal(1))
    async with stage.link() as link, link.watch("BTC/USD") as book:
        kick(stage)
        await stage.sink.wait(lambda: not book.usable)
        stage.exchange.house.quote("BTC/USD", "buy", Decimal("50000.0"), Decimal(1))
        await stage.sink.wait(lambda: book.usable)
        assert book.best("buy") == Decimal("50000.0")


async def test_wrong_checksum_resubscribes_that_symbol_alone(stage, autojump_clock):
    """A corrupt book is unusable at once and whole again after its own new snapshot; others go on."""
    async with stage.link() as link, link.watch("BTC/USD") as book, link.watch("ETH/USD") as other:
        lost_other = len([1 for symbol, usable, _ in stage.sink.books if symbol == "ETH/USD" and not usable])
        book.price_precision = 3  # any wrong digit breaks the text
        stage.exchange.house.quote("BTC/USD", "buy", Decimal("49000.0"), Decimal(1))
        await stage.sink.wait(lambda: not book.usable)
        book.price_precision = 1
        await stage.sink.wait(lambda: book.usable)
        assert book.best("buy") == Decimal("49000.0")
        assert other.usable
        assert lost_other == len([1 for symbol, usable, _ in stage.sink.books if symbol == "ETH/USD" and not usable])
        assert stage.sink.links == [(True, "")]


async def test_venue_mode_shows_in_every_instrument(stage, autojump_clock):
    """cancel_only of the whole exchange is told as the status of its markets, and online again after it."""
    async with stage.link() as link:
        stage.exchange.set_status("cancel_only")
        await stage.sink.wait(lambda: link.instrument("BTC/USD").status == "cancel_only")
        assert any(i.symbol == "BTC/USD" and i.status == "cancel_only" for i in stage.sink.instruments)
        stage.exchange.set_status("online")
        await stage.sink.wait(lambda: link.instrument("BTC/USD").status == "online")


async def test_wrong_key_is_refused_at_the_door(stage, autojump_clock):
    """An unknown key, a wrong secret: opening fails at once with the venue's words."""
    for changes in ({"api_key": Secret("wrong")}, {"api_secret": Secret("d3Jvbmd3cm9uZw==")}):
        began = trio.current_time()
        with pytest.raises(VenueRefused, match="EAPI:Invalid"):
            async with stage.link(**changes):
                pass
        assert trio.current_time() - began < 5


async def test_unreachable_venue_is_unavailable(stage, autojump_clock):
    """Nothing listens: opening ends in bounded time and says that nothing was reached."""
    stage.wire.refuse(1000)
    with trio.fail_after(60), pytest.raises(VenueUnavailable):
        async with stage.link():
            pass


async def test_restart_goes_on_above_the_nonces_of_before(stage, autojump_clock):
    """A second life with the same store opens without a refused nonce, its clock set back by an hour."""
    async with stage.link() as link:
        await link.balances()
    stage.clock.skew_ns -= 3600 * 10**9
    async with stage.link() as link:
        assert await link.balances()


async def test_skewed_clock_is_measured_and_deadlines_are_in_venue_time(stage, autojump_clock):
    """Our clock runs an hour behind: the skew is found, and orders are accepted."""
    stage.clock = VirtualClock(skew_ns=-3600 * 10**9)
    async with stage.link(clock_skew_bound_s=4000) as link:
        assert abs(link.skew_ns - 3600 * 10**9) < 10**8
        assert (await place(link, limit())).outcome is Outcome.ACCEPTED


async def test_step_of_our_clock_leaves_deadlines_in_venue_time(stage, autojump_clock):
    """Set forward by an hour while the link stands: the next order bears a deadline that the venue accepts."""
    stage.clock = VirtualClock()  # ours alone
    async with stage.link() as link:
        stage.clock.skew_ns += 3600 * 10**9
        assert (await place(link, limit())).outcome is Outcome.ACCEPTED


async def test_list_that_proves_needs_no_empty_counter_for_its_second_page(stages, autojump_clock):
    """Squall 1400564: at the smallest tier it waited for one, in vain each time, and orders stayed unknown for good."""
    async with stages(tier="starter") as stage, stage.link(tier="starter") as link:
        began_ns = stage.clock.now_ns()
        for number in range(60):
            await place(link, limit(f"c-{number}", price="51000.0", qty="0.0001", time_in_force="ioc"))
            await trio.sleep(2)
        await trio.sleep(60)
        began_s = trio.current_time()
        assert len(await link.closed_orders(since_ns=began_ns, most=100)) == 60
        assert trio.current_time() - began_s < 10


@pytest.mark.parametrize("step_s", [0, 0.9, 3600, -3600])
async def test_step_of_our_clock_runs_no_earlier_points_down(stage, autojump_clock, step_s: float):
    """Squall 1300370: stepped while the next engine comes up; what was left in the counter was taken for less."""
    stage.clock = VirtualClock()  # ours alone
    async with stage.link() as link:
        sent_ns = stage.clock.now_ns()
        cancel = CancelOrder("c-1", "O1", "BTC/USD")
        await trio.sleep(3)
        stage.clock.skew_ns += int(step_s * 10**9)
        link.remember([Earlier(cancel, sent_ns, sent_ns, sent_ns, Outcome.ACCEPTED)])
        (told,) = link.headroom()
    assert 8 - 3 * 2.34 <= told.level <= 8 - 1 * 2.34


async def test_question_that_waited_for_room_takes_along_who_came_meanwhile(stage, autojump_clock):
    """Storm 600525: at the smallest tier a second question would wait for a quarter of a minute."""
    async with stage.link() as link:
        first, second = [(await place(link, limit(name))).order_id for name in ("c-1", "c-2")]
        counter = link._rest.query_key.budget.counter
        counter.charge(counter.threshold, trio.current_time())
        came: list[float] = []

        def also(most: int) -> list[str]:
            came.append(trio.current_time())
            return [second][:most]

        asked_s = trio.current_time()
        told = await link.query_orders([first], also)
        assert {report.order_id for report in told} == {first, second}
        assert came[0] > asked_s + 1


async def test_missed_first_frame_is_asked_for(stage, autojump_clock, monkeypatch):
    """An order named by a delta alone is completed from QueryOrders."""
    async with stage.link() as link:
        answer = await place(link, limit())
        await stage.sink.wait_report("new")
        link._private._executions.session._live.clear()  # as if we had subscribed between its frames
        await withdraw(link, CancelOrder("c-1", answer.order_id, "BTC/USD"))
        canceled = await stage.sink.wait_report("canceled")
        assert canceled.symbol is None
        whole = await stage.sink.wait_report("status")
        assert (whole.symbol, whole.side, whole.ord_status, whole.source) == ("BTC/USD", "buy", "canceled", "rest")


async def test_expired_token_is_replaced_on_the_next_connection(stage, autojump_clock):
    """Tokens die; every connection fetches its own."""
    async with stage.link():
        stage.exchange.expire_tokens()
        kick(stage)
        await stage.sink.wait(lambda: len(stage.sink.snapshots) == 2)
        assert stage.sink.links[-1] == (True, "")


async def test_symbol_left_and_taken_at_once_stays_live(stage, autojump_clock):
    """A new holder in the very moment the last one leaves gets a book that lives."""
    stage.exchange.house.quote("BTC/USD", "buy", Decimal("49999.0"), Decimal(1))
    async with stage.link() as link:
        async with link.watch("BTC/USD"):
            pass
        with trio.fail_after(30):
            async with link.watch("BTC/USD") as book:
                await trio.sleep(5)
                stage.exchange.house.quote("BTC/USD", "sell", Decimal("50001.0"), Decimal(1))
                await stage.sink.wait(lambda: book.best("sell") == Decimal("50001.0"))
                assert book.usable


async def test_many_kicks_lose_no_order(stage, autojump_clock):
    """Ten kicks in a row: each ends with a snapshot that holds every open order."""
    async with stage.link() as link:
        await place(link, limit("c-1"))
        await place(link, limit("c-2"))
        for number in range(2, 12):
            kick(stage)
            await stage.sink.wait(lambda wanted=number: len(stage.sink.snapshots) == wanted, 300)
            assert {r.cl_ord_id for r in stage.sink.snapshots[-1][0]} == {"c-1", "c-2"}
        assert [up for up, _ in stage.sink.links] == [True, *[False, True] * 10]


async def test_refresh_brings_a_snapshot_from_after_it(stage, autojump_clock):
    """Asked for a fresh snapshot, the link reconnects; the unbroken time starts anew."""
    async with stage.link() as link:
        await place(link, limit())
        first_s = link.standing.since_s
        await trio.sleep(60)
        asked_s = trio.current_time()
        link.refresh()
        await stage.sink.wait(lambda: len(stage.sink.snapshots) == 2)
        await stage.sink.wait(lambda: link.private_up)
        assert first_s < asked_s < link.standing.since_s < asked_s + 3
        assert len(stage.sink.snapshots[-1][0]) == 1


async def test_a_deadline_passes_by_the_venues_clock(stage, autojump_clock):
    """Not before the venue's clock is beyond it, and soon after; a step of our wall clock changes nothing."""
    stage.clock = VirtualClock()  # ours alone
    async with stage.link() as link:
        ticket = await link.admit(Lane.ENTRY, limit())
        stage.clock.skew_ns += 3600 * 10**9
        assert not link.passed(ticket.deadline_ns)
        await trio.sleep(4.9)
        assert not link.passed(ticket.deadline_ns)
        await trio.sleep(0.5)
        assert link.passed(ticket.deadline_ns)


async def test_no_secret_is_ever_logged(stage, caplog, capsys, autojump_clock):
    """Key, secret, token and signatures stay off every log, at every level, through refusals and a reconnect."""
    sent = []
    stage.wire.observers.append(lambda _, data: sent.append(data.decode("latin-1")))
    with caplog.at_level(logging.DEBUG):
        async with stage.link() as link:
            await place(link, limit(qty="1000"))
            ticket = await link.admit(Lane.ENTRY, limit())
            kick(stage)
            await link.submit(ticket, limit())
            await stage.sink.wait(lambda: len(stage.sink.snapshots) == 2)
    wire = "".join(sent)
    secrets = {stage.exchange.api_key, stage.exchange.api_secret, *re.findall(r"API-Sign: (\S+)", wire)}
    tokens = re.findall(r'"token": ?"([^"]+)"', wire)
    told = caplog.text + "".join(capsys.readouterr())
    assert len(secrets) >= 4
    assert len(tokens) >= 2
    assert "link.lost" in told
    assert not [secret for secret in secrets | set(tokens) if secret in told]


async def test_nonces_refused_in_a_row_are_somebody_elses_doing(stage, autojump_clock):
    """One generator per key never falls back: refused again and again, another program draws for this key too."""
    async with stage.link() as link:
        stage.exchange.faults = ScriptedFaults().always("BalanceEx", refuse_with("EAPI:Invalid nonce"))
        with pytest.raises(VenueRefused):
            await link.balances()
        assert [code for code, _ in stage.sink.alarms] == ["FOREIGN_NONCE"]
