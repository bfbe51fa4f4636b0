"""The halt latch: every row of its machine, causes that add up, and a journal that brings it back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statemachine.exceptions import TransitionNotAllowed

from engine.errors import OrderInvariantError
from engine.orders.machine import fire
from engine.risk.trading_state import CAUSES_MOST, TRADING_ROWS, TradingEvent, TradingMachine, TradingState


def test_compiled_rows_move_as_the_library_does():
    """Every state and event, through both."""
    for state in TradingMachine.states:
        for event in ("reduce", "halt", "resume"):

            class Model:
                pass

            model = Model()
            model.state = state.id
            try:
                TradingMachine(model).send(event)
            except TransitionNotAllowed:
                with pytest.raises(OrderInvariantError):
                    fire(TRADING_ROWS, state.id, event)
            else:
                assert fire(TRADING_ROWS, state.id, event) == model.state


def test_halt_stands_until_it_is_resumed():
    """By its own cause; the same cause again is no news."""
    latch = TradingState()
    event = latch.halt("COMMAND", "enough", 5)
    assert event == TradingEvent("halt", "ACTIVE", "HALTED", 5, "COMMAND", "enough")
    assert latch.halt("COMMAND", "enough again", 6) is None
    assert [cause.reason for cause in latch.causes()] == ["enough"]
    assert latch.resume("looked", 7) is not None
    assert (latch.overall, latch.causes(), latch.resume("looked", 8)) == ("ACTIVE", (), None)


def test_causes_add_up_and_one_word_releases_them_all():
    """A second cause is told; a lesser one never loosens."""
    latch = TradingState()
    latch.halt("HALT_FILE", "file", 1)
    assert latch.reduce("COMMAND", "less", 2) is not None
    assert latch.overall == "HALTED"
    assert [cause.code for cause in latch.causes()] == ["HALT_FILE", "COMMAND"]
    latch.resume("both", 3)
    assert latch.overall == "ACTIVE"


def test_reducing_becomes_a_halt_by_the_same_cause():
    """Asked for less first and for more then, it is more."""
    latch = TradingState()
    latch.reduce("COMMAND", "less", 1)
    assert latch.overall == "REDUCING"
    assert latch.halt("COMMAND", "nothing", 2) is not None
    assert latch.overall == "HALTED"
    assert latch.reduce("COMMAND", "less", 3) is None


def test_strategy_is_halted_alone_and_with_all():
    """Its state is the stricter of its own and that of all trading; each is released by itself."""
    latch = TradingState()
    latch.halt("COMMAND", "it", 1, "momentum")
    assert (latch.of("momentum"), latch.of("other"), latch.overall) == ("HALTED", "ACTIVE", "ACTIVE")
    latch.reduce("COMMAND", "all", 2)
    assert (latch.of("momentum"), latch.of("other")) == ("HALTED", "REDUCING")
    latch.resume("all", 3)
    assert (latch.of("momentum"), latch.strategies()) == ("HALTED", {"momentum": "HALTED"})
    assert [cause.strategy_id for cause in latch.causes("other")] == []


def test_event_that_cannot_follow_is_refused():
    """A journal that contradicts itself is not folded."""
    latch = TradingState()
    with pytest.raises(OrderInvariantError, match="cannot follow ACTIVE"):
        latch.apply(TradingEvent("resume", "HALTED", "ACTIVE", 1, "COMMAND", "x"))
    assert latch.overall == "ACTIVE"


def test_causes_are_bounded():
    """Whatever codes come, no more are kept than the bound."""
    latch = TradingState()
    events = [latch.halt(f"CODE_{number}", "x", number) for number in range(CAUSES_MOST + 5)]
    assert sum(event is not None for event in events) == CAUSES_MOST == len(latch.causes())


WISHES = st.tuples(
    st.sampled_from(["halt", "reduce", "resume"]), st.sampled_from(["A", "B", "C"]), st.sampled_from(["", "s", "t"])
)


@given(st.lists(WISHES, max_size=30))
def test_replay_brings_back_the_same_latch(wishes):
    """Through the journal's bytes, whatever was asked; only ``resume`` ever loosens."""
    latch, events = TradingState(), []
    rank = {"ACTIVE": 0, "REDUCING": 1, "HALTED": 2}
    for now_ns, (wish, code, strategy) in enumerate(wishes):
        before = {name: rank[latch.of(name)] for name in ("s", "t", "u")}
        if wish == "resume":
            event = latch.resume("looked", now_ns, strategy)
        else:
            event = getattr(latch, wish)(code, "why", now_ns, strategy)
            assert all(rank[latch.of(name)] >= was for name, was in before.items())
        events += [event] if event is not None else []
    again = [msgspec.json.decode(msgspec.json.encode(event), type=TradingEvent) for event in events]
    folded = TradingState.replayed(again)
    assert (folded.overall, folded.strategies(), folded.causes()) == (
        latch.overall,
        latch.strategies(),
        latch.causes(),
    )
