"""A thousand live orders: ``python -m tests.browser.crowd PLACE TOKEN`` runs a real engine before the bench's exchange.

It prints its dashboard's address once the orders rest, and from then on some of them are cancelled and others come.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from engine.control.server import open_control
from engine.control.web_listener import WebSettings
from tests.bench.peer import open_peer
from tests.bench.rig import open_subject, quiet, signal_line

ORDERS, PAIRS = 1_000, 50
STEP_S = 0.05
"""Between two orders that come and go: twenty a second, more than an account may send."""
ROOT = Path(__file__).parents[2]


async def run(place: Path, token: str) -> None:
    """Open the orders, say where the page is, and let orders come and go until the process is ended."""
    quiet()
    data = place / "door"
    data.mkdir(mode=0o700)
    async with (
        open_peer(PAIRS, ["a"]) as peer,
        open_subject(peer, "a", place / "a", "process") as subject,
        open_control(data, web=WebSettings(port=0, token=token)) as control,
    ):
        control.attach(subject.engine)
        signals = deque([await subject.send(signal_line(number % PAIRS)) for number in range(ORDERS)])
        assert control.access is not None
        print(control.access.url, flush=True)
        for number in range(sys.maxsize):
            subject.engine.cancel(signals.popleft(), "makes room")
            signals.append(await subject.send(signal_line(number % PAIRS)))
            await trio.sleep(STEP_S)


@contextmanager
def open_crowd(place: Path, token: str) -> Iterator[str]:
    """Give the address of such an engine while the block stands."""
    command = [sys.executable, "-m", "tests.browser.crowd", str(place), token]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().strip()
            assert base, "the engine did not start"
            yield base
        finally:
            process.kill()


if __name__ == "__main__":
    trio.run(run, Path(sys.argv[1]), sys.argv[2])
