"""The hunt: signals go in, engines are killed at drawn rows and started again, until every bracket has ended."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random

from tests.killing.places import EnginePlace, ExchangePlace
from tests.killing.watching import Left, wait_for_row

PATIENCE_S = 1.0
"""A drawn row that has not come by then never comes: nothing happens in the market. It is killed all the same."""
STARTING_S = 15.0
"""Until the first row of a life; a start that writes none is killed then."""
LAST_LIFE_S = 90.0
MOST_ROWS = 24
MOST_LIVING = 3
PAIRS = {
    "BTC/USD": ("XBTUSD", Decimal("0.1"), "0.02"),
    "ETH/USD": ("ETHUSD", Decimal("0.01"), "0.3"),
    "SOL/USD": ("SOLUSD", Decimal("0.01"), "6"),
}
"""Pair in REST, price step, quantity of an entry."""


@dataclass
class Life:
    """One engine process: wall times of its start and end."""

    started_s: float
    ended_s: float = 0.0


@dataclass
class Hunt:
    """What happened, for the judge."""

    signals: list[str] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    kills: int = 0
    kill_rows: list[int] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    doubtful: int = 0
    faults: list[str] = field(default_factory=list)


class Hunter:
    """Kills ``kills`` engines on one data directory and lets the last one live until nothing is left to do."""

    def __init__(self, exchange: ExchangePlace, engine: EnginePlace, seed: int) -> None:
        self._exchange, self._engine = exchange, engine
        self._rng = Random(f"{seed}/kills")
        self._prices = Random(f"{seed}/signals")
        self.hunt = Hunt()

    def run(self, kills: int) -> Hunt:
        """Hunt to the end; no engine runs any more afterwards."""
        left = Left(self._engine.journal)
        while self.hunt.kills < kills and self._exchange.alive and not self.hunt.faults:
            self._feed(MOST_LIVING - left.states.total())
            left = self._live_and_die(left.head)
        if not self.hunt.faults:
            self._live_on()
        return self.hunt

    def _live_and_die(self, head: int) -> Left:
        engine, hunt = self._engine, self.hunt
        life = Life(engine.start())
        hunt.lives.append(life)
        target = head + self._rng.randint(1, MOST_ROWS)

        def gone() -> bool:
            return engine.ended() is not None

        wait_for_row(engine.journal, head + 1, STARTING_S, gone)
        wait_for_row(engine.journal, target, PATIENCE_S, gone)
        time.sleep(self._rng.random() * 0.01)  # rows come in bursts: also behind and between them
        code = engine.ended()
        engine.end()
        life.ended_s = time.time()
        left = Left(engine.journal)
        if code is None:
            hunt.kills += 1
            hunt.kill_rows.append(left.head)
            hunt.states.update(left.states or ["no bracket"])
            hunt.doubtful += left.doubtful
        elif code not in (0, 4):  # 4: a signal was denied, as the market had moved on
            hunt.faults.append(f"an engine ended by itself with code {code}: {engine.complaints()}")
        return left

    def _live_on(self) -> None:
        life = Life(self._engine.start())
        self.hunt.lives.append(life)
        code = self._engine.wait(LAST_LIFE_S)
        life.ended_s = time.time()
        if code is None:
            self.hunt.faults.append(f"the last engine still had work after {LAST_LIFE_S:.0f} s")
        elif code not in (0, 4):
            self.hunt.faults.append(f"the last engine ended with code {code}: {self._engine.complaints()}")
        self._engine.end()

    def _feed(self, count: int) -> None:
        """Write so many new signals behind the others; every engine reads them all again."""
        with self._engine.signals.open("a") as file:
            for _ in range(count):
                line = self._signal(len(self.hunt.signals) + 1)
                self.hunt.signals.append(json.loads(line)["signal_id"])
                file.write(line + "\n")

    def _signal(self, number: int) -> str:
        draw = self._prices
        symbol = draw.choice(list(PAIRS))
        pair, tick, qty = PAIRS[symbol]
        mid, side = self._exchange.rest.mid(pair), draw.choice(["buy", "buy", "sell"])
        up = Decimal(1 if side == "buy" else -1)
        away = mid * Decimal(draw.randint(6, 25)) / 10_000  # stop and target lie 6 to 25 basis points off
        members: dict[str, object] = {
            "signal_id": f"00000000-0000-4000-8000-{number:012d}",
            "strategy_id": "hunt",
            "symbol": symbol,
            "side": side,
            "order_type": "market",
            "order_qty": qty,
            "stop_loss": {"trigger_price": str(_on_tick(mid - up * away, tick))},
            "take_profit": {"price": str(_on_tick(mid + up * away, tick))},
        }
        if draw.random() < 0.6:  # inside the spread or a little off: filled in parts, or not at all
            off = mid * Decimal(draw.randint(-1, 2)) / 10_000
            members |= {"order_type": "limit", "limit_price": str(_on_tick(mid - up * off, tick))}
            members |= {"time_in_force": draw.choice(["gtc", "gtc", "ioc"]), "entry_timeout_s": draw.choice([1, 3, 6])}
        return json.dumps(members)


def _on_tick(price: Decimal, tick: Decimal) -> Decimal:
    return (price / tick).quantize(Decimal(1)) * tick


def hunt_in(place: Path, kills: int, seed: int) -> tuple[Hunt, ExchangePlace, Path]:
    """Hunt in a directory; return what happened, the exchange (still running) and the journal."""
    exchange = ExchangePlace(place, seed)
    engine = EnginePlace(place, exchange.env)
    try:
        return Hunter(exchange, engine, seed).run(kills), exchange, engine.journal
    except BaseException:
        exchange.close()
        raise
    finally:
        engine.end()
