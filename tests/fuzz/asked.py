"""Sound requests to spoil, and what is sent where HTTP or WebSocket should be."""

from __future__ import annotations

from typing import Any

PAIR, SYMBOL = "XBTUSD", "BTC/USD"
_LIMIT = {"ordertype": "limit", "type": "buy", "volume": "0.01", "price": "49000.0"}
_WS_LIMIT = {"order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 49000.0}
_WS_MARKET = {"symbol": SYMBOL, "order_type": "market"}
ORDER, OTHER = "OAAAAA-BBBBB-CCCCCC", "ODDDDD-EEEEE-FFFFFF"

PRIVATE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Balance", {}),
    ("BalanceEx", {}),
    ("TradeBalance", {"asset": "ZUSD"}),
    ("OpenOrders", {"trades": True, "userref": 7}),
    ("ClosedOrders", {"start": "1700000000", "end": ORDER, "ofs": 0, "closetime": "both"}),
    ("QueryOrders", {"txid": f"{ORDER},{OTHER}", "trades": True}),
    ("OrderAmends", {"order_id": ORDER}),
    ("TradesHistory", {"type": "all", "start": 1700000000, "ofs": 50, "consolidate_taker": False}),
    ("QueryTrades", {"txid": "TAAAAA-BBBBB-CCCCCC", "trades": True}),
    ("OpenPositions", {"docalcs": True, "consolidation": "market"}),
    ("Ledgers", {"asset": "XBT,ZUSD", "type": "trade", "start": 0, "ofs": 0}),
    ("QueryLedgers", {"id": "LAAAAA-BBBBB-CCCCCC"}),
    ("TradeVolume", {"pair": PAIR}),
    ("GetWebSocketsToken", {}),
    ("GetApiKeyInfo", {}),
    ("AddOrder", {"pair": PAIR, **_LIMIT, "cl_ord_id": "c-1", "timeinforce": "GTC", "oflags": "post,fciq"}),
    ("AddOrder", {"pair": PAIR, **_LIMIT, "userref": 7, "expiretm": "+60", "timeinforce": "GTD", "starttm": "+5"}),
    ("AddOrder", {"pair": PAIR, **_LIMIT, "leverage": "2", "reduce_only": False, "stptype": "cancel-both"}),
    ("AddOrder", {"pair": PAIR, **_LIMIT, "close": {"ordertype": "stop-loss", "price": "48000.0"}}),
    ("AddOrder", {"pair": PAIR, **_LIMIT, "ordertype": "iceberg", "displayvol": "0.001"}),
    ("AddOrder", {"pair": PAIR, "ordertype": "market", "type": "buy", "volume": "100", "oflags": "viqc"}),
    ("AddOrder", {"pair": PAIR, "ordertype": "market", "type": "sell", "volume": "0.01"}),
    ("AddOrder", {"pair": PAIR, "ordertype": "stop-loss-limit", "type": "sell", "volume": "0.01", "price": "48000.0",
                  "price2": "-1%", "trigger": "index"}),
    ("AddOrder", {"pair": PAIR, "ordertype": "trailing-stop", "type": "sell", "volume": "0.01", "price": "+2%"}),
    ("AddOrderBatch", {"pair": PAIR, "orders": [_LIMIT, {**_LIMIT, "type": "sell", "price": "51000.0"}]}),
    ("AmendOrder", {"txid": ORDER, "order_qty": "0.02", "limit_price": "49001.0", "post_only": True}),
    ("EditOrder", {"txid": ORDER, "pair": PAIR, "volume": "0.02", "price": "49001.0"}),
    ("CancelOrder", {"txid": ORDER}),
    ("CancelOrderBatch", {"orders": [ORDER, OTHER, 7], "cl_ord_ids": ["c-1"]}),
    ("CancelAll", {}),
    ("CancelAllOrdersAfter", {"timeout": 60}),
    ("Nonsense", {"a": 1}),
)  # fmt: skip

PUBLIC: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Time", {}),
    ("SystemStatus", {}),
    ("Assets", {"asset": "XBT,ZUSD", "aclass": "currency"}),
    ("AssetPairs", {"pair": PAIR, "info": "margin"}),
    ("Ticker", {"pair": f"{PAIR},ETHUSD"}),
    ("Depth", {"pair": PAIR, "count": 10}),
    ("GroupedBook", {"pair": PAIR, "depth": 10, "grouping": 5}),
    ("OHLC", {"pair": PAIR, "interval": 5, "since": 1700000000}),
    ("Trades", {"pair": PAIR, "since": "1700000000000000000", "count": 10}),
    ("Spread", {"pair": SYMBOL, "since": 1700000000}),
    ("Nonsense", {"a": 1}),
)

