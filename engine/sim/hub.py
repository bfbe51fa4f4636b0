"""Hands the core's events to the WebSocket connections that asked for them, each frame written once."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.sim.candles import INTERVALS
from engine.sim.core import Core
from engine.sim.events import (
    CommandDone,
    Event,
    LedgerEntry,
    MarketMoved,
    OrderReport,
    PositionMoved,
    PublicTrade,
    StatusChanged,
)
from engine.sim.feed import BookViews, ohlc_row, pair_rows, ticker_row, trade_row
from engine.sim.numbers import rfc3339
from engine.sim.reports import ExecutionRows, counter_member, ledger_row

encode = msgspec.json.Encoder().encode
PublicKey = tuple[str, str, str]  # channel, symbol, variant (depth, event_trigger or interval)
PublicSink = Callable[[bytes], None]
PrivateSink = Callable[[str, dict[str, object], dict[str, object]], None]  # kind, row, what only some want beside it
_NO_MORE: dict[str, object] = {}


def frame(channel: str, kind: str, data: object, stamp: str | None = None) -> bytes:
    """Write a public data frame; some channels carry a time beside the data."""
    whole: dict[str, object] = {"channel": channel, "type": kind, "data": data}
    return encode(whole if stamp is None else whole | {"timestamp": stamp})


class Hub:
    """Subscribers by topic; dicts keep the order in which they came."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.views = BookViews(core)
        self.rows = ExecutionRows(core.settings)
        self._public: dict[PublicKey, dict[int, PublicSink]] = {}
        self._private: dict[tuple[str, str], dict[int, PrivateSink]] = {}
        self._statuses: dict[int, Callable[[str], None]] = {}
        self._trades: dict[str, list[PublicTrade]] = {}  # of the running command, by symbol
        core.listen(self._on_event)

    # --- who listens

    def join(self, key: PublicKey, reader: int, sink: PublicSink) -> None:
        """Let a connection receive a public topic."""
        self._public.setdefault(key, {})[reader] = sink

    def leave(self, key: PublicKey, reader: int) -> None:
        """End that; unknown readers are ignored."""
        sinks = self._public.get(key, {})
        sinks.pop(reader, None)
        if not sinks:
            self._public.pop(key, None)

    def join_private(self, channel: str, account: str, reader: int, sink: PrivateSink) -> None:
        """Let a connection receive rows of an account's channel; the connection numbers the frames."""
        self._private.setdefault((channel, account), {})[reader] = sink

    def leave_private(self, channel: str, account: str, reader: int) -> None:
        """End that."""
        self._private.get((channel, account), {}).pop(reader, None)

    def watch_status(self, reader: int, sink: Callable[[str], None] | None) -> None:
        """Tell a connection of every change of status; None ends it."""
        if sink is None:
            self._statuses.pop(reader, None)
        else:
            self._statuses[reader] = sink

    # --- what happens

    def _on_event(self, event: Event) -> None:
        match event:
            case OrderReport():
                sinks = self._private.get(("executions", event.order.account))
                if sinks:
                    order = event.order
                    level = self._core.rates.level(order.account, order.symbol, event.ts_ns)
                    counter = counter_member(self._core.settings, level)
                    self._tell(sinks, event.exec_type, self.rows.row(event), counter)
            case LedgerEntry():
                sinks = self._private.get(("balances", event.account))
                if sinks:
                    self._tell(sinks, "trade", ledger_row(event, self._core.settings))
            case PublicTrade():
                self._on_trade(event)
            case MarketMoved():
                self._on_move(event)
            case CommandDone() | PositionMoved():
                pass
            case StatusChanged():
                for sink in [] if event.symbol else list(self._statuses.values()):
                    sink(event.status)
                changed = {"assets": [], "pairs": pair_rows(self._core, event.symbol)}
                self._publish(("instrument", "", ""), "update", changed)

    @staticmethod
    def _tell(
        sinks: dict[int, PrivateSink], kind: str, row: dict[str, object], more: dict[str, object] = _NO_MORE
    ) -> None:
        for sink in list(sinks.values()):
            sink(kind, row, more)

    def _publish(self, key: PublicKey, kind: str, data: object, stamp: str | None = None) -> None:
        sinks = self._public.get(key)
        if sinks:
            text = frame(key[0], kind, data, stamp)
            for sink in list(sinks.values()):
                sink(text)

    def _on_trade(self, trade: PublicTrade) -> None:
        if ("trade", trade.symbol, "") in self._public:
            self._trades.setdefault(trade.symbol, []).append(trade)

    def _on_move(self, event: MarketMoved) -> None:
        """Show the market as it is after a command, its trades in one frame; nothing shows the middle of one."""
        stamp = rfc3339(event.ts_ns)
        pair = self._core.markets[event.symbol].pair
        trades = self._trades.pop(event.symbol, None)
        if trades:
            self._publish(("trade", event.symbol, ""), "update", [trade_row(trade, pair) for trade in trades])
        if event.book:
            for depth, row in self.views.updates(event.symbol, stamp).items():
                self._publish(("book", event.symbol, str(depth)), "update", [row])
        if event.traded:
            self._show_candles(event.symbol, stamp)
        for trigger, moved in (("trades", event.traded), ("bbo", event.best)):
            if moved and ("ticker", event.symbol, trigger) in self._public:
                row = ticker_row(self._core.markets[event.symbol], event.ts_ns)
                self._publish(("ticker", event.symbol, trigger), "update", [row])

    def _show_candles(self, symbol: str, stamp: str) -> None:
        """Send the running candle of every interval that somebody reads."""
        market = self._core.markets[symbol]
        for minutes in INTERVALS:
            key = ("ohlc", symbol, str(minutes))
            candle = market.tape.candles.last(minutes) if key in self._public else None
            if candle is not None:
                self._publish(key, "update", [ohlc_row(candle, minutes, market.pair)], stamp)
