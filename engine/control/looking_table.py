"""The verbs about signals, brackets and the machinery, for the table."""

from __future__ import annotations

from engine.control.brackets import (
    BracketList,
    BracketRecord,
    SignalDetail,
    Verdict,
    list_brackets,
    show_bracket,
    show_signal,
    submit,
)
from engine.control.command import Command, Parameter
from engine.control.looking import (
    BOOK_DEPTH,
    BOOK_DEPTH_MOST,
    DENIALS,
    DENIALS_MOST,
    PAGE_ROWS,
    PAGE_ROWS_MOST,
    BookList,
    DenialList,
    JournalPage,
    LimitList,
    LinkList,
    MoneyTold,
    follow_money,
    list_books,
    list_denials,
    list_limits,
    list_links,
    page_journal,
)

_READ = {0: "told", 2: "the command line is no good", 5: "the journal is no good"}
_FOUND = {**_READ, 2: "the id or the command line is no good", 4: "no such signal"}
_LIVE = {0: "told", 2: "the command line is no good", 6: "no engine runs"}
_SIGNAL = Parameter(name="signal", required=True, doc="signal_id or any unique beginning of it, or one of its orders")

SUBMIT = Command(
    name="submit",
    method="POST",
    path="/api/signals",
    doc="Give a signal. Answered once the verdict is durable; the same again has the same answer and starts nothing.",
    parameters=(
        Parameter(
            name="signal", required=True, kind="document", doc="the signal as JSON, as in a line of run --signals"
        ),
    ),
    result=Verdict,
    exits={0: "accepted", 2: "this is no signal", 4: "denied, or refused, with the reason", 6: "no engine runs"},
    needs_engine=True,
    whole_body="signal",
    answer=submit,
)
SIGNAL = Command(
    name="signal",
    method="GET",
    path="/api/signals/{signal}",
    doc="Show one signal: what came, the verdict, and its bracket.",
    parameters=(_SIGNAL,),
    result=SignalDetail,
    exits=_FOUND,
    answer=show_signal,
)
BRACKETS = Command(
    name="brackets",
    method="GET",
    path="/api/brackets",
    doc="List the brackets that have not ended, with their cover and their orders.",
    result=BracketList,
    exits=_READ,
    answer=list_brackets,
)
BRACKET = Command(
    name="bracket",
    method="GET",
    path="/api/brackets/{signal}",
    doc="Show one bracket, living or ended.",
    parameters=(_SIGNAL,),
    result=BracketRecord,
    exits=_FOUND,
    answer=show_bracket,
)
BOOKS = Command(
    name="books",
    method="GET",
    path="/api/books",
    doc="Show the books that are held, how fresh they are, and the last tickers; one by name whether held or not.",
    parameters=(
        Parameter(name="symbol", doc="this market alone, in any spelling, such as BTC/USD"),
        Parameter(
            name="depth", kind="number", least=1, most=BOOK_DEPTH_MOST, doc=f"levels a side; left out: {BOOK_DEPTH}"
        ),
    ),
    result=BookList,
    exits={**_LIVE, 4: "no such market, or no verified book of it"},
    needs_engine=True,
    answer=list_books,
)
LINKS = Command(
    name="links",
    method="GET",
    path="/api/links",
    doc="Show the connections to the venue: health, latency, traffic, gaps.",
    result=LinkList,
    exits=_LIVE,
    needs_engine=True,
    answer=list_links,
)
LIMITS = Command(
    name="limits",
    method="GET",
    path="/api/limits",
    doc="Show the limits, what is used of them, and the room in the venue's own counters.",
    result=LimitList,
    exits=_LIVE,
    needs_engine=True,
    answer=list_limits,
)
DENIALS_TOLD = Command(
    name="denials",
    method="GET",
    path="/api/denials",
    doc="Show the last signals that were denied, with code, reason and numbers.",
    parameters=(
        Parameter(name="last", kind="number", least=1, most=DENIALS_MOST, doc=f"how many; left out: {DENIALS}"),
    ),
    result=DenialList,
    exits=_READ,
    answer=list_denials,
)
JOURNAL = Command(
    name="journal",
    method="GET",
    path="/api/journal",
    doc="Give rows of the journal in order, a page at a time.",
    parameters=(
        Parameter(name="after", kind="number", doc="seq of the last row already seen; 0 = from the start"),
        Parameter(
            name="limit", kind="number", least=1, most=PAGE_ROWS_MOST, doc=f"rows of a page; left out: {PAGE_ROWS}"
        ),
        Parameter(name="signal_id", doc="rows of this signal alone, by its whole id"),
        Parameter(name="cl_ord_id", doc="rows of this order alone, by its whole id"),
        Parameter(name="kind", doc="rows of this kind alone, such as order, request, denied"),
    ),
    result=JournalPage,
    exits=_READ,
    on_command_line=False,  # journal show reads the file itself
    answer=page_journal,
)
MONEY_CHANGES = Command(
    name="money",
    method="GET",
    path="/api/money",
    doc="Give positions and balances whole, then each change as it comes, until the engine ends.",
    result=MoneyTold,
    exits=_LIVE,
    needs_engine=True,
    on_command_line=False,  # positions and balances show the whole
    stream=follow_money,
)

LOOKING: tuple[Command, ...] = (
    *(SUBMIT, SIGNAL, BRACKETS, BRACKET, BOOKS, LINKS, LIMITS, DENIALS_TOLD),
    *(JOURNAL, MONEY_CHANGES),
)
