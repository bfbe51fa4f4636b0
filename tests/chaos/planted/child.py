"""A child process with a bug planted in the engine it loads: forked from this one, which holds all the libraries.

A fork and a fresh import of engine/ take a fifth of a second; nothing is written to disk, and this process, whose own
engine is sound, is never changed.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import BinaryIO, NamedTuple

from tests.chaos.planted.trial import Broken, Trial

OWN = ("engine", "tests")
KEPT = __name__.rpartition(".")[0]
"""These modules hold no engine: what they have loaded stays."""


HANGS = "run_ends"
"""What is broken by a run that does not come to its end in real time."""


class ChildFault(Exception):
    """A child that ended without an answer, or could not try: its engine does not load, say."""


class Outcome(NamedTuple):
    """What came of one trial: the rule that broke, if one did, and what it took."""

    broken: Broken | None
    cpu_s: float


class _Planted(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Loads some modules from these texts instead of from their files."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = {_module(file): (file, text) for file, text in texts.items()}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self._texts:
            return None
        spec = importlib.util.spec_from_loader(name, self, origin=self._texts[name][0])
        assert spec is not None
        spec.has_location = True  # some say where they were loaded from
        return spec

    def get_source(self, name: str) -> str:
        return self._texts[name][1]

    def is_package(self, name: str) -> bool:
        return False


def outcomes(texts: Mapping[str, str], trials: Sequence[Trial], bound_s: float = 120.0) -> Iterator[Outcome]:
    """Run trials one after the other in one child whose engine has these files' texts; leaving early ends it.

    ``bound_s`` is real time for each: one that takes longer is the last. Raises ChildFault.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with os.fdopen(writing, "wb", buffering=0) as out:
            _serve(out, texts, trials)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb", buffering=0) as answers:
            for trial in trials:
                outcome = _read(answers, trial, bound_s)
                yield outcome
                if outcome.broken is not None and outcome.broken.invariant == HANGS:
                    return
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def preload() -> None:
    """Import the engine and what tests of it need, so that every child finds the libraries loaded."""
    import hypothesis  # noqa: F401 - a story would load it behind gc.freeze, which hides from it who holds trio's draws

    import engine.chaos.sweep
    import engine.testing  # noqa: F401


def _read(answers: BinaryIO, trial: Trial, bound_s: float) -> Outcome:
    line, until = b"", time.monotonic() + bound_s
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([answers], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return Outcome(Broken(HANGS, f"more than {bound_s:g} s of real time"), bound_s)
        part = os.read(answers.fileno(), 65536)
        if not part:
            raise ChildFault(f"{trial.told}: the child ended")
        line += part
    told = json.loads(line)
    if "fault" in told:
        raise ChildFault(f"{trial.told}: {told['fault']}")
    return Outcome(Broken(*told["broken"]) if told["broken"] else None, told["cpu_s"])


def _serve(out: BinaryIO, texts: Mapping[str, str], trials: Sequence[Trial]) -> None:
    """Be the child: it never returns, so nothing of the parent's runs twice."""
    try:
        gc.set_threshold(50_000, 20, 100)  # a run is short, and most of what it makes dies with it
        gc.freeze()  # what the parent holds stays: to look through it for garbage takes a fifth of a trial
        _load_anew(texts)
        for trial in trials:
            began_s = time.process_time()
            broken = trial.run()
            _tell(out, {"broken": broken, "cpu_s": time.process_time() - began_s})
    except BaseException:  # the parent tells it
        _tell(out, {"fault": traceback.format_exc()[-4000:]})
    finally:
        os._exit(0)


def _tell(out: BinaryIO, what: object) -> None:
    out.write(json.dumps(what).encode() + b"\n")


def _load_anew(texts: Mapping[str, str]) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] in OWN and not (name + ".").startswith(KEPT + ".") and not KEPT.startswith(name):
            del sys.modules[name]
    sys.meta_path.insert(0, _Planted(texts))


def _module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")
