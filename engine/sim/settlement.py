"""The money side: what an order sets aside, and what a match moves (protocol section 11.8).

Cost and fee are rounded half up to the ledger precision of the asset they are paid in, so that both parties, the
ledger and the reports show the same digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from engine.sim.accounts import Account
from engine.sim.events import LedgerEntry
from engine.sim.fees import Volumes
from engine.sim.ids import Ids
from engine.sim.instruments import PairSpec
from engine.sim.matching import Book
from engine.sim.numbers import ZERO, nearest, upward
from engine.sim.orders import LIMIT_TYPES, SimOrder, SimTrade
from engine.sim.settings import SimSettings

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class MarginPart:
    """What a fill of a margin order does to positions: the margin that it binds, and how WebSocket calls it.

    ``fee`` is what the fill's own fee tells of the opening fee.
    """

    margin: Decimal
    position_status: str
    fee: Decimal = ZERO


class Settlement:
    """Computes holds and settles fills. Fees are collected in ``collected``, so that money can be counted."""

    def __init__(
        self,
        settings: SimSettings,
        ids: Ids,
        emit: Callable[[LedgerEntry], None],
        in_usd: Callable[[str, Decimal], Decimal],
    ) -> None:
        self._settings, self._ids, self._emit, self._in_usd = settings, ids, emit, in_usd
        self.volumes = Volumes()
        self._fees = {name: settings.fees_of(name) for name in settings.accounts}
        self.collected: dict[str, Decimal] = {}
        self._decimals = {asset.name: asset.decimals for asset in settings.assets}
        self._worst_rate = max(fees.worst_pct for fees in self._fees.values()) / HUNDRED

    def hold_of(self, order: SimOrder, pair: PairSpec) -> tuple[str, Decimal]:
        """Return (asset, amount) that an order sets aside for what is left of it, at the dearer of the two fees."""
        if order.leverage is not None or (order.is_armed and not self._settings.untriggered_stops_hold_funds):
            return pair.quote, ZERO
        fee = self._worst_rate
        if order.side == "sell":
            needed = order.leaves_qty * (1 + fee if order.fee_in_base else 1)
            return pair.base, upward(needed, self._decimals[pair.base])
        price = order.limit_price if order.order_type in LIMIT_TYPES else order.trigger_price
        needed = order.leaves_qty * (price or ZERO) * (1 if order.fee_in_base else 1 + fee)
        return pair.quote, upward(needed, self._decimals[pair.quote])

    def market_need(self, order: SimOrder, pair: PairSpec, book: Book) -> tuple[str, Decimal]:
        """Return (asset, amount) that a market order needs right now, from the makers it would meet."""
        if order.side == "sell":
            return self.hold_of(order, pair)
        if order.cash_order_qty is not None:
            fee = 0 if order.fee_in_base else self._worst_rate
            return pair.quote, upward(order.cash_order_qty * (1 + fee), self._decimals[pair.quote])
        left, cost = order.leaves_qty, ZERO
        for maker in book.reachable(order.side, None):
            if left <= 0:
                break
            if maker.account == order.account:
                continue
            qty = min(left, maker.leaves_qty)
            cost += qty * (maker.limit_price or ZERO)
            left -= qty
        needed = cost * (1 if order.fee_in_base else 1 + self._worst_rate)
        return pair.quote, upward(needed, self._decimals[pair.quote])

    def fee_of(
        self, order: SimOrder, account: Account, qty: Decimal, cost: Decimal, liquidity: str, ts_ns: int
    ) -> Decimal:
        """Return the fee of one fill in the order's fee asset, by the volume before it."""
        if account.unlimited:
            return ZERO
        pct = self._fees[account.name].rate(self.volumes.total(account.name, ts_ns), liquidity)
        paid_from = qty if order.fee_in_base else cost
        return nearest(paid_from * pct / HUNDRED, self._decimals[order.fee_asset])

    def fill(
        self,
        order: SimOrder,
        account: Account,
        pair: PairSpec,
        match: tuple[Decimal, Decimal, str, int, int],
        margin: MarginPart | None = None,
    ) -> SimTrade:
        """Book one side of a match (price, qty, liquidity, trade_id, ts_ns): order totals and balances. With
        ``margin`` the balances are left to ``lending``.
        """
        price, qty, liquidity, trade_id, ts_ns = match
        cost = nearest(price * qty, self._decimals[pair.quote])
        fee = self.fee_of(order, account, qty, cost, liquidity, ts_ns) + (ZERO if margin is None else margin.fee)
        trade = SimTrade(
            exec_id=self._ids.trade(),
            order_id=order.order_id,
            cl_ord_id=order.cl_ord_id,
            account=account.name,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            price=price,
            qty=qty,
            cost=cost,
            fee=fee,
            fee_asset=order.fee_asset,
            liquidity=liquidity,
            trade_id=trade_id,
            ts_ns=ts_ns,
            leverage=order.leverage,
            margin=ZERO if margin is None else margin.margin,
            position_status=None if margin is None else margin.position_status,
            liquidated=order.liquidates,
        )
        order.cum_qty += qty
        order.cum_cost += cost
        order.fee += fee
        order.exec_ids.append(trade.exec_id)
        order.status = "filled" if order.cum_qty == order.order_qty else "partially_filled"
        if margin is None:
            self._move(trade, account, pair)
        if not account.unlimited:
            self.volumes.add(account.name, ts_ns, self._in_usd(pair.quote, cost))
        return trade

    def draw_ref(self) -> str:
        """Name a movement that refers to nothing else."""
        return self._ids.deposit()

    def pay_in(self, account: Account, asset: str, amount: Decimal, ts_ns: int) -> None:
        """Credit a deposit, or debit a withdrawal (below zero), from outside the exchange."""
        kind = "deposit" if amount >= 0 else "withdrawal"
        account.move(asset, amount)
        self.book(account, asset, amount, ZERO, self._ids.deposit(), ts_ns, kind)

    def book(
        self, account: Account, asset: str, change: Decimal, fee: Decimal, ref_id: str, ts_ns: int, kind: str = "trade"
    ) -> None:
        """Write the ledger row of a balance that has moved by ``change`` less ``fee``, and tell it."""
        if account.unlimited:
            return
        balance = account.balances[asset]
        entry = LedgerEntry(self._ids.ledger(), ref_id, account.name, asset, change, fee, balance, ts_ns, kind)
        account.ledger.add(entry)
        self._emit(entry)

    def collect(self, asset: str, fee: Decimal) -> None:
        """Count a fee that an account has paid."""
        self.collected[asset] = self.collected.get(asset, ZERO) + fee

    def _move(self, trade: SimTrade, account: Account, pair: PairSpec) -> None:
        sign = 1 if trade.side == "buy" else -1
        self.collect(trade.fee_asset, trade.fee)
        for asset, change in ((pair.base, sign * trade.qty), (pair.quote, -sign * trade.cost)):
            fee = trade.fee if asset == trade.fee_asset else ZERO
            account.move(asset, change - fee)
            self.book(account, asset, change, fee, trade.exec_id, trade.ts_ns)
