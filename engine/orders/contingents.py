"""The planner of contingent orders: from what stands, the steps that are missing.

It runs after every fill, answer, touch and timer, so partial fills, restarts and interference are one case. Each exit
has a least and a most live quantity: cover counts the least, "exits never exceed the position" counts the most.
"""

from __future__ import annotations

from engine.orders.closing import Closing
from engine.orders.cover import Cover
from engine.orders.draft import Draft
from engine.orders.plans import Phase, Plan, Situation
from engine.orders.standing import Standing
from engine.orders.steps import ExitStep, Swap
from engine.orders.swapping import Swapping


def plan(situation: Situation) -> Plan:
    """Return the steps that bring what rests on the venue to what the signal asks. Pure; same input, same plan."""
    return _Planner(situation).run()


class _Planner:
    """One run of the planner: who of closing, swap and cover has the word, and where the bracket stands then."""

    def __init__(self, s: Situation) -> None:
        self.s = s
        self.stands = Standing(s)
        self.draft = Draft(self.stands)
        self.cover = Cover(self.stands, self.draft)
        self.closing = Closing(self.stands, self.draft, self.cover)
        self.swap: Swap | None = None

    def run(self) -> Plan:
        stands, s = self.stands, self.s
        if not stands.want:
            self.closing.finish()
        elif s.taken and not s.close_all:
            self.closing.let_go()
        elif self.closing.why or stands.fired:
            self.closing.close()
        else:
            self._protect()
        if s.swap and not self.swap and stands.want and not s.taken and not s.close_all:
            self.cover.keep()
        steps = tuple(step for step in self.draft.steps if step.key() not in s.blocked)
        finals = s.blocked - s.deferred
        refused = tuple(step for step in self.draft.steps if isinstance(step, ExitStep) and step.key() in finals)
        return Plan(
            phase=self._phase(),
            steps=steps,
            exposure=stands.exposure,
            uncovered=stands.uncovered,
            swap=self.swap,
            closing=self.closing.why,
            missing=stands.missing,
            surplus=stands.surplus,
            refused=refused,
        )

    def _protect(self) -> None:
        """A swap owns the plan while it lasts."""
        self.swap = Swapping(self.stands, self.draft, self.cover).carry_on()
        if self.swap is None:
            self.cover.complete()

    def _phase(self) -> Phase:
        stands, s = self.stands, self.s
        if not stands.want:
            return self._phase_without_quantity()
        if s.taken and not s.close_all:
            return "exiting" if stands.exits_live or stands.entry_live else "taken_over"
        if self.closing.why or stands.fired or self.swap or stands.immediate:
            return "exiting"
        if s.signal.stop_loss is None and s.signal.take_profit is None and not stands.entry_live:
            return "taken_over"
        return "covering" if stands.uncovered else "covered"

    def _phase_without_quantity(self) -> Phase:
        stands = self.stands
        if stands.entry_live and not stands.filled_any:
            return "entering"
        if stands.entry_live and not self.closing.leaving:
            return "covering"
        if stands.entry_live or stands.exits_live or stands.excess:
            return "exiting"
        traded = stands.filled_any or any(o.done_qty for o in stands.exits + stands.returns)
        return "flat" if traded else "abandoned"
