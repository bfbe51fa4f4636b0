"""An error told to a person: one sentence when it was foreseen, a traceback when it was not, never a secret."""

from __future__ import annotations

import traceback

from engine.cli.exits import Exit, exit_of, sentences
from engine.cli.output import talk
from engine.runtime.logs import Logs, Redactor


def complain(error: BaseException, logs: Logs | None = None) -> Exit:
    """Say on stderr what went wrong and return the exit code it means."""
    redacted = logs.redacted if logs is not None else Redactor().text
    said = sentences(error)
    if not said:
        talk(redacted("".join(traceback.format_exception(error))).rstrip())
        said = ["this was not foreseen: please report it with the lines above"]
    for sentence in said:
        talk(redacted(f"error: {sentence}"))
    return exit_of(error)
