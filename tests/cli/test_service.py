"""As a service: what systemd hears, SIGHUP, and alarms that leave the machine, with real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio

from engine.cli.service import open_service
from engine.config.service import ServiceTerms, service_terms
from engine.journal.opening import read_journal
from engine.seams.service_manager import Systemd
from tests.cli.processes import Cli
from tests.runtime.test_alarm_webhook import Receiver, answer, listen

CONFIG = Path(__file__).parents[2] / "config"
UNIT = CONFIG / "kraken-order-engine.service"
TOKEN = "T0KEN-that-nobody-may-see"


class Manager:
    """A notification socket as systemd makes one."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._socket = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._send, self._told = trio.open_memory_channel[str](10_000)

    async def bind(self) -> None:
        await self._socket.bind(self.path)

    async def listen(self) -> None:
        """Take every datagram as it comes: the kernel keeps ten and drops what follows."""
        while True:
            self._send.send_nowait((await self._socket.recv(4096)).decode())

    async def hear(self, *lines: str) -> str:
        """Wait for a datagram that holds these lines, behind those that were heard before."""
        with trio.fail_after(30):
            async for said in self._told:
                if all(line in said for line in lines):
                    return said
        raise AssertionError("nobody listens")

    def close(self) -> None:
        self._socket.close()


@contextmanager
def place_for_sockets() -> Iterator[Path]:
    with TemporaryDirectory(prefix="koe-") as made:
        yield Path(made)


def settings(place: Path, value_most: str) -> Path:
    """Settings and limits beside them."""
    file = place / "settings.toml"
    file.write_text("[control]\ntcp = false\n")
    (place / "limits.toml").write_text(f'[limits]\norder_value_most = "{value_most}"\n')
    return file


@pytest.mark.process
async def test_a_service_is_ready_reloads_beats_and_stops(cli: Cli) -> None:
    """Every step is told; SIGHUP takes good files and leaves everything as it was on bad ones; both are journalled."""
    with place_for_sockets() as place:
        manager = Manager(str(place / "notify"))
        await manager.bind()
        file = settings(place, "20000")
        env = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "600000"}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(manager.listen)
            ended = []

            async def run(task_status: trio.TaskStatus[trio.Process]) -> None:
                arguments = ("run", "--config", str(file), "--data-dir", str(place / "data"), "--json")
                ended.append(await cli.run_beside(*arguments, env=env, task_status=task_status))

            process = await nursery.start(run)
            await manager.hear("READY=1", "STATUS=takes signals")
            await manager.hear("WATCHDOG=1")

            settings(place, "500")
            process.send_signal(signal.SIGHUP)
            assert "MONOTONIC_USEC=" in await manager.hear("RELOADING=1")
            await manager.hear("READY=1", "limits.order_value_most: 20000 -> 500")

            settings(place, "-1")
            process.send_signal(signal.SIGHUP)
            await manager.hear("READY=1", "settings refused")

            asked = await cli.run_beside("reload", "--data-dir", str(place / "data"), env={})
            assert (asked.code, "limits.order_value_most" in asked.err) == (4, True)
            settings(place, "700")
            asked = await cli.run_beside("reload", "--data-dir", str(place / "data"), "--reason", "test", env={})
            assert (asked.code, asked.out) == (0, "limits.order_value_most: 500 -> 700\n")

            process.send_signal(signal.SIGTERM)
            await manager.hear("STOPPING=1")
            while not ended:  # noqa: ASYNC110 - another process ends
                await trio.sleep(0.02)
            nursery.cancel_scope.cancel()
        manager.close()
        assert ended[0].code == 0, ended[0].err
        assert "settings.refused" in ended[0].err
        with read_journal(place / "data" / "journal.sqlite") as journal:
            rows = [json.loads(row.body) for row in journal.rows(kind="reload")]
        assert [(row["cause"], row["changed"][0]["after"]) for row in rows] == [("SIGHUP", "500"), ("test", "700")]


