"""The circuit breaker for entries: a venue that fails again and again gets no new risk. Exits are always allowed.

Pure: seconds of any clock that never runs backwards come in as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from statemachine import State, StateMachine

from engine.orders.reports import Answer, Outcome

FAILURES: Final = 5
REST_S: Final = 60.0

NO_FAULT_CODES: Final = frozenset({"DEADLINE_PASSED", "WITHDRAWN", "NO_LEAVE", "VENUE_UNAVAILABLE"})
"""Not sent by our own doing, or for want of room in the venue's budgets: that says nothing about the venue."""
SERVICE_CODES: Final = frozenset(
    {
        "SERVICE_UNAVAILABLE",
        "SERVICE_BUSY",
        "SERVICE_TIMEOUT",
        "THROTTLED",
        "DEADLINE_ELAPSED",
        "CANCEL_ONLY",
        "POST_ONLY_MODE",
    }
)
"""Refusals by the venue's service (EService), not by its rules of business."""


class BreakerMachine(StateMachine):
    """Closed until the failures reach their limit, open for a rest, then one probe. ``model`` carries ``state``."""

    # StateMachine's own values, kept in view because the parent class StateChart has the opposite ones
    allow_event_without_transition = False
    enable_self_transition_entries = False
    atomic_configuration_update = True
    catch_errors_as_events = False

    closed = State("closed", initial=True)  # entries pass
    open = State("open")  # entries do not pass
    probing = State("probing")  # one entry may pass: its answer decides

    fail = (
        closed.to(open, cond="limit_reached")
        | closed.to(closed)
        | open.to(open)  # the answer to a request from before, or to an exit
        | probing.to(open)
    )
    succeed = (
        closed.to(closed)
        | open.to(open)  # an exit got through: the rest is kept all the same
        | probing.to(closed)
    )
    rested = open.to(probing)

    def limit_reached(self, limit_reached: bool = False) -> bool:
        """Guard: this is the last failure that was borne."""
        return limit_reached


@dataclass
class _Model:
    state: str = "closed"


class BreakerView(msgspec.Struct, frozen=True):
    """Where the breaker stands. ``failures`` are consecutive; ``retry_in_s`` is 0 unless entries are blocked."""

    state: str
    failures: int
    limit: int
    retry_in_s: float
    why: str


class Breaker:
    """Counts consecutive failures of transport, unknown outcomes and EService; business refusals are successes."""

    def __init__(self, failures: int = FAILURES, rest_s: float = REST_S) -> None:
        self._limit, self._rest_s = failures, rest_s
        self._model = _Model()
        self._machine = BreakerMachine(self._model)
        self._failures = 0
        self._until_s = 0.0
        self._why = ""

    @property
    def state(self) -> str:
        """The machine's state: closed, open or probing."""
        return self._model.state

    def allows(self, now_s: float) -> bool:
        """Tell whether an entry may go now. After the rest it says yes once: that entry is the probe.

        A probe that is never heard of again (a check stopped it) is followed by another after a further rest.
        """
        if self.state == "closed":
            return True
        if now_s < self._until_s:
            return False
        if self.state == "open":
            self._machine.send("rested")
        self._until_s = now_s + self._rest_s
        return True

    def observe(self, answer: Answer, now_s: float) -> None:
        """Learn from the end of any request, an exit's too."""
        failed = is_failure(answer)
        if failed is None:
            return
        if not failed:
            self._failures = 0
            self._machine.send("succeed")
            return
        was = self.state
        self._failures += 1
        self._why = f"{answer.request} {answer.outcome}: {answer.code} {answer.text}".rstrip()
        self._machine.send("fail", limit_reached=self._failures >= self._limit)
        if was != "open" and self.state == "open":
            self._until_s = now_s + self._rest_s

    def view(self, now_s: float) -> BreakerView:
        """Return what status shows."""
        wait_s = 0.0 if self.state == "closed" else max(0.0, self._until_s - now_s)
        return BreakerView(self.state, self._failures, self._limit, wait_s, self._why if self._failures else "")


def is_failure(answer: Answer) -> bool | None:
    """Tell whether an answer speaks against the venue's health; None when it says nothing about it."""
    if answer.outcome is Outcome.UNKNOWN:
        return True
    if answer.outcome is Outcome.NOT_SENT:
        return None if answer.code in NO_FAULT_CODES else True
    return answer.code in SERVICE_CODES
