"""What the door refuses, and what the exit codes mean."""

from __future__ import annotations

from typing import Final

from engine.cli.catalogue.entry import ErrorEntry
from engine.cli.exits import Exit


def _door(
    category: str, code: str, meaning: str, what_to_do: str = "the answer says what to do", *, retryable: bool = False
) -> ErrorEntry:
    return ErrorEntry("door", code, category, retryable, meaning, what_to_do)


DOOR: Final[tuple[ErrorEntry, ...]] = (
    _door("usage", "BAD_REQUEST", "it cannot be understood; every fault is named", "see the verb's --help"),
    _door("usage", "WRONG_METHOD", "that route takes another method", "GET /api/openapi.json lists every route"),
    _door("usage", "NO_SUCH_ROUTE", "nothing is served there", "GET /api/openapi.json lists every route"),
    _door("usage", "TOO_LARGE", "the body is too long", "send less"),
    _door("usage", "HEAD_TOO_LARGE", "the head is too long", "ask shorter"),
    _door("usage", "SLOW_BODY", "the body came too slowly", "send it at once"),
    _door("access", "UNAUTHORIZED", "no token, or another one", "open the link that run printed"),
    _door("access", "FOREIGN_HOST", "asked under a name that is not ours", "use the address that run printed"),
    _door("access", "FOREIGN_ORIGIN", "a page of another site asked", "use the address that run printed"),
    _door("access", "HTTP_VERSION", "only HTTP/1.1 is spoken", "ask with HTTP/1.1"),
    _door("not_found", "NOT_FOUND", "nothing of that name is known", "orders --history lists what there was"),
    _door("refused", "AMBIGUOUS", "a beginning that several things share", "give more of the id"),
    _door("refused", "SIGNAL_CONFLICT", "that signal_id means another intent", "give a new intent a new signal_id"),
    _door("refused", "SYMBOL_UNKNOWN", "the venue lists no such market", "write it as BTC/USD"),
    _door("refused", "BOOK_NOT_FRESH", "no verified book came in time", "links shows the stream", retryable=True),
    _door("refused", "NEVER_ACCEPTED", "that signal was never accepted", "why tells the reason"),
    _door("refused", "NOT_AN_ORDER", "that id is a signal's", "use --signal"),
    _door("refused", "NOT_ACTIVE", "it has ended", "why tells how"),
    _door("refused", "NOT_UNKNOWN", "only an unknown order takes a verdict", "order ID shows its state"),
    _door("refused", "NOT_AN_ENTRY", "exits are moved with their signal", "amend --signal ID --stop P"),
    _door("refused", "NOT_RESTING", "it does not rest", "ask again once it does", retryable=True),
    _door("refused", "CANNOT_AMEND", "Kraken amends no order with a conditional close", "cancel it and signal anew"),
    _door("refused", "CANNOT_MOVE", "these exits do not go together", "the message says which"),
    _door("refused", "CANNOT_JUDGE", "no verified book or balance to judge by", "links shows why", retryable=True),
    _door("refused", "NO_LIMIT", "a market order has no limit", "cancel it instead"),
    _door("refused", "OFF_TICK", "the price lies between two ticks", "choose a price on the tick"),
    _door("refused", "OFF_LOT", "no whole number of lots", "choose a whole number of lots"),
    _door("refused", "BELOW_MINIMUM", "less than the venue takes", "choose more"),
    _door("refused", "ENTRY_EXCEEDS_SIGNAL", "more than the signal asked for", "choose less, or signal anew"),
    _door("refused", "FILLED_ALREADY", "so much has filled already", "cancel takes the rest back"),
    _door("refused", "STOP_PASSED", "the market is through that stop already", "choose a stop behind it, or close"),
    _door("refused", "WRONG_SIDE", "the stop lies on the wrong side of the market", "check --side"),
    _door("refused", "NOT_THERE", "not so much is there to protect", "choose less"),
    _door("refused", "CLOSING", "it is being closed", "status and why show how far it is"),
    _door("refused", "CANCELING", "its cancel is under way", "order ID shows its state"),
    _door("refused", "ENDED", "it ended while it was asked", "why tells how"),
    _door("busy", "BUSY", "another change of it is under way", "ask again in a moment", retryable=True),
    _door("refused", "HALTED_ALREADY", "a halt by command stands", "status shows it; resume releases it"),
    _door("refused", "NOT_HALTED", "nothing is halted", "status shows every halt that stands"),
    _door("refused", "NOT_THROTTLED", "that strategy is not throttled", "status shows who is"),
    _door("refused", "NO_ALARM", "no alarm of that name waits for a person", "alarms lists numbers and codes"),
    _door("refused", "NO_BALANCES", "the journal of a dead engine holds none", "ask a running engine"),
    _door("refused", "NOTHING_OF_THAT_NAME", "nothing to close by that name", "orders and status show what there is"),
    _door("refused", "NOTHING_HELD", "nothing is held there", "orders shows what there is"),
    _door("refused", "SETTINGS_NO_GOOD", "the settings files cannot be used", "mend them; nothing has changed"),
    _door("refused", "NO_JOURNAL", "no journal lies in that directory", "name another --data-dir"),
    _door("unavailable", "ENGINE_ENDED", "the engine ended meanwhile", "start it again: it goes on with it"),
    _door("busy", "TOO_MANY_REQUESTS", "asked too often", "ask more slowly", retryable=True),
    _door("unavailable", "OVERLOADED", "a bound of the door is reached", "end other readers", retryable=True),
    _door("unavailable", "NO_ENGINE", "no engine runs there", "start one, or name another --data-dir", retryable=True),
    _door("unavailable", "NOT_READY", "the engine is starting or has ended", "try again", retryable=True),
    _door("unavailable", "NO_ANSWER", "no answer came", "status first: a command may have been done"),
    _door("internal", "NO_SENSE", "the answer was none of ours", "see the engine's log"),
    _door("internal", "NOT_JOURNALLED", "the verdict is not in the journal", "see the engine's log"),
    _door("internal", "ENGINE_TROUBLE", "the engine raised an error of its own", "see the engine's log"),
    _door("internal", "UNFORESEEN", "an error that nobody foresaw", "report it, with the engine's log"),
)

_EXITS: Final[dict[int, tuple[str, str, bool]]] = {
    Exit.DONE: ("done", "nothing", False),
    Exit.OTHER: ("something else failed, or a rule broke", "read the last line on stderr", False),
    Exit.USAGE: ("the command line, a setting or a key is no good", "the message says what to change", False),
    Exit.UNREACHABLE: ("the venue cannot be reached", "look at the network, try again", True),
    Exit.REFUSED: ("understood and refused, by us or by the venue", "the message says why", False),
    Exit.JOURNAL: ("the journal cannot be trusted or written", "journal verify; then recover", False),
    Exit.NO_ENGINE: ("no engine runs there", "start one with run, or name another --data-dir", True),
    Exit.LEASE_LOST: ("another process has taken the account over", "see who it is before you start again", False),
}
EXITS: Final[tuple[ErrorEntry, ...]] = (
    *(
        ErrorEntry("exit", str(int(code)), code.name.lower(), _EXITS[code][2], _EXITS[code][0], _EXITS[code][1])
        for code in Exit
    ),
    ErrorEntry("exit", "130", "forced", False, "ended by Ctrl-C", "nothing: that was you"),
    ErrorEntry("exit", "143", "forced", False, "ended by SIGTERM", "nothing: that was the system"),
)
