"""Every alarm there is: how bad it is, whether it can end by itself, and what to do about it."""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.runtime.alarm import Level


class AlarmCode(NamedTuple):
    """``ends``: the condition can end by itself, and the alarm with it; others stand until acknowledged."""

    level: Level
    ends: bool
    what_to_do: str


CODES: Final[dict[str, AlarmCode]] = {
    "NAKED": AlarmCode("critical", True, "held quantity has no stop: see why SIGNAL, close it or protect it"),
    "TAKEN_OVER": AlarmCode("critical", False, "a person has taken this position over: the engine protects it no more"),
    "OVERFILL": AlarmCode("critical", False, "more was filled than asked for: see why ORDER, compare with the venue"),
    "REFUSED_BUT_LIVE": AlarmCode("critical", False, "an order held for dead rests: see why ORDER"),
    "CUM_SHRANK": AlarmCode("critical", False, "the venue takes a fill back: compare with its list of trades"),
    "ORDER_UNKNOWN": AlarmCode("warning", True, "it is being looked into; resolve ORDER takes a person's word"),
    "EXIT_DENIED": AlarmCode("critical", False, "an exit did not pass our own checks: see why ORDER"),
    "EXIT_REJECTED": AlarmCode("warning", False, "the venue refused an exit; it is planned anew: see why ORDER"),
    "EXIT_STUCK": AlarmCode(
        "critical", True, "refused for good: see why ORDER, cancel it there or close the signal anew"
    ),
    "CLOSE_NOT_FLAT": AlarmCode("critical", False, "a close has ended with something left: its report says what"),
    "TARGET_UNWATCHED": AlarmCode("warning", True, "no fresh book: the target sleeps, the stop stays"),
    "TRADING_HALTED": AlarmCode("critical", True, "no entry passes: find the cause, then resume"),
    "ENTRIES_KEPT_BACK": AlarmCode("critical", True, "look into the reason, then resume"),
    "STRATEGY_THROTTLED": AlarmCode("warning", True, "look at its signals, then rearm"),
    "BREAKER_OPEN": AlarmCode("warning", True, "the venue fails again and again; one entry will probe it"),
    "BALANCE_MISMATCH": AlarmCode("critical", True, "balances and our fills differ: see balances"),
    "BALANCE_FOREIGN": AlarmCode("info", False, "somebody else has moved coins of this account: see balances"),
    "MARGIN_LEVEL": AlarmCode("critical", True, "the venue liquidates if it falls on: pay in, or close something"),
    "LIQUIDATION_NEAR": AlarmCode("critical", True, "this market is near a liquidation: pay in, or close something"),
    "MARGIN_MISMATCH": AlarmCode("critical", True, "the venue's margin positions are not our brackets': see positions"),
    "LIQUIDATED": AlarmCode("critical", False, "the venue has closed a margin position: see why ORDER and balances"),
    "EXITS_EXCEEDED": AlarmCode("critical", False, "exits closed more than theirs on margin: see positions"),
    "LINK_DOWN": AlarmCode("warning", True, "it reconnects by itself; entries wait, stops rest on the venue"),
    "LINK_FAILING": AlarmCode("critical", True, "try after try fails: look at the network and the venue's status"),
    "LINK_DEGRADED": AlarmCode("warning", True, "late heartbeats, errors or gaps: status says which"),
    "LINK_UNHEALTHY": AlarmCode("critical", True, "it is about to be given up: status says why"),
    "LINK_SLOW": AlarmCode("warning", True, "the way to the venue is slow: look at the network"),
    "LINK_RECONNECTS": AlarmCode("warning", True, "it is lost again and again: look at the network"),
    "LINK_GAPS": AlarmCode("warning", True, "messages are missing and are being asked for"),
    "INBOX_FULL": AlarmCode("warning", True, "reports came faster than they were taken; those orders are read by REST"),
    "JOURNAL_SLOW": AlarmCode("warning", True, "the disk syncs slowly: every order waits for it"),
    "JOURNAL_FAILED": AlarmCode("critical", False, "the engine stops: look at the disk, then recover"),
    "LEASE_LOST": AlarmCode(
        "critical", True, "another process is the writer, or the lock file is gone: this engine ends"
    ),
    "PULSE_NOT_WRITTEN": AlarmCode("critical", False, "the data directory takes no file: a guardian thinks us dead"),
    "ENGINE_GONE": AlarmCode("critical", True, "the engine was killed: start it; its stops rest on the venue"),
    "ENGINE_STILL": AlarmCode("critical", True, "the engine is stopped or hangs: look at its process and disk"),
    "ENGINE_FAILED": AlarmCode("critical", True, "the engine ended by an error: its log says which; start it again"),
    "ENGINE_WITHOUT_VENUE": AlarmCode("critical", True, "the engine cannot reach the venue: look at the network"),
    "PULSE_UNREADABLE": AlarmCode("critical", True, "look at the data directory: the guardian sees nothing"),
    "JOURNAL_UNREADABLE": AlarmCode("critical", True, "journal verify tells more"),
    "GUARDIAN_CLOSED": AlarmCode("critical", False, "the engine was dead: find out why, start it, then resume"),
    "DEAD_MAN_STAYS": AlarmCode("critical", False, "disarm Kraken's switch (cancelAllOrdersAfter 0), or stops go too"),
    "GUARDIAN_CANNOT_CLOSE": AlarmCode("critical", True, "the guardian tries again: look into the reason, or close"),
    "ALARMS_LOST": AlarmCode("warning", False, "a sink did not take its alarms: look at its address"),
    "SETTINGS_RELOADED": AlarmCode("info", False, "new limits and pairs hold; the journal has the difference"),
    "RELOAD_REFUSED": AlarmCode("warning", False, "the files are no good, nothing was changed: mend them, reload"),
    "TEST": AlarmCode("warning", False, "nothing: this alarm was asked for"),
}

UNLISTED: Final = AlarmCode("critical", False, "see status and the log")
"""A code that nobody listed is grave until somebody has said otherwise."""


def code_of(code: str) -> AlarmCode:
    """Return what is known of a code."""
    return CODES.get(code, UNLISTED)
