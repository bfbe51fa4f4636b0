"""The verb ``demo``: one bracket from signal to flat, told as it happens, with or without a fault on the way."""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio

from engine.cli.complaints import complain
from engine.cli.demo_kill import play_kill
from engine.cli.demo_proof import made_fills, proof_of
from engine.cli.demo_scenes import FaultName, Scene, scene_of
from engine.cli.demo_show import DemoShow
from engine.cli.exchanges import open_embedded
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.output import Output
from engine.config import Settings
from engine.errors import JournalError
from engine.journal.opening import read_journal
from engine.runtime.logs import Logs
from engine.runtime.opening import JOURNAL_FILE, open_engine

LIMIT_S = 55.0
"""The demo ends by itself well before; a machine this slow is told so instead of waiting on."""
PATIENCE = {"entry_deadline_s": 2.0, "answer_grace_s": 0.5}
"""A missing answer is missed sooner than by default, so that nobody waits long for the story to go on."""


async def demo(logs: Logs, *, as_json: bool, fault: FaultName | None = None) -> Exit:
    """Run the demo in a new temporary directory, which stays for the commands it ends with."""
    directory = Path(tempfile.mkdtemp(prefix="kraken-demo-"))
    scene = scene_of(fault)
    show = DemoShow(Output(), directory, quiet=as_json)
    code = Exit.DONE
    try:
        async with open_interrupts() as stop:
            show.open(scene.signal, scene.before)
            if fault == "kill":
                with stop, trio.fail_after(LIMIT_S):
                    code = await play_kill(show)
            else:
                await _play(show, scene, logs, stop)
    except Exception as error:  # whatever it was, what the journal holds is still to be told
        code = complain(error, logs)
    return show.conclude(scene.signal, code, _proof(fault, directory), strict=fault is None)


async def _play(show: DemoShow, scene: Scene, logs: Logs, stop: trio.CancelScope) -> None:
    settings = Settings.model_construct(data_dir=show.directory)  # built in: nobody's file or environment counts here
    if scene.act is not None:
        settings = settings.model_copy(update={"kraken": settings.kraken.model_copy(update=PATIENCE)})
    async with open_embedded(settings, show.directory, logs.hide, synthetic=(), script=scene.script) as (
        exchange,
        venue,
    ):
        with stop, trio.fail_after(LIMIT_S):
            async with open_engine(settings.engine_settings(), venue) as engine, trio.open_nursery() as nursery:
                nursery.start_soon(show.follow, engine, name="show")
                if scene.act is not None:
                    nursery.start_soon(scene.act, exchange, name="fault")
                await engine.submit(scene.signal)
                await engine.wait_idle()
                nursery.cancel_scope.cancel("the bracket has ended")


def _proof(fault: FaultName | None, directory: Path) -> str:
    """Say how the recovery was proved, from the journal and from what the exchange keeps."""
    if fault is None:
        return ""
    try:
        with read_journal(directory / JOURNAL_FILE) as journal:
            return proof_of(fault, list(journal.rows()), made_fills(directory))
    except (JournalError, OSError, ValueError):
        return ""  # the summary says that there is no proof
