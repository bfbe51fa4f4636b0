"""The verb ``exchange``: the simulated Kraken on its own, for any client of Kraken."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import trio
from cyclopts import Parameter
from rich.text import Text

from engine.cli.asking import Config, DataDir
from engine.cli.complaints import complain
from engine.cli.exchanges import Listening, market_chance, open_exchange, prepare_directory, prepared_sim
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.markets import SOURCES
from engine.cli.output import Output
from engine.config import Settings, load_settings
from engine.errors import ConfigError
from engine.runtime.logs import Logs, configure_logs
from engine.sim import KINDS

Scale = Annotated[float | None, Parameter(help="Times that of the settings, for a synthetic market.")]
_TERMS = ("maker_fee_pct", "taker_fee_pct", "tier")


def exchange(
    *,
    port: Annotated[int | None, Parameter(help="Port on 127.0.0.1; 0 takes any that is free.")] = None,
    free_port: Annotated[bool, Parameter(help="When the port is taken, take any that is free.")] = False,
    market: Annotated[str | None, Parameter(help=f"{SOURCES}; live: alone is Kraken itself.")] = None,
    speed: Annotated[float | None, Parameter(help="Of a replay: 10 is ten times as fast.")] = None,
    symbol: Annotated[list[str] | None, Parameter(help="That a live market follows; may be repeated.")] = None,
    seed: Annotated[int | None, Parameter(help="Seed of the synthetic market, and of faults by chance.")] = None,
    volatility: Scale = None,
    spread: Scale = None,
    depth: Scale = None,
    partial_fills: Annotated[
        float | None, Parameter(help="Takers that many times smaller, and as much more often.")
    ] = None,
    account: Annotated[
        list[str] | None,
        Parameter(help="A further account: NAME:USD=50000,BTC=1,tier=pro,maker_fee_pct=0.1; may be repeated."),
    ] = None,
    faults: Annotated[Path | None, Parameter(help="TOML file of what goes wrong, and when.")] = None,
    faults_help: Annotated[bool, Parameter(help="Explain faults, with every kind and an example, and end.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Say where it listens in one line of JSON.")] = False,
    log_level: Annotated[str | None, Parameter(help="debug, info, warning, error or critical; to stderr.")] = None,
    log_file: Annotated[Path | None, Parameter(help="Also write the log into this file, as JSON lines.")] = None,
) -> Exit:
    """Run the simulated Kraken alone, REST and WebSocket v2 on one port, until Ctrl-C.

    Accounts, orders, trades and candles are kept in the data directory; spreads, counters and tokens begin anew.
    Says where it listens and with which key: in words on a terminal, else (and with --json) in one line of JSON.

    Example: python -m engine exchange --port 8791 --seed 7 --faults faults.toml
    """
    if faults_help:
        Output().text(explained())
        return Exit.DONE
    given = {
        "port": port,
        "free_port": free_port or None,
        "source": market,
        "speed": speed,
        "symbols": symbol,
        "faults": faults,
        "account": None if account is None else [_account(text) for text in account],
        "scale": _given(volatility=volatility, spread=spread, depth=depth, partial_fills=partial_fills) or None,
    }
    command_line = _given(
        data_dir=data_dir,
        seed=seed,
        exchange=_given(**given) or None,
        log=_given(level=log_level, file=log_file) or None,
    )
    settings = load_settings(config, command_line)
    logs = configure_logs(sys.stderr, level=settings.log.level, file=settings.log.file)
    return trio.run(partial(_serve, settings, logs, as_json=as_json))


def _given(**values: Any) -> dict[str, Any]:
    """Leave out what was not given."""
    return {name: value for name, value in values.items() if value is not None}


def _account(text: str) -> dict[str, Any]:
    """Read ``NAME:MEMBER=VALUE,...``; what is no term of an account is an asset. Raises ConfigError."""
    name, _, members = text.partition(":")
    row: dict[str, Any] = {"name": name, "funds": {}}
    for member in filter(None, members.split(",")):
        key, equals, value = member.partition("=")
        if not equals:
            raise ConfigError(f"--account {text}: {member!r} is no NAME=VALUE")
        if key == "permissions":
            row[key] = value.split("+")
        elif key in _TERMS:
            row[key] = value
        else:
            row["funds"][key] = value
    return row


async def _serve(settings: Settings, logs: Logs, *, as_json: bool) -> Exit:
    output = Output()
    try:
        directory = prepare_directory(settings.directory)
        async with open_interrupts() as stop:
            with stop:
                sim = await prepared_sim(settings, directory)
                async with open_exchange(
                    sim,
                    market_chance(settings),
                    settings.exchange.port,
                    directory,
                    free_port=settings.exchange.free_port,
                ) as listening:
                    for row in listening.accounts():
                        logs.hide(row["api_secret"])
                    if as_json or not output.is_terminal:
                        output.json(listening.ready_line())
                    else:
                        for line in _greeting(listening, settings):
                            output.line(Text(line))
                    await trio.sleep_forever()
    except Exception as error:
        return complain(error, logs)
    return Exit.DONE


def _greeting(listening: Listening, settings: Settings) -> list[str]:
    ready = listening.ready_line()
    seed = "" if settings.seed is None else f", seed {settings.seed}"
    lines = [
        "a simulated Kraken, until Ctrl-C",
        f"  REST       {ready['rest']}",
        f"  WebSocket  {ready['ws']}  (public and private)",
        f"  control    {ready['control']}",
        f"  market     {settings.exchange.source}{seed}",
        f"  state      {settings.directory}",
    ]
    for row in listening.accounts():
        lines += [
            f"  account    {row['name']}",
            f"    api_key     {row['api_key']}",
            f"    api_secret  {row['api_secret']}",
        ]
    return lines


_EXPLAINED = """\
Faults: what goes wrong on the simulated exchange, and when.

