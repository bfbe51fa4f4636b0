"""The questions we ask over REST, in the engine's words (§1.3, §1.4)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import msgspec
import trio

from engine.accounts.margin import TradeBalance, VenuePosition
from engine.accounts.movement import Movement
from engine.errors import TooMany, VenueProtocolError, VenueRefused
from engine.kraken import validate
from engine.kraken.call_budget import Urgency
from engine.kraken.errors import code_of, rule_of
from engine.kraken.fee_currency import FeeCurrency
from engine.kraken.key_info import KeyInfo
from engine.kraken.rest import COST_HISTORY, READ_ATTEMPTS, RestClient
from engine.kraken.rest_key import RestKey
from engine.kraken.rest_ledger import LedgerObject, movement
from engine.kraken.rest_margin import PositionObject, TradeBalanceObject, trade_balance, venue_position
from engine.kraken.rest_reports import OrderObject, TradeObject, order_report, trade_report
from engine.kraken.settings import Secret
from engine.kraken.symbols import PairRow, Symbols
from engine.kraken.venue_time import VenueTime
from engine.orders.reports import OrderReport
from engine.seams.clock import Clock
from engine.values.time import NS
from engine.venue.protocol import Balance, EnoughFills

Page = TypeVar("Page")

PAGE = 50
MOST_PAGES = 200
ORDERS_PER_QUERY = 50
TRADES_PER_QUERY = 20
AHEAD_S = 60
"""A list of fills ends so long after the question: more than our reading of the venue's clock may be behind."""


class FeeRates(NamedTuple):
    """Percent of cost: 0.4 is 0.4 %."""

    taker: Decimal
    maker: Decimal


class _Token(msgspec.Struct):
    token: str


class _Switch(msgspec.Struct):
    currentTime: str  # noqa: N815 - Kraken's name


class _Time(msgspec.Struct):
    unixtime: int


class _Status(msgspec.Struct):
    status: str


class _Open(msgspec.Struct):
    open: dict[str, OrderObject]


class _Closed(msgspec.Struct):
    closed: dict[str, OrderObject]


class _Trades(msgspec.Struct):
    trades: dict[str, TradeObject]


class _Ledger(msgspec.Struct):
    ledger: dict[str, LedgerObject]


class _BalanceRow(msgspec.Struct):
    balance: Decimal
    hold_trade: Decimal = Decimal(0)


class _FeeTier(msgspec.Struct):
    fee: Decimal


class _Volume(msgspec.Struct):
    fees: dict[str, _FeeTier] | None = None
    fees_maker: dict[str, _FeeTier] | None = None


def nothing_more(_most: int) -> Sequence[str]:
    """Name no further order."""
    return ()


class _Late(Mapping[str, str]):
    """One field of a request, read when the request is written."""

    def __init__(self, name: str, read: Callable[[], str]) -> None:
        self._name, self._read = name, read

    def __getitem__(self, name: str) -> str:
        if name != self._name:
            raise KeyError(name)
        return self._read()

    def __iter__(self) -> Iterator[str]:
        return iter((self._name,))

    def __len__(self) -> int:
        return 1


