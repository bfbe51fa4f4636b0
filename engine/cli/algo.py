"""The verb ``algo``: an execution algorithm at work on a running engine, through its door."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated, Literal

import trio
from cyclopts import Parameter

from engine.algos import (
    AlgoResult,
    Budget,
    Chase,
    ChaseTerms,
    DoorHands,
    Hands,
    Iceberg,
    IcebergTerms,
    Parent,
    Twap,
    TwapTerms,
)
from engine.cli.asking import Config, DataDir, Json, directory_of
from engine.cli.complaints import complain
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.looking import signal_text
from engine.cli.output import Output, talk
from engine.client import AsyncClient, Unreachable
from engine.errors import ConfigError
from engine.runtime.logs import configure_logs
from engine.values.money import trimmed

Kind = Literal["chase", "twap", "iceberg"]
Algorithm = Chase | Twap | Iceberg


def algo(
    kind: Annotated[Kind, Parameter(help="Which algorithm.")],
    *,
    signal: Annotated[
        str, Parameter(help="The parent: a limit signal as JSON, a file with one, or -.", allow_leading_hyphen=True)
    ],
    over: Annotated[float, Parameter(help="Seconds from the first child to the end.")],
    slices: Annotated[int, Parameter(help="twap: into how many slices.")] = 6,
    jitter: Annotated[float, Parameter(help="twap: part of its interval by which a slice may begin later.")] = 0.0,
    catch_up: Annotated[str, Parameter(help="twap: how many missed slices a slot may take on.")] = "1",
    display: Annotated[str | None, Parameter(help="iceberg: how much is shown at a time, base units.")] = None,
    reprices: Annotated[int, Parameter(help="chase: at most so many re-prices.")] = 20,
    every: Annotated[float, Parameter(help="chase: at least so many seconds between two.")] = 5.0,
    take: Annotated[bool, Parameter(help="chase: at the end take the rest at the worst price.")] = False,
    children: Annotated[int, Parameter(help="At most so many signals.")] = 100,
    points: Annotated[int | None, Parameter(help="At most so many points of the venue's rate counter.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Work a limit signal in parts on the running engine: chase, twap or iceberg. The same line again goes on with it.

    The signal is the parent and is never sent itself: its limit_price is the worst price, its order_qty the most. Every
    part is a signal with the parent's stop. Ctrl-C cancels what rests and ends; what was bought stays protected.

    Exit codes: 0 all of it traded; 4 less, and why; 2 the signal or the terms; 6 no engine runs there.

    Example: python -m engine algo twap --signal parent.json --slices 6 --over 600
    """
    logs = configure_logs(sys.stderr, level="warning")
    try:
        parent, budget = Parent.read(signal_text(signal)), Budget(children=children, points=points)
        directory = directory_of(data_dir, config)

        def make(hands: Hands) -> Algorithm:
            if kind == "chase":
                return Chase(hands, parent, ChaseTerms(over, reprices, every, take), budget)
            if kind == "iceberg":
                if display is None:
                    raise ConfigError("--display is missing: how much an iceberg shows at a time")
                return Iceberg(hands, parent, IcebergTerms(_amount("--display", display), over), budget)
            return Twap(hands, parent, TwapTerms(slices, over, jitter, _amount("--catch-up", catch_up)), budget)

        client = AsyncClient.on(directory)
        result = trio.run(partial(_work, client, make))
    except Unreachable as error:
        talk(f"error: {error}: start an engine with run")
        return Exit.NO_ENGINE
    except Exception as error:  # nurseries wrap it
        return complain(error, logs)
    output = Output()
    if as_json:
        output.json(result)
    else:
        output.text("".join(f"{line}\n" for line in _lines(result)))
    return Exit.DONE if result.state == "complete" else Exit.REFUSED


async def _work(client: AsyncClient, make: Callable[[Hands], Algorithm]) -> AlgoResult:
    """Run it; the first Ctrl-C lets it end in order, the second leaves what rests to its own time-out."""
    async with client, open_interrupts() as interrupted, trio.open_nursery() as nursery:
        algorithm = make(DoorHands(client))
        nursery.start_soon(_stop_when, interrupted, algorithm)
        result = await algorithm.run()
        nursery.cancel_scope.cancel()
    return result


async def _stop_when(interrupted: trio.CancelScope, algorithm: Algorithm) -> None:
    with interrupted:
        await trio.sleep_forever()
    if interrupted.cancelled_caught:
        algorithm.stop("interrupted")


def _lines(result: AlgoResult) -> Iterator[str]:
    why = f": {result.reason}" if result.reason else ""
    average = f" at {trimmed(round(result.avg_px, 8))} on average" if result.cum_qty else ""
    yield f"{result.state}{why}; {trimmed(result.cum_qty)} of {trimmed(result.order_qty)}{average}"
    yield f"{len(result.children)} children, {result.reprices} re-prices, {result.points} points"
    for child in result.children:
        settled = "" if child.settled else ", not settled"
        reason = f", {child.reason}" if child.reason else ""
        yield f"  {child.signal_id}  {trimmed(child.cum_qty)} of {trimmed(child.order_qty)}{settled}{reason}"


def _amount(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise ConfigError(f"{name}: {text!r} is no amount; write it as 0.02")
    return value
