"""A connection's subscriptions: acks, snapshots, sequence numbers (protocol sections 6.5, 6.6, 9.1, 9.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.sim.book import DEPTHS
from engine.sim.candles import INTERVALS
from engine.sim.errors import Refused, invalid
from engine.sim.feed import instrument_data, ohlc_row, ticker_row, trade_row
from engine.sim.hub import PublicKey, encode, frame
from engine.sim.keys import ApiKey
from engine.sim.numbers import rfc3339
from engine.sim.reports import QUIET_EXEC_TYPES, balance_snapshot

if TYPE_CHECKING:
    from engine.sim.ws import Connection

PRIVATE = ("executions", "balances")
PUBLIC = ("ticker", "book", "trade", "ohlc", "instrument")
_SNAPSHOT_TRADES = 50
_MOST_SYMBOLS = 1000  # of one request
_OHLC_WARNING = "timestamp is deprecated, use interval_begin"
Ack = dict[str, object]
Result = Ack | list[Ack]  # a batch is answered by a list


class PrivateChannel:
    """One private subscription with its own sequence, starting at 1."""

    def __init__(
        self, connection: Connection, name: str, key: ApiKey, token: str, kinds: tuple[str, ...], *, counted: bool
    ) -> None:
        self._connection, self.name, self.key, self.token = connection, name, key, token
        self.generation = connection.venue.tokens.generation
        self._kinds = kinds  # the exec_types wanted; empty = all
        self._counted = counted  # the engine counter is wanted as well
        self._sequence = 0

    def on_row(self, kind: str, row: dict[str, object], more: dict[str, object]) -> None:
        """Send one row as an update, unless its kind is not wanted."""
        if not self._kinds or kind in self._kinds:
            whole = row | more if self._counted else row
            self._connection.outbox.send_private(lambda: self._send("update", [whole]))

    def send_snapshot(self, rows: list[dict[str, object]]) -> None:
        """Send the snapshot, empty or not."""
        self._send("snapshot", rows)

    def _send(self, kind: str, rows: list[dict[str, object]]) -> None:
        venue = self._connection.venue
        verdict = venue.faults.on_frame(self.name, venue.symbol_of(rows[0]) if rows else "")
        if verdict == "lose":
            return
        self._sequence += 2 if verdict == "skip_sequence" else 1
        message = {"channel": self.name, "type": kind, "data": rows, "sequence": self._sequence}
        self._connection.outbox.send_judged(self.name, encode(message), verdict)


class Subscriptions:
    """What one connection has subscribed to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._venue = connection.venue
        self._public: dict[PublicKey, None] = {}
        self.private: dict[str, PrivateChannel] = {}

    def __bool__(self) -> bool:
        return bool(self._public or self.private)

    def key_of(self, token: object) -> ApiKey | None:
        """Return the key of a token that a private subscription keeps alive here, whatever its age."""
        now = self._venue.tokens.generation
        channels = (channel for channel in self.private.values() if channel.generation == now)
        return next((channel.key for channel in channels if channel.token == token), None)

    def close(self) -> None:
        """Leave everything."""
        for key in list(self._public):
            self._leave(key)
        for name in list(self.private):
            self._leave_private(name)

    # --- methods

    def change(
        self, method: str, params: dict[str, Any], answer: Callable[[Result | Refused, str | None], None]
    ) -> None:
        """Subscribe or unsubscribe; ``answer`` is called once per symbol. Raises Refused for the whole request."""
        channel = params.get("channel")
        if channel in PRIVATE and self._connection.allows_private:
            self._change_private(method, str(channel), params, answer)
        elif channel in PUBLIC and self._connection.allows_public:
            for symbol in self._symbols(str(channel), params):
                try:
                    self._change_public(method, str(channel), symbol, params, answer)
                except Refused as refusal:
                    answer(refusal, symbol)
        else:
            raise invalid("channel")

    @staticmethod
    def _symbols(channel: str, params: dict[str, Any]) -> list[str]:
        if channel == "instrument":
            return [""]
        symbols = params.get("symbol")
        if not isinstance(symbols, list) or not 1 <= len(symbols) <= _MOST_SYMBOLS:
            raise invalid("symbol")
        if not all(isinstance(symbol, str) for symbol in symbols):
            raise invalid("symbol")
        return [str(symbol) for symbol in symbols]

    # --- public

    def _change_public(
        self, method: str, channel: str, symbol: str, params: dict[str, Any], answer: Callable[..., None]
    ) -> None:
        if symbol and symbol not in self._venue.core.markets:
            raise Refused(f"Currency pair not supported {symbol}")
        variant = self._variant(channel, params)
        key = (channel, symbol, variant)
        snapshot = _flag(params, "snapshot", default=channel != "trade")
        ack = self._ack(key, snapshot if method == "subscribe" else None)
        if method == "unsubscribe":
            if key not in self._public:
                raise Refused("Subscription Not Found")
            self._leave(key)
            answer(ack, None)
            return
        if key in self._public:
            raise Refused("Already subscribed")
        self._join(key)
        self._in_order(lambda: answer(ack, None), lambda: self._public_snapshot(key) if snapshot else None)

    def _in_order(self, acknowledge: Callable[[], None], show: Callable[[], None]) -> None:
        parts = (show, acknowledge) if self._venue.settings.snapshot_before_ack else (acknowledge, show)
        for part in parts:
            part()

    @staticmethod
    def _variant(channel: str, params: dict[str, Any]) -> str:
        if channel == "book":
            return str(_one_of(params, "depth", DEPTHS, 10))
        if channel == "ohlc":
            return str(_one_of(params, "interval", INTERVALS, 1))
        if channel == "ticker":
            trigger = params.get("event_trigger", "trades")
            if trigger not in ("trades", "bbo"):
                raise invalid("event_trigger")
            return str(trigger)
        if channel == "instrument":
            _flag(params, "include_tokenized_assets", default=False)
            if params.get("execution_venue", "international") not in ("international", "bitnomial_exchange"):
                raise invalid("execution_venue")
        return ""

    @staticmethod
    def _ack(key: PublicKey, snapshot: bool | None) -> Ack:
        channel, symbol, variant = key
        ack: Ack = {"channel": channel}
        if symbol:
            ack["symbol"] = symbol
        if channel == "book":
            ack["depth"] = int(variant)
        if channel == "ticker":
            ack["event_trigger"] = variant
        if channel == "ohlc":
            ack["interval"] = int(variant)
        if snapshot is not None:
            ack["snapshot"] = snapshot
            if channel == "ohlc":
                ack["warnings"] = [_OHLC_WARNING]
        return ack

    def _join(self, key: PublicKey) -> None:
        self._public[key] = None
        if key[0] == "book":
            self._venue.hub.views.open(key[1], int(key[2]))
        self._venue.hub.join(key, self._connection.reader, partial(self._send_public, key[0], key[1]))

    def _send_public(self, channel: str, symbol: str, text: bytes) -> None:
        self._connection.outbox.send_judged(channel, text, self._venue.faults.on_frame(channel, symbol))

    def _leave(self, key: PublicKey) -> None:
        del self._public[key]
        self._venue.hub.leave(key, self._connection.reader)
        if key[0] == "book":
            self._venue.hub.views.close(key[1], int(key[2]))

    def _public_snapshot(self, key: PublicKey) -> None:
        core, now = self._venue.core, self._venue.clock.now_ns()
        channel, symbol, variant = key
        data: object
        if channel == "instrument":
            data = instrument_data(core)
        elif channel == "ticker":
            data = [ticker_row(core.markets[symbol], now)]
        elif channel == "book":
            data = [self._venue.hub.views.snapshot(symbol, int(variant), rfc3339(now))]
        elif channel == "ohlc":
            rows = core.markets[symbol].tape.candles.rows(int(variant))[-self._venue.settings.ohlc_snapshot_candles :]
            data = [ohlc_row(row, int(variant), core.markets[symbol].pair) for row in rows]
        else:
            market = core.markets[symbol]
            data = [trade_row(trade, market.pair) for trade in list(market.tape.recent)[-_SNAPSHOT_TRADES:]]
        stamp = rfc3339(now) if channel == "ohlc" else None
        self._send_public(channel, symbol, frame(channel, "snapshot", data, stamp))

    # --- private

    def _change_private(
        self, method: str, name: str, params: dict[str, Any], answer: Callable[[Result | Refused, str | None], None]
    ) -> None:
        key = self._connection.key_of(params.get("token"))
        if method == "unsubscribe":
            if name not in self.private:
                raise Refused("Subscription Not Found")
            self._leave_private(name)
            answer({"channel": name}, None)
            return
        if name in self.private:
            raise Refused("Already subscribed")
        key.require(name)
        everyone = _everyone(params)  # of a master account: no snapshot then
        snapshot = _flag(params, "snapshot", default=not everyone)
        _flag(params, "rebased", default=True)
        trades = self._venue.settings.snap_trades_default and not everyone
        wants = {
            "snap_orders": _flag(params, "snap_orders", default=_flag(params, "snapshot_orders", default=snapshot)),
            "snap_trades": _flag(params, "snap_trades", default=_flag(params, "snapshot_trades", default=trades)),
        }
        ack: Ack = {"channel": name, **(wants if name == "executions" else {"snapshot": snapshot})}
        counted = name == "executions" and _flag(params, "ratecounter", default=False)
        if counted:
            ack["maxratecount"] = int(self._venue.core.rates.threshold_of(key.account))
        quiet = name == "executions" and not _flag(params, "order_status", default=True)
        kinds = QUIET_EXEC_TYPES if quiet else ()
        channel = PrivateChannel(self._connection, name, key, str(params.get("token")), kinds, counted=counted)
        rows = self._private_rows(channel, snapshot, **wants)
        self.private[name] = channel
        self._venue.hub.join_private(name, key.account, self._connection.reader, channel.on_row)
        self._in_order(
            lambda: answer(ack, None),
            lambda: channel.send_snapshot(rows) if rows is not None else None,
        )

    def _leave_private(self, name: str) -> None:
        channel = self.private.pop(name)
        self._venue.hub.leave_private(name, channel.key.account, self._connection.reader)

    def _private_rows(
        self, channel: PrivateChannel, snapshot: bool, *, snap_orders: bool, snap_trades: bool
    ) -> list[dict[str, object]] | None:
        """Return the snapshot's rows, None when no snapshot is wanted."""
        account = self._venue.core.accounts[channel.key.account]
        if channel.name == "balances":
            return balance_snapshot(account, self._venue.settings) if snapshot else None
        if not snap_orders and not snap_trades:
            return None
        render, now = self._venue.hub.rows, self._venue.clock.now_ns()
        shown = [order for order in account.open.values() if not self._hides(order.order_id)]
        orders = [render.snapshot_order(order, now) for order in shown] if snap_orders else []
        trades = account.trades[-_SNAPSHOT_TRADES:] if snap_trades else []
        known = [(trade, account.orders[trade.order_id]) for trade in trades if trade.order_id in account.orders]
        return orders + [render.snapshot_trade(trade, order) for trade, order in known]

    def _hides(self, order_id: str) -> bool:
        """Tell whether an inconsistent snapshot was asked for that lacks this order, and count it."""
        left = self._venue.hidden.pop(order_id, 0)
        if left > 1:
            self._venue.hidden[order_id] = left - 1
        return left > 0


def _one_of(params: dict[str, Any], name: str, allowed: tuple[int, ...], default: int) -> int:
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise invalid(name)
    return value


def _everyone(params: dict[str, Any]) -> bool:
    users = params.get("users")
    if users not in (None, "all"):
        raise invalid("users")
    return users == "all"


def _flag(params: dict[str, Any], name: str, *, default: bool) -> bool:
    value = params.get(name, default)
    if not isinstance(value, bool):
        raise invalid(name)
    return value
