"""Balances as people and programs are shown them, and as the journal keeps them for when nobody runs."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from engine.accounts.movement import SPOT, Movement, wallet_of
from engine.accounts.reconciliation import AssetLine
from engine.runtime.balance_desk import BalanceDesk
from engine.runtime.margin_views import MarginView
from engine.values.money import ZERO
from engine.values.time import rfc3339
from engine.venue.protocol import Balance

BALANCES_ROW: Final = "balances"
"""The journal's kind for BalanceList: once an hour, when a mismatch comes or goes, and at the end."""
MOVEMENT_ROW: Final = "movement"
"""The journal's kind for a Movement that was not ours."""
SHOWN_MOVEMENTS: Final = 50


class BalanceView(msgspec.Struct, frozen=True):
    """One asset in the wallet that orders are paid from, and since the engine's start.

    ``start + booked + foreign + awaited + unexplained == total``. ``hold`` is what resting orders bind (None: not
    told), ``booked`` what our fills moved, ``foreign`` what others did, ``awaited`` what is on its way.
    """

    asset: str
    total: Decimal
    hold: Decimal | None
    start: Decimal
    booked: Decimal
    foreign: Decimal
    awaited: Decimal
    unexplained: Decimal


class WalletView(msgspec.Struct, frozen=True):
    """What lies in another wallet: it earns rewards, and no order can be paid from it."""

    asset: str
    wallet: str
    total: Decimal


class MovementView(msgspec.Struct, frozen=True):
    """A change that was not ours, in the venue's word for it."""

    at: str
    asset: str
    wallet: str
    kind: str
    change: Decimal
    ref_id: str


class BalanceList(msgspec.Struct, frozen=True):
    """All balances at ``at``. ``reconciled``: nothing is unexplained; None while it is too early to say.

    ``holds_why`` says why holds are not told, "" where they are. ``margin`` is the trade balance, None where nobody
    trades on margin.
    """

    at: str
    reconciled: bool | None
    balances: tuple[BalanceView, ...]
    wallets: tuple[WalletView, ...]
    movements: tuple[MovementView, ...]
    holds_why: str = ""
    margin: MarginView | None = None


def balances_of(
    desk: BalanceDesk, asked: Iterable[Balance], now_ns: int, holds_why: str = "", margin: MarginView | None = None
) -> BalanceList:
    """Show what the stream has told; ``asked`` is what a query says of holds and of other wallets."""
    holds: dict[str, Decimal | None] = {}
    wallets = {key: one.total for key, one in desk.elsewhere.items()}
    for one in asked:
        asset, wallet = wallet_of(one.asset)
        if wallet == SPOT:
            holds[asset] = one.hold
        else:
            wallets[asset, wallet] = one.total
    mismatch = desk.mismatch()
    movements = list(desk.reconciliation.movements)[-SHOWN_MOVEMENTS:]
    return BalanceList(
        at=rfc3339(now_ns),
        reconciled=None if mismatch is None else not mismatch,
        balances=tuple(_balance(line, holds.get(line.asset)) for line in desk.reconciliation.lines()),
        wallets=tuple(WalletView(asset, wallet, total) for (asset, wallet), total in wallets.items() if total != ZERO),
        movements=tuple(movement_view(one) for one in movements),
        holds_why=holds_why,
        margin=margin,
    )


def movement_view(one: Movement) -> MovementView:
    """Show one movement."""
    return MovementView(rfc3339(one.ts_ns), one.asset, one.wallet, one.kind, one.change, one.ref_id)


def _balance(line: AssetLine, hold: Decimal | None) -> BalanceView:
    return BalanceView(
        line.asset, line.total, hold, line.start, line.booked, line.foreign, line.awaited, line.unexplained
    )
