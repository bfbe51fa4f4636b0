"""Telling that an entry is denied: the log, the journal and the subscribers hear the same code and numbers."""

from __future__ import annotations

import structlog

from engine.journal.journal import Journal
from engine.orders.execution import refusal_report
from engine.orders.replay import Refused
from engine.orders.signal import Signal
from engine.risk.denials import Denial
from engine.runtime.bus import Bus
from engine.seams.clock import Clock

log = structlog.get_logger()


def deny_signal(journal: Journal, bus: Bus, clock: Clock, signal: Signal, denial: Denial, cause: int = 0) -> None:
    """Journal and publish that a signal was denied, when it came or (``cause`` is a row then) once accepted."""
    log.warning("signal.denied", signal_id=signal.signal_id, code=denial.code, reason=denial.reason)
    refused = Refused(signal, denial.code, denial.reason, denial.numbers)
    now_ns = clock.now_ns()
    row = journal.append("denied", refused, ts_ns=now_ns, signal_id=signal.signal_id, causation_id=cause)
    bus.post(refusal_report(refused, row, now_ns))
