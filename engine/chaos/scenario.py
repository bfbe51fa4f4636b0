"""What happens in one run besides the weather, drawn from its seed: markets, signals, settings, an operator's acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Literal

from engine.chaos.dates import bunched, dated, ended
from engine.chaos.deeds import Deed
from engine.chaos.market import MarketPlan, indexed
from engine.chaos.signals import by_index, draw_signal
from engine.orders.signal import Signal
from engine.risk.limits import Limits, SymbolLimits
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SeededChance
from engine.sim import SimSettings, TierName

BRACKETS = (4, 20)
LONG_SHARE = 0.012
"""Of the runs: minutes to more than an hour long, where the others take a minute or two."""
LOST_SHARE = 0.04
"""Of the runs: amid their life the disk loses rows that it had called durable, or spoils one of them."""
BESIDE_SHARE = 0.05
"""Of the runs: somebody starts a second engine on the first one's directory."""
QUIETER = 8
"""So much slower the market of a long run moves: most of what it would do more is more of the same."""
Act = Literal[
    "cancel",
    "halt",
    "halt_ill_timed",
    "halt_reducing",
    "resume",
    "cancel_order",
    "resolve",
    "amend",
    "move_exits",
    "protect",
    "close",
    "close_symbol",
    "close_all",
    "restart",
    "look_on",
]

_ACTS: dict[Act, float] = {
    "cancel": 3,
    "cancel_order": 2,
    "resolve": 1,
    "amend": 3,
    "move_exits": 2,
    "protect": 1,
    "close": 1,
    "close_symbol": 0.4,
    "close_all": 0.3,
}
"""What a person does, and how often beside each other."""

_PRICES = {
    "BTC/USD": (Decimal(50_000), Decimal("0.0001"), (20, 400), Decimal("0.1")),
    "ETH/USD": (Decimal(2_500), Decimal("0.001"), (30, 600), Decimal("0.01")),
    "SOL/USD": (Decimal(150), Decimal("0.02"), (40, 900), Decimal("0.01")),
}
"""Start price, lot, lots of a level, tick."""


@dataclass(frozen=True)
class Scenario:
    """A run's plan. ``signals`` and ``acts`` come at these seconds; ``middle_s`` is the least the middle part lasts,
    ``slow`` by what its weather's pauses are longer.
    """

    seed: int | str
    markets: tuple[MarketPlan, ...]
    signals: tuple[tuple[float, Signal], ...]
    acts: tuple[tuple[float, Act], ...]
    sim: SimSettings
    settings: EngineSettings
    latency_s: float
    middle_s: float
    venue: dict[str, object] = field(default_factory=dict)
    deeds: tuple[Deed, ...] = ()
    slow: float = 1.0
    fees_in_base: bool = False
    """The account pays for what it buys in what it buys."""
    repeats: tuple[tuple[float, Signal], ...] = ()
    """Signals handed in once more, later than the first time: by a strategy that has restarted, say."""
    drawn: bool = True
    """Its signals come from the seed; whose are given reckons with the account's usual terms."""
    beside_s: float | None = None
    """When somebody starts a second engine beside the first."""
    lost_share: float = 0.0
    """How likely its end is that of a disk that loses rows: nothing is settled then. See engine.chaos.damage."""

    def further(self, rng: Random, count: int) -> list[Signal]:
        """Draw signals that come after those of the plan."""
        first = len(self.signals) + 1
        return [_signal(rng, first + number, rng.choice(self.markets)) for number in range(count)]

    @property
    def name(self) -> str:
        """Say shortly what it is."""
        symbols = ", ".join(market.symbol for market in self.markets)
        return f"{len(self.signals)} brackets on {symbols}, {len(self.acts)} acts of an operator"


def draw_scenario(
    seed: int | str, given: Sequence[Signal] = (), *, brackets: int | None = None, span_s: float | None = None
) -> Scenario:
    """Draw a run, with ``given`` signals or drawn ones; ``span_s`` is the time within which they come."""
    rng = SeededChance(seed).stream("scenario")
    symbols = sorted({one.symbol for one in given}) or sorted(rng.sample(sorted(_PRICES), rng.choice((1, 2, 2, 3))))
    markets = tuple(_market(rng, symbol, given) for symbol in symbols)
    count = brackets or (rng.randint(4, 9) if rng.random() < 0.85 else rng.randint(10, BRACKETS[1]))
    drawn_s, slow = rng.uniform(8, 45), 1.0
    if span_s is None:
        slow = rng.uniform(40, 160) if rng.random() < LONG_SHARE else 1.0
        span_s = drawn_s * slow
    signals = list(given) or [_signal(rng, number, rng.choice(markets)) for number in range(count)]
    times = sorted(rng.uniform(0.5, span_s) for _ in signals)
    habits = SeededChance(seed).stream(
        "habits"
    )  # what came later draws apart, so that seeds of before keep their sense
    times = bunched(habits, times)
    if not given:
        signals = [dated(habits, at_s, one) for at_s, one in zip(times, signals, strict=True)]
        dates, index = SeededChance(seed).stream("dates"), SeededChance(seed).stream("index")
        signals = [ended(dates, at_s, one) for at_s, one in zip(times, signals, strict=True)]
        markets = tuple(indexed(index, one) for one in markets)
        signals = by_index(index, signals, markets)
    handed = tuple(zip(times, signals, strict=True))
    terms = SeededChance(seed).stream("terms")
    beside = SeededChance(seed).stream("beside")
    acts = tuple(sorted((*_acts(rng, span_s), *_ill_timed(habits, span_s), *_restarts(terms, span_s))))
    exchange, in_base = _exchange(rng), habits.random() < 0.25
    sim = exchange if given else _terms(terms, exchange)  # whose signals are given reckons with the usual terms
    return Scenario(
        seed=seed,
        markets=markets if slow == 1.0 else tuple(replace(one, every_s=one.every_s * QUIETER) for one in markets),
        signals=handed,
        acts=acts,
        sim=sim,
        fees_in_base=in_base and not given,
        settings=EngineSettings(limits=Limits() if given else _limits(rng)),
        latency_s=rng.choice((0.005, 0.01, 0.03, 0.08)),
        middle_s=span_s + rng.uniform(5, 20),
        venue={"tier": sim.tier, "orders_via": "rest" if habits.random() < 0.15 else "auto"},
        slow=slow,
        beside_s=beside.uniform(1, span_s + 5) if beside.random() < BESIDE_SHARE else None,
        lost_share=0.0 if given else LOST_SHARE,
        drawn=not given,
        repeats=tuple((at_s + habits.uniform(0.5, 12), one) for at_s, one in handed if habits.random() < 0.15),
    )


