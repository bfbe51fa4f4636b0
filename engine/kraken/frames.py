"""The frames of WebSocket v2 as typed values (§6.3, §6.5, §6.6, §9). Members nobody needs are left out."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.values.money import Price, Qty, Side


class Triggers(msgspec.Struct, frozen=True):
    """The trigger part of an execution report."""

    price: Decimal | None = None
    status: str | None = None


class FeeRow(msgspec.Struct, frozen=True):
    """One fee of a fill."""

    asset: str
    qty: Decimal


class ExecutionRow(msgspec.Struct, frozen=True):
    """One report of the executions channel as it came: a delta, None where nothing was said."""

    order_id: str
    exec_type: str
    timestamp: str
    order_status: str | None = None
    cl_ord_id: str | None = None
    symbol: str | None = None
    side: Side | None = None
    order_type: str | None = None
    order_qty: Decimal | None = None
    cum_qty: Decimal | None = None
    avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    triggers: Triggers | None = None
    stop_price: Decimal | None = None
    exec_id: str | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    cost: Decimal | None = None
    fees: tuple[FeeRow, ...] = ()
    liquidity_ind: str | None = None
    reason: str | None = None
    cancel_reason: str | None = None
    ord_ref_id: str | None = None
    ratecount: Decimal | None = None
    margin: bool | None = None
    reduce_only: bool | None = None
    liquidated: bool | None = None
    rate_count: Decimal | None = None  # the member's name is not documented for v2: both are read


class Wallet(msgspec.Struct, frozen=True):
    """One wallet of a balance snapshot row."""

    balance: Decimal
    type: str = ""
    id: str = ""


class BalanceRow(msgspec.Struct, frozen=True):
    """A snapshot row (with wallets) or a ledger entry (with wallet_type)."""

    asset: str
    balance: Decimal
    wallets: tuple[Wallet, ...] = ()
    wallet_type: str = "spot"
    wallet_id: str = "main"
    ledger_id: str = ""
    ref_id: str = ""
    type: str = ""
    amount: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    timestamp: str = ""


class LevelRow(msgspec.Struct, frozen=True):
    """One book level."""

    price: Price
    qty: Qty


class BookRow(msgspec.Struct, frozen=True):
    """One book message."""

    symbol: str
    checksum: int
    bids: tuple[LevelRow, ...] = ()
    asks: tuple[LevelRow, ...] = ()
    timestamp: str | None = None


class TradeRow(msgspec.Struct, frozen=True):
    """One public trade."""

    symbol: str
    side: Side
    price: Price
    qty: Qty
    trade_id: int
    timestamp: str


class TickerRow(msgspec.Struct, frozen=True):
    """The 24-hour figures of one symbol."""

    symbol: str
    bid: Decimal
    bid_qty: Decimal
    ask: Decimal
    ask_qty: Decimal
    last: Decimal
    volume: Decimal
    vwap: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    change: Decimal | None = None
    change_pct: Decimal | None = None
    timestamp: str | None = None


class CandleRow(msgspec.Struct, frozen=True):
    """One candle of the ohlc channel as it stands; ``interval`` in minutes."""

    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    vwap: Decimal
    trades: int
    volume: Decimal
    interval_begin: str
    interval: int


class StatusRow(msgspec.Struct, frozen=True):
    """The engine's mode: online, cancel_only, maintenance, post_only."""

    system: str


class PairInfo(msgspec.Struct, frozen=True):
    """One row of the instrument channel's pairs."""

    symbol: str
    base: str
    quote: str
    status: str
    qty_precision: int
    qty_increment: Decimal
    qty_min: Decimal
    price_precision: int
    price_increment: Decimal
    cost_precision: int
    cost_min: Decimal


class InstrumentData(msgspec.Struct, frozen=True):
    """The instrument channel's data object; each pair is decoded as PairInfo by itself."""

    pairs: tuple[msgspec.Raw, ...] = ()


class MemberInfo(msgspec.Struct, frozen=True):
    """What the answer to a batch says of one order: over REST ``txid``, over WebSocket ``order_id``."""

    order_id: str | None = None
    txid: str | tuple[str, ...] | None = None
    cl_ord_id: str | None = None
    error: str | tuple[str, ...] | None = None
    success: bool | None = None

    @property
    def identity(self) -> str | None:
        """The order's id, when the venue gave one."""
        listed = (self.txid,) if isinstance(self.txid, str) else self.txid or ()
        return self.order_id or next((one for one in listed if one), None)

    @property
    def failures(self) -> tuple[str, ...]:
        """The venue's errors about this order."""
        listed = (self.error,) if isinstance(self.error, str) else self.error or ()
        return tuple(one for one in listed if one)


class ResultInfo(msgspec.Struct, frozen=True):
    """What any response's result may say."""

    channel: str | None = None
    symbol: str | None = None
    order_id: str | None = None
    cl_ord_id: str | None = None
    amend_id: str | None = None
    maxratecount: Decimal | None = None
    count: int | None = None
    orders: tuple[MemberInfo, ...] | None = None
    warnings: tuple[str, ...] = ()


class Response(msgspec.Struct, frozen=True):
    """An answer to a request of ours."""

    method: str
    req_id: int | None = None
    success: bool = True
    error: str | None = None
    result: ResultInfo | None = None
    symbol: str | None = None
    time_in: str | None = None
    time_out: str | None = None


class Heartbeat(msgspec.Struct, frozen=True):
    """Proof of life."""


class Throttled(msgspec.Struct, frozen=True):
    """``{"Error": "Exceeded msg rate"}``: some request of ours was dropped, it does not say which."""

    text: str


class Channel(msgspec.Struct, frozen=True):
    """A data frame of one channel, not yet decoded further."""

    name: str
    snapshot: bool
    data: msgspec.Raw
    sequence: int | None


Message = Response | Heartbeat | Throttled | Channel