class Queries:
    """Reads. Each raises VenueRefused, VenueUnavailable, OutcomeUnknown or VenueProtocolError."""

    def __init__(self, rest: RestClient, symbols: Symbols, clock: Clock, venue_time: VenueTime) -> None:
        self._rest, self._symbols, self._clock, self._venue_time = rest, symbols, clock, venue_time
        self._fees = FeeCurrency()
        self._ledger_line = trio.Lock()

    async def measure_clock(self) -> None:
        """Compare the venue's clock with ours (to the second, which is all REST tells)."""
        sent_ns = self._clock.now_ns()
        answer = await self._rest.ask("Time", {}, _Time, private=False)
        self._venue_time.observe_second(sent_ns, self._clock.now_ns(), answer.unixtime)
        self._venue_time.hear(answer.unixtime * NS, trio.current_time())

    async def system_status(self) -> str:
        """Return online, maintenance, cancel_only or post_only."""
        return (await self._rest.ask("SystemStatus", {}, _Status, private=False)).status

    async def learn_pairs(self) -> None:
        """Read AssetPairs into the directory of symbols."""
        self._symbols.learn_pairs(await self._rest.ask("AssetPairs", {}, dict[str, PairRow], private=False))

    async def websockets_token(self, *, again: bool = False) -> Secret:
        """Return a fresh token of the trading key, to be used within 15 minutes.

        ``again``: the last question failed. Then it is put once, and in line with the fills: while the stream stays
        away they are read by REST, and a token that does not come must not take their room.
        """
        urgency, attempts = (Urgency.FILLS, 1) if again else (Urgency.TOKEN, READ_ATTEMPTS)
        asked = self._rest.ask(
            "GetWebSocketsToken", {}, _Token, key=self._rest.trade_key, urgency=urgency, attempts=attempts
        )
        return Secret((await asked).token)

    async def cancel_all_after(self, timeout_s: int) -> None:
        """Arm the account's dead man's switch for so many seconds from now; 0 disarms it. Harmless to repeat."""
        fields, key = {"timeout": str(timeout_s)}, self._rest.trade_key
        await self._rest.ask("CancelAllOrdersAfter", fields, _Switch, key=key, urgency=Urgency.TOKEN)

    async def key_info(self, key: RestKey) -> KeyInfo:
        """Return what a key may do."""
        return await self._rest.ask("GetApiKeyInfo", {}, KeyInfo, key=key)

    async def open_orders(self, cl_ord_id: str | None = None, *, urgent: bool = False) -> list[OrderReport]:
        """Return open orders, all or those of one client id; ``urgent`` as how orders stand."""
        fields = {"cl_ord_id": cl_ord_id} if cl_ord_id is not None else {}
        urgency = Urgency.STATES if urgent else Urgency.QUESTION
        answer = await self._rest.ask("OpenOrders", fields, _Open, urgency=urgency)
        return self._orders(answer.open)

    async def closed_orders(
        self, cl_ord_id: str | None = None, since_ns: int | None = None, *, most: int = PAGE, urgent: bool = False
    ) -> list[OrderReport]:
        """Return closed orders, newest first: the newest page, or all since a moment. Raises TooMany past ``most``.

        All since a moment are a proof, and no page of it may wait for an empty counter: Starter's never is in time.
        """
        fields = {"without_count": "true"}
        if cl_ord_id is not None:
            fields["cl_ord_id"] = cl_ord_id
        if since_ns is not None:
            fields["start"] = _before(since_ns)
        urgency = Urgency.STATES if urgent else Urgency.QUESTION
        found: dict[str, OrderObject] = {}
        for page in range(-(-most // PAGE)):
            closed = (await self._page("ClosedOrders", fields, page, _Closed, urgency)).closed
            found.update(closed)
            if len(closed) < PAGE or since_ns is None:
                return self._orders(found)
        raise TooMany(f"ClosedOrders: more than {most} orders since {since_ns} ns")

    async def query_orders(
        self,
        order_ids: Sequence[str],
        urgency: Urgency = Urgency.STATES,
        also: Callable[[int], Sequence[str]] = nothing_more,
    ) -> list[OrderReport]:
        """Return the state of orders by id, asked in fifties; ids the venue does not know are missing.

        ``also`` is asked for so many further ids when the last of them goes out: it may have waited for its turn.
        """
        found: dict[str, OrderObject] = {}
        for at in range(0, len(order_ids), ORDERS_PER_QUERY):
            some = order_ids[at : at + ORDERS_PER_QUERY]
            last = at + ORDERS_PER_QUERY >= len(order_ids)
            found.update(await self._known_orders(some, urgency, also if last else nothing_more))
        return self._orders(found)

    async def _known_orders(
        self, asked: Sequence[str], urgency: Urgency, also: Callable[[int], Sequence[str]] = nothing_more
    ) -> dict[str, OrderObject]:
        """Ask for up to fifty orders. One unknown id refuses the whole call: then the halves are asked apart."""
        order_ids = list(asked)

        def named() -> str:
            order_ids.extend(also(ORDERS_PER_QUERY - len(order_ids)))
            return ",".join(order_ids)

        try:
            return await self._rest.ask("QueryOrders", _Late("txid", named), dict[str, OrderObject], urgency=urgency)
        except VenueRefused as refused:
            rules = [rule_of(text) for text in refused.errors]
            if not any(rule is not None and rule.code == "INVALID_ORDER" for rule in rules):
                raise
        if len(order_ids) == 1:
            return {}
        middle = len(order_ids) // 2
        early = await self._known_orders(order_ids[:middle], urgency)
        return early | await self._known_orders(order_ids[middle:], urgency)

    async def trades_since(self, since_ns: int, enough: EnoughFills | None = None) -> list[OrderReport]:
        """Return our fills from a moment on, one per match, oldest first; no further back than is ``enough``.

        New fills shift the pages while we read: a row can come twice, none is lost. So they are collected by id.
        """
        found: list[OrderReport] = []
        async with aclosing(self.trade_pages(since_ns)) as pages:
            async for found in pages:
                if enough is not None and enough(found):
                    break
        return found

    async def trade_pages(
        self, since_ns: int, until: str | None = None, urgency: Urgency | None = None
    ) -> AsyncGenerator[list[OrderReport]]:
        """Read our fills from a moment on, backwards; give after each page all read so far, oldest first.

        The list has a fixed end, the fill ``until`` or a moment soon: else the pages of a busy hour would shift faster
        than they can be read. Without ``urgency`` all but the first page may wait.
        """
        now_ns = max(self._venue_time.now_ns(self._clock.now_ns()), self._venue_time.certain_ns(trio.current_time()))
        end = until or str(now_ns // NS + AHEAD_S)
        fields = {"start": _before(since_ns), "end": end, "consolidate_taker": "false", "without_count": "true"}
        found: dict[str, TradeObject] = {}
        for page in range(MOST_PAGES):
            first = urgency if page or urgency is not None else Urgency.STATES
            trades = (await self._page("TradesHistory", fields, page, _Trades, first)).trades
            await self._clear_fees(trades, first or Urgency.QUESTION)
            found.update(trades)
            # The venue lists newest first and cuts times to 0.1 ms: reversed, fills of one moment keep their order.
            reports = [self._trade(key, trade) for key, trade in reversed(found.items())]
            yield sorted((r for r in reports if r.ts_ns >= since_ns), key=lambda report: report.ts_ns)
            if len(trades) < PAGE:
                return
        raise VenueProtocolError(f"TradesHistory: more than {MOST_PAGES * PAGE} trades since {since_ns} ns")

    async def _page(
        self, name: str, fields: Mapping[str, str], page: int, into: type[Page], urgency: Urgency | None = None
    ) -> Page:
        """Ask for one page of a history."""
        if urgency is None:
            urgency = Urgency.PAGES if page else Urgency.QUESTION
        asked = {**fields, "ofs": str(page * PAGE)}
        return await self._rest.ask(name, asked, into, points=COST_HISTORY, urgency=urgency)

    async def query_trades(self, exec_ids: Sequence[str], urgency: Urgency = Urgency.QUESTION) -> list[OrderReport]:
        """Return fills by id, asked in twenties. One unknown id refuses them all."""
        found: dict[str, TradeObject] = {}
        for at in range(0, len(exec_ids), TRADES_PER_QUERY):
            ids = ",".join(exec_ids[at : at + TRADES_PER_QUERY])
            found.update(await self._rest.ask("QueryTrades", {"txid": ids}, dict[str, TradeObject], urgency=urgency))
        await self._clear_fees(found, urgency)
        return [self._trade(key, trade) for key, trade in found.items()]

    async def order_of(self, ref_id: str) -> OrderReport | None:
        """Return the order that a ledger entry's reference names, by a fill of it or by itself; None for neither."""
        try:
            trades = await self.query_trades([ref_id])
        except VenueRefused as refused:
            if not names_nothing(refused):
                raise
            trades = []
        try:
            orders = await self.query_orders([trades[0].order_id if trades else ref_id])
        except VenueRefused as refused:
            if not names_nothing(refused):
                raise
            orders = []
        return orders[0] if orders else None

    async def movements_since(self, since_ns: int, kind: str = "all", *, patient: bool = False) -> list[Movement]:
        """Return the account's ledger entries from a moment on, oldest first. Needs the permission to query ledgers.

        The list has a fixed end, as that of fills; entries are collected by id. One list goes at a time: the pages of
        two in turn take each other's room, until both are given up.
        """
        async with self._ledger_line:
            return await self._movements_since(since_ns, kind, Urgency.PAGES if patient else None)

    async def _movements_since(self, since_ns: int, kind: str, urgency: Urgency | None) -> list[Movement]:
        now_ns = max(self._venue_time.now_ns(self._clock.now_ns()), self._venue_time.certain_ns(trio.current_time()))
        fields = {"start": _before(since_ns), "end": str(now_ns // NS + AHEAD_S), "without_count": "true"}
        fields |= {"type": kind} if kind != "all" else {}
        found: dict[str, LedgerObject] = {}
        for page in range(MOST_PAGES):
            entries = (await self._page("Ledgers", fields, page, _Ledger, urgency)).ledger
            found.update(entries)
            if len(entries) < PAGE:
                movements = [movement(key, entry, self._symbols) for key, entry in reversed(found.items())]
                return sorted((m for m in movements if m.ts_ns >= since_ns), key=lambda one: one.ts_ns)
        raise VenueProtocolError(f"Ledgers: more than {MOST_PAGES * PAGE} entries since {since_ns} ns")

    async def balances(self) -> list[Balance]:
        """Return all balances with what resting orders hold."""
        rows = await self._rest.ask("BalanceEx", {}, dict[str, _BalanceRow])
        for row in rows.values():
            validate.number("BalanceEx", "balance", row.balance)
            validate.number("BalanceEx", "hold_trade", row.hold_trade)
        return [Balance(self._symbols.asset(key), row.balance, row.hold_trade) for key, row in rows.items()]

    async def margin_positions(self) -> list[VenuePosition]:
        """Return the open margin positions, whoever opened them."""
        rows = await self._rest.ask("OpenPositions", {}, dict[str, PositionObject])
        found = [venue_position(key, row, self._symbols) for key, row in rows.items()]
        return [one for one in found if one.qty]

    async def trade_balance(self, currency: str) -> TradeBalance:
        """Return what the account can bear on margin, in units of ``currency``."""
        asset = self._symbols.rest_asset(currency)
        return trade_balance(currency, await self._rest.ask("TradeBalance", {"asset": asset}, TradeBalanceObject))

    async def fee_rates(self, symbol: str) -> FeeRates:
        """Return what trades in one market cost us now (TradeVolume)."""
        pair = self._symbols.rest_name(symbol) or symbol
        answer = await self._rest.ask("TradeVolume", {"pair": pair}, _Volume)
        taker = _only(answer.fees)
        if taker is None:
            raise VenueProtocolError(f"TradeVolume: no fees for {pair}")
        return FeeRates(taker, _only(answer.fees_maker) or taker)

    async def _clear_fees(self, trades: Mapping[str, TradeObject], urgency: Urgency) -> None:
        """Ask for the orders whose flags must say in which asset these trades paid."""
        unclear = self._fees.unclear(trades)
        for at in range(0, len(unclear), ORDERS_PER_QUERY):
            self._fees.learn(await self._known_orders(unclear[at : at + ORDERS_PER_QUERY], urgency))

    def _trade(self, trade_id: str, trade: TradeObject) -> OrderReport:
        return trade_report(trade_id, trade, self._symbols, fee_in_base=self._fees.in_base(trade))

    def _orders(self, orders: Mapping[str, OrderObject]) -> list[OrderReport]:
        self._fees.learn(orders)
        return [order_report(key, order, self._symbols) for key, order in orders.items()]


def names_nothing(refused: VenueRefused) -> bool:
    """Tell whether a refusal speaks of the id that was asked for, and not of the key, the rate or the service."""
    codes = {code_of(text) for text in refused.errors}
    return codes <= {"INVALID_ORDER", "INVALID_ARGUMENTS"} or all(text.startswith("EQuery:") for text in refused.errors)


def _only(tiers: Mapping[str, Any] | None) -> Decimal | None:
    fee = next(iter(tiers.values())).fee if tiers else None
    validate.number("TradeVolume", "fee", fee)
    return fee


def _before(moment_ns: int) -> str:
    """Return the whole second before a moment: ``start`` is exclusive."""
    return str(moment_ns // NS - 1)
