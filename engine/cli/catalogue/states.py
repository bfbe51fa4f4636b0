"""What keeps entries back, what halts, and why a close is not flat."""

from __future__ import annotations

from typing import Final

from engine.cli.catalogue.entry import ErrorEntry, Kind


def _rows(kind: Kind, category: str, *rows: tuple[str, str, str]) -> tuple[ErrorEntry, ...]:
    return tuple(ErrorEntry(kind, code, category, False, meaning, what_to_do) for code, meaning, what_to_do in rows)


HOLDS: Final = _rows(
    "hold",
    "entries kept back",
    ("CLOSING", "a close of this market is under way", "wait until it is over"),
    ("NOT_FLAT", "a close has ended with something left", "close again, or resume"),
    ("JOURNAL_STALLED", "a sync of the journal took seconds", "look at the disk (doctor), then resume"),
    ("ORPHANED_ORDER", "an order of ours is there that the journal does not know", "see orders, then resume"),
    ("DENIED_BUT_LIVE", "an order that we denied is live on the venue", "see why ORDER, cancel it, then resume"),
    ("LIQUIDATED", "the venue has closed a margin position", "see why ORDER and balances, then resume"),
    ("FOREIGN_NONCE", "another program uses this API key", "give each program a key of its own, then resume"),
)
HALTS: Final = _rows(
    "halt",
    "trading halted",
    ("COMMAND", "a person has halted", "resume, when you are satisfied"),
    ("GUARDIAN", "a guardian has taken over from a dead engine", "find out why it died, then resume"),
    ("HALT_FILE", "a file named halt lies in the data directory", "remove it, then resume"),
    ("HALT_CHECK", "your own check asked for it", "mend what it found, then resume"),
    ("HALT_CHECK_FAILED", "your own check raised, or returned no reason", "mend it, then resume"),
    ("LINK_LOST", "a stream was away for link_loss_halt_s", "look at links and network, then resume"),
    ("JOURNAL_CORRUPT", "the journal was broken and has been salvaged", "compare with the venue, then resume"),
    ("STOOD_STILL", "the process stood still: stopped, suspended, or its disk hung", "find out why, then resume"),
    ("ENTRY_OVERFILL", "entries came to more than their signal", "see why SIGNAL, then resume"),
    ("DAILY_REALIZED_LOSS", "daily_realized_loss_most was reached", "resume is refused until it no longer is"),
    ("DAILY_LOSS", "daily_loss_most was reached", "resume is refused until it no longer is"),
    ("STRATEGY_REALIZED_LOSS", "a strategy's daily_realized_loss_most was reached", "resume with --strategy, later"),
    ("STRATEGY_LOSS", "a strategy's daily_loss_most was reached", "resume with --strategy, later"),
    ("DRAWDOWN", "drawdown_most was reached", "look at the strategies, then resume"),
)
NOT_FLAT: Final = _rows(
    "not_flat",
    "a close",
    ("ORDER_UNKNOWN", "an order may be live", "wait, or resolve ORDER"),
    ("MARKET_*", "the market is not online, the code's end names its mode", "close again when it is"),
    ("UNANSWERED", "a request has no answer yet", "close again in a moment"),
    ("ENTRY_LIVE", "an entry still rests", "see why ORDER; cancel it"),
    ("FILLS_MISSING", "an order has ended and not all its fills were told", "wait: they are being asked for"),
    ("STILL_TRADING", "not all was traded within the bound", "close again, with a wider --max-slippage-bps"),
    ("BALANCE_UNEXPLAINED", "balances changed by something that no fill tells", "see balances"),
    ("RESTS_THERE", "the venue still shows an order of ours", "see why ORDER; cancel it"),
    ("POSITION_THERE", "on margin the venue holds something else than our books", "see positions"),
    ("POSITIONS_NOT_TOLD", "the venue did not tell its margin positions, or too early", "close again in a moment"),
    ("ABANDONED", "the close was broken off", "close again"),
    ("CANNOT_ASK", "the venue does not answer", "look at links; close again when it does"),
)
