"""How the whole suite runs."""

import gc
import logging
import os
import sys
from collections.abc import Iterator

import pytest
import structlog


def pytest_configure() -> None:
    """Look for garbage more seldom, and keep compiled modules whatever the environment says.

    Tests are short, most of what they make dies with them: it saves a fifth. Hundreds of them start a process that
    imports the engine: without its bytecode each would compile it anew, which takes a third of its start.
    """
    gc.set_threshold(50_000, 20, 100)
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def _logs_as_found() -> Iterator[None]:
    """Undo what a verb that ran in this process has set up: the next test may wait for a line that it silences."""
    level = logging.getLogger().level
    yield
    if not structlog.is_configured():
        return
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler).__module__ == "engine.runtime.logs":
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
