"""The verbs about money: positions, balances, pnl, quality. Without an engine the journal says what it knows."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import msgspec

from engine.accounts.quality import SignalQuality
from engine.control.command import Arguments
from engine.control.desk import Desk
from engine.control.reading import find_subject
from engine.control.refusal import refused
from engine.risk.limits import ONE
from engine.runtime.balance_views import BALANCES_ROW, BalanceList
from engine.runtime.ledger_rows import read_days, read_ledger
from engine.runtime.money_views import By, Pnl, PositionList, pnl_of, positions_of
from engine.runtime.quality_rows import last_signals, quality_of

LAST_SIGNALS = 20
"""How many signals are told of where nobody has asked for one or for so many."""


class QualityList(msgspec.Struct, frozen=True):
    """Signals that were accepted, oldest first."""

    signals: tuple[SignalQuality, ...]


async def list_positions(desk: Desk, arguments: Arguments) -> PositionList:  # noqa: ARG001 - one shape for all verbs
    """Show what is held; a journal alone has no prices to value it by."""
    if desk.engine is not None:
        return desk.engine.money.positions()
    ledger, _ = read_ledger(desk.journal, {})
    return positions_of(ledger, {})


async def list_balances(desk: Desk, arguments: Arguments) -> BalanceList:  # noqa: ARG001 - one shape for all verbs
    """Show balances held against our books; of a dead engine those that it left in its journal."""
    if desk.engine is not None:
        return await desk.engine.money.balances()
    row = desk.journal.newest(BALANCES_ROW)
    if row is None:
        raise refused("NO_BALANCES", "this journal holds no balances", "ask a running engine")
    return row.decode(BalanceList)


async def tell_pnl(desk: Desk, arguments: Arguments) -> Pnl:
    """Show profit by strategy, symbol or day."""
    by = cast("By | None", arguments.get("by"))
    if desk.engine is not None:
        return desk.engine.money.pnl(by)
    ledger, _ = read_ledger(desk.journal, {})
    return pnl_of(ledger, read_days(desk.journal), by, {}, _worth_nothing)


async def tell_quality(desk: Desk, arguments: Arguments) -> QualityList:
    """Show how one signal was executed, or the last ones."""
    if "signal" in arguments:
        subject = await find_subject(desk, str(arguments["signal"]))
        one = quality_of(desk.journal, subject.signal_id)
        if one is None:
            raise refused("NEVER_ACCEPTED", f"signal {subject.signal_id} was never accepted", "why tells the reason")
        return QualityList((one,))
    names = await last_signals(desk.journal, int(arguments.get("last", LAST_SIGNALS)))
    found = [quality_of(desk.journal, name) for name in names]
    return QualityList(tuple(one for one in found if one is not None))


def _worth_nothing(asset: str, currency: str) -> Decimal | None:
    """Know no price: there is no book in a journal."""
    return ONE if asset == currency else None