@pytest.mark.process
async def test_an_alarm_reaches_its_webhook_and_the_address_no_log(cli: Cli) -> None:
    """alarms --test goes all the way; the list tells that it was delivered; ack takes it away."""
    receiver = Receiver(answer("200 OK"))
    with place_for_sockets() as place:
        data = ("--data-dir", str(place / "data"))
        manager = Manager(str(place / "notify"))
        await manager.bind()
        file = settings(place, "20000")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(manager.listen)
            port = await listen(nursery, receiver)
            ways = place / "ways.toml"
            ways.write_text(f'webhook_url = "http://127.0.0.1:{port}/{TOKEN}"\n')
            ways.chmod(0o600)
            env = {"NOTIFY_SOCKET": manager.path, "ENGINE_ALARMS__WAYS_FILE": str(ways)}
            ended = []

            async def run(task_status: trio.TaskStatus[trio.Process]) -> None:
                arguments = ("run", "--config", str(file), *data, "--json", "--log-level", "debug")
                ended.append(await cli.run_beside(*arguments, env=env, task_status=task_status))

            process = await nursery.start(run)
            await manager.hear("READY=1")
            tested = await cli.run_beside("alarms", "--test", *data, env={})
            assert (tested.code, "webhook" in tested.out) == (0, True)
            with trio.fail_after(20):
                while not receiver.bodies:  # noqa: ASYNC110 - another process posts it
                    await trio.sleep(0.02)
            assert (receiver.bodies[0]["change"], receiver.bodies[0]["alarm"]["code"]) == ("raised", "TEST")
            listed = await cli.run_beside("alarms", *data, "--json", env={})
            assert listed.json["sinks"][0]["delivered"] == 1
            acked = await cli.run_beside("ack", "TEST", "--reason", "works", *data, env={})
            assert (acked.code, acked.out) == (0, "1 TEST test: over\n")
            again = await cli.run_beside("ack", "TEST", *data, env={})
            assert again.code == 4
            process.send_signal(signal.SIGTERM)
            await manager.hear("STOPPING=1")
            while not ended:  # noqa: ASYNC110 - another process ends
                await trio.sleep(0.02)
            nursery.cancel_scope.cancel()
        manager.close()
        assert ended[0].code == 0, ended[0].err
        assert TOKEN not in ended[0].err + ended[0].out
        with read_journal(place / "data" / "journal.sqlite") as journal:
            (row,) = journal.rows(kind="alarm_ack")
        assert json.loads(row.body)["reason"] == "works"


async def test_signs_of_life_come_as_often_as_wanted(autojump_clock) -> None:
    """Three within each interval of the watchdog; a stop is told once."""

    class Told:
        def __init__(self) -> None:
            self.lines: list[str] = []

        def tell(self, *lines: str) -> None:
            self.lines += lines

        def monotonic_us(self) -> int:
            return 0

    told = Told()
    async with open_service(ServiceTerms("@somewhere", 30.0), told) as service:
        await trio.sleep(65)
        service.stopping()
    assert told.lines.count("WATCHDOG=1") == 7
    assert told.lines.count("STOPPING=1") == 1


def test_only_our_own_watchdog_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable inherited from a parent's service is no promise of ours."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert service_terms() == ServiceTerms("/run/notify", 30.0)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert service_terms().watchdog_s == 30.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert service_terms().watchdog_s is None
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert service_terms() == ServiceTerms()


def test_a_manager_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    """The socket may vanish: nothing is raised."""
    Systemd(str(tmp_path / "nowhere")).tell("READY=1")
    Systemd("@no-such-abstract-name").tell("READY=1")


def test_the_unit_is_what_systemd_takes(tmp_path: Path) -> None:
    """Verified by systemd itself where it is there, with a program that exists in the engine's place."""
    text = UNIT.read_text()
    for line in ("Type=notify", "LoadCredential=api_key:", "LoadCredential=api_secret:", "ExecReload=/bin/kill -HUP"):
        assert line in text
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/usr/local/bin/kraken-order-engine", shutil.which("true") or "/bin/true"))
    done = subprocess.run([verify, "verify", str(unit)], capture_output=True, text=True, check=False)
    if "Failed to" in done.stderr and unit.name not in done.stderr:
        pytest.skip("systemd-analyze does not work here")
    assert (done.returncode, done.stderr) == (0, "")
