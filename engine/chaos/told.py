"""The scenarios of the crash sweep: each a short life told step by step, named by what is special about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from engine.chaos.deeds import Deed, DeedKind
from engine.chaos.market import MarketPlan
from engine.chaos.scenario import Scenario
from engine.orders.signal import Signal, parse_signal
from engine.runtime.settings import EngineSettings
from engine.sim import SimSettings

BTC, ETH = "BTC/USD", "ETH/USD"
START: Final = {BTC: Decimal(50_000), ETH: Decimal(2_500)}
_TICK: Final = {BTC: Decimal("0.1"), ETH: Decimal("0.01")}
_LOT: Final = {BTC: Decimal("0.0001"), ETH: Decimal("0.001")}
_ENOUGH = (400, 400)
"""Lots of a level that takes everything of a signal here."""
_FEW = (60, 60)
"""Lots of a level that fills a part of it: the three nearest levels of such a market hold 0.012."""
MIDDLE_S = 14.0

Path = tuple[tuple[float, float], ...]
"""(seconds, distance from the start in bps); the ask stands one basis point above, the bid one below."""

BOUGHT: Path = ((1.5, -8),)
TO_TARGET: Path = (*BOUGHT, (4.5, 34))
TO_STOP: Path = (*BOUGHT, (4.5, -46))
IN_PARTS: Path = ((1.5, -6), (2.2, -6), (2.9, -8))


def at(bps: float, symbol: str = BTC) -> Decimal:
    """Return the price so many basis points from the start, on the tick."""
    price = START[symbol] * (1 + Decimal(str(bps)) / 10_000)
    return (price / _TICK[symbol]).to_integral_value() * _TICK[symbol]


def name_of(number: int) -> str:
    """Return the signal id of a scenario's so manieth signal."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def bracket(number: int = 1, at_s: float = 0.5, symbol: str = BTC, **changes: Any) -> tuple[float, Signal]:
    """Tell a signal: bought five basis points below the market, stop 40 below, target 30 above. None leaves one out."""
    text: dict[str, Any] = {
        "signal_id": name_of(number),
        "symbol": symbol,
        "side": "buy",
        "order_type": "limit",
        "order_qty": "0.02" if symbol == BTC else "0.4",
        "limit_price": str(at(-5, symbol)),
        "stop_loss": {"trigger_price": str(at(-40, symbol))},
        "take_profit": {"price": str(at(30, symbol))},
        **changes,
    }
    return at_s, parse_signal(json.dumps({key: value for key, value in text.items() if value is not None}))


def deed(at_s: float, kind: DeedKind, number: int = 1, **members: Any) -> Deed:
    """Tell an act of a person on the so manieth signal; 0 is on all."""
    return Deed(at_s, kind, name_of(number) if number else "", **members)


def told(
    *signals: tuple[float, Signal],
    path: Path = TO_TARGET,
    lots: tuple[int, int] = _ENOUGH,
    deeds: tuple[Deed, ...] = (),
    sim: Mapping[str, Any] | None = None,
    venue: Mapping[str, object] | None = None,
) -> Callable[[str], Scenario]:
    """Return what makes the scenario, given its name."""
    symbols = sorted({signal.symbol for _, signal in signals} or {BTC})
    markets = tuple(MarketPlan(s, START[s], 1.0, 0.0, _LOT[s], lots, path) for s in symbols)

    def make(name: str) -> Scenario:
        return Scenario(
            seed=f"sweep/{name}",
            markets=markets,
            signals=signals,
            acts=(),
            sim=SimSettings(tier="intermediate", **(sim or {})),
            settings=EngineSettings(),
            latency_s=0.01,
            middle_s=MIDDLE_S,
            venue=dict(venue or {}),
            deeds=deeds,
        )

    return make


_MARKET: Final[dict[str, Any]] = {"order_type": "market", "limit_price": None}
_TARGETS: Final = [{"price": str(at(bps)), "share": share} for bps, share in ((15, "0.5"), (22, "0.25"), (30, "0.25"))]
_STOP: Final[dict[str, Any]] = {"trigger_price": str(at(-40))}
_SOLD: Final[dict[str, Any]] = {
    "side": "sell",
    "limit_price": str(at(5)),
    "stop_loss": {"trigger_price": str(at(40))},
    "take_profit": {"price": str(at(-30))},
}
_REST: Final[dict[str, object]] = {"orders_via": "rest"}

