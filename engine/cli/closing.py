"""The verb ``close``: flat, with the proof, or exactly what is not."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import trio
from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, directory_of, show_answer, show_refusal
from engine.cli.complaints import complain
from engine.cli.exits import Exit
from engine.cli.output import Output
from engine.control.refusal import Refusal
from engine.control.table import CLOSE
from engine.runtime.close_report import CloseReport
from engine.runtime.logs import configure_logs


def close(
    symbol: Annotated[str | None, Parameter(help="The market to close, such as BTC/USD.")] = None,
    *,
    signal: Annotated[str | None, Parameter(help="Close what this signal holds.")] = None,
    all_positions: Annotated[bool, Parameter(name="--all", help="Close every position of ours.")] = False,
    max_slippage_bps: Annotated[
        int | None,
        Parameter(help="At most so many hundredths of a percent from the mid, for ten seconds; then at market."),
    ] = None,
    include_holdings: Annotated[bool, Parameter(help="Also coins that no bracket of ours holds.")] = False,
    drill: Annotated[bool, Parameter(help="On a simulated exchange, with a copy of today's positions.")] = False,
    reason: Annotated[str | None, Parameter(help="Why, for the journal.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Make a market, a signal or everything of ours flat and prove it, or say what is not flat and why.

    Entries of it are cancelled and kept back meanwhile. What is held goes in slices, each stop staying until its slice
    is sold: at market, or with --max-slippage-bps within that bound for ten seconds. Coins that our own fills did not
    bring stay, unless --include-holdings. Ends within close_bound_s; exit code 0 is flat, 4 is not.

    Example: python -m engine close BTC/USD --max-slippage-bps 20
    """
    given = {
        "symbol": symbol,
        "signal": signal,
        "all": all_positions or None,
        "max_slippage_bps": max_slippage_bps,
        "include_holdings": include_holdings or None,
        "reason": reason,
    }
    directory = directory_of(data_dir, config)
    if not drill:
        return show_answer(CLOSE, given, directory, as_json=as_json, lines=CloseReport.lines, code=exit_of_close)
    from engine.cli.drill import rehearse

    output, logs = Output(), configure_logs(sys.stderr, level="error")
    try:
        report = trio.run(partial(rehearse, CLOSE.arguments(given), directory))
    except Refusal as refusal:
        return show_refusal(output, refusal, as_json=as_json)
    except Exception as error:  # nurseries wrap what the drill's own engine raises
        return complain(error, logs)
    if as_json:
        output.json(report)
    else:
        output.text("".join(f"{line}\n" for line in report.lines()))
    return exit_of_close(report)


def exit_of_close(report: CloseReport) -> Exit:
    """Return 0 for flat, 4 for anything else."""
    return Exit.DONE if report.flat else Exit.REFUSED
