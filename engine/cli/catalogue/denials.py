"""Why we refuse: entries by every check, exits by four, and what was decided and could not be sent."""

from __future__ import annotations

from typing import Final

from engine.cli.catalogue.entry import ErrorEntry, Kind

_SIGNAL: Final = "the signal"
_MARKET: Final = "the market"
_LIMIT: Final = "a limit of ours"
_LOSS: Final = "a loss limit"
_MARGIN: Final = "margin"
_STATE: Final = "the engine's state"


def _of(kind: Kind, code: str, category: str, meaning: str, what_to_do: str, *, retryable: bool = False) -> ErrorEntry:
    return ErrorEntry(kind, code, category, retryable, meaning, what_to_do)


def _entry(code: str, category: str, meaning: str, what_to_do: str, *, retryable: bool = False) -> ErrorEntry:
    return _of("denial", code, category, meaning, what_to_do, retryable=retryable)


_SIZES = "raise the limit in limits.toml and reload, or ask for less"
_LOSSES = "entries wait until the day turns (UTC) or the limit is raised; exits go on"

ENTRY_DENIALS: Final[tuple[ErrorEntry, ...]] = (
    _entry("SIGNAL_EXPIRED", _SIGNAL, "its valid_until has passed", "send a new signal with a later valid_until"),
    _entry("SIGNAL_STALE", _SIGNAL, "older than signal_age_most_s", "send signals sooner; check the sender's clock"),
    _entry("SIGNAL_CONFLICT", _SIGNAL, "its signal_id belongs to another intent", "give a new intent a new signal_id"),
    _entry("PRICES_OUT_OF_ORDER", _SIGNAL, "stop, entry and targets are not in order", "a buy: stop < entry < target"),
    _entry(
        "STOP_LIMIT_OUT_OF_ORDER", _SIGNAL, "the stop's limit lies inside its trigger", "put the limit past the trigger"
    ),
    _entry("BELOW_MINIMUM_QTY", _SIGNAL, "less than the market's smallest quantity", "ask for more"),
    _entry("BELOW_MINIMUM_COST", _SIGNAL, "worth less than the market's smallest cost", "ask for more"),
    _entry(
        "EXIT_BELOW_MINIMUM",
        _SIGNAL,
        "its stop or a target's share could not leave again",
        "ask for more, or fewer targets",
    ),
    _entry(
        "LEVERAGE_NOT_OFFERED", _MARGIN, "the pair does not lend so much on that side", "choose an offered leverage"
    ),
    _entry("SYMBOL_UNKNOWN", _MARKET, "the venue lists no such market", "write it as BTC/USD"),
    _entry("SYMBOL_NOT_ONLINE", _MARKET, "the market is not online", "wait until the venue opens it", retryable=True),
    _entry(
        "BOOK_NOT_FRESH",
        _MARKET,
        "no verified book within the bound",
        "links and books show the stream",
        retryable=True,
    ),
    _entry("BOOK_EMPTY", _MARKET, "nobody stands on the other side", "wait, or enter with a limit", retryable=True),
    _entry(
        "MARKET_DATA_STALE", _MARKET, "the book is older than market_data_age_most_s", "look at links", retryable=True
    ),
    _entry(
        "PRICE_COLLAR",
        _MARKET,
        "the price, or the depth that a market order takes, lies beyond collar_bps",
        "ask for a nearer price or for less; or widen collar_bps",
        retryable=True,
    ),
    _entry("SYMBOL_NOT_ALLOWED", _LIMIT, "the market is not among limits.symbols", "add it there and reload"),
    _entry("QUOTE_NOT_VALUED", _LIMIT, "nobody said what its quote currency is worth", "set limits.rates and reload"),
    _entry("ORDER_QTY_LIMIT", _LIMIT, "more than order_qty_most", _SIZES),
    _entry("ORDER_VALUE_LIMIT", _LIMIT, "worth more than order_value_most", _SIZES),
    _entry("POSITION_LIMIT", _LIMIT, "the position could pass position_qty_most", _SIZES, retryable=True),
    _entry("SYMBOL_EXPOSURE", _LIMIT, "the market's exposure_most would be passed", _SIZES, retryable=True),
    _entry("STRATEGY_EXPOSURE", _LIMIT, "the strategy's exposure_most would be passed", _SIZES, retryable=True),
    _entry("TOTAL_EXPOSURE", _LIMIT, "exposure_most would be passed", _SIZES, retryable=True),
    _entry("OPEN_ORDERS_LIMIT", _LIMIT, "open_orders_most are alive or due", "wait, or raise it", retryable=True),
    _entry("STRATEGY_ORDERS_LIMIT", _LIMIT, "the strategy's open_orders_most are alive", "wait", retryable=True),
    _entry("ORDER_RATE_LIMIT", _LIMIT, "orders_per_second is used up", "send signals more slowly", retryable=True),
    _entry(
        "REPEATED_EXECUTIONS",
        _LIMIT,
        "the strategy has filled the same order repeats_most times within its window",
        "look at its signals, then rearm",
    ),
    _entry("BALANCE_UNKNOWN", _LIMIT, "the venue has not told the balance", "wait for the stream", retryable=True),
    _entry("BALANCE_SHORT", _LIMIT, "not enough is free, fees included", "pay in, or ask for less", retryable=True),
    _entry("DAILY_REALIZED_LOSS", _LOSS, "daily_realized_loss_most is reached", _LOSSES),
    _entry("DAILY_LOSS", _LOSS, "daily_loss_most is reached, unrealised included", _LOSSES),
    _entry("STRATEGY_REALIZED_LOSS", _LOSS, "the strategy's daily_realized_loss_most is reached", _LOSSES),
    _entry("STRATEGY_LOSS", _LOSS, "the strategy's daily_loss_most is reached", _LOSSES),
    _entry("DRAWDOWN", _LOSS, "drawdown_most below the highest equity", "look at the strategies, then resume"),
    _entry("LEVERAGE_OFF", _MARGIN, "leverage is asked for and none is allowed", "set limits.leverage_most, if meant"),
    _entry("LEVERAGE_LIMIT", _MARGIN, "more leverage than limits.leverage_most", "ask for less"),
    _entry("MARGIN_UNKNOWN", _MARGIN, "margin is not told since our last fill", "wait a moment", retryable=True),
    _entry(
        "MARGIN_OPPOSED", _MARGIN, "it would close a position of the other side", "close that one first", retryable=True
    ),
    _entry("MARGIN_MISMATCH", _MARGIN, "the venue's position is not our brackets'", "positions shows the difference"),
    _entry("MARGIN_USE_LIMIT", _MARGIN, "margin_use_most_pct of the equity would be passed", _SIZES, retryable=True),
    _entry("MARGIN_SHORT", _MARGIN, "initial margin and fees are not free", "pay in, or ask for less", retryable=True),
    _entry("ENTRY_EXCEEDS_SIGNAL", _STATE, "live and filled entries pass the signal's quantity", "see why SIGNAL"),
    _entry(
        "SYMBOL_IN_DOUBT", _STATE, "an order of this market is unknown", "wait, or resolve that order", retryable=True
    ),
    _entry("ENGINE_CLOSING", _STATE, "the engine is shutting down", "send it to the next engine", retryable=True),
    _entry("ATTEMPTS_EXHAUSTED", _STATE, "five attempts certainly never lived", "see why SIGNAL and links"),
    _entry("NO_BRACKET", _STATE, "the order belongs to no living bracket", "report it with the journal: it is a fault"),
)
"""In the order of signal, market, limits, losses, margin, state."""

