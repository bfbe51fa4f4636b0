"""The verb ``exchange``: the simulated Kraken on its own, for any client of Kraken."""

from __future__ import annotations

from pathlib import Path

import trio

from engine.cli.complaints import complain
from engine.cli.exchanges import market_chance, open_exchange, prepare_directory, sim_settings
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.output import Output
from engine.config import Settings
from engine.errors import ConfigError
from engine.runtime.logs import Logs
from engine.sim import Step, read_script

SYNTHETIC = "synthetic"
SCRIPT = "script:"


def market_of(text: str) -> tuple[Step, ...]:
    """Return the steps of ``script:FILE``, none for ``synthetic``. Raises ConfigError with every fault of the file."""
    if text == SYNTHETIC:
        return ()
    if not text.startswith(SCRIPT):
        raise ConfigError(f"--market is {SYNTHETIC} or {SCRIPT}FILE, not {text!r}")
    file = Path(text.removeprefix(SCRIPT))
    try:
        return read_script(file)
    except OSError as error:
        raise ConfigError(f"cannot read the market script {file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError("\n".join(f"{file}: {line}" for line in str(error).splitlines())) from error


async def exchange(settings: Settings, script: tuple[Step, ...], logs: Logs) -> Exit:
    """Listen until told to end; say on stdout, in one line of JSON, where and with which key."""
    try:
        directory = prepare_directory(settings.directory)
        changes = {"synthetic": (), "script": script} if script else {}
        sim = sim_settings(settings, directory, **changes)
        async with open_interrupts() as stop:
            with stop:
                async with open_exchange(sim, market_chance(settings), settings.exchange.port, directory) as listening:
                    logs.hide(listening.exchange.api_secret)
                    Output().json(listening.ready_line())
                    await trio.sleep_forever()
    except Exception as error:
        return complain(error, logs)
    return Exit.DONE
