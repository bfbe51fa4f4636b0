"""The command line as a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "engine")
LIMIT_S = 40.0


@dataclass
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON line on its standard output."""
        (line,) = self.out.splitlines()
        return json.loads(line)


class Cli:
    """Starts ``python -m engine`` outside the project, with a home of its own and no ENGINE_* of ours."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.data_dir = place / "data"
        self._running: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.place,
            env=self.environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._running.append(process)
        return process

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
        return {**kept, "HOME": str(self.place), "PYTHONPATH": str(ROOT), **(more or {})}

    async def run_beside(
        self,
        *arguments: str,
        env: dict[str, str],
        stdin: str = "",
        task_status: trio.TaskStatus[trio.Process] = trio.TASK_STATUS_IGNORED,
    ) -> Ended:
        """Run while this process goes on serving; ``task_status`` gets the process."""
        with trio.fail_after(LIMIT_S):
            done = await trio.run_process(
                [*COMMAND, *arguments],
                stdin=stdin.encode(),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=self.place,
                env=self.environment(env),
                task_status=task_status,
            )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def end(self, process: subprocess.Popen[str], stdin: str | None = None) -> Ended:
        out, err = process.communicate(stdin, timeout=LIMIT_S)
        return Ended(process.returncode, out, err)

    def run(self, *arguments: str, stdin: str | None = None, env: dict[str, str] | None = None) -> Ended:
        return self.end(self.start(*arguments, env=env), stdin)

    def interrupt(self, process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> Ended:
        process.send_signal(number)
        return self.end(process)

    def kill_all(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.communicate()


def signal_line(number: int = 1, **changes: Any) -> str:
    """One signal: a market buy whose stop and target lie too far off to be reached in a test."""
    members = {
        "signal_id": f"00000000-0000-4000-8000-{number:012d}",
        "strategy_id": "test",
        "symbol": "BTC/USD",
        "side": "buy",
        "order_type": "market",
        "order_qty": "0.002",
        "stop_loss": {"trigger_price": "40000.0"},
        "take_profit": {"price": "60000.0"},
    }
    return json.dumps({**members, **changes})


def quick(number: int = 1, **changes: Any) -> str:
    """A signal whose bracket ends by itself at once: nobody sells that low, and it does not wait."""
    return signal_line(
        number,
        order_type="limit",
        limit_price="45000.0",
        time_in_force="ioc",
        **changes,
    )
