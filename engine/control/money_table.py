"""The verbs about money, for the table."""

from __future__ import annotations

from engine.control.command import Command, Parameter
from engine.control.money import (
    LAST_SIGNALS,
    QualityList,
    list_balances,
    list_positions,
    tell_pnl,
    tell_quality,
)
from engine.runtime.balance_views import BalanceList
from engine.runtime.money_views import Pnl, PositionList
from engine.runtime.quality_rows import MAX_SIGNALS

_TOLD = {0: "told", 2: "the command line is no good", 5: "the journal is no good"}

POSITIONS = Command(
    name="positions",
    method="GET",
    path="/api/positions",
    doc="Show what our fills have left in our hands, by strategy and by market.",
    result=PositionList,
    exits=_TOLD,
    answer=list_positions,
)
BALANCES = Command(
    name="balances",
    method="GET",
    path="/api/balances",
    doc="Show the venue's balances held against our books: ours, others', and what nothing explains.",
    result=BalanceList,
    exits={**_TOLD, 4: "the journal of a dead engine holds none"},
    answer=list_balances,
)
PNL = Command(
    name="pnl",
    method="GET",
    path="/api/pnl",
    doc="Show realised and unrealised profit with all fees, in each market's own currency.",
    parameters=(
        Parameter(name="by", choices=("strategy", "symbol", "day"), doc="a row for each; left out: one for each quote"),
    ),
    result=Pnl,
    exits=_TOLD,
    answer=tell_pnl,
)
QUALITY = Command(
    name="quality",
    method="GET",
    path="/api/quality",
    doc="Show how signals were executed: slippage against the arrival price, fees, the time of each stage.",
    parameters=(
        Parameter(name="signal", doc="signal_id or any unique beginning of it, or one of its orders"),
        Parameter(
            name="last", kind="number", least=1, most=MAX_SIGNALS, doc=f"how many signals; left out: {LAST_SIGNALS}"
        ),
    ),
    result=QualityList,
    exits={**_TOLD, 4: "no such signal, or it was never accepted"},
    answer=tell_quality,
)

MONEY: tuple[Command, ...] = (POSITIONS, BALANCES, PNL, QUALITY)
