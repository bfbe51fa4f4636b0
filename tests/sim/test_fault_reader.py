"""Scripted faults as text: what a file may say, and how every mistake in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.sim import KINDS, SimSettings, names_of, parse_faults, read_faults
from engine.sim.fault_reader import parse_json

NAMES = names_of(SimSettings())
EXAMPLE = Path(__file__).parents[1] / "fixtures" / "faults.toml"


def test_every_mistake_is_told_at_once_with_its_path_and_what_is_permitted() -> None:
    """One error, a line a mistake."""
    text = """
    colour = "red"
    seed = 1.5
    [[fault]]
    kind = "loose_answer"
    [[fault]]
    kind = "lose_answer"
    method = ["AddOrder", "PlaceOrder"]
    channel = "book"
    nth = 0
    [[fault]]
    kind = "wrong_checksum"
    channel = "trade"
    symbol = "BTC/EUR"
    probability = 2
    [[fault]]
    kind = "status"
    mode = "closed"
    hold_s = -1
    [[fault]]
    kind = "lose_answer"
    method = "Ticker"
    [[fault]]
    kind = "fire_dead_man"
    account = "nobody"
    """
    with pytest.raises(ValueError) as caught:
        parse_faults(text, NAMES)
    lines = str(caught.value).splitlines()
    starts = [
        "colour: unknown",
        "seed: must be a whole number or a text",
        "fault[1].kind: must be one of lose_answer, ",
        "fault[2].channel: unknown; lose_answer has kind, ",
        "fault[2].nth: must be a whole number from 1 to ",
        "fault[2].method: 'PlaceOrder' is none; must be * or of ",
        "fault[3].probability: must be above 0 and at most 1",
        "fault[3].channel: wrong_checksum means something on book only",
        "fault[3].symbol: 'BTC/EUR' is none; must be * or of BTC/USD, ETH/USD, SOL/USD",
        "fault[4].mode: must be one of cancel_only, post_only, maintenance, online",
        "fault[4].hold_s: must be seconds, from 0 to ",
        "fault[5].method: lose_answer comes after the deed, Ticker is judged before only",
        "fault[6].account: must be one of client",
    ]
    assert len(lines) == len(starts), lines
    for start in starts:
        assert any(line.startswith(start) for line in lines), (start, lines)


@pytest.mark.parametrize("text", ["", "fault = 3", "[[fault]", "fault = [3]", "[[fault]]\n"])
def test_text_that_is_no_plan_is_a_value_error(text: str) -> None:
    """Empty, broken or foreign TOML never becomes a plan."""
    with pytest.raises(ValueError):
        parse_faults(text, NAMES)


@pytest.mark.parametrize("body", [b"", b"3", b"[]", b'{"fault": {}}', b'{"kind": "kick", "code": 1e9}', b"[" * 5000])
def test_a_body_that_is_no_fault_is_a_value_error(body: bytes) -> None:
    """Whatever is posted."""
    with pytest.raises(ValueError):
        parse_json(body, NAMES)


def test_the_example_is_a_plan() -> None:
    """tests/fixtures/faults.toml shows requests, frames and the venue."""
    plan = read_faults(EXAMPLE, NAMES)
    assert plan.seed == 7
    assert {fault.kind.target for fault in plan.faults} == {"request", "frame", "venue"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_named_alone(kind: str) -> None:
    """With nothing else said it meets the next request or frame; what it does to the venue it does at once."""
    (fault,) = parse_faults(f'[[fault]]\nkind = "{kind}"', NAMES).faults
    assert fault.timed == (fault.kind.target == "venue")
    assert fault.nth == (None if fault.timed else 1)
    assert set(fault.values) == set(fault.kind.members)
