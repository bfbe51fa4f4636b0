"""Every verb of the door, once. Routes, client, command line and help are made from this table."""

from __future__ import annotations

from engine.control.acting import Canceling, Resolved, cancel, resolve
from engine.control.alarm_table import WATCHING
from engine.control.amending import AMENDMENTS, Amending, amend, protect
from engine.control.board_table import BOARDS
from engine.control.closing import close
from engine.control.command import Command, Parameter
from engine.control.halting import Halted, Rearmed, Released, halt, rearm, resume
from engine.control.looking_table import LOOKING
from engine.control.money_table import MONEY
from engine.control.planning import PLAN
from engine.control.reading import OrderDetail, OrderList, explain, follow_reports, list_orders, show_order
from engine.control.status import Status, tell_status
from engine.orders.events import ExecutionReport
from engine.runtime.close_report import CloseReport
from engine.runtime.executions import MAX_EXECUTIONS
from engine.runtime.protecting import Protected
from engine.runtime.story import Story

CLOSE_ANSWER_S = 330.0
"""Longer than the longest close that can be set (close_bound_s)."""

_ORDER = Parameter(
    name="order",
    required=True,
    doc="cl_ord_id, any unique beginning of it, or the venue's order_id",
)
_FOUND = {0: "told", 2: "the id or the command line is no good", 4: "no such order", 5: "the journal is no good"}
_DONE = {0: "set in motion", 2: "the command line is no good", 4: "refused, with the reason", 6: "no engine runs"}

ORDERS = Command(
    name="orders",
    method="GET",
    path="/api/orders",
    doc="List the orders that have not settled, and with history the last fills.",
    parameters=(
        Parameter(name="history", kind="number", least=1, most=MAX_EXECUTIONS, doc="how many of the last fills"),
    ),
    result=OrderList,
    exits={0: "told", 2: "the command line is no good", 5: "the journal is no good"},
    answer=list_orders,
)
ORDER = Command(
    name="order",
    method="GET",
    path="/api/orders/{order}",
    doc="Show one order, living or settled, and every report about it.",
    parameters=(_ORDER,),
    result=OrderDetail,
    exits=_FOUND,
    answer=show_order,
)
WHY = Command(
    name="why",
    method="GET",
    path="/api/why/{id}",
    doc="Tell the whole story of an order or a signal, cause by cause.",
    parameters=(
        Parameter(
            name="id",
            required=True,
            doc="cl_ord_id or signal_id, any unique beginning of one, or the venue's order_id",
        ),
    ),
    result=Story,
    exits=_FOUND,
    answer=explain,
)
STATUS = Command(
    name="status",
    method="GET",
    path="/api/status",
    doc="Say how the engine is: counts, links, breaker, headroom, queues, journal.",
    result=Status,
    exits={0: "told", 2: "the command line is no good", 6: "no engine runs"},
    needs_engine=True,
    answer=tell_status,
)
REPORTS = Command(
    name="reports",
    method="GET",
    path="/api/reports",
    doc="Give execution reports in journal order, one JSON object a line, each once.",
    parameters=(
        Parameter(name="after", kind="number", doc="offset of the last report already seen; 0 = from the start"),
        Parameter(name="follow", kind="flag", doc="go on until the engine ends"),
    ),
    result=ExecutionReport,
    exits={0: "told to the end", 2: "the command line is no good", 5: "the journal is no good"},
    stream=follow_reports,
)
CANCEL = Command(
    name="cancel",
    method="POST",
    path="/api/cancel",
    doc="Cancel one order, or what is left of the entries of a signal, a symbol or all; fills stay protected.",
    parameters=(
        Parameter(name="order", doc=_ORDER.doc),
        Parameter(name="signal", doc="signal_id or any unique beginning of it"),
        Parameter(name="symbol", doc="a market in any spelling, such as BTC/USD"),
        Parameter(name="all", kind="flag", doc="every entry of ours; never another program's orders"),
        Parameter(name="reason", doc="why, for the journal"),
    ),
    result=Canceling,
    exits=_DONE,
    needs_engine=True,
    one_of=("order", "signal", "symbol", "all"),
    reserve=True,
    answer=cancel,
)
RESOLVE = Command(
    name="resolve",
    method="POST",
    path="/api/resolve",
    doc="Decide what became of an unknown order when the venue cannot be asked. Journalled with its reason.",
    parameters=(
        _ORDER,
        Parameter(name="as", required=True, choices=("live", "dead"), doc="live or dead"),
        Parameter(name="reason", required=True, doc="how you know, for the journal"),
    ),
    result=Resolved,
    exits=_DONE,
    needs_engine=True,
    answer=resolve,
)

_STRATEGY = Parameter(name="strategy", doc="this strategy_id alone; left out: all trading")

