"""The verb plan: exactly what would be sent, and nothing of it sent."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
import trio

from tests.cli.asked import ORDER_BEARING, asked, forms_sent, orders_sent
from tests.cli.processes import LIMIT_S, Cli, Ended, signal_line
from tests.cli.venue import Venue, open_venue

pytestmark = pytest.mark.process

PLANNED: dict[str, Any] = {
    "order_type": "limit",
    "limit_price": "50000.17",
    "order_qty": "0.0020000009",
    "stop_loss": {"trigger_price": "40000.01"},
}
FILLED_IN = {"cl_ord_id", "deadline", "token", "nonce"}
"""What is known only when a request goes."""


def entry_of(ended: Ended) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the entry's frame and form as they were planned."""
    message = ended.json["messages"][0]
    frame = json.loads(message["websocket"], parse_float=str, parse_int=str)
    return frame["params"], dict(parse_qsl(message["body"]))


def without(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in FILLED_IN}


async def test_a_plan_without_an_engine_asks_for_public_data_alone(cli: Cli) -> None:
    """No key is used, nothing that bears on an order leaves, and no data directory is made."""
    async with open_venue() as venue:
        ended = await cli.run_beside(
            "plan", signal_line(**PLANNED), "--json", "--data-dir", str(cli.data_dir), env=venue.environment()
        )
        requests = set(asked(venue))
    assert ended.code == 0, ended.out + ended.err
    assert requests == {"subscribe", "unsubscribe", "AssetPairs"} - ({"unsubscribe"} - requests)
    assert ORDER_BEARING.isdisjoint(requests)
    assert not cli.data_dir.exists()
    frame, form = entry_of(ended)
    assert (frame["order_qty"], frame["limit_price"]) == ("0.00200000", "50000.1")
    assert (form["pair"], form["volume"], form["price"]) == ("XBTUSD", "0.00200000", "50000.1")
    assert [one["passed"] for one in ended.json["preview"]["checks"] if one["name"] == "price collar"] == [True]
    assert [one["passed"] for one in ended.json["preview"]["checks"] if one["name"] == "balance"] == [None]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"stop_loss": {"trigger_price": "50500"}, "limit_price": "50000"}, 4, "PRICES_OUT_OF_ORDER"),
        ({"order_qty": "0.00000002"}, 4, "BELOW_MINIMUM_QTY"),
        ({"limit_price": "60000", "take_profit": {"price": "70000"}}, 4, "PRICE_COLLAR"),
        ({"symbol": "NO/SUCH"}, 4, "SYMBOL_UNKNOWN"),
    ],
)
async def test_what_would_be_denied_says_so_with_its_code(
    cli: Cli, changes: dict[str, Any], code: int, words: str
) -> None:
    async with open_venue() as venue:
        ended = await cli.run_beside("plan", signal_line(**{**PLANNED, **changes}), env=venue.environment())
        assert ORDER_BEARING.isdisjoint(asked(venue))
    assert (ended.code, f"verdict: would be denied: {words}" in ended.out) == (code, True), ended.out + ended.err


def test_what_is_no_signal_and_no_number_is_named(cli: Cli) -> None:
    """Every fault of a line; a file that is not there; a fee that is no fee."""
    faults = cli.run("plan", '{"signal_id": 1, "symbol": "BTC/USD", "order_qty": 0.1}')
    assert faults.code == 2
    assert "signal_id" in faults.err
    assert "side" in faults.err
    assert cli.run("plan", "nowhere.json").code == 2
    assert "--fee-bps is a number" in cli.run("plan", signal_line(), "--fee-bps", "much").err


async def test_the_running_engine_sends_exactly_what_was_planned(cli: Cli) -> None:
    """By WebSocket: the frame of the plan, its placeholders filled in. The plan itself sends and journals nothing."""
    async with open_venue() as venue:
        planned = await _planned_then_submitted(cli, venue, venue.environment())
        sent = [one for one in orders_sent(venue) if one["side"] == "buy"]
    frame, _ = entry_of(planned)
    assert [without(one) for one in sent] == [without(frame)]
    assert {name for name in frame if frame[name] != sent[0][name]} == {"cl_ord_id", "deadline", "token"}


async def test_the_rest_form_is_what_is_sent_by_rest(cli: Cli) -> None:
    async with open_venue() as venue:
        planned = await _planned_then_submitted(cli, venue, venue.environment(KRAKEN__ORDERS_VIA="rest"))
        sent = [one for one in forms_sent(venue) if one["type"] == "buy"]
    _, form = entry_of(planned)
    assert [without(one) for one in sent] == [without(form)]


async def _planned_then_submitted(cli: Cli, venue: Venue, env: dict[str, str]) -> Ended:
    """Plan at a running engine's door, look that nothing came of it, then give it the signal."""
    place = ("--data-dir", str(cli.data_dir))
    line = signal_line(**PLANNED)
    cli.start("run", "--json", *place, env=env)  # the fixture ends it
    with trio.fail_after(LIMIT_S):
        while (await cli.run_beside("status", *place, env=env)).code != 0:  # noqa: ASYNC110 - another process
            await trio.sleep(0.1)
    planned = await cli.run_beside("plan", line, "--json", *place, env=env)
    assert ORDER_BEARING.isdisjoint(asked(venue))
    assert (await cli.run_beside("signal", "00000000", *place, env=env)).code == 4, "the journal knows it not"
    submitted = await cli.run_beside("submit", line, *place, env=env)
    assert planned.code == submitted.code == 0, planned.out + planned.err + submitted.err
    assert planned.json["preview"]["notes"] == ["judged by the running engine, as it stands now"]
    assert planned.json["rate"]["fits_now"] is True
    return planned
