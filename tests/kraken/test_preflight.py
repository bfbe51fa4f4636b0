"""What a start is refused for, and the second key for reads: against the simulated exchange."""

import pytest
import trio

from engine.errors import ConfigError, VenueRefused, VenueUnavailable
from engine.kraken.settings import Secret
from engine.orders.commands import NewOrder
from engine.orders.reports import Outcome
from engine.seams.clock import VirtualClock
from engine.sim import ScriptedFaults, lose_answer, refuse_with
from engine.sim.keys import QUERY_PERMISSIONS, TRADING_PERMISSIONS
from engine.sim.settings import KeySpec
from engine.venue.protocol import Lane

from .conftest import dec

LIMIT = NewOrder("c-1", "BTC/USD", "buy", "limit", dec("0.01"), dec("49000.0"))


@pytest.mark.parametrize("missing", TRADING_PERMISSIONS)
async def test_key_without_a_needed_permission_is_refused(stages, autojump_clock, missing):
    """The permission is named, and where to tick it."""
    rest = tuple(name for name in TRADING_PERMISSIONS if name != missing)
    async with stages(permissions=rest) as stage:
        with pytest.raises(ConfigError, match=rf"lacks .*\({missing}\); tick it"):
            async with stage.link():
                pass


async def test_key_that_may_withdraw_is_refused_unless_allowed(stages, autojump_clock):
    """By name, in the settings."""
    async with stages(permissions=(*TRADING_PERMISSIONS, "withdraw-funds")) as stage:
        with pytest.raises(ConfigError, match="may move funds away"):
            async with stage.link():
                pass
        async with stage.link(may_withdraw=True) as link:
            assert link.private_up


@pytest.mark.parametrize(("skew_s", "word"), [(-20, "behind"), (20, "ahead of")])
async def test_skewed_clock_is_refused(stage, autojump_clock, skew_s, word):
    """With its size, its direction and the cure."""
    stage.clock = VirtualClock(skew_ns=skew_s * 10**9)
    with pytest.raises(ConfigError, match=rf"clock is (19|20)\.\d s {word} the venue's, more than 5 s; set it by NTP"):
        async with stage.link():
            pass


async def test_maintenance_is_said_plainly(stage, autojump_clock):
    """Nothing can be done then, not even cancels."""
    stage.exchange.set_status("maintenance")
    with pytest.raises(VenueUnavailable, match=r"in maintenance.*start again"):
        async with stage.link():
            pass


async def test_cancel_only_starts(stage, autojump_clock):
    """Exits of a restart may still be managed."""
    stage.exchange.set_status("cancel_only")
    async with stage.link() as link:
        assert link.private_up


async def test_unreachable_host_is_named(stage, autojump_clock):
    """With the address that was tried."""
    stage.wire.refuse(1000)
    with pytest.raises(VenueUnavailable, match=r"cannot reach exchange\.sim: .*check the network and rest_url"):
        async with stage.link():
            pass


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("EAPI:Invalid key", "copy it again"),
        ("EAPI:Invalid signature", "does not belong"),
        ("EAPI:Invalid nonce", "another program uses it"),
        ("EGeneral:Temporary lockout", "wait 15 minutes"),
        ("EGeneral:Unknown method", "check_key = false"),
    ],
)
async def test_venues_refusal_comes_with_the_cure(stage, autojump_clock, text, cure):
    """Its own words first."""
    faults = ScriptedFaults()
    for nth in range(1, 9):
        faults.at("GetApiKeyInfo", nth, refuse_with(text))
    stage.exchange.faults = faults
    with pytest.raises(VenueRefused, match=f"{text}: .*{cure}"):
        async with stage.link():
            pass


async def test_check_can_be_left_out(stage, autojump_clock):
    """For venues that lack the endpoint."""
    stage.exchange.faults = ScriptedFaults().at("GetApiKeyInfo", 1, refuse_with("EGeneral:Unknown method"))
    async with stage.link(check_key=False) as link:
        assert link.private_up


async def test_reads_by_the_query_key_do_not_hold_up_orders(stages, autojump_clock):
    """A read hangs on its own nonce line: an order by REST goes at once, by the trading key."""
    async with stages(more_keys=(KeySpec(name="reads", permissions=QUERY_PERMISSIONS),)) as stage:
        key, secret = (Secret(text) for text in stage.exchange.credentials("reads"))
        stage.exchange.faults = ScriptedFaults().at("OpenOrders", 1, lose_answer())
        async with stage.link(orders_via="rest", query_key=key, query_secret=secret) as link:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(link.open_orders)
                await trio.sleep(0.5)
                began = trio.current_time()
                answer = await link.submit(await link.admit(Lane.ENTRY, LIMIT), LIMIT)
                assert answer.outcome is Outcome.ACCEPTED
                assert trio.current_time() - began < 0.5
            assert [order.cl_ord_id for order in await link.open_orders()] == ["c-1"]


async def test_query_key_is_checked_too(stages, autojump_clock):
    """It must read, and it must not withdraw."""
    spec = KeySpec(name="reads", permissions=("query-funds", "withdraw-funds"))
    async with stages(more_keys=(spec,)) as stage:
        key, secret = (Secret(text) for text in stage.exchange.credentials("reads"))
        with pytest.raises(ConfigError, match=r"(?s)lacks.*query-open-trades.*may move funds away"):
            async with stage.link(query_key=key, query_secret=secret):
                pass
