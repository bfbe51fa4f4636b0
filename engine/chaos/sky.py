"""The sky over one run: strikes with the faults that the weather has drawn, each counted when it truly does."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import trio

from engine.chaos.charges import Charges
from engine.chaos.kinds import STATES, draw_frames, draw_request
from engine.chaos.ledger import Ledger
from engine.chaos.moments import ASKED, CHANGED, MOMENTS
from engine.chaos.trace import Trace
from engine.chaos.weather import FRAME_KINDS, REQUEST_KINDS, Weather
from engine.chaos.world import World
from engine.net.wire import Connection
from engine.sim import Refused, http_error, kill_before

ARMED_S = 25.0
"""How long a fault that waits for its request or frame stays armed."""
ON_THE_WAY = (ASKED, CHANGED)
EXITS = ("stop", "target", "close")
AIMED_S = 12.0
"""How long a fault that is aimed waits for its moment; then it strikes without one."""
LEAP_S = 90.0
"""How far a clock leaps at most."""
GIVE_BACK_S = 0.5
EMPTY_S = 600.0
"""Within this the fullest counter that a weather leaves runs empty at the smallest tier."""
WORKS_S: Final[Mapping[str, float]] = {
    "late_execution": 6.0,
    "late_answer": 8.0,
    "counter_filled": 75.0,
    "rest_rate_limited": 30.0,
}
"""How long after its strike a fault may still show: what is done or told late, a counter that runs empty. Refused for
their rate, calls pause for five seconds and then leave tokens their room; what is on its way counts on top."""
UNTOLD_S = 32.0
"""A missing frame that no later one tells of is noticed when resting orders are asked for (``silent_resting_s``)."""
BELIEVED_S = 5.0
"""What REST told of too old a moment, against a snapshot, is asked for every three seconds until it agrees."""


class Sky:
    """Runs one weather over one world; ``slow`` is by what the pauses between its faults are longer."""

    def __init__(
        self, world: World, weather: Weather, ledger: Ledger, trace: Trace, nursery: trio.Nursery, slow: float = 1.0
    ) -> None:
        self._world, self._weather, self._ledger, self._trace, self._slow = world, weather, ledger, trace, slow
        self._nursery = nursery
        self._rng = world.chance.stream("weather")
        self._habits = world.chance.stream("habits")
        self._latency_s = world.wire.latency_s
        self._armed: dict[str, str] = {}  # "reset_inside" or "truncation", waiting for bytes
        self._private = ""
        """The newest connection that told of orders, where faults are aimed."""
        self._told = trio.Event()
        """A frame about orders has gone out since the last one that went missing."""
        self._off_ns = 0
        """By what the machine's clock is off for good."""
        self.charges = Charges(self.strike)
        self.charges.on_sent = self._sent
        self.over = trio.Event()
        world.exchange.faults = self.charges
        world.wire.observers.append(self._on_bytes)

    def strike(self, kind: str) -> None:
        """Count a fault that has truly met something."""
        self._ledger.strike(kind, self._trace.now_s, works_s=WORKS_S.get(kind, 0.0))
        self._trace.note("weather", "", kind)
        if kind == "missing_frame":
            self._nursery.start_soon(self._until_told)

    async def _until_told(self) -> None:
        """A gap works until a later frame shows it; when none comes, until somebody asks."""
        self._told = told = trio.Event()
        self._ledger.in_force += 1
        try:
            with trio.move_on_after(UNTOLD_S):
                await told.wait()
        finally:
            self._ledger.in_force -= 1
            self._ledger.disturb(self._trace.now_s)

    def _sent(self, channel: str) -> None:
        if channel == "executions":
            self._told.set()

    async def run(self) -> None:
        """Strike as drawn, wait until every fault is over, and clear the sky."""
        try:
            async with trio.open_nursery() as nursery:
                for pause_s, kind in self._weather.draw(self._rng):
                    await trio.sleep(pause_s * self._slow)
                    if self._weather.aimed and pause_s:
                        await self._moment()
                    self._begin(nursery, kind)
                await trio.sleep(self._rng.uniform(1, 5))
                self.charges.clear()
                self._armed.clear()
        finally:
            self._armed.clear()  # bytes may still be written when the run's nursery takes no more tasks
        self.over.set()

    async def _moment(self) -> None:
        """Wait for something to happen to an order, and strike then, while it is under way, or shortly after."""
        moments = ON_THE_WAY if self._rng.random() < 0.5 else MOMENTS
        roles = self._rng.choice((EXITS, ()))
        with trio.move_on_after(AIMED_S):
            await self._ledger.moments.next(self._rng.choice(moments), roles=roles)
        soon_s = self._rng.uniform(0, 4 * self._latency_s)
        await trio.sleep(self._rng.choice((0.0, 0.0, soon_s, self._rng.uniform(0, 1))))

    def _begin(self, nursery: trio.Nursery, kind: str) -> None:
        rng = self._rng
        if kind in REQUEST_KINDS:
            names, action, times = draw_request(kind, rng)
            self.charges.arm_request(kind, names, action, for_s=ARMED_S, times=times)
        elif kind in FRAME_KINDS:
            channels, verdict = draw_frames(kind, self._habits)
            self.charges.arm_frames(kind, channels, verdict, for_s=ARMED_S, times=rng.choice((1, 1, 2)))
        else:
            nursery.start_soon(self._hold, kind, rng.uniform(*self._weather.hold_s))

    async def _hold(self, kind: str, hold_s: float) -> None:
        """Let one fault that lasts begin, stand and end."""
        act, ledger = getattr(self, f"_{kind}"), self._ledger
        ledger.in_force += 1
        try:
            await act(hold_s)
        finally:
            ledger.in_force -= 1
            ledger.disturb(self._trace.now_s)

    # --- the wire

    def _connections(self, *, one: bool = False) -> list[Connection]:
        living = [connection for connection in self._world.wire.connections if not connection.dead]
        private = [connection for connection in living if connection.name == self._private]
        if one and private and self._rng.random() < 0.5:
            return private  # where orders go and are told of
        return [self._rng.choice(living)] if one and living else living

    async def _latency_spike(self, hold_s: float) -> None:
        self._world.wire.latency_s = self._rng.choice((0.15, 0.4, 0.9, 2.0))
        self.strike("latency_spike")
        await trio.sleep(hold_s)
        self._world.wire.latency_s = self._latency_s

    async def _reset_inside(self, hold_s: float) -> None:
        await self._arm("reset_inside", "/client", hold_s)

    async def _truncation(self, hold_s: float) -> None:
        await self._arm("truncation", "/server", hold_s)

    async def _arm(self, kind: str, side: str, hold_s: float) -> None:
        self._armed[side] = kind
        await trio.sleep(hold_s)
        if self._armed.get(side) == kind:
            del self._armed[side]

    def _on_bytes(self, end: str, data: bytes) -> None:
        name, _, side = end.rpartition("/")
        if self._weather.aimed and side == "server" and b'"executions"' in data:
            self._private = name
        kind = self._armed.get("/" + side) if self._armed else None
        if kind is None or len(data) < 60:  # heartbeats are no request
            return
        del self._armed["/" + side]
        connection = next((one for one in self._world.wire.connections if one.name == name), None)
        if connection is not None:
            self._nursery.start_soon(self._cut, kind, connection, self._rng.randint(1, len(data) - 1))

    async def _cut(self, kind: str, connection: Connection, keep_bytes: int) -> None:
        """Right after the bytes were put on the wire, while they travel."""
        if kind == "truncation":
            connection.truncate(keep_bytes)
        else:
            connection.reset()
        self.strike(kind)
        await trio.lowlevel.checkpoint()

    async def _half_open(self, kind: str, hold_s: float, *, to_server: bool) -> None:
        for connection in self._connections(one=self._rng.random() < 0.5):
            connection.stall(hold_s, to_server=to_server, to_client=not to_server)
        self.strike(kind)
        await trio.sleep(hold_s)

    async def _half_open_to_server(self, hold_s: float) -> None:
        await self._half_open("half_open_to_server", hold_s, to_server=True)

    async def _half_open_to_client(self, hold_s: float) -> None:
        await self._half_open("half_open_to_client", hold_s, to_server=False)

    async def _refused(self, hold_s: float) -> None:
        before = self._world.wire.refusals
        self._world.wire.refuse(hold_s)
        for connection in self._connections():
            connection.reset()
        await trio.sleep(hold_s)
        if self._world.wire.refusals > before:
            self.strike("refused")

    async def _rest_only(self, hold_s: float) -> None:
        self.charges.arm_request("rest_only", ("connect",), kill_before(), for_s=hold_s, times=1000)
        if self._world.exchange.kick():
            self.strike("rest_only")
        await trio.sleep(hold_s)

    async def _ws_only(self, hold_s: float) -> None:
        self.charges.arm_request("ws_only", ("*",), kill_before(), for_s=hold_s, times=1000, transport="rest")
        await trio.sleep(hold_s)

    async def _states_unread(self, hold_s: float) -> None:
        """The edge fails all who ask about orders, and nobody else: such pages have servers of their own."""
        failed = http_error(self._rng.choice((502, 503, 520)), "")
        self.charges.arm_request("states_unread", STATES, failed, for_s=hold_s, times=1000)
        await trio.sleep(hold_s)

    async def _slow_trickle(self, hold_s: float) -> None:
        for connection in self._connections():
            connection.trickle(hold_s, self._rng.choice((20, 60, 200)), self._rng.uniform(0.005, 0.05))
        self.strike("slow_trickle")
        await trio.sleep(hold_s)
        with trio.move_on_after(60):  # what has been held up still arrives in pieces
            while any(self._held_up(connection) for connection in self._connections()):  # noqa: ASYNC110
                await trio.sleep(0.5)

    @staticmethod
    def _held_up(connection: Connection) -> bool:
        pipes = (connection.to_server, connection.to_client)
        return any(pipe.last_at > trio.current_time() + 1 for pipe in pipes)

    # --- the venue

    async def _mode(self, kind: str, hold_s: float) -> None:
        self._world.exchange.set_status(kind)
        self.strike(kind)
        await trio.sleep(hold_s)
        self._world.exchange.set_status("online")

    async def _maintenance(self, hold_s: float) -> None:
        await self._mode("maintenance", hold_s)

    async def _cancel_only(self, hold_s: float) -> None:
        await self._mode("cancel_only", hold_s)

    async def _post_only(self, hold_s: float) -> None:
        await self._mode("post_only", hold_s)

    async def _lag(self, kind: str, lag_s: float, hold_s: float) -> None:
        self._world.exchange.lag_rest(lag_s)
        self.strike(kind)
        await trio.sleep(hold_s + lag_s)
        self._world.exchange.lag_rest(0)

    async def _rest_lag(self, hold_s: float) -> None:
        bound_s = self._world.settings.visibility_lag_s
        await self._lag("rest_lag", self._rng.uniform(0.5, bound_s * 0.95), hold_s)

    async def _lag_beyond(self, hold_s: float) -> None:
        bound_s = self._world.settings.visibility_lag_s
        await self._lag("lag_beyond", self._rng.uniform(bound_s * 1.5, bound_s * 6), hold_s)
        self._ledger.disturb(self._trace.now_s + BELIEVED_S)

    async def _told_late(self, hold_s: float) -> None:
        """The exchange does what it is asked to, and tells it late: the stream stands still, REST is behind."""
        bound_s = self._world.settings.visibility_lag_s
        with trio.move_on_after(AIMED_S):
            await self._ledger.moments.next(CHANGED)
        self._world.exchange.lag_rest(self._rng.uniform(bound_s * 0.6, bound_s * 0.95))
        for connection in self._connections():
            if connection.name == self._private:
                connection.stall(hold_s, to_server=False, to_client=True)
        self.strike("told_late")
        await trio.sleep(hold_s + bound_s)
        self._world.exchange.lag_rest(0)

    async def _inconsistent_snapshot(self, hold_s: float) -> None:
        living = [t for t in self._ledger.orders.values() if t.venue is not None and t.venue.is_open]
        if living:
            venue = self._rng.choice(living).venue
            self._world.exchange.hide_in_snapshots("" if venue is None else venue.order_id)
            self._world.exchange.kick(private=True)
            self.strike("inconsistent_snapshot")
        await trio.sleep(min(hold_s, 2.0))

    async def _expired_token(self, hold_s: float) -> None:
        self._world.exchange.expire_tokens(in_use=self._rng.random() < 0.5)
        self.strike("expired_token")
        await trio.sleep(min(hold_s, 1.0))

    async def _kick_storm(self, hold_s: float) -> None:
        for _ in range(self._rng.randint(2, 5)):
            if self._world.exchange.kick(self._rng.choice((None, 1001, 1013))):
                self.strike("kick_storm")
            await trio.sleep(self._rng.uniform(0.1, min(hold_s, 2.0)))

    async def _dead_man(self, hold_s: float) -> None:
        if self._world.exchange.fire_dead_man("client"):
            self.strike("dead_man")
        await trio.sleep(min(hold_s, 0.5))

    async def _late_fill(self, hold_s: float) -> None:
        """A match of an entry is told after the entry's end."""
        entries = [t.venue for t in self._ledger.orders.values() if t.role == "entry" and t.venue is not None]
        ended = [one for one in entries if one.status in ("canceled", "expired") and one.cum_qty < one.order_qty]
        if ended:
            order = self._rng.choice(ended[-3:])
            lot = next(pair.lot for pair in self._world.exchange.settings.pairs if pair.symbol == order.symbol)
            unfilled = order.order_qty - order.cum_qty
            qty = max(unfilled * self._rng.choice((1, 2, 4)) / 4 // lot * lot, lot)
            bids, asks = self._world.exchange.truth.levels(order.symbol, 1)
            best = asks if order.side == "buy" else bids
            if best:
                self._world.exchange.house.late_fill(order.order_id, qty, order.limit_price or best[0][0])
                self.strike("late_fill")
        await trio.sleep(min(hold_s, 0.5))

    # --- other people with the account's key

    def _symbol(self) -> str:
        return self._rng.choice(sorted(pair.symbol for pair in self._world.exchange.settings.pairs))

    async def _foreign_order(self, hold_s: float) -> None:
        symbol, house = self._symbol(), self._world.exchange.house
        bids, asks = self._world.exchange.truth.levels(symbol, 1)
        pair = next(pair for pair in self._world.exchange.settings.pairs if pair.symbol == symbol)
        qty, name = pair.qty_min * 4, f"other-{self._habits.getrandbits(32):08x}"
        named = name if self._habits.random() < 0.5 else None  # other programs name their orders, too
        try:
            if self._rng.random() < 0.5 or not bids or not asks:
                placed = house.place_client(symbol, self._rng.choice(("buy", "sell")), qty, cl_ord_id=named)
            else:
                price = bids[0][0] + (bids[0][0] - asks[0][0]) * self._rng.randint(0, 30)
                placed = house.place_client(symbol, "buy", qty, price, cl_ord_id=named)
            self._ledger.foreign[placed] = self._world.exchange.truth.orders[placed]
            self.strike("foreign_order")
        except Refused:
            pass  # no market there, or a mode that takes none: nothing has struck
        await trio.sleep(min(hold_s, 0.5))

    async def _foreign_cancel(self, hold_s: float) -> None:
        living = [(t.cl_ord_id, t.venue) for t in self._ledger.orders.values() if t.venue and t.venue.is_open]
        if living:
            name, venue = self._rng.choice(living)
            try:
                self._world.exchange.house.cancel_client(venue.order_id)
                self.strike("foreign_cancel")
                self._ledger.taken.add(name)
            except Refused:
                pass  # in maintenance nobody cancels
        await trio.sleep(min(hold_s, 0.5))

    async def _slots_taken(self, hold_s: float) -> None:
        symbol, house = self._symbol(), self._world.exchange.house
        bids, _ = self._world.exchange.truth.levels(symbol, 1)
        pair = next(pair for pair in self._world.exchange.settings.pairs if pair.symbol == symbol)
        placed: list[str] = []
        try:
            while bids and len(placed) < 100:
                placed.append(house.place_client(symbol, "buy", pair.qty_min * 4, bids[0][0] - pair.tick * 5000))
        except Refused:
            self.strike("slots_taken")
        await trio.sleep(hold_s)
        for order_id in placed:
            await self._give_back(order_id)

    async def _give_back(self, order_id: str) -> None:
        """Cancel a slot's order; in maintenance nobody cancels, and that ends with the fault that holds it."""
        order = self._world.exchange.truth.orders.get(order_id)
        while order is not None and order.is_open:
            try:
                self._world.exchange.house.cancel_client(order_id)
            except Refused:
                await trio.sleep(GIVE_BACK_S)

    async def _counter_filled(self, hold_s: float) -> None:
        core, symbol = self._world.exchange._venue.core, self._symbol()
        bound = core.rates.threshold_of("client")
        core.rates.charge("client", symbol, core.clock.now_ns(), bound * Decimal(self._rng.choice(("0.7", "1", "1.2"))))
        self.strike("counter_filled")
        await trio.sleep(hold_s + 30)
        with trio.move_on_after(EMPTY_S):  # filled several times over
            while core.rates.level("client", symbol, core.clock.now_ns()) >= bound:
                self._ledger.works("counter_filled", self._trace.now_s, WORKS_S["counter_filled"])
                await trio.sleep(1.0)

    # --- the machine

    async def _clock_step(self, hold_s: float, *, behind: bool = False) -> None:
        weather = self._weather
        leaps = self._habits.random() < weather.leaps
        most_s = LEAP_S if leaps else weather.drift_s
        step_s = self._rng.uniform(-most_s, most_s)
        step_ns = round((-abs(step_s) if behind else step_s) * 1e9)
        self._world.clock.skew_ns += step_ns
        self.strike("clock_step")
        await trio.sleep(hold_s)
        stays = not leaps and abs(self._off_ns + step_ns) <= weather.drift_s * 1e9
        if stays and weather.lasting and self._habits.random() < weather.lasting:
            self._off_ns += step_ns
        else:
            self._world.clock.skew_ns -= step_ns

    async def _crash(self, hold_s: float) -> None:
        await self._kill("crash", hold_s, power_loss=False)

    async def _power_loss(self, hold_s: float) -> None:
        await self._kill("power_loss", hold_s, power_loss=True)

    async def _kill(self, kind: str, hold_s: float, *, power_loss: bool) -> None:
        if self._world.running:
            self.strike(kind)
            self._world.kill(power_loss=power_loss)
        if self._habits.random() < self._weather.woken:  # a machine that comes back with its clock off
            await self._clock_step(hold_s, behind=self._weather.aimed)
        else:
            await trio.sleep(hold_s)

    async def _disk_full(self, hold_s: float) -> None:
        disk = self._world.disk
        disk.capacity = disk.used + self._rng.randint(0, 3000)
        await self._until_dead("disk_full", hold_s)
        disk.capacity = None

    async def _sync_fails(self, hold_s: float) -> None:
        self._world.disk.sync_fails = True
        await self._until_dead("sync_fails", hold_s)
        self._world.disk.sync_fails = False

    async def _until_dead(self, kind: str, hold_s: float) -> None:
        """It has struck when the engine has met it: its journal has failed."""
        with trio.move_on_after(hold_s + 5):
            while self._world.running and self._world.journal.failed is None:  # noqa: ASYNC110 - no event tells it
                await trio.sleep(0.1)
            self.strike(kind)
            await trio.sleep(hold_s)

    async def _slow_sync(self, hold_s: float) -> None:
        self._world.disk.sync_takes_s = self._rng.choice((0.3, 0.6, 1.5, 3.0))
        self.strike("slow_sync")
        await trio.sleep(hold_s)
        self._world.disk.sync_takes_s = 0.0
