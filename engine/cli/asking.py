"""Asking an engine: through its door while it runs, else, where that is enough, its journal."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import trio
from cyclopts import Parameter

from engine.cli.exits import Exit
from engine.cli.output import Output, talk
from engine.config import load_settings
from engine.control.client import open_client
from engine.control.command import Arguments, Command
from engine.control.desk import Desk
from engine.control.refusal import Refusal, no_engine
from engine.journal.opening import read_journal
from engine.runtime.opening import JOURNAL_FILE

START_BOUND_S = 60.0
"""How long a follower waits for an engine that is starting: its links have half of that."""

DataDir = Annotated[Path | None, Parameter(help="Directory of the engine's journal.")]
Config = Annotated[Path | None, Parameter(help="Settings file. Default: config/engine.toml when it is there.")]
Json = Annotated[bool, Parameter(name="--json", help="Print JSON instead of text.")]


def directory_of(data_dir: Path | None, config: Path | None) -> Path:
    """Return the data directory that the options, the environment and the file name."""
    return load_settings(config, {} if data_dir is None else {"data_dir": data_dir}).directory


def show_answer(
    command: Command,
    given: dict[str, Any],
    directory: Path,
    *,
    as_json: bool,
    lines: Callable[[Any], Iterable[str]],
    code: Callable[[Any], Exit] = lambda result: Exit.DONE,  # noqa: ARG005 - one shape
) -> Exit:
    """Carry out a verb and print its result, as ``lines`` words it or as JSON; a refusal becomes its exit code.

    ``code`` is the exit code that a result means.
    """
    output = Output()
    try:
        arguments = command.arguments(given)
        result = trio.run(partial(answer, command, arguments, directory))
    except Refusal as refusal:
        return show_refusal(output, refusal, as_json=as_json)
    if as_json:
        output.json(result)
    else:
        output.text("".join(f"{line}\n" for line in lines(result)))
    return code(result)


def show_refusal(output: Output, refusal: Refusal, *, as_json: bool) -> Exit:
    """Say why a verb was not carried out, and what to do."""
    complaint = refusal.complaint
    if as_json:
        output.json({"error": complaint})
    talk(f"error: {complaint.message}: {complaint.what_to_do}")
    return Exit(complaint.exit)


async def answer(command: Command, arguments: Arguments, directory: Path) -> Any:
    """Ask the door; without a living engine behind it ask the journal, where that is enough. Raises Refusal."""
    assert command.answer is not None  # noqa: S101 - streams are read by ``each_record``
    async with open_client(directory) as client:
        if client is not None:
            try:
                return await client.call(command, arguments)
            except Refusal as refusal:
                _require_absence(command, refusal)
    if command.needs_engine:
        raise no_engine(str(directory))
    with read_journal(directory / JOURNAL_FILE) as journal:
        return await command.answer(Desk(journal), arguments)


async def each_record(command: Command, arguments: Arguments, directory: Path, take: Callable[[Any], bool]) -> None:
    """Hand over a streaming verb's records until ``take`` has enough of them or they end. Raises Refusal.

    A follower that comes while the engine starts waits for it.
    """
    assert command.stream is not None  # noqa: S101 - single answers are got by ``answer``
    until_s = trio.current_time() + (START_BOUND_S if arguments.get("follow") else 0)
    async with open_client(directory) as client:
        while client is not None:
            try:
                async with client.stream(command, arguments) as lines:
                    await _hand_over(lines, take)
                return
            except Refusal as refusal:
                _require_absence(command, refusal)
                if refusal.complaint.code != "NOT_READY" or trio.current_time() >= until_s:
                    break
            await trio.sleep(0.1)
    with read_journal(directory / JOURNAL_FILE) as journal:
        async with aclosing(command.stream(Desk(journal), arguments)) as found:
            await _hand_over(found, take)


async def _hand_over(found: AsyncIterable[Any], take: Callable[[Any], bool]) -> None:
    async for record in found:
        if not take(record):
            return


def _require_absence(command: Command, refusal: Refusal) -> None:
    """Let a refusal through unless it only says that nobody is there to answer what a journal can."""
    if command.needs_engine or refusal.complaint.code not in ("NO_ENGINE", "NOT_READY"):
        raise refusal


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out a table: every column as wide as its widest cell."""
    table = (head, *rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
