"""The verbs of the red button: halt, resume, rearm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, directory_of, show_answer
from engine.cli.exits import Exit
from engine.control.halting import Halted, Rearmed, Released
from engine.control.table import HALT, REARM, RESUME

Reason = Annotated[str, Parameter(help="Why, for the journal.")]
Strategy = Annotated[str | None, Parameter(help="This strategy_id alone; left out: all trading.")]


def halt(
    *,
    reason: Reason,
    strategy: Strategy = None,
    reducing: Annotated[bool, Parameter(help="Let entries pass that reduce their strategy's position.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Let no entry pass until resume, over restarts too; exits always pass.

    Living entries are cancelled, what has filled stays protected. When no engine answers, a file named halt in the
    data directory does the same within a second; its first line is the reason.

    Example: python -m engine halt --reason "news at ten"
    """
    given = {"reason": reason, "strategy": strategy, "reducing": reducing or None}
    return show_answer(HALT, given, directory_of(data_dir, config), as_json=as_json, lines=_halt_lines)


def resume(
    *,
    reason: Reason,
    strategy: Strategy = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Release a halt, whatever its cause; refused while the cause still stands.

    Example: python -m engine resume --reason "looked into it"
    """
    given = {"reason": reason, "strategy": strategy}
    return show_answer(RESUME, given, directory_of(data_dir, config), as_json=as_json, lines=_resume_lines)


def rearm(
    *,
    strategy: Annotated[str, Parameter(help="The strategy_id.")],
    reason: Reason,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Let a strategy go on that was throttled for repeated executions.

    Example: python -m engine rearm --strategy momentum --reason "the signals were right"
    """
    given = {"strategy": strategy, "reason": reason}
    return show_answer(REARM, given, directory_of(data_dir, config), as_json=as_json, lines=_rearm_lines)


def _halt_lines(done: Halted) -> Iterator[str]:
    yield f"{done.strategy or 'trading'} is {done.trading_state}: {done.reason}"
    for signal_id in done.entries:
        yield f"canceling the entry of {signal_id}"


def _resume_lines(done: Released) -> Iterator[str]:
    yield f"{done.strategy or 'trading'} is {done.trading_state}; released: {', '.join(done.released)}"
    for cause in done.still.causes:
        yield f"still: {cause.strategy_id or 'all trading'}: {cause.code}: {cause.reason}"


def _rearm_lines(done: Rearmed) -> Iterator[str]:
    yield f"{done.strategy} may go on: {done.reason}"
