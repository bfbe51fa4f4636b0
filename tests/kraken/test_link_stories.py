"""What becomes of a link: every state reached by a story, on virtual time."""

import contextlib
import math
from decimal import Decimal

import pytest
import structlog.testing
import trio
import trio.testing

from engine.errors import ConfigError, VenueError
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.link_policy import LinkPolicy
from engine.orders.commands import NewOrder
from engine.orders.reports import Outcome
from engine.seams.determinism import deterministic
from engine.sim import ScriptedFaults, accept_late, http_error, lose_answer, lose_request, refuse_with
from engine.venue.protocol import Lane
from tests.kraken.conftest import open_stage


@pytest.fixture
def logs():
    """Keep what is logged."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def states(logs, name):
    """The states a link went through."""
    return [entry["state"] for entry in logs if entry["event"] == "link.state" and entry["link"] == name]


def view(link, name):
    """One link's figures."""
    return next(one for one in link.links() if one.name == name)


async def until(condition, within_s=120.0):
    """Look every tenth of a second until the condition holds; return how long that took."""
    began = trio.current_time()
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - what is looked at has no event
            await trio.sleep(0.1)
    return trio.current_time() - began


def upgrades(stage):
    """Collect the moments of all WebSocket connection attempts from now on."""
    times = []
    stage.wire.observers.append(
        lambda _, data: times.append(trio.current_time()) if data.startswith(b"GET /v2") else None
    )
    return times


async def test_quiet_life(stage, logs, autojump_clock):
    """Dialled, open, authenticated (the private one), healthy for ten minutes, disconnected at the end."""
    async with stage.link() as link:
        await trio.sleep(600)
        public, private = link.links()
    assert states(logs, "public") == ["connecting", "connected", "healthy", "disconnected"]
    assert states(logs, "private") == ["connecting", "connected", "authenticated", "healthy", "disconnected"]
    for one in (public, private):
        assert (one.state, one.why, one.attempts, one.disconnects, one.errors) == ("healthy", "", 1, 0, 0)
        assert one.uptime_share > 0.999
        assert one.messages_out >= 600 / 6
        assert 0.01 < one.latency_s < 0.05
        assert one.bytes_in > 600 * len('{"channel":"heartbeat"}')
        assert one.heartbeat_age_s < 1.5
        assert (one.gaps, one.gaps_total) == ((), 0)


@pytest.mark.parametrize("name", ["public", "private"])
async def test_lost_heartbeats_degrade_sicken_and_end_a_link(stage, logs, autojump_clock, name):
    """Pings are answered, heartbeats stop: degraded after 15 s, unhealthy after 30 s, then a new connection."""
    async with stage.link() as link:
        await trio.sleep(2)
        faults = stage.exchange.faults = ScriptedFaults()
        faults.frames_during("heartbeat", 0, 45, "lose")
        assert await until(lambda: view(link, name).state == "degraded") == pytest.approx(15, abs=1.2)
        assert "no heartbeat" in view(link, name).why
        assert await until(lambda: "unhealthy" in states(logs, name)) == pytest.approx(15, abs=1.2)
        await until(lambda: view(link, name).state == "healthy" and view(link, name).attempts == 2)
    assert " ".join(states(logs, name)).count("healthy degraded unhealthy reconnecting connecting connected") == 1


async def test_slow_pings_degrade_and_better_ones_heal(stage, logs, autojump_clock):
    """An answer after 2 s degrades, one after 6 s sickens, quick ones heal; the connection stays."""
    async with stage.link() as link:
        for delay_s, grade in ((2, "degraded"), (6, "unhealthy")):
            stage.exchange.faults = ScriptedFaults().always("ping", accept_late(delay_s))
            await until(lambda wanted=grade: view(link, "private").state == wanted)
        assert view(link, "private").latency_s > 1.9
        stage.exchange.faults = ScriptedFaults()
        await until(lambda: view(link, "private").state == "healthy")
        assert (view(link, "private").attempts, stage.sink.links) == (1, [(True, "")])


async def test_errors_degrade_a_link(stage, autojump_clock):
    """One message in ten is unreadable: degraded; one in two: unhealthy; none: healthy again. Books live on."""
    async with stage.link() as link, link.watch("BTC/USD") as book:
        for every_s, grade in ((5, "degraded"), (0.5, "unhealthy")):
            while view(link, "public").state != grade:
                (socket,) = stage.exchange._sockets(False)
                socket.outbox.send(b'{"channel":"ticker","type":"update","data":[{"symbol":5}]}')
                await trio.sleep(every_s)
        assert book.usable
        assert view(link, "public").invalid >= 20
        await until(lambda: view(link, "public").state == "healthy", 300)
        assert view(link, "public").attempts == 1


