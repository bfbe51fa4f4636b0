"""The command line: one verb per function, each with an example in its help."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import trio
from cyclopts import App, Group, Parameter

import engine
from engine.cli.complaints import complain
from engine.cli.exits import FORCED, Exit
from engine.cli.output import help_console, leave_quietly, talk
from engine.cli.verbs import GROUPS, place_of, register
from engine.config import Settings, load_settings
from engine.errors import ConfigError, EngineError
from engine.runtime.logs import Logs, configure_logs


def _shown(default: object) -> str | None:
    """Show a default that says something: that of a switch, and none at all, do not."""
    return None if default is False or default is None else str(default)


app = App(
    name="python -m engine",
    help="Order execution for Kraken spot: signals in, protected orders out, every step in a journal.\n\n"
    "Look first: python -m engine demo. Every verb shows an example: python -m engine VERB --help. Without a verb it is"
    " run, whose parameters stand at the end.",
    version=engine.__version__,
    group_commands=Group("Commands", sort_key=len(GROUPS)),  # what is no verb: --help and --version
    group_parameters=Group("Parameters", sort_key=len(GROUPS) + 1),
    default_parameter=Parameter(negative=(), show_default=_shown),
    result_action="return_value",
    help_format="plaintext",
)

_group, _rank = place_of("journal")
journal = App(name="journal", help="Verify a journal, or print its rows.", group=_group, sort_key=_rank)
app.command(journal)
register(app)


def _listed(function: Callable[..., Exit]) -> Callable[..., Exit]:
    """Add a verb where the list of all has its place."""
    group, rank = place_of(function.__name__)
    return app.command(function, group=group, sort_key=rank)


DataDir = Annotated[Path | None, Parameter(help="Directory of journal, exchange state and nonce marks.")]
Config = Annotated[Path | None, Parameter(help="Settings file. Default: config/engine.toml when it is there.")]
Seed = Annotated[int | None, Parameter(help="Seed of the synthetic market.")]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON object instead of text.")]
Order = Annotated[str | None, Parameter(help="cl_ord_id, any unique beginning of it, or the venue's order_id.")]
Fault = Annotated[
    Literal["ack-lost", "disconnect", "kill", "rest-down", "late-fill"] | None,
    Parameter(help="Let this go wrong on the way, and show how it is put right."),
]
LogLevel = Annotated[str | None, Parameter(help="debug, info, warning, error or critical; to stderr.")]
LogFile = Annotated[Path | None, Parameter(help="Also write the log into this file, as JSON lines.")]


def _settings(config: Path | None, log: dict[str, Any], **given: Any) -> Settings:
    """Load settings with what the command line gave on top; None means not given."""
    command_line = {name: value for name, value in given.items() if value is not None}
    level_and_file = {name: value for name, value in log.items() if value is not None}
    return load_settings(config, {**command_line, **({"log": level_and_file} if level_and_file else {})})


def _logs(settings: Settings) -> Logs:
    return configure_logs(sys.stderr, level=settings.log.level, file=settings.log.file)


@_listed
@app.default
def run(
    *,
    signals: Annotated[
        str | None, Parameter(help="File with a signal a line, or - for standard input.", allow_leading_hyphen=True)
    ] = None,
    until_idle: Annotated[bool, Parameter(help="End when every bracket has ended.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    seed: Seed = None,
    market: Annotated[str | None, Parameter(help="Of its own exchange; see exchange --help.")] = None,
    faults: Annotated[Path | None, Parameter(help="What goes wrong on its own exchange, as TOML.")] = None,
    on_stop: Annotated[
        Literal["flatten", "detach"] | None,
        Parameter(help="At the end: close everything, or leave stops on the venue for the next start (the default)."),
    ] = None,
    as_json: Json = False,
    log_level: LogLevel = None,
    log_file: LogFile = None,
) -> Exit:
    """Run the engine; without settings on an exchange of its own, simulated in the same process.

    Ends in order on Ctrl-C: entries are canceled, stops stay on the venue.

    Example: python -m engine run --signals signals.jsonl --until-idle --json
    """
    from engine.cli.run import RunOptions
    from engine.cli.run import run as run_engine

    own = {name: value for name, value in (("source", market), ("faults", faults)) if value is not None}
    log = {"level": log_level, "file": log_file}
    end = None if on_stop is None else {"on_stop": on_stop}
    load = partial(_settings, config, log, data_dir=data_dir, seed=seed, exchange=own or None, engine=end)
    settings = load()
    options = RunOptions(
        settings=settings, logs=_logs(settings), signals=signals, until_idle=until_idle, as_json=as_json, load=load
    )
    return trio.run(run_engine, options)


@_listed
def demo(*, fault: Fault = None, as_json: Json = False) -> Exit:
    """Show one bracket from signal to flat: an entry filled in three parts, covered each time, then the target.

    Needs nothing: no key, no network, no settings. Takes about fifteen seconds, with a fault up to a minute.

    Example: python -m engine demo --fault kill
    """
    from engine.cli.demo import demo as play

    logs = configure_logs(sys.stderr, level="error" if fault else "warning")  # a fault's warnings are in the story
    return trio.run(partial(play, logs, as_json=as_json, fault=fault))


@_listed
def diagram(
    *,
    machine: Annotated[
        Literal["order", "bracket", "link", "breaker", "trading", "chase", "twap", "iceberg"],
        Parameter(help="Which machine."),
    ],
    format: Annotated[  # noqa: A002 - the option's name
        Literal["mermaid", "dot", "svg", "png", "md"], Parameter(help="svg and png need Graphviz.")
    ] = "mermaid",
    order: Order = None,
    data_dir: DataDir = None,
    config: Config = None,
    out: Annotated[Path | None, Parameter(help="Write into this file instead of standard output.")] = None,
) -> Exit:
    """Draw a state machine; with --order the way that order (or its bracket) walked, numbered and lit.

    Example: python -m engine diagram --machine order --order 9f3c --format svg --out order.svg
    """
    from engine.cli.diagram import diagram as draw
    from engine.cli.diagram import walk_of

    walk = None
    if order is not None:
        walk = walk_of(_settings(config, {}, data_dir=data_dir).directory, machine, order)
    return draw(machine, format, walk, out)


@_listed
def init(
    *, directory: Annotated[Path | None, Parameter(name="--dir", help="Default: the user's settings directory.")] = None
) -> Exit:
    """Write settings and a key file for Kraken itself, every key explained. Overwrites nothing.

    Example: python -m engine init --dir ~/live
    """
    from engine.cli.init import init as write

    return write(directory)


@journal.command
def verify(*, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Walk the whole hash chain and say whether it holds; exit code 5 when not.

    Example: python -m engine journal verify --data-dir ~/engine
    """
    from engine.cli.journal import verify_journal

    return verify_journal(_settings(config, {}, data_dir=data_dir).directory, as_json=as_json)