EXIT_DENIALS: Final[tuple[ErrorEntry, ...]] = tuple(
    _of("exit_denial", code, "an exit", meaning, "see why ORDER; close or protect what is held")
    for code, meaning in (
        ("EXIT_EXCEEDS_POSITION", "it could sell more than is held and not on its way out already"),
        ("EXIT_MAY_OPEN", "it cannot be proved to reduce"),
        ("EXIT_OFF_TICK", "its price lies between two ticks"),
        ("EXIT_OFF_LOT", "its quantity is no whole number of lots"),
        ("EXIT_BELOW_MINIMUM", "less than the venue takes; what is left is dust"),
    )
)

NOT_SENT: Final[tuple[ErrorEntry, ...]] = tuple(
    _of("not_sent", code, "the way", meaning, what_to_do, retryable=True)
    for code, meaning, what_to_do in (
        ("NOT_SENT", "the engine stopped before it was sent", "nothing: the next start knows that it was not"),
        ("NOT_CONNECTED", "no connection stood", "links shows why; entries try again by themselves"),
        ("VENUE_UNAVAILABLE", "neither stream nor REST could take it", "links shows why; it tries again"),
        ("NO_LEAVE", "the venue's budgets gave no room in time", "limits shows the counters"),
        (
            "DEADLINE_PASSED",
            "its wire deadline passed while it waited",
            "nothing: an entry asks again at today's price",
        ),
        ("WITHDRAWN", "taken back before its bytes were written", "nothing: a halt, a close or an end wanted it so"),
    )
)