FRAMES: tuple[dict[str, Any], ...] = (
    {"method": "ping"},
    {"method": "subscribe", "params": {"channel": "book", "symbol": [SYMBOL], "depth": 10, "snapshot": True}},
    {"method": "subscribe", "params": {"channel": "ticker", "symbol": [SYMBOL, "ETH/USD"], "event_trigger": "bbo"}},
    {"method": "subscribe", "params": {"channel": "trade", "symbol": [SYMBOL]}},
    {"method": "subscribe", "params": {"channel": "ohlc", "symbol": [SYMBOL], "interval": 5}},
    {"method": "subscribe", "params": {"channel": "instrument"}},
    {"method": "subscribe", "params": {"channel": "executions", "snap_trades": True, "ratecounter": True}},
    {"method": "subscribe", "params": {"channel": "balances", "snapshot": True}},
    {"method": "unsubscribe", "params": {"channel": "book", "symbol": [SYMBOL], "depth": 10}},
    {"method": "unsubscribe", "params": {"channel": "executions"}},
    {"method": "add_order", "params": {**_WS_LIMIT, "symbol": SYMBOL, "cl_ord_id": "w-1",
                                       "deadline": "2026-01-01T00:00:05Z"}},
    {"method": "add_order", "params": {**_WS_LIMIT, "symbol": SYMBOL, "order_userref": 7, "post_only": True}},
    {"method": "add_order", "params": {**_WS_LIMIT, "symbol": SYMBOL, "margin": True}},
    {"method": "add_order", "params": {**_WS_LIMIT, "symbol": SYMBOL, "order_type": "iceberg", "display_qty": 0.001}},
    {"method": "add_order", "params": {**_WS_LIMIT, "symbol": SYMBOL, "time_in_force": "gtd",
                                       "expire_time": "2026-01-09T00:00:00Z"}},
    {"method": "add_order", "params": {**_WS_MARKET, "side": "buy", "cash_order_qty": 100.0}},
    {"method": "add_order", "params": {**_WS_MARKET, "order_type": "stop-loss", "side": "sell", "order_qty": 0.01,
                                       "triggers": {"reference": "last", "price": 48000.0, "price_type": "static"}}},
    {"method": "add_order", "params": {**_WS_MARKET, "order_type": "trailing-stop", "side": "sell", "order_qty": 0.01,
                                       "triggers": {"reference": "last", "price": 2.0, "price_type": "pct"}}},
    {"method": "add_order", "params": {"symbol": SYMBOL, **_WS_LIMIT,
                                       "conditional": {"order_type": "stop-loss", "trigger_price": 48000.0}}},
    {"method": "amend_order", "params": {"order_id": ORDER, "order_qty": 0.02, "limit_price": 49001.0}},
    {"method": "edit_order", "params": {"order_id": ORDER, "symbol": SYMBOL, "order_qty": 0.02, "limit_price": 1.0}},
    {"method": "cancel_order", "params": {"order_id": [ORDER, OTHER], "cl_ord_id": ["w-1"]}},
    {"method": "batch_add", "params": {"symbol": SYMBOL, "orders": [_WS_LIMIT, {**_WS_LIMIT, "side": "sell"}]}},
    {"method": "batch_cancel", "params": {"orders": [ORDER, OTHER], "cl_ord_id": ["w-1"]}},
    {"method": "cancel_all", "params": {}},
    {"method": "cancel_all_orders_after", "params": {"timeout": 60}},
)  # fmt: skip