In a file, given with --faults FILE:

    seed = 7                      # of what happens by chance; else the exchange's

    [[fault]]
    kind = "lose_answer"          # the order is taken, and nobody is told
    method = ["AddOrder", "add_order"]
    symbol = "BTC/USD"
    nth = 2                       # the second order on that symbol

    [[fault]]
    kind = "status"
    mode = "post_only"
    at_s = 60                     # a minute after the start ...
    hold_s = 20                   # ... for twenty seconds

    [[fault]]
    kind = "drop_frame"
    channel = "book"
    probability = 0.01

Or while it runs, over HTTP on the same port, from this machine:

    curl -d '{"kind": "kick", "who": "private"}' http://127.0.0.1:8791/control/faults
    curl http://127.0.0.1:8791/control/faults
    curl -X DELETE http://127.0.0.1:8791/control/faults

Whom it meets: method (requests; REST endpoint, WebSocket method, "connect" for an upgrade, or * for every one),
transport (ws, rest), channel (frames), symbol; each but transport may be a list.
When: nth (the n-th that it meets), at_s and for_s (seconds from the moment it was set), probability (with seed), times
(how often at most). All that is given must hold. Without any of them a request or frame fault meets the next one, and a
fault of the venue happens at once.

"""


def explained() -> str:
    """Return the help on faults, with every kind and its members."""
    lines = [_EXPLAINED]
    titles: dict[Literal["request", "frame", "venue"], str] = {
        "request": "Faults of a request",
        "frame": "Faults of a frame",
        "venue": "Faults of the venue",
    }
    for target, title in titles.items():
        lines.append(f"{title}\n")
        for kind in KINDS.values():
            if kind.target == target:
                only = f" ({', '.join(kind.channels)} only)" if kind.channels else ""
                lines.append(f"  {kind.name:18} {kind.help}{only}\n")
                lines += [f"  {'':18}   {name}: {member.described}\n" for name, member in kind.members.items()]
        lines.append("\n")
    return "".join(lines)