TOLD: Final[Mapping[str, Callable[[str], Scenario]]] = {
    "target": told(bracket()),
    "stop": told(bracket(), path=TO_STOP),
    "sold-first": told(bracket(**_SOLD), path=((1.5, 8), (4.5, -34))),
    "market-entry": told(bracket(**_MARKET)),
    "cash-entry": told(bracket(**_MARKET, order_qty=None, cash_order_qty="1000"), path=TO_STOP),
    "ioc-entry": told(bracket(time_in_force="ioc", limit_price=str(at(1))), lots=_FEW),
    "stop-entry": told(
        bracket(order_type="stop-loss", limit_price=None, trigger_price=str(at(5))), path=((1.5, 8), (4.5, 34))
    ),
    "entry-times-out": told(bracket(entry_timeout_s=3), path=((1.5, 4), (2.5, 2))),
    "partial-fills": told(bracket(), path=(*IN_PARTS, (6.0, 34)), lots=_FEW),
    "partial-then-canceled": told(bracket(), path=((1.5, -6), (6.0, -46)), lots=_FEW, deeds=(deed(3.0, "cancel"),)),
    "partial-target": told(bracket(), path=(*BOUGHT, (4.5, 31.5), (7.0, 32), (9.0, -46)), lots=(40, 40)),
    "full-fill": told(bracket(protect_from="full_fill"), path=(*IN_PARTS, (6.0, -46)), lots=_FEW),
    "stop-with-limit": told(bracket(stop_loss=_STOP | {"limit_price": str(at(-60)), "watchdog_s": 2}), path=TO_STOP),
    "trailing-stop": told(
        bracket(stop_loss=_STOP | {"trail": {"distance": "100"}}, take_profit=None),
        path=(*BOUGHT, (3.5, 5), (5.0, 20), (7.5, -12)),
    ),
    "trailing-later": told(
        bracket(stop_loss=_STOP | {"trail": {"percent": "0.2", "activation_price": str(at(10))}}, take_profit=None),
        path=(*BOUGHT, (3.5, 12), (5.0, 25), (6.5, 40), (9.0, 5)),
    ),
    "break-even": told(bracket(break_even={"at_price": str(at(12))}), path=(*BOUGHT, (3.5, 15), (6.0, 2), (7.5, -10))),
    "several-targets": told(bracket(take_profit=_TARGETS), path=(*BOUGHT, (4.0, 17), (6.0, 24), (8.0, 34))),
    "both-rest": told(bracket(exits="both-rest"), sim={"untriggered_stops_hold_funds": False}),
    "both-rest-refused": told(bracket(exits="both-rest"), path=TO_STOP, sim={"untriggered_stops_hold_funds": True}),
    "conditional-close": told(bracket(exits="conditional-close")),
    "conditional-parts": told(bracket(exits="conditional-close"), path=(*IN_PARTS, (6.0, -46)), lots=_FEW),
    "one-cancels-other": told(bracket(contingency="oco"), path=(*BOUGHT, (4.5, 31.5), (7.0, 34)), lots=(40, 40)),
    "time-barrier": told(bracket(exit_after_s=4), path=BOUGHT),
    "operator-close": told(bracket(), path=BOUGHT, deeds=(deed(4.0, "close", 0),)),
    "operator-amend": told(
        bracket(limit_price=str(at(-20))),
        path=((4.0, -13), (7.0, 34)),
        deeds=(deed(2.0, "amend", price=at(-10), qty=Decimal("0.015")),),
    ),
    "operator-moves-exits": told(
        bracket(),
        path=(*BOUGHT, (6.0, -30)),
        deeds=(deed(3.0, "move_exits", price=at(-25)), deed(4.2, "move_exits", target=at(20))),
    ),
    "operator-protects": told(
        path=((3.0, 3), (6.0, -46)), deeds=(deed(1.0, "protect", 0, price=at(-40), qty=Decimal("0.05")),)
    ),
    "halt-and-resume": told(
        bracket(),
        bracket(2, 4.5, limit_price=str(at(-3))),
        path=((3.0, -8), (7.0, -6), (9.0, 34)),
        deeds=(deed(1.5, "halt", 0), deed(4.0, "resume", 0)),
    ),
    "two-markets": told(bracket(), bracket(2, 0.6, symbol=ETH), path=TO_STOP),
    "own-entry-in-the-way": told(
        bracket(stop_loss={"trigger_price": str(at(-20))}),
        bracket(2, 2.5, limit_price=str(at(-24)), stop_loss={"trigger_price": str(at(-60))}),
        path=(*BOUGHT, (4.5, -21.5), (7.0, -30), (9.0, -70)),
    ),
    "rest-target": told(bracket(), venue=_REST),
    "rest-stop": told(bracket(), path=(*IN_PARTS, (6.0, -46)), lots=_FEW, venue=_REST),
    "rest-close": told(bracket(), path=BOUGHT, deeds=(deed(4.0, "close", 0),), venue=_REST),
}
"""What makes each scenario, by name. ``rest-*`` send every order by REST; the stream only tells of them."""