_HOST = b"host: kraken.test\r\n"
_CLOSE = b"\r\n"
HTTP = (
    b"",
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\n" + _HOST + _CLOSE,
    b"GET  /0/public/Time  HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"GET /0/public/Time HTTP/1.0\r\n\r\n",
    b"GET /0/public/Time\r\n\r\n",
    b"GET http://kraken.test/0/public/Time HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"GET /0/public/../private/Balance HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"GET /0/public/%00%ff?pair=%zz&&=&a HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"GET /0/private/Balance HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"PUT /0/private/AddOrder HTTP/1.1\r\n" + _HOST + b"content-length: 2\r\n\r\n{}",
    b"DELETE /0/public/Time HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"OPTIONS * HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"CONNECT kraken.test:443 HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /0/public/Time HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    b"GET /0/public/Time HTTP/1.1\r\n" + _HOST + b"no colon here\r\n\r\n",
    b"GET /0/public/Time HTTP/1.1\r\n" + _HOST + b" folded: x\r\n\r\n",
    b"GET /0/public/Time HTTP/1.1\r\n" + _HOST + b"x: \x00\xff\x01\r\n\r\n",
    b"GET /0/public/Time HTTP/1.1\n" + b"host: kraken.test\n\n",
    b"GET /0/public/Time HTTP/1.1\r\n" + _HOST + b"x: " + b"y" * 40_000 + b"\r\n\r\n",
    b"GET /0/public/Time HTTP/1.1\r\n" + _HOST + b"x: y\r\n" * 5_000 + _CLOSE,
    b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"content-length: -1\r\n\r\n",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"content-length: 1e3\r\n\r\n",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"content-length: 99999999999999999999\r\n\r\nx",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxy",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"content-length: 900\r\n\r\nshort",
    b"POST /0/private/Balance HTTP/1.1\r\n"
    + _HOST
    + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"transfer-encoding: gzip\r\n\r\nxxxx",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"transfer-encoding: chunked\r\n\r\nZZ\r\nx\r\n0\r\n\r\n",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    b"POST /0/private/Balance HTTP/1.1\r\n"
    + _HOST
    + b"transfer-encoding: chunked\r\n\r\n"
    + b"1\r\nx\r\n" * 3_000
    + b"0\r\n\r\n",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"expect: nonsense\r\ncontent-length: 2\r\n\r\n{}",
    b"POST /0/private/Balance HTTP/1.1\r\n" + _HOST + b"content-length: 1200000\r\n\r\n" + b"x" * 1_200_000,
    b"GET /0/public/Time HTTP/1.1\r\n" + _HOST + _CLOSE + b"GET /0/public/Time HTTP/1.1\r\n" + _HOST + _CLOSE,
    b"GET /0/public/Time HTTP/1.1\r\n" + _HOST + _CLOSE + b"\x00garbage behind",
    b"GET /control/faults HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"POST /control/faults HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n[[",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 60,
)
"""What arrives where a request should; each may be cut anywhere, or have bytes changed."""

_UPGRADE = b"connection: upgrade\r\nupgrade: websocket\r\n"
_KEY = b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
HANDSHAKES = (
    b"GET /v2 HTTP/1.1\r\n" + _HOST + _UPGRADE + _CLOSE,
    b"GET /v2 HTTP/1.1\r\n" + _HOST + _UPGRADE + b"sec-websocket-key: short\r\nsec-websocket-version: 13\r\n\r\n",
    b"GET /v2 HTTP/1.1\r\n" + _HOST + _UPGRADE + _KEY.replace(b"13", b"8") + _CLOSE,
    b"GET /v1 HTTP/1.1\r\n" + _HOST + _UPGRADE + _KEY + _CLOSE,
    b"POST /v2 HTTP/1.1\r\n" + _HOST + _UPGRADE + _KEY + b"content-length: 3\r\n\r\nabc",
    b"GET /v2 HTTP/1.1\r\n" + _HOST + b"upgrade: websocket, h2c\r\nconnection: close\r\n" + _KEY + _CLOSE,
    b"GET /v2 HTTP/1.1\r\n" + _HOST + _UPGRADE + _KEY + b"sec-websocket-extensions: permessage-deflate; x=\xff\r\n\r\n",
    b"GET /v2 HTTP/1.0\r\n" + _UPGRADE + _KEY + _CLOSE,
    b"GET /v2?" + b"q" * 9_000 + b" HTTP/1.1\r\n" + _HOST + _UPGRADE + _KEY + _CLOSE,
)
SOUND_HANDSHAKE = b"GET /v2 HTTP/1.1\r\n" + _HOST + _UPGRADE + _KEY + _CLOSE
MASK = b"\x00\x00\x00\x00"
WIRE_FRAMES = (
    b"\x81\x04ping",  # not masked
    b"\x83\x80" + MASK,  # a reserved opcode
    b"\xf1\x80" + MASK,  # reserved bits
    b"\x89\xfe\x00\x7e" + MASK + b"x" * 126,  # a ping too long
    b"\x09\x80" + MASK,  # a ping in pieces
    b"\x80\x80" + MASK,  # a continuation of nothing
    b"\x01\x81" + MASK + b"{" + b"\x81\x81" + MASK + b"}",  # a text begun inside another
    b"\x81\x82" + MASK + b"\xff\xfe",  # a text that is none
    b"\x82\x82" + MASK + b"{}",  # binary
    b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + MASK,  # eight exabytes to come
    b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" + MASK,
    b"\x88\x81" + MASK + b"\x03",  # a close code of one byte
    b"\x88\x82" + MASK + b"\x00\x00",  # a close code of nobody
    b"\x88\x84" + MASK + b"\x03\xe8\xff\xfe",  # a close reason that is no text
    b"\x88\x80" + MASK + b"\x81\x80" + MASK,  # something behind the close
    (b"\x01\x80" + MASK) + (b"\x00\x80" + MASK) * 2_000,  # thousands of empty pieces
    b"\x8a\x80" + MASK * 2,  # a pong that nobody asked for
    b"\x81\xff\x00\x00\x00\x00\x00\x12\x00\x00" + MASK + b"x" * 0x120000,  # more than is taken at all
)
"""What arrives where a masked frame should, after a sound handshake."""
