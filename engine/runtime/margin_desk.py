"""What the venue says of margin: positions and trade balance, held against our brackets. Asked by REST, by need.

While nobody trades on margin nothing is asked.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Final

import msgspec
import structlog
import trio

from engine.accounts.margin import (
    Liquidation,
    TradeBalance,
    VenuePosition,
    differences,
    held_there,
    leverage_of,
    liquidation,
)
from engine.errors import VenueError
from engine.orders.brackets import Bracket
from engine.runtime.account_desk import AccountDesk
from engine.runtime.alarm import Condition
from engine.runtime.margin_settings import MarginSettings
from engine.runtime.margin_views import MarginView, VenuePositionView
from engine.runtime.money_bus import MoneyBus
from engine.runtime.money_events import MarginChanged
from engine.seams.clock import Clock
from engine.values.money import ZERO, Side, sign, trimmed
from engine.values.time import NS, rfc3339
from engine.venue.protocol import VenueLink

log = structlog.get_logger()

ASK_BOUND_S: Final = 5.0
LEAST_PAUSE_S: Final = 1.0
"""Between two questions, whoever is in a hurry: two points of a counter that others need too."""
KEPT_S: Final = 60.0
"""So long margin is looked at after a signal has asked for it, should none of its brackets come to live."""
ANY_STOP_LEVEL: Final = 40
"""The margin level in percent at which Kraken liquidates, where a pair does not tell its own (§11.9)."""


class Lags(msgspec.Struct, frozen=True):
    """REST shows a fill at most so many seconds after the stream told it; ``broken_s`` where that must be certain."""

    usual_s: float
    broken_s: float


async def _nobody(symbol: str) -> None:
    """Stand in until somebody looks for what is missing."""


def _unnamed(order_id: str) -> str:  # noqa: ARG001 - nobody knows it
    return ""


class MarginDesk:
    """Looks while margin is in use. ``on_short`` is called with a market of which the venue holds less than we do.

    ``signal_of`` names the signal whose entry has this venue's id, "" for none of ours.
    """

    def __init__(
        self,
        settings: MarginSettings,
        lags: Lags,
        currency: str,
        link: VenueLink,
        clock: Clock,
        accounts: AccountDesk,
        bus: MoneyBus,
    ) -> None:
        self._settings, self._lags, self._currency = settings, lags, currency
        self._link, self._clock, self._accounts, self._bus = link, clock, accounts, bus
        self.on_short: Callable[[str], Awaitable[None]] = _nobody
        self.on_change: Callable[[], object] = lambda: None
        self.signal_of: Callable[[str], str] = _unnamed
        self.balance: TradeBalance | None = None
        self.positions: tuple[VenuePosition, ...] = ()
        self.why = "margin has not been asked for: nobody trades on it"
        self._brackets: dict[str, Bracket] = {}
        self._wanted_until_s = -math.inf
        self._asked_s = self._touched_s = -math.inf  # of the figures; of our last fill on margin
        self._since_s = trio.current_time()
        self._tried_s = -math.inf
        self._told_ns = 0
        self._hurried = False
        self._seen: dict[str, Decimal] = {}  # differences at the last quiet look
        self.mismatch: dict[str, Decimal] = {}
        """What the venue holds on margin beyond our brackets, by symbol, seen twice; of a long, less if negative."""
        self._news, self._looked = trio.Event(), trio.Event()
        self._standing: dict[tuple[str, str], Condition] = {}

    # --- what it is told --------------------------------------------------------------------------------------------

    def opened(self, bracket: Bracket) -> None:
        """Look from now on, if this bracket trades on margin."""
        if not bracket.signal.margin:
            return
        self._brackets[bracket.signal.signal_id] = bracket
        if bracket.orders:  # of an earlier process: when it was filled last nobody here knows
            self._touched_s = trio.current_time()
        self.hurry()

    def ended(self, bracket: Bracket) -> None:
        """Expect nothing of this bracket any more."""
        self._brackets.pop(bracket.signal.signal_id, None)

    def touched(self) -> None:
        """Learn of a fill of ours on margin: what was told before does not hold it."""
        self._touched_s = trio.current_time()
        self.hurry()

    def hurry_past(self, since_ns: int) -> None:
        """Have the venue asked, until its answer must show what was so at a moment (our clock)."""
        if self._told_ns < since_ns + round(self._lags.usual_s * NS):
            self.hurry()

    def hurry(self) -> None:
        """Have the venue asked as soon as its answer can mean something."""
        self._hurried = True
        self._news.set()

    # --- what it knows ----------------------------------------------------------------------------------------------

    @property
    def known(self) -> TradeBalance | None:
        """The figures, if they were asked for after our last fill could show in them, and not long ago."""
        now_s = trio.current_time()
        held = self._asked_s >= self._touched_s + self._lags.usual_s and now_s - self._asked_s <= self._oldest_s
        return self.balance if held else None

    @property
    def shows_s(self) -> float:
        """From when on an answer must show our last fill; of those of an earlier process nobody here knows when."""
        return max(self._touched_s, self._since_s) + self._lags.usual_s

    @property
    def _oldest_s(self) -> float:
        return 3 * self._settings.poll_s

    async def wait_known(self) -> None:
        """Return once the figures are known. The caller owns the deadline."""
        self._wanted_until_s = trio.current_time() + KEPT_S
        while self.known is None:
            self.hurry()
            await self._looked.wait()

    def opposed(self, symbol: str, side: Side) -> str:
        """Say which margin position of the other side there is, or may come, on a market; "" for none."""
        for bracket in self._brackets.values():
            if bracket.instrument.symbol == symbol and bracket.signal.side != side and not bracket.ended:
                return f"signal {bracket.signal.signal_id}"
        there = held_there(self.positions).get(symbol, ZERO) * sign(side)
        return f"{trimmed(abs(there))} that the venue tells of" if there < 0 else ""

    def missing(self, symbol: str) -> Decimal:
        """Return how much less than our brackets the venue holds on a market, as far as that is certain."""
        ours, beyond = self._ours().get(symbol, ZERO), self.mismatch.get(symbol, ZERO)
        return abs(beyond) if ours * beyond < 0 else ZERO

    def gone(self, symbol: str, *, refused: bool) -> bool:
        """Tell whether the venue certainly holds nothing of a market's margin position any more.

        REST may lag: without a refusal by the venue (``refused``) its word counts only long after our last fill.
        """
        lag_s = self._lags.usual_s if refused else self._lags.broken_s
        late = self._asked_s >= self._touched_s + lag_s
        return late and bool(self.missing(symbol)) and not held_there(self.positions).get(symbol, ZERO)

    def living(self, symbol: str) -> list[Bracket]:
        """Return the brackets that hold something on margin in a market."""
        return [one for one in self._brackets.values() if one.instrument.symbol == symbol and one.exposure > 0]

    def in_brackets(self, symbol: str) -> Decimal:
        """Return what living brackets hold on margin in a market, in signed base units."""
        return self._ours().get(symbol, ZERO)

    def _ours(self) -> dict[str, Decimal]:
        held: dict[str, Decimal] = {}
        for one in self._brackets.values():
            symbol = one.instrument.symbol
            held[symbol] = held.get(symbol, ZERO) + sign(one.signal.side) * one.exposure
        return {symbol: qty for symbol, qty in held.items() if qty}

    # --- for people -------------------------------------------------------------------------------------------------

    def view(self) -> MarginView | None:
        """Show the trade balance; None where nobody trades on margin."""
        if self.balance is None and not self._wanted:
            return None
        at, told = rfc3339(self._told_ns) if self._told_ns else "", self.balance
        if told is None:
            return MarginView(at, self._currency, why=self.why)
        return MarginView(at, self._currency, told.equity, told.used, told.free, told.unrealized, told.level, self.why)

    def shown(self) -> tuple[VenuePositionView, ...]:
        """Show the venue's positions, each with the signal whose entry opened it."""
        return tuple(
            VenuePositionView(
                one.position_id, one.symbol, one.side, one.qty, one.cost, one.margin, self.signal_of(one.order_id)
            )
            for one in self.positions
        )

    def leverage(self, symbol: str) -> Decimal | None:
        """Return what the venue lends on a market's positions, cost over margin."""
        return leverage_of(one for one in self.positions if one.symbol == symbol)

    def liquidation(self, symbol: str) -> Liquidation | None:
        """Return where this market would bring the account to its liquidation; None where nobody can say."""
        qty, mark = held_there(self.positions).get(symbol, ZERO), self._accounts.marks.get(symbol)
        instrument = self._link.instrument(symbol)
        if self.balance is None or not qty or mark is None or instrument is None:
            return None
        rate = self._accounts.rates.get(instrument.quote)
        if not rate:
            return None
        stop_level = instrument.margin_stop if instrument.margin_stop is not None else ANY_STOP_LEVEL
        return liquidation(self.balance, qty, mark.price, rate, stop_level)

    def conditions(self) -> Iterator[Condition]:
        """Yield what stands now and should not."""
        yield from self._standing.values()

    # --- inside -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look, as long as margin is in use, until cancelled."""
        while True:
            with trio.move_on_at(self._due_s()):
                await self._news.wait()
                self._news = trio.Event()
                continue
            await self._look()

    @property
    def _wanted(self) -> bool:
        return bool(self._brackets) or bool(self.positions) or trio.current_time() < self._wanted_until_s

    def _due_s(self) -> float:
        if not self._wanted:
            return math.inf
        if not self._hurried:
            return self._tried_s + self._settings.poll_s
        return max(self._tried_s + LEAST_PAUSE_S, self._touched_s + self._lags.usual_s)

    async def _look(self) -> None:
        self._hurried, self._tried_s = False, trio.current_time()
        asked_s = self._tried_s
        self.why = f"the venue did not answer within {ASK_BOUND_S:g} s"
        with trio.move_on_after(ASK_BOUND_S):
            try:
                positions = tuple(await self._link.margin_positions())
                self.balance = await self._link.trade_balance(self._currency)
                self.positions, self._asked_s, self._told_ns, self.why = positions, asked_s, self._clock.now_ns(), ""
            except VenueError as error:
                self.why = str(error)
        if self.why:
            log.warning("margin.not_told", why=self.why)
        else:
            await self._judge(asked_s)
        self._looked.set()
        self._looked = trio.Event()

    async def _judge(self, asked_s: float) -> None:
        """Compare, where no fill of ours may be missing from what was told; look again soon at what differs."""
        if asked_s >= self._touched_s + self._lags.usual_s:
            found = differences(self._ours(), held_there(self.positions))
            certain = {symbol: qty for symbol, qty in found.items() if self._seen.get(symbol) == qty}
            if found != self._seen:
                self._hurried = bool(found)
            self._seen = found
            self._take(certain)
            for symbol in certain:
                if self.missing(symbol):
                    await self.on_short(symbol)
        self._alarm()

    def _take(self, certain: dict[str, Decimal]) -> None:
        if certain == self.mismatch:
            if certain:
                self.on_change()  # the longer it stands the more it proves
            return
        self.mismatch = certain
        self.on_change()

    def _alarm(self) -> None:
        """Tell what has begun or ended to be wrong."""
        now = {(one.code, one.subject): one for one in self._wrong()}
        for key in now.keys() - self._standing.keys():
            log.error("margin.alarm", alarm=key[0], subject=key[1], why=now[key].text)
        for key in self._standing.keys() - now.keys():
            log.warning("margin.alarm_over", alarm=key[0], subject=key[1])
        changed = now.keys() != self._standing.keys()
        self._standing = now
        if changed:
            level = self.balance.level if self.balance is not None else None
            alarms = tuple(f"{code}:{subject}" for code, subject in sorted(now))
            self._bus.post(MarginChanged(self._clock.now_ns(), level, alarms, dict(self.mismatch)))

    def _wrong(self) -> Iterator[Condition]:
        level, least = self.balance.level if self.balance is not None else None, self._settings.level_alarm_pct
        if level is not None and level < least:
            text = f"margin level {trimmed(level)} %, alarmed below {trimmed(least)} %"
            yield Condition("MARGIN_LEVEL", "account", text)
        self._accounts.look([one.symbol for one in self.positions])
        for symbol in held_there(self.positions):
            near = self.liquidation(symbol)
            if near is not None and near.percent < self._settings.liquidation_alarm_pct:
                text = f"liquidation at {trimmed(near.price)}, {trimmed(near.percent)} % from {trimmed(near.mark)}"
                yield Condition("LIQUIDATION_NEAR", symbol, text)
        for symbol, qty in self.mismatch.items():
            ours = trimmed(self._ours().get(symbol, ZERO))
            text = f"our brackets hold {ours} on margin, the venue {trimmed(qty)} beyond that"
            yield Condition("MARGIN_MISMATCH", symbol, text)