async def test_gaps_degrade_a_link_and_are_kept_until_healed(stage, autojump_clock):
    """Two gaps in a minute: degraded. Each is a range until the next complete stream."""
    async with stage.link(link=LinkPolicy(gap_window_s=60)) as link:
        for number in (1, 2):
            stage.exchange.faults = ScriptedFaults().at_frame("executions", 1, "drop")
            ranges = []
            for part in "ab":
                order = NewOrder(f"{part}-{number}", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("10000.0"))
                await link.submit(await link.admit(Lane.ENTRY, order), order)
            await until(lambda found=ranges: found.extend(view(link, "private").gaps) or found, 5)
            assert any(gap.channel == "executions" and gap.last is not None for gap in ranges)
            await until(lambda wanted=number: len(stage.sink.snapshots) == 1 + wanted)
            assert view(link, "private").gaps == ()
            await trio.sleep(12)
        assert (view(link, "private").gaps_total, view(link, "private").state) == (2, "degraded")
        assert view(link, "private").gaps_healed >= 2
        await until(lambda: view(link, "private").state == "healthy", 70)


@pytest.mark.parametrize("code", [None, 1001, 1012])
async def test_back_within_five_seconds_of_a_disconnect(stage, autojump_clock, code):
    """Whatever ends a connection, both links are complete again in less than five seconds, every time."""
    async with stage.link() as link:
        for _ in range(8):
            await trio.sleep(15)
            assert stage.exchange.kick(code, "CloudFlare WebSocket proxy restarting") == 2
            await trio.sleep(0.05)
            took = await until(lambda: all(one.state == "healthy" for one in link.links()))
            assert took < 2
        assert [up for up, _ in stage.sink.links] == [True, *[False, True] * 8]


async def test_three_kicks_in_a_row_stay_quick(stage, autojump_clock):
    """A handful of drops at once is routine: each time back within five seconds."""
    async with stage.link() as link:
        await trio.sleep(15)
        for _ in range(3):
            stage.exchange.kick()
            await trio.sleep(0.05)
            assert await until(lambda: all(one.state == "healthy" for one in link.links())) < 2


async def test_five_failed_tries_sound_the_alarm_once(stage, logs, autojump_clock):
    """Refused for ten minutes: one alarm per link after five failures, trying goes on, and it ends with success."""
    async with stage.link() as link:
        stage.wire.refuse(600)
        stage.exchange.kick()
        await until(lambda: all(one.alarm for one in link.links()))
        assert all(one.failures_in_a_row == 5 and one.state == "reconnecting" for one in link.links())
        await until(lambda: link.private_up, 700)
        await until(lambda: all(one.state == "healthy" for one in link.links()), 100)
        assert not any(one.alarm for one in link.links())
        assert max(one.failures_in_a_row for one in link.links()) == 0
    assert sorted(entry["link"] for entry in logs if entry["event"] == "link.alarm") == ["private", "public"]


async def test_attempts_stay_within_the_budget(stages, autojump_clock):
    """Kicked the moment it is up, with hardly a back-off: never more attempts than allowed, both links together."""
    async with stages(connection_budget=35) as stage:
        times = upgrades(stage)
        async with stage.link(backoff_most_s=1.0, link=LinkPolicy(connections_most=30)):
            while len(times) < 65:
                await stage.sink.wait(lambda: stage.sink.links[-1][0], 1300)
                stage.exchange.kick()
                await trio.sleep(0.01)
    assert all(late - early >= 600 - 0.1 for early, late in zip(times, times[30:], strict=False))
    assert times[-1] - times[0] < 1300


async def test_failing_attempts_stay_within_the_budget_and_never_end(stage, logs, autojump_clock):
    """A venue that closes every handshake is tried 130 times, never more than 120 in ten minutes; then it is up."""
    async with stage.link(backoff_most_s=5.0) as link:
        times = upgrades(stage)
        stage.exchange.faults = ScriptedFaults().always("connect", http_error(503))
        stage.exchange.kick(private=False)
        await until(lambda: len(times) >= 130, 2_000)
        assert times[120] - times[0] >= 599
        stage.exchange.faults = ScriptedFaults()
        await until(lambda: view(link, "public").state == "healthy", 100)


