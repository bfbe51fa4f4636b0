"""The people around an engine: the strategy that hands signals in, the operator who cancels, halts, decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from decimal import Decimal
from random import Random
from typing import Final

import trio

from engine.chaos.ledger import ZERO, Case, Ledger, Twin
from engine.chaos.moments import ASKED, CHANGED, FILLED, MOMENTS, PART, PLACED
from engine.chaos.scenario import Act
from engine.chaos.supervisor import Supervisor
from engine.chaos.trace import Trace
from engine.chaos.world import World
from engine.errors import EngineError
from engine.orders.signal import Signal
from engine.runtime.amending import Amended
from engine.runtime.protecting import Protected
from engine.values.money import Price, Qty

SUBMIT_S = 20.0
ANSWER_S = 65.0
"""A close tells what it came to within sixty seconds; an engine that was killed answers nothing."""
KILL_S = 3.0
MOMENT_S = 20.0
"""How long an act that is aimed waits for its moment; then it is done without one."""
TELLING: Final[Mapping[Act, tuple[Collection[str], Collection[str]]]] = {
    "cancel": ((ASKED, PLACED, PART, CHANGED), ("entry",)),
    "cancel_order": ((PLACED, PART, FILLED, CHANGED), ("entry", "stop")),
    "amend": ((PLACED, PART), ("entry",)),
    "move_exits": ((PLACED, CHANGED, FILLED), ()),
    "halt": ((PART,), ("entry",)),
    "halt_reducing": ((PART, ASKED), ("entry",)),
}
"""When an act meets what is under way, and whose; the others take any moment."""
WRONG_BEFORE_S = 25.0
"""An operator calls an order dead only after looking for this long: every wire deadline has passed by then."""


class Operator:
    """Hands in and acts. Whatever an engine that dies did not answer is handed in again to the next one."""

    def __init__(
        self,
        world: World,
        supervisor: Supervisor,
        ledger: Ledger,
        trace: Trace,
        rng: Random,
        *,
        aimed: bool = False,
    ) -> None:
        self._world, self._supervisor, self._ledger, self._trace, self._rng = world, supervisor, ledger, trace, rng
        self._aimed = aimed

    async def hand_in(self, at_s: float, signal: Signal) -> None:
        """Hand one signal in, until an engine has given its verdict."""
        await trio.sleep(at_s)
        while True:
            await self._supervisor.wait_up()
            with trio.move_on_after(SUBMIT_S):
                try:
                    submitted = await self._world.engine.submit(signal)
                except EngineError:
                    await trio.sleep(1.0)
                    continue
                said = f"{submitted.status} {submitted.code}".rstrip()
                self._trace.note("operator", signal.signal_id, f"signal handed in: {said}")
                return

    async def act(self, acts: Sequence[tuple[float, Act]]) -> None:
        """Do what is planned; whatever takes its time does not hold up what comes next."""
        began_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            for at_s, act in acts:
                await trio.sleep_until(began_s + at_s)
                await self._supervisor.wait_up()
                nursery.start_soon(self._do, act, name=f"operator/{act}")

    async def _moment(self, act: Act) -> str:
        """Wait for a moment at which the act meets what is under way; return whose it is, empty when none came."""
        moments, roles = TELLING.get(act, (MOMENTS, ()))
        with trio.move_on_after(MOMENT_S):
            while True:
                name = await self._ledger.moments.next(*moments, roles=roles)
                twin = self._ledger.orders.get(name)
                if act not in TELLING or (twin is not None and (twin.venue is None or twin.venue.is_open)):
                    await trio.sleep(self._rng.choice((0.0, self._rng.uniform(0, 0.1))))
                    return name
        return ""

    async def _do(self, act: Act) -> None:
        with trio.move_on_after(ANSWER_S):
            try:
                name = await self._moment(act) if self._aimed else ""
                await self._supervisor.wait_up()  # it may have died meanwhile
                match act:
                    case "cancel":
                        self._cancel(name)
                    case "cancel_order":
                        self._cancel_order(name)
                    case "amend":
                        await self._amend(name)
                    case "move_exits":
                        await self._move_exits()
                    case "protect":
                        await self._protect()
                    case "close" | "close_symbol" | "close_all":
                        await self._close(act)
                    case "halt_ill_timed":
                        await self._ledger.moments.next(ASKED, roles=("entry",))
                        self._halt()
                    case "restart":
                        await self._restart()
                    case "look_on":
                        await self._look_on()
                    case _:
                        getattr(self, f"_{act}")()
            except EngineError as error:
                self._trace.note("operator", "", f"{act} failed: {error}")

    async def take_back(self, *, halt: bool) -> None:
        """Cancel what is left of every entry, or halt: it is gone within three seconds in calm weather."""
        await self._supervisor.wait_up()
        engine = self._world.engine
        if halt:
            self._halt()
        else:
            for view in engine.active():
                engine.cancel(view.signal.signal_id, "the run ends", urgent=True)
            self._trace.note("operator", "", "cancels every entry")
        await trio.sleep(KILL_S)

    def decide(self) -> None:
        """Where a person traded on the account, a fill without a name may keep an order in doubt: a person decides."""
        if self._ledger.had("foreign_order") and self._ledger.up:
            self._resolve()

    def _living(self, *roles: str) -> list[Twin]:
        return [t for t in self._ledger.orders.values() if t.venue is not None and t.venue.is_open and t.role in roles]

    def _one_of(self, living: list[Twin], name: str) -> Twin:
        """Take the order of this name; where it is none of them, any."""
        return next((twin for twin in living if twin.cl_ord_id == name), None) or self._rng.choice(living)

    def _cancel(self, name: str) -> None:
        living = self._living("entry")
        living += [twin for twin in self._ledger.orders.values() if twin.cl_ord_id == name and twin.venue is None]
        if living:
            signal_id = self._one_of(living, name).signal_id
            self._trace.note("operator", signal_id, "cancels the entry")
            if self._world.engine.cancel(signal_id, urgent=True):
                self._ledger.taken_back[signal_id] = self._trace.now_s

    def _cancel_order(self, name: str) -> None:
        living = self._living("entry", "stop")
        if living:
            twin = self._one_of(living, name)
            self._trace.note("operator", twin.cl_ord_id, f"cancels the {twin.role}")
            self._ledger.given_up.add(twin.cl_ord_id)
            self._world.engine.cancel_order(twin.cl_ord_id)

    async def _amend(self, name: str) -> None:
        """Move a resting entry's limit by some ticks, or take a part of it back."""
        living = [twin for twin in self._living("entry") if twin.spec.limit_price is not None]
        if not living:
            return
        twin = self._one_of(living, name)
        instrument = self._ledger.cases[twin.signal_id].instrument
        limit = (twin.spec.limit_price or ZERO) + instrument.price_increment * self._rng.randint(-40, 40)
        less = self._rng.random() < 0.4
        qty = Qty(instrument.lots(twin.spec.order_qty * Decimal(self._rng.choice(("0.5", "0.8"))))) if less else None
        done = await self._world.engine.amend(twin.cl_ord_id, Price(limit), qty)
        self._trace.note(
            "operator", twin.cl_ord_id, f"amends the entry to {qty or 'the same'} at {limit}: {_said(done)}"
        )

    async def _move_exits(self) -> None:
        """Move a held bracket's stop, its next target, or both."""
        held = [case for case in self._ledger.cases.values() if case.closed is None and case.held > 0]
        if not held:
            return
        case = self._rng.choice(held)
        what = self._rng.choice(("stop", "target", "both"))
        stop, target = case.signal.stop_loss, case.signal.take_profit
        moved_stop = self._near(case, stop.trigger_price) if stop is not None and what != "target" else None
        moved_target = self._near(case, target.price) if target is not None and what != "stop" else None
        done = await self._world.engine.move_exits(case.signal_id, stop=moved_stop, target=moved_target)
        told = f"moves the stop to {moved_stop}, the target to {moved_target}: {_said(done)}"
        self._trace.note("operator", case.signal_id, told)

    def _near(self, case: Case, price: Decimal) -> Price:
        tick = case.instrument.price_increment
        return Price((price * (1 + Decimal(self._rng.randint(-12, 12)) / 10_000) / tick).to_integral_value() * tick)

    async def _protect(self) -> None:
        """Put coins that lie on the account into a bracket of their own."""
        cases = [case for case in self._ledger.cases.values() if case.signal.entered]
        if not cases:
            return
        instrument = self._rng.choice(cases).instrument
        bids, _ = self._world.exchange.truth.levels(instrument.symbol, 1)
        if not bids:
            return
        tick, qty = instrument.price_increment, instrument.lots(instrument.qty_min * self._rng.randint(4, 60))
        stop, target = (
            Price((bids[0][0] * (1 + Decimal(bps) / 10_000) / tick).to_integral_value() * tick)
            for bps in (-self._rng.randint(15, 60), self._rng.randint(15, 60))
        )
        wanted = target if self._rng.random() < 0.7 else None
        done = await self._world.engine.protect(instrument.symbol, qty, stop=stop, target=wanted)
        self._trace.note("operator", done.signal_id, f"protects {qty} {instrument.base}: {_said(done)}")

    async def _close(self, act: Act) -> None:
        """Make a signal, a market or everything flat."""
        open_cases = [case for case in self._ledger.cases.values() if case.closed is None]
        if not open_cases:
            return
        case, engine = self._rng.choice(open_cases), self._world.engine
        slippage = Decimal(20) if self._rng.random() < 0.4 else None
        self._trace.note("operator", case.signal_id, f"asks for a {act}")
        match act:
            case "close":
                report = await engine.close(signal_id=case.signal_id, max_slippage_bps=slippage)
            case "close_symbol":
                report = await engine.close(case.signal.symbol, max_slippage_bps=slippage)
            case _:
                report = await engine.close(everything=True, max_slippage_bps=slippage)
        self._trace.note("operator", case.signal_id, f"{act}: flat {report.flat}")

    async def _restart(self) -> None:
        """Stop the engine in order, amid whatever it does; who keeps it running starts the next one."""
        self._trace.note("operator", "", "stops the engine in order")
        self._ledger.in_force += 1
        try:
            await self._world.stop()
        finally:
            self._ledger.in_force -= 1
            self._ledger.disturb(self._trace.now_s)

    async def _look_on(self) -> None:
        """Somebody else opens the reports, reads a while and goes: who reads all the time hears nothing twice of it."""
        after = self._rng.randint(0, self._world.journal.head[0])
        with trio.move_on_after(self._rng.uniform(0.5, 4)):
            async with aclosing(self._world.engine.reports(after=after)) as reports:
                async for _ in reports:
                    pass

    def _halt_reducing(self) -> None:
        self._trace.note("operator", "", "halts all that adds")
        self._world.engine.halt("drill", reducing=True)

    def _halt(self) -> None:
        self._trace.note("operator", "", "halts trading")
        self._world.engine.halt("drill")

    def _resume(self) -> None:
        done = self._world.engine.resume_trading("drill is over")
        self._trace.note("operator", "", f"resumes trading: {done}")

    def _resolve(self) -> None:
        """Decide about an order in doubt, and truly: a person looks at the venue's page."""
        for twin in self._ledger.orders.values():
            if twin.state != "unknown":
                continue
            if twin.venue is not None and twin.venue.is_open:
                self._world.engine.resolve(twin.cl_ord_id, "live", "stands on the page")
                self._trace.note("operator", twin.cl_ord_id, "calls an order in doubt live")
            elif twin.venue is None and self._trace.now_s > twin.state_since_s + WRONG_BEFORE_S:
                self._world.engine.resolve(twin.cl_ord_id, "dead", "does not stand on the page")
                self._trace.note("operator", twin.cl_ord_id, "calls an order in doubt dead")


def _said(done: Amended | Protected) -> str:
    return f"{done.status} {done.code}".rstrip()
