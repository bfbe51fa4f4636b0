"""Engine, guardian and exchange as real processes, and what the exchange itself says of the account."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import trio

from engine.runtime.pulse import Pulse, read_pulse
from tests.cli.processes import ROOT, signal_line
from tests.guardian.wires import Cable
from tests.killing.rest import Rest

LIMIT_S = 60.0
QTY = Decimal("0.002")
KEYS = ("api_key", "api_secret")


class Place:
    """One exchange, and what runs against it through two cables. Everything is bounded by LIMIT_S."""

    def __init__(self, place: Path, nursery: trio.Nursery, ready: dict[str, Any], exchange: trio.Process) -> None:
        self.place, self.data_dir = place, place / "data"
        self._nursery, self._exchange = nursery, exchange
        self.keys: dict[str, list[str]] = ready["keys"]
        self.rest = Rest(f"http://127.0.0.1:{ready['port']}", *self.keys["judge"])
        self.cables = {name: Cable(ready["port"]) for name in ("engine", "guardian")}

    # --- processes

    async def engine(self, *arguments: str) -> trio.Process:
        """Start an engine that buys at once; its stop lies far below, its target is what the rise reaches."""
        signals = self.place / "signals.jsonl"
        line = signal_line(take_profit={"price": "51000.0"})
        signals.write_text(line + "\n")
        options = ("--signals", str(signals), "--log-level", "warning", *arguments)
        return await self._start("engine", "run", *options)

    async def guardian(self, policy: str, key: str = "guardian", **settings: str) -> trio.Process:
        """Start a guardian with a key of its own; its mark and the engine's account it is told."""
        key_file = self.place / "guardian-key.toml"
        if not key_file.exists():
            said = await trio.run_process(
                [sys.executable, "-m", "engine", "guardian", "--introduce", "--data-dir", str(self.data_dir)],
                env=self._environment("engine"),
                cwd=self.place,
                capture_stdout=True,
                stderr=None,
            )
            own = "".join(f'{name} = "{text}"\n' for name, text in zip(KEYS, self.keys[key], strict=True))
            key_file.touch(mode=0o600)
            key_file.write_text(said.stdout.decode() + own)
        more = {"GUARDIAN__KEY_FILE": str(key_file), "GUARDIAN__STALE_AFTER_S": "5", **settings}
        return await self._start("guardian", "guardian", "--policy", policy, "--json", env=more, own_key=False)

    async def look_once(self) -> trio.Process:
        """Start a guardian that looks once."""
        return await self._start("guardian", "guardian", "--once", env={"GUARDIAN__STALE_AFTER_S": "5"}, own_key=False)

    async def _start(
        self, name: str, *arguments: str, env: dict[str, str] | None = None, own_key: bool = True
    ) -> trio.Process:
        command = [sys.executable, "-m", "engine", *arguments, "--data-dir", str(self.data_dir)]
        environment = self._environment(name, own_key=own_key)
        environment |= {f"ENGINE_{key}": text for key, text in (env or {}).items()}
        out, err = (self.place / f"{name}.{kind}" for kind in ("out", "err"))
        with out.open("a") as stdout, err.open("a") as stderr:
            run = partial(
                trio.run_process,
                command,
                check=False,
                cwd=self.place,
                env=environment,
                stdout=stdout,
                stderr=stderr,
                deliver_cancel=_kill,
            )
            process: trio.Process = await self._nursery.start(run)
        return process

    def _environment(self, name: str, *, own_key: bool = True) -> dict[str, str]:
        kept = {key: text for key, text in os.environ.items() if not key.startswith("ENGINE_")}
        port = self.cables[name].port
        given = {
            "VENUE": "simulated",
            "KRAKEN__REST_URL": f"http://127.0.0.1:{port}",
            "KRAKEN__WS_URL": f"ws://127.0.0.1:{port}/v2",
            "KRAKEN__WS_AUTH_URL": f"ws://127.0.0.1:{port}/v2",
            "KRAKEN__HEARTBEAT_BOUND_S": "2",
            "ENGINE__PULSE_BOUND_S": "3",
            "ENGINE__CLOSE_BOUND_S": "20",
            "KRAKEN__OPEN_TIMEOUT_S": "4",
        }
        if own_key:
            given |= dict(zip(("API_KEY", "API_SECRET"), self.keys["engine"], strict=True))
        ours = {f"ENGINE_{key}": text for key, text in given.items()}
        return {**kept, "HOME": str(self.place), "PYTHONPATH": str(ROOT), **ours}

    def rise(self) -> None:
        """Let the market rise above the target."""
        self._exchange.send_signal(signal.SIGUSR1)

    # --- what is seen

    async def until(self, seen: Callable[[], object], what: str) -> None:
        """Wait until something is so; other processes make it so."""
        with trio.move_on_after(LIMIT_S):
            while not await trio.to_thread.run_sync(seen):  # noqa: ASYNC110 - another process makes it so
                await trio.sleep(0.05)
            return
        raise AssertionError(f"not within {LIMIT_S:g} s: {what}\n{self.told()}")

    async def covered(self) -> None:
        """Wait until the entry has filled and its stop rests, by the exchange's word."""
        await self.until(lambda: self.sold() == 0 < self.bought() and self.stops() == 1, "bought and covered")

    async def ended(self, process: trio.Process) -> int:
        """Wait for a process' end."""
        with trio.move_on_after(LIMIT_S):
            return await process.wait()
        raise AssertionError(f"process {process.args} has not ended\n{self.told()}")

    def stops(self) -> int:
        """How many stops rest on the exchange."""
        return sum(row["descr"]["ordertype"].startswith("stop-loss") for row in self.rest.open_orders().values())

    def bought(self) -> Decimal:
        return self._traded("buy")

    def sold(self) -> Decimal:
        return self._traded("sell")

    def _traded(self, side: str) -> Decimal:
        trades = self.rest.trades().values()
        return sum((Decimal(row["vol"]) for row in trades if row["type"] == side), Decimal(0))

    def pulse(self) -> Pulse:
        """The pulse as it lies there now."""
        pulse = read_pulse(self.data_dir / "pulse")
        assert pulse is not None
        return pulse

    def said(self, kind: str) -> list[dict[str, Any]]:
        """What guardians have printed of one kind."""
        out = self.place / "guardian.out"
        rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        return [row for row in rows if row["type"] == kind]

    def alarmed(self, code: str) -> bool:
        """Tell whether a guardian has raised this alarm."""
        return any(row["code"] == code and row["change"] == "raised" for row in self.said("alarm"))

    def told(self) -> str:
        """Everything the processes said on standard error, and the guardians' output."""
        files = [*sorted(self.place.glob("*.err")), *self.place.glob("guardian.out")]
        return "\n".join(f"{file.name}: {file.read_text()[-3000:]}" for file in files)


async def _kill(process: trio.Process) -> None:
    """End what a test has judged: an orderly ending may take longer than trio's five seconds on a busy machine."""
    process.kill()


@asynccontextmanager
async def open_place(place: Path) -> AsyncIterator[Place]:
    """Run an exchange while the block stands; every process ends with it."""
    async with trio.open_nursery() as nursery:
        command = [sys.executable, "-m", "tests.guardian.exchange_process"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (place / "ready").open("w") as stdout, (place / "exchange.err").open("w") as stderr:
            run = partial(trio.run_process, command, check=False, cwd=ROOT, env=env, stdout=stdout, stderr=stderr)
            exchange: trio.Process = await nursery.start(run)
        with trio.fail_after(LIMIT_S):
            while not (ready := (place / "ready").read_text()).endswith("\n"):
                assert exchange.poll() is None, (place / "exchange.err").read_text()
                await trio.sleep(0.05)
        made = Place(place, nursery, json.loads(ready), exchange)
        for cable in made.cables.values():
            await nursery.start(cable.run)
        try:
            yield made
        finally:
            nursery.cancel_scope.cancel()
