"""Processes: known by number and start time, and only that very one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from engine.seams.processes import CannotKill, ProcessMark, SystemProcesses, boot_id, own_mark

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not boot_id(), reason="this platform does not tell processes apart"),
]

MARKER = "from engine.seams.processes import own_mark\nimport msgspec, sys\n"
CHILD = MARKER + "print(msgspec.json.encode(own_mark()).decode(), flush=True)\nsys.stdin.read()"


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[str], ProcessMark]]:
    """A process that waits, and its mark."""
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, msgspec.json.decode(process.stdout.readline(), type=ProcessMark)
    process.kill()
    process.communicate()


def test_fate_follows_a_process(child) -> None:
    """Running, stopped, and dead before anybody has waited for it."""
    process, mark = child
    processes = SystemProcesses()
    assert processes.fate(mark) == "runs"
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert processes.fate(mark) == "stopped"
    processes.kill(mark)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert processes.fate(mark) == "gone"
    processes.kill(mark)  # one that is gone is no fault


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot_id": "another boot"}])
def test_other_process_with_the_same_number_lives_on(child, change) -> None:
    """The number was given again: whoever is meant is gone, and nobody is killed in his place."""
    process, mark = child
    stranger = msgspec.structs.replace(mark, **change)
    assert SystemProcesses().fate(stranger) == "gone"
    SystemProcesses().kill(stranger)
    assert process.poll() is None


@pytest.mark.parametrize("change", [{"start_ticks": 0}, {"pid_space": "another container"}])
def test_process_that_cannot_be_told_apart_is_not_killed(child, change) -> None:
    """A lease of an older version, or of another container: refused with the reason."""
    process, mark = child
    with pytest.raises(CannotKill, match="cannot be told"):
        SystemProcesses().kill(msgspec.structs.replace(mark, **change))
    assert process.poll() is None


def test_nobody_kills_himself_or_the_first_process() -> None:
    """A lease that names us is not our engine's."""
    for mark in (own_mark(), ProcessMark(1, 1, boot_id())):
        with pytest.raises(CannotKill):
            SystemProcesses().kill(mark)
