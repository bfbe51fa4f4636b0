"""The verb ``completion``: what a shell needs to complete verbs, options and their values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from engine.cli.exits import Exit
from engine.cli.output import Output
from engine.errors import ConfigError

Shell = Literal["bash", "zsh", "fish"]
PROGRAM = "kraken-order-engine"
"""The name under which the package installs itself; a shell completes commands, and python -m engine is none."""


def completion(
    shell: Annotated[Shell, Parameter(help="Which shell.")],
    *,
    install: Annotated[
        bool, Parameter(help="Write it where the shell looks for it, and a line into its startup file.")
    ] = False,
) -> Exit:
    """Print the completion of verbs, options and topics for bash, zsh or fish, or install it.

    It completes the command kraken-order-engine, which installing the package makes. For this shell alone:
    source <(kraken-order-engine completion bash)

    Example: python -m engine completion bash --install
    """
    from engine.cli.app import app  # it registers this very verb

    output = Output()
    if not install:
        output.text(app.generate_completion(prog_name=PROGRAM, shell=shell))
        return Exit.DONE
    text = app.generate_completion(prog_name=PROGRAM, shell=shell)
    place, startup, line = _places(shell)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        if startup is not None:
            _add_line(startup, line)
    except OSError as error:
        raise ConfigError(f"cannot write {error.filename}: {error.strerror}") from error
    output.text(f"{place}\n" + (f"{startup}: {line}\n" if startup is not None else ""))
    output.text("open a new shell to have it\n")
    return Exit.DONE


def _places(shell: Shell) -> tuple[Path, Path | None, str]:
    """Return the script's place, the startup file that must name it (None: the shell finds it) and the line there."""
    home = Path.home()
    match shell:
        case "bash":
            place = home / ".local" / "share" / "bash-completion" / "completions" / PROGRAM
            return place, home / ".bashrc", f'[ -r "{place}" ] && . "{place}"'
        case "zsh":
            place = home / ".zsh" / "completions" / f"_{PROGRAM}"
            return place, home / ".zshrc", f'fpath=("{place.parent}" $fpath); autoload -Uz compinit; compinit'
        case "fish":
            return home / ".config" / "fish" / "completions" / f"{PROGRAM}.fish", None, ""


def _add_line(startup: Path, line: str) -> None:
    """Add a line once; what stands there already is left as it is."""
    there = startup.read_text(encoding="utf-8") if startup.exists() else ""
    if line in there.splitlines():
        return
    with startup.open("a", encoding="utf-8") as file:
        file.write(("" if not there or there.endswith("\n") else os.linesep) + line + "\n")
