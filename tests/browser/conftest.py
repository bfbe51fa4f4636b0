"""A real engine in a process, and the system's Chromium in another."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-the-tests-of-the-page"
STOP_BOUND_S = 30.0
NOT_READY = 503
NAMES = ("chromium", "chromium-browser", "google-chrome")

SETTINGS = """
venue = "embedded"
seed = 7
[market]
pairs = ["BTC/USD"]
[control]
port = {port}
token = "{token}"
"""


class Browser:
    """A tab of the browser. Every method raises AssertionError with what went wrong in it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._base = ""
        self._answer()

    def open(
        self, base: str, token: str = TOKEN, *, width: int = 1440, height: int = 900, scheme: str = "dark"
    ) -> None:
        """Open the dashboard in a fresh context, as the printed link does."""
        self._base = base
        self._ask({"do": "open", "base": base, "width": width, "height": height, "scheme": scheme})
        self.go(f"/#token={token}" if token else "/")

    def go(self, where: str) -> None:
        """Go to an address of the engine."""
        self._ask({"do": "go", "url": f"{self._base}{where}"})

    def wait(self, until: str, limit_s: float = 20) -> None:
        """Wait until an expression is true on the page."""
        self._ask({"do": "wait", "until": until, "limit_s": limit_s})

    def tell(self, what: str) -> Any:
        """Return the value of an expression on the page."""
        return self._ask({"do": "tell", "what": what})

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        self._ask({"do": "press", "keys": keys})

    def type(self, text: str) -> None:
        """Write into whatever has the focus."""
        self._ask({"do": "type", "text": text})

    def click(self, what: str) -> None:
        """Click the first element of a selector."""
        self._ask({"do": "click", "what": what})

    def report(self) -> dict[str, Any]:
        """Return what went wrong on this page: trouble, foreign requests, violations of the policy; and long tasks."""
        return dict(self._ask({"do": "report"}))

    def check_clean(self, *expected: str) -> None:
        """Nothing was asked of another host, no policy was violated, nothing stands in the console but ``expected``."""
        report = self.report()
        assert (report["foreign"], report["violations"]) == ([], [])
        assert [one for one in report["trouble"] if not any(text in one for text in expected)] == []

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the browser has ended"
        said = json.loads(line)
        assert "error" not in said, said["error"]
        return said["answer"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the browser; without one the tests are skipped, except where they must run."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: the page is not tested")
        pytest.skip("no Chromium on this machine")
    command = [sys.executable, "-m", "tests.browser.driver", program]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Browser(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(STOP_BOUND_S)


class Running:
    """An engine in a process of its own."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._process: subprocess.Popen[str] | None = None
        self.base = ""

    def start(self, *, token: str = TOKEN, port: int = 0) -> None:
        """Start it, on this port, with this token; return once it answers."""
        settings = self._place / "engine.toml"
        settings.touch(mode=0o600)  # a token is in it
        settings.write_text(SETTINGS.format(port=port, token=token), encoding="utf-8")
        command = [sys.executable, "-m", "engine", "run", "--config", str(settings)]
        environment = {name: text for name, text in os.environ.items() if not name.startswith("ENGINE_")}
        with (self._place / "err").open("a") as err:
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(self._place / "data")],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )
        assert self._process.stdout is not None
        self.base = self._process.stdout.readline().strip().rstrip("/")
        assert self.base.startswith("http://127.0.0.1:"), (self._place / "err").read_text()
        while self._status(token) == NOT_READY:
            time.sleep(0.05)

    def _status(self, token: str) -> int:
        return httpx.get(f"{self.base}/api/status", headers={"authorization": f"Bearer {token}"}).status_code

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.base.rpartition(":")[2])

    def ask(self, method: str, path: str, body: object = None, *, token: str = TOKEN) -> Any:
        """Ask its API."""
        answer = httpx.request(method, f"{self.base}{path}", json=body, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait for that."""
        if self._process is None:
            return
        self._process.send_signal(how)
        assert self._process.stdout is not None
        self._process.stdout.read()
        self._process.wait(STOP_BOUND_S)
        self._process.stdout.close()
        self._process = None


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a short directory for an engine, with the user's places beside it."""
    with TemporaryDirectory(prefix="koe-") as made:
        for name in ("runtime", "home"):
            (Path(made) / name).mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(Path(made) / "runtime"))
        monkeypatch.setenv("HOME", str(Path(made) / "home"))
        yield Path(made)


@pytest.fixture
def running(place: Path) -> Iterator[Running]:
    """Give an engine that is not started yet; end it whatever happens."""
    engine = Running(place)
    try:
        yield engine
    finally:
        engine.stop(signal.SIGKILL)
