"""The bracket's machine: where one signal's whole life stands, from its entry to flat."""

from __future__ import annotations

from typing import Final

from statemachine import State, StateMachine

from engine.orders.machine import compile_rows
from engine.orders.plans import Phase

BRACKET_ENDED: Final = frozenset({"flat", "abandoned", "taken_over"})


class BracketMachine(StateMachine):
    """Where a bracket stands. ``flat abandoned taken_over`` end it; a late report reopens it."""

    allow_event_without_transition = False
    enable_self_transition_entries = False
    atomic_configuration_update = True
    catch_errors_as_events = False

    entering = State("entering", initial=True)  # the entry works, nothing is held
    covering = State("covering")  # held quantity waits for its stop
    covered = State("covered")
    naked = State("naked")  # uncovered past its bound: alarm and action
    exiting = State("exiting")  # target, fired stop or close is trading
    flat = State("flat")
    abandoned = State("abandoned")  # ended without a fill
    taken_over = State("taken_over")  # a person holds what is left

    begin_cover = entering.to(covering) | covered.to(covering) | exiting.to(covering) | naked.to(covering)
    hold = entering.to(covered) | covering.to(covered) | exiting.to(covered) | naked.to(covered)
    bare = entering.to(naked) | covering.to(naked) | covered.to(naked) | exiting.to(naked)
    leave = entering.to(exiting) | covering.to(exiting) | covered.to(exiting) | naked.to(exiting)
    finish = entering.to(flat) | covering.to(flat) | covered.to(flat) | naked.to(flat) | exiting.to(flat)
    abandon = entering.to(abandoned) | exiting.to(abandoned)  # exits alone, found after rows were lost, and ended
    hand_over = (
        entering.to(taken_over)
        | covering.to(taken_over)
        | covered.to(taken_over)
        | naked.to(taken_over)
        | exiting.to(taken_over)
    )
    reopen = flat.to(covering) | abandoned.to(covering) | taken_over.to(covering)


BRACKET_ROWS: Final = compile_rows(BracketMachine)

MOVE_TO: Final[dict[Phase, str]] = {
    "covering": "begin_cover",
    "covered": "hold",
    "naked": "bare",
    "exiting": "leave",
    "flat": "finish",
    "abandoned": "abandon",
    "taken_over": "hand_over",
}