@journal.command
def show(*, order: Order = None, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Print the journal's rows, of one order or all, also while an engine writes them.

    Example: python -m engine journal show --order 9f3c
    """
    from engine.cli.journal import show_journal

    return show_journal(_settings(config, {}, data_dir=data_dir).directory, order, as_json=as_json)


def _verbs() -> list[str]:
    return sorted(name for name in app if not name.startswith("-"))


def _no_verb(verb: str) -> str:
    """Say which verb was meant, else all there are."""
    like = difflib.get_close_matches(verb, _verbs(), 3, 0.6)
    if like:
        return f"there is no verb {verb!r}: did you mean {' or '.join(like)}? --help lists them all"
    return f"there is no verb {verb!r}: it is one of {', '.join(_verbs())}; see --help"


def main(arguments: list[str]) -> int:
    """Run one verb and return the exit code."""
    try:
        verb = next(iter(arguments), "-")
        if not verb.startswith("-") and verb not in app:  # with a default verb the library takes it for an argument
            raise ConfigError(_no_verb(verb))
        return int(app(arguments, console=help_console()) or Exit.DONE)
    except BrokenPipeError:  # of the help: verbs look out for it themselves
        leave_quietly()
        return Exit.DONE
    except EngineError as error:
        return complain(error)
    except KeyboardInterrupt:
        talk("interrupted")
        return FORCED + 2
