"""What stories of doubt must hold in the end: the engine never said more than it could know.

``open_honest_story`` is ``open_story`` with ``honest`` behind ``settled_truth``; ``Doubt`` names the ways in which an
answer can fail to tell what became of a request.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import trio

from engine.orders.events import OrderEvent
from engine.sim import SimOrder
from engine.sim.faults import Action, Verdict
from tests.scenarios.story import Case, Story, d

METHODS = {
    "ws": {"new": "add_order", "amend": "amend_order", "cancel": "cancel_order"},
    "rest": {"new": "AddOrder", "amend": "AmendOrder", "cancel": "CancelOrder"},
}
"""The venue's name of each kind of request, by transport."""

DEADLINE_S = {"ws": 5.0, "rest": 5.0}
SKEW_S, LAG_S, BROKEN_LAG_S, SLACK_S = 0.1, 5.0, 60.0, 5.0
SETTLES_S = 5.0 + SKEW_S + LAG_S + SLACK_S
"""An unknown entry is settled this soon while the stream stands; with BROKEN_LAG_S for LAG_S when it broke."""


@dataclass(frozen=True)
class Doubt:
    """One way of not answering. ``fate`` is what happens in place of the answer."""

    name: str
    fate: Verdict

    def __str__(self) -> str:
        return self.name

    def action(self, *, applied: bool) -> Action:
        """The fault: with the request carried out, or not."""
        return Action("after" if applied else "before", self.fate)


def said(text: str) -> Doubt:
    """Answer with this text."""
    return Doubt(text.replace(" ", "_"), Verdict(error=text))


def status(code: int, body: str = "<html><body>Bad gateway</body></html>") -> Doubt:
    """Answer a REST call with this HTTP status."""
    return Doubt(f"HTTP_{code}", Verdict(http_status=code, body=body))


SILENCE, RESET = Doubt("silence", Verdict(drop=True)), Doubt("reset", Verdict(kill=True))
DOUBTFUL_TEXTS = [
    said("EService:Unavailable"),
    said("EService:Busy"),
    said("EService: Timeout"),
    said("EGeneral:Internal error:2"),
    said("EOrder:Nobody has listed this"),
]
WS_DOUBTS = [SILENCE, RESET, *DOUBTFUL_TEXTS]
REST_DOUBTS = [
    *WS_DOUBTS,
    status(502),
    status(520),
    status(429),
    Doubt("HTML", Verdict(http_status=200, body="<html>")),
]
EVERY_DOUBT = [("ws", doubt) for doubt in WS_DOUBTS] + [("rest", doubt) for doubt in REST_DOUBTS]
SOME_DOUBTS = [("ws", SILENCE), ("ws", RESET), ("ws", DOUBTFUL_TEXTS[0]), ("rest", SILENCE), ("rest", status(502))]


@asynccontextmanager
async def open_honest_story(
    open_story: Callable[..., AbstractAsyncContextManager[Story]], **how: Any
) -> AsyncIterator[Story]:
    """Tell a story, then ask both ``settled_truth`` and ``honest`` about it."""
    async with open_story(**how) as story:
        yield story
    honest(story)


def honest(story: Story) -> None:
    """Hold every conclusion of the engine against what the exchange knows, and every intent against its orders."""
    taken = {order.cl_ord_id: order for order in story.truth.orders.values() if order.cl_ord_id}
    arrived = {cl for _, _, method, cl in story.truth.requests if method in ("add_order", "AddOrder")}
    for row in story.journal.rows(kind="order"):
        _concluded_only_what_is_true(row.cl_ord_id, row.decode(OrderEvent), taken, arrived, story)
    for case in story.cases:
        _one_live_entry(story, case)


def _concluded_only_what_is_true(
    cl_ord_id: str, event: OrderEvent, taken: dict[str, SimOrder], arrived: set[str | None], story: Story
) -> None:
    said_so = f"{cl_ord_id} {event.move}: {event.why}\n{story.tale()}"
    if event.move in ("reject", "prove_dead") and not event.why.startswith("operator:"):
        assert cl_ord_id not in taken, f"refused or dead for us, taken there: {said_so}"
    if event.move == "not_sent" or (event.move == "deny" and event.code == "NOT_SENT"):
        assert cl_ord_id not in arrived, f"certainly not sent for us, arrived there: {said_so}"
    if event.move in ("cancel", "expire", "fill_out"):
        order = taken[cl_ord_id]
        assert order.closed_ns is not None, f"ended for us, open there: {said_so}"
        assert order.closed_ns <= event.ts_ns, f"ended for us before it ended there: {said_so}"


def _one_live_entry(story: Story, case: Case) -> None:
    roles = story.roles()
    live: dict[str, Decimal] = {}
    bought: dict[str, Decimal] = defaultdict(Decimal)
    for moment in story.witness.moments:
        if roles.get(moment.cl_ord_id) != (case.signal_id, "entry"):
            continue
        live[moment.order_id], bought[moment.order_id] = moment.leaves, moment.cum
        assert sum(leaves > 0 for leaves in live.values()) <= 1, f"two live entries for one signal\n{story.tale()}"
    assert sum(bought.values()) <= case.signal.order_qty, f"more bought than the signal asked for\n{story.tale()}"


def arrived(story: Story, kind: str) -> int:
    """How many requests of one kind reached the exchange, over both transports."""
    counted = Counter(method for _, _, method, _ in story.truth.requests)
    return counted[METHODS["ws"][kind]] + counted[METHODS["rest"][kind]]


def covered_or_flat(story: Story, case: Case) -> bool:
    """By the exchange's truth: nothing is held, or all of it rests under stops."""
    standings = story.standings(case.signal_id)
    return not standings or standings[-1].position - standings[-1].stops < d("0.00005")


def safe(story: Story, case: Case) -> bool:
    """It has ended, or both sides say that all it holds rests under stops."""
    return bool(case.outcome) or (case.phase == "covered" and covered_or_flat(story, case))


def was(case: Case, state: str) -> bool:
    """Some order of the signal has been in this state."""
    return any(state in order.states() for role in ROLES for order in case.orders(role))


async def come(story: Story, holds: Callable[[], Any], within_s: float = 30, every_s: float = 0.1) -> float:
    """Go on when it holds and return how long that took: as ``story.until``, for long waits that need no fine eye."""
    began_s = trio.current_time()
    while not holds():
        assert trio.current_time() < began_s + within_s, f"not within {within_s} s\n{story.tale()}"
        await trio.sleep(every_s)
    return trio.current_time() - began_s


ROLES = ("entry", "stop", "target", "close")