def _ill_timed(rng: Random, span_s: float) -> list[tuple[float, Act]]:
    """Halts that fall into the very moment in which an entry is on its way, and a time in which nothing may add."""
    acts: list[tuple[float, Act]] = []
    if rng.random() < 0.12:
        at_s = rng.uniform(1, span_s)
        acts += [(at_s, "halt_ill_timed"), (at_s + rng.uniform(4, 12), "resume")]
    if rng.random() < 0.06:
        at_s = rng.uniform(1, span_s)
        acts += [(at_s, "halt_reducing"), (at_s + rng.uniform(6, 20), "resume")]
    return acts


def _restarts(rng: Random, span_s: float) -> list[tuple[float, Act]]:
    """An engine that is stopped in order amid its work, for another version say, and started again."""
    return [(rng.uniform(1, span_s + 5), "restart")] if rng.random() < 0.12 else []


def _terms(rng: Random, sim: SimSettings) -> SimSettings:
    """Some accounts are of the smallest tier, and some markets leave remainders that nobody may order."""
    tier: TierName = "starter" if rng.random() < 0.1 else "intermediate"
    if rng.random() > 0.25:
        return replace(sim, tier=tier)
    lots = {symbol: lot * rng.randint(3, 12) for symbol, (_, lot, _, _) in sorted(_PRICES.items())}
    pairs = tuple(replace(one, qty_min=lots.get(one.symbol, one.qty_min)) for one in sim.pairs)
    return replace(sim, tier=tier, pairs=pairs)


def _market(rng: Random, symbol: str, given: Sequence[Signal]) -> MarketPlan:
    start, lot, lots, _ = _PRICES.get(symbol, (Decimal(100), Decimal("0.01"), (50, 900), Decimal("0.01")))
    priced = [one.limit_price for one in given if one.symbol == symbol and one.limit_price is not None]
    return MarketPlan(symbol, priced[0] if priced else start, rng.uniform(1.2, 3.0), rng.uniform(3, 14), lot, lots)


def _signal(rng: Random, number: int, market: MarketPlan) -> Signal:
    return draw_signal(rng, number, market, _PRICES[market.symbol][3])


def _acts(rng: Random, span_s: float) -> tuple[tuple[float, Act], ...]:
    acts = [
        (rng.uniform(2, span_s + 5), rng.choices(list(_ACTS), list(_ACTS.values()))[0])
        for _ in range(rng.choice((0, 1, 2, 3, 4, 6)))
    ]
    if rng.random() < 0.15:
        at_s = rng.uniform(3, span_s)
        halt: Act = "halt" if rng.random() < 0.7 else "halt_reducing"
        acts += [(at_s, halt), (at_s + rng.uniform(4, 12), "resume")]
    return tuple(sorted(acts))


def _limits(rng: Random) -> Limits:
    """A third of the runs is held to limits on orders and positions."""
    if rng.random() > 0.33:
        return Limits()
    symbol = {
        name: SymbolLimits(order_qty_most=lot * 450, position_qty_most=lot * rng.randint(500, 900))  # type: ignore[arg-type]
        for name, (_, lot, _, _) in sorted(_PRICES.items())
    }
    return Limits(
        symbol=symbol,
        order_value_most=Decimal(rng.randint(400, 1500)) if rng.random() < 0.3 else None,
        open_orders_most=rng.randint(3, 12) if rng.random() < 0.4 else None,
    )


def _exchange(rng: Random) -> SimSettings:
    """What no document confirms is drawn: the engine may rest on neither answer."""
    return SimSettings(
        tier="intermediate",
        untriggered_stops_hold_funds=rng.random() < 0.5,
        would_trigger_immediately=rng.choice(("cancel", "fire")),  # a refusal would bear a text nobody has published
        trade_frame_completes_as=rng.choice(("partially_filled", "filled")),
        trigger_exec_type=rng.choice(("status", "restated")),
        snapshot_exec_type=rng.choice(("new", "status")),
        executions_before_ack=rng.random() < 0.5,
        snapshot_before_ack=rng.random() < 0.5,
        rest_history_cost=rng.choice((2, 4)),
        ratecounter_as_text=rng.random() < 0.5,
    )
