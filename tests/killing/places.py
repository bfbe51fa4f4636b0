"""The two processes of a hunt: an exchange that outlives, and engines that do not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.killing.rest import Rest

ROOT = Path(__file__).parents[2]
MARKET = Path(__file__).with_name("market.toml")


def launch(*arguments: str, place: Path, name: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start ``python -m engine``; what it says on standard error is kept in ``place``."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ENGINE_")}
    with (place / f"{name}.err").open("a") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "engine", *arguments],
            cwd=place,
            env={**kept, "HOME": str(place), "PYTHONPATH": str(ROOT), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


class ExchangePlace:
    """The exchange's process; with it the hunt's own client and what an engine must be told."""

    def __init__(self, place: Path, seed: int) -> None:
        arguments = ("--data-dir", str(place / "exchange"), "--config", str(MARKET), "--seed", str(seed))
        self._process = launch("exchange", *arguments, place=place, name="exchange")
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline() or "{}")
        if not ready:
            raise RuntimeError(f"the exchange did not start: {(place / 'exchange.err').read_text()}")
        self.rest = Rest(ready["rest"], ready["api_key"], ready["api_secret"])
        self.env = {
            "ENGINE_VENUE": "simulated",
            "ENGINE_API_KEY": ready["api_key"],
            "ENGINE_API_SECRET": ready["api_secret"],
            "ENGINE_KRAKEN__REST_URL": ready["rest"],
            "ENGINE_KRAKEN__WS_URL": ready["ws"],
            "ENGINE_KRAKEN__WS_AUTH_URL": ready["ws_auth"],
            "ENGINE_KRAKEN__TIER": "pro",
        }

    @property
    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class EnginePlace:
    """One engine process after the other on one data directory."""

    def __init__(self, place: Path, env: dict[str, str]) -> None:
        self._place, self._env = place, env
        self.data_dir = place / "data"
        self.signals = place / "signals.jsonl"
        self.journal = self.data_dir / "journal.sqlite"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Start an engine; return the wall time of its start."""
        options = ("--signals", str(self.signals), "--until-idle", "--json", "--log-level", "warning")
        self._process = launch(
            "run", *options, "--data-dir", str(self.data_dir), place=self._place, name="engine", env=self._env
        )
        return time.time()

    def ended(self) -> int | None:
        """Return the exit code of an engine that has ended by itself."""
        assert self._process is not None
        return self._process.poll()

    def end(self) -> None:
        """Kill it with SIGKILL, if it still runs, and wait until the kernel has buried it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def wait(self, seconds: float) -> int | None:
        """Wait for it to end by itself; None when it did not."""
        assert self._process is not None
        try:
            self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
        return self._process.returncode

    def complaints(self) -> str:
        """Return the end of what the engines said on standard error."""
        return (self._place / "engine.err").read_text()[-2000:]