@pytest.mark.parametrize("directions", [(True, False), (False, True), (True, True)])
async def test_half_open_connections_are_found_out(stage, logs, autojump_clock, directions):
    """Nothing arrives, nothing leaves, or neither: within 17 s the link has left, and soon it is complete again."""
    async with stage.link() as link:
        await trio.sleep(12)
        for connection in stage.wire.connections:
            connection.stall(600, to_server=directions[0], to_client=directions[1])
        assert await until(lambda: not link.private_up) < 17
        why = stage.sink.links[-1][1]
        assert "nothing heard" in why or "ping" in why
        await until(lambda: all(one.state == "healthy" for one in link.links()), 60)


async def test_half_open_server_is_found_out(stage, autojump_clock):
    """The server neither reads nor writes and closes nothing: orders in flight end as unknown, the link comes back."""
    async with stage.link() as link:
        stage.exchange.stall(private=True)
        order = NewOrder("c-1", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.0"))
        answer = await link.submit(await link.admit(Lane.ENTRY, order), order)
        assert answer.outcome is Outcome.UNKNOWN
        await until(lambda: not link.private_up)
        assert await until(lambda: link.private_up) < 5


async def test_in_flight_requests_end_at_once_when_their_connection_is_given_up(stage, autojump_clock):
    """Not after a closing handshake with a peer that does not answer, nor at their own deadline."""
    async with stage.link() as link:
        order = NewOrder("c-1", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.0"))
        ticket = await link.admit(Lane.ENTRY, order)
        stage.exchange.stall(private=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_later, 1.0, link.refresh)
            began = trio.current_time()
            answer = await link.submit(ticket, order)
        assert (answer.outcome, answer.code) == (Outcome.UNKNOWN, "CONNECTION_LOST")
        assert trio.current_time() - began < 1.1


async def test_dead_token_in_use_is_replaced(stage, autojump_clock):
    """Invalid session on an order: not placed, and the next connection has a token that works."""
    async with stage.link() as link:
        stage.exchange.expire_tokens(in_use=True)
        order = NewOrder("c-1", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.0"))
        first = await link.submit(await link.admit(Lane.ENTRY, order), order)
        assert first.outcome is not Outcome.ACCEPTED
        assert not stage.exchange.truth.orders
        await stage.sink.wait(lambda: len(stage.sink.snapshots) == 2)
        again = await link.submit(await link.admit(Lane.ENTRY, order), order)
        assert again.outcome is Outcome.ACCEPTED


async def test_token_that_dies_before_it_is_used_costs_one_try(stage, autojump_clock):
    """Tokens are revoked between fetching and subscribing: the refusal is no verdict on the key."""
    async with stage.link() as link:
        stage.exchange.faults = ScriptedFaults().at("subscribe", 1, refuse_with("ESession:Invalid session"))
        stage.exchange.kick(private=True)
        await stage.sink.wait(lambda: len(stage.sink.snapshots) == 2)
        assert link.private_up
        assert view(link, "private").failures_in_a_row == 0


@pytest.mark.parametrize("fate", [lose_request, lose_answer])
async def test_unanswered_private_subscription_is_asked_again(stage, autojump_clock, fate):
    """Request or answer vanishes once: back on the same connection, within five seconds of the kick."""
    async with stage.link() as link:
        await trio.sleep(15)
        for number in range(1, 6):
            stage.exchange.faults = ScriptedFaults().at("subscribe", 1, fate())
            stage.exchange.kick(private=True)
            await trio.sleep(0.1)
            assert await until(lambda: link.private_up) < 4
            assert view(link, "private").attempts == 1 + number
            await trio.sleep(15)


async def test_private_subscription_that_is_never_answered_ends_its_connection(stage, autojump_clock):
    """Asked four times in fifteen seconds, then by a new connection, again and again until an answer comes."""
    async with stage.link() as link:
        stage.exchange.faults = ScriptedFaults().during("subscribe", 0, 20, lose_request())
        stage.exchange.kick(private=True)
        await trio.sleep(0.1)
        assert 15 < await until(lambda: link.private_up) < 30
        assert view(link, "private").attempts == 3


@pytest.mark.parametrize("verdict", ["drop", "lose"])
async def test_subscription_without_a_snapshot_is_begun_anew(stage, autojump_clock, verdict):
    """The venue says subscribed and shows nothing: not complete, not usable, and within five seconds both."""
    async with stage.link() as link:
        await trio.sleep(15)
        stage.exchange.faults = ScriptedFaults().at_frame("executions", 1, verdict)
        stage.exchange.kick(private=True)
        await until(lambda: view(link, "private").state == "authenticated", 3)
        order = NewOrder("c-1", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.0"))
        ticket = await link.admit(Lane.REDUCING, order)
        assert (link.private_up, ticket.transport) == (False, "rest")
        await link.submit(ticket, order)
        assert await until(lambda: link.private_up) < 5
        assert len(stage.sink.snapshots) == 2
        assert stage.sink.links.count((True, "")) == 2


async def test_venue_slow_to_show_its_snapshot_is_waited_for_longer_each_time(stage, autojump_clock):
    """Snapshots that never come: patience doubles with each, so that no connection budget is used up."""
    async with stage.link() as link:
        stage.exchange.faults = ScriptedFaults().frames_during("executions", 0, 120, "lose")
        stage.exchange.kick(private=True)
        await trio.sleep(119)
        assert not link.private_up
        assert view(link, "private").attempts < 9
        await until(lambda: link.private_up, 120)


async def test_refused_connections_make_no_snapshot_waited_for_longer(stage, autojump_clock):
    """Five failures that say nothing about snapshots, and the first snapshot lost: given up after two seconds."""
    async with stage.link() as link:
        await trio.sleep(15)
        stage.exchange.faults = ScriptedFaults().at_frame("executions", 1, "lose")
        stage.wire.refuse(8)
        stage.exchange.kick(private=True)
        await until(lambda: view(link, "private").state == "authenticated")
        assert view(link, "private").failures_in_a_row >= 4
        assert 1.5 < await until(lambda: view(link, "private").state == "reconnecting") < 2.5
        await until(lambda: link.private_up, 60)


async def test_balances_that_are_not_answered_cost_no_connection(stage, autojump_clock):
    """Orders do not need them: they are asked for until they stand, on the connection that carries the orders."""
    async with stage.link() as link:
        faults = stage.exchange.faults = ScriptedFaults()
        for number in range(2, 8):
            faults.at("subscribe", number, lose_request())
        stage.exchange.kick(private=True)
        await until(lambda: len(stage.sink.snapshots) == 2, 60)
        attempts, seen = view(link, "private").attempts, len(stage.sink.balances)
        await until(lambda: len(stage.sink.balances) > seen, 120)
        assert view(link, "private").attempts == attempts
        assert link.private_up


@pytest.mark.parametrize("tier", ["starter", "intermediate"])
async def test_spent_rest_counter_does_not_delay_a_reconnect(stages, autojump_clock, tier):
    """Questions wait for the counter, dozens of them; a token is fetched at once, three kicks in a row."""
    async with stages(tier=tier) as stage, stage.link(tier=tier) as link, trio.open_nursery() as nursery:
        await trio.sleep(60)

        async def ask():
            while True:
                with contextlib.suppress(VenueError):
                    await link.open_orders()

        for _ in range(30):
            nursery.start_soon(ask)
        await trio.sleep(20)
        for _ in range(3):
            stage.exchange.kick(private=True)
            await trio.sleep(0.05)
            assert await until(lambda: link.private_up) < 2
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("method", ["OpenOrders", "GetWebSocketsToken"])
async def test_rest_call_that_hangs_does_not_keep_the_stream_away(stage, autojump_clock, method):
    """A question hangs on the line of nonces, or the token's own answer is lost: back within five seconds."""
    async with stage.link() as link, trio.open_nursery() as nursery:
        await trio.sleep(15)
        stage.exchange.faults = ScriptedFaults().at(method, 1, lose_answer())
        nursery.start_soon(link.open_orders)
        await trio.sleep(0.5)
        stage.exchange.kick(private=True)
        await trio.sleep(0.05)
        assert await until(lambda: link.private_up) < 4.9
        nursery.cancel_scope.cancel()


async def test_order_by_rest_that_hangs_does_not_keep_the_stream_away(stage, autojump_clock):
    """Its answer is lost and it holds the line of nonces for five seconds: the token passes it after one."""
    async with stage.link() as link, trio.open_nursery() as nursery:
        await trio.sleep(15)
        stage.exchange.faults = ScriptedFaults().at("AddOrder", 1, lose_answer())
        stage.exchange.kick(private=True)
        await until(lambda: not link.private_up)
        order = NewOrder("c-1", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.0"))
        nursery.start_soon(link.submit, await link.admit(Lane.ENTRY, order), order)
        assert await until(lambda: link.private_up) < 3


async def test_maintenance_is_not_hammered(stage, autojump_clock):
    """Lost while the venue said maintenance: five seconds between two tries."""
    async with stage.link() as link:
        stage.exchange.set_status("maintenance")
        await until(lambda: link.instrument("BTC/USD").status == "maintenance")
        times = upgrades(stage)
        for _ in range(3):
            stage.exchange.kick(1001)
            await trio.sleep(8)
        assert len(times) >= 4
        assert all(late - early >= 5 for early, late in zip(times[::2], times[2::2], strict=False))


async def test_orders_go_by_stream_while_fills_are_still_being_fetched(stage, autojump_clock):
    """REST is silent after a reconnect: the stream is not complete, and yet it carries orders."""
    async with stage.link() as link:
        order = NewOrder("c-0", "BTC/USD", "buy", "limit", Decimal("0.6"), Decimal("50000.0"))
        await link.submit(await link.admit(Lane.ENTRY, order), order)
        stage.exchange.house.take("BTC/USD", "sell", Decimal("0.01"))
        await trio.sleep(1)
        stage.exchange.faults = ScriptedFaults().during("TradesHistory", 0, 30, lose_request())
        stage.exchange.kick(private=True)
        for _ in range(55):
            stage.exchange.house.take("BTC/USD", "sell", Decimal("0.01"))
        await until(lambda: len(stage.sink.snapshots) == 2)
        assert view(link, "private").state == "authenticated"
        assert (link.private_up, link.standing) == (False, None)
        another = NewOrder("c-1", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.0"))
        ticket = await link.admit(Lane.REDUCING, another)
        assert ticket.transport == "ws"
        assert (await link.submit(ticket, another)).outcome is Outcome.ACCEPTED


def test_settings_refuse_a_policy_that_cannot_work():
    """The link's bounds are checked with the rest of the settings."""
    settings = KrakenSettings(
        api_key=Secret("k"), api_secret=Secret("c2Vj" * 21 + "cw=="), link=LinkPolicy(heartbeat_degraded_s=math.inf)
    )
    with pytest.raises(ConfigError, match="heartbeat_degraded_s"):
        settings.check()


async def _later(seconds, call):
    await trio.sleep(seconds)
    call()


async def _eventful(wire_bytes):
    async with open_stage() as stage, stage.link() as link, link.watch("BTC/USD"):
        stage.wire.observers.append(lambda name, data: wire_bytes.append((trio.current_time(), name, data)))
        for _ in range(3):
            await trio.sleep(11)
            stage.exchange.kick()
            order = NewOrder("c-1", "BTC/USD", "buy", "limit", Decimal("0.01"), Decimal("49000.0"))
            await link.submit(await link.admit(Lane.REDUCING, order), order)
        await trio.sleep(20)


def test_same_seed_same_bytes():
    """Pings, back-off, resubscription and gap filling draw on nothing but the seed and virtual time."""
    runs = []
    for seed in (5, 5, 6):
        wire_bytes: list[tuple[float, str, bytes]] = []
        with deterministic(seed):
            trio.run(_eventful, wire_bytes, clock=trio.testing.MockClock(autojump_threshold=0))
        runs.append(wire_bytes)
    assert len(runs[0]) > 100
    assert runs[0] == runs[1] != runs[2]


async def test_connection_budget_outlives_an_opening(stage, autojump_clock):
    """Kraken counts attempts by address: an adapter opened again and again in one process never exceeds it either."""
    times = upgrades(stage)
    settings = stage.settings(link=LinkPolicy(connections_most=6, connections_private=1), open_timeout_s=700)
    venue = KrakenVenue(settings, wire=stage.wire, clock=stage.clock, chance=stage.chance, nonces=stage.nonces)
    for _ in range(6):
        async with venue.open(stage.sink) as link:
            assert link.private_up
    assert len(times) == 12
    assert all(late - early >= 600 - 0.1 for early, late in zip(times, times[6:], strict=False))


async def test_public_stream_that_fails_leaves_attempts_to_the_private_one(stage, autojump_clock):
    """A public stream kicked as soon as it stands uses up its own share: the private one is back at once."""
    policy = LinkPolicy(connections_most=30, connections_private=10)
    async with stage.link(backoff_most_s=1.0, link=policy) as link:
        with contextlib.suppress(trio.TooSlowError):
            while True:
                await until(lambda: view(link, "public").state == "healthy", 5)
                stage.exchange.kick(private=False)
                await trio.sleep(0.05)
        assert 15 < view(link, "public").attempts <= 20
        stage.exchange.kick(private=True)
        await trio.sleep(0.05)
        assert await until(lambda: link.private_up) < 2
        assert view(link, "public").state != "healthy"