HALT = Command(
    name="halt",
    method="POST",
    path="/api/halt",
    doc="Let no entry pass until resume, over restarts too. Living entries are cancelled, exits always pass.",
    parameters=(
        Parameter(name="reason", required=True, doc="why, for the journal"),
        _STRATEGY,
        Parameter(name="reducing", kind="flag", doc="let entries pass that reduce their strategy's position"),
    ),
    result=Halted,
    exits={**_DONE, 0: "halted, in the journal", 4: "a halt of yours stands there already"},
    needs_engine=True,
    reserve=True,
    answer=halt,
)
RESUME = Command(
    name="resume",
    method="POST",
    path="/api/resume",
    doc="Release a halt, whatever its cause, and every reason that keeps entries back.",
    parameters=(Parameter(name="reason", required=True, doc="why, for the journal"), _STRATEGY),
    result=Released,
    exits={**_DONE, 0: "released, in the journal", 4: "not halted, or the cause still stands"},
    needs_engine=True,
    answer=resume,
)
REARM = Command(
    name="rearm",
    method="POST",
    path="/api/rearm",
    doc="Let a strategy go on that was throttled for repeated executions.",
    parameters=(
        Parameter(name="strategy", required=True, doc="the strategy_id"),
        Parameter(name="reason", required=True, doc="why, for the journal"),
    ),
    result=Rearmed,
    exits={**_DONE, 0: "re-armed, in the journal", 4: "it was not throttled"},
    needs_engine=True,
    answer=rearm,
)

CLOSE = Command(
    name="close",
    method="POST",
    path="/api/close",
    doc="Make a market, a signal or everything of ours flat, prove it, or say exactly what is not flat and why.",
    parameters=(
        Parameter(name="symbol", doc="a market in any spelling, such as BTC/USD"),
        Parameter(name="signal", doc="signal_id or any unique beginning of it"),
        Parameter(name="all", kind="flag", doc="every position of ours; never another program's"),
        Parameter(
            name="max_slippage_bps",
            kind="number",
            least=1,
            most=5000,
            doc="hundredths of a percent from the mid, for ten seconds; then at market. Left out: at market at once",
        ),
        Parameter(name="include_holdings", kind="flag", doc="also coins there that no bracket of ours holds"),
        Parameter(name="reason", doc="why, for the journal"),
    ),
    result=CloseReport,
    exits={**_DONE, 0: "flat, with the proof", 4: "not flat, or refused, with the reason"},
    needs_engine=True,
    bound_s=CLOSE_ANSWER_S,
    one_of=("symbol", "signal", "all"),
    reserve=True,
    answer=close,
)

AMEND = Command(
    name="amend",
    method="POST",
    path="/api/amend",
    doc="Change a resting entry's price, or move a living bracket's stop and target in place.",
    parameters=(
        Parameter(name="order", doc="the entry: " + _ORDER.doc),
        Parameter(name="limit_price", kind="amount", doc="the entry's new limit, on the tick"),
        Parameter(name="qty", kind="amount", doc="its new total quantity, fills included, at most the signal's"),
        Parameter(name="signal", doc="signal_id or any unique beginning of it, to move its exits"),
        Parameter(name="stop", kind="amount", doc="the stop's new trigger"),
        Parameter(name="target", kind="amount", doc="the next target's new price"),
        Parameter(name="reason", doc="why, for the journal"),
    ),
    result=Amending,
    exits={**_DONE, 0: "amended, or on the way"},
    needs_engine=True,
    one_of=("order", "signal"),
    shapes=AMENDMENTS,
    answer=amend,
)
PROTECT = Command(
    name="protect",
    method="POST",
    path="/api/protect",
    doc="Put coins that are there already under a stop, and a target: a bracket without an entry.",
    parameters=(
        Parameter(name="symbol", required=True, doc="a market in any spelling, such as BTC/USD"),
        Parameter(name="qty", required=True, kind="amount", doc="units of its base"),
        Parameter(name="stop", required=True, kind="amount", doc="where the loss is cut"),
        Parameter(name="target", kind="amount", doc="where the profit is taken; left out: nowhere"),
        Parameter(name="side", choices=("buy", "sell"), doc="how they came: buy (coins held) or sell (coins owed)"),
    ),
    result=Protected,
    exits={**_DONE, 0: "the stop rests, or is on the way"},
    needs_engine=True,
    answer=protect,
)

TABLE: tuple[Command, ...] = (
    *(ORDERS, ORDER, WHY, STATUS, REPORTS),
    *LOOKING,
    *MONEY,
    *BOARDS,
    PLAN,
    *(CANCEL, RESOLVE, HALT, RESUME, REARM, CLOSE, AMEND, PROTECT),
    *WATCHING,
)
