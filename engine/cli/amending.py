"""The verbs ``amend`` and ``protect``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, directory_of, show_answer
from engine.cli.exits import Exit
from engine.cli.story import order_name
from engine.control.amending import Amending
from engine.control.table import AMEND, PROTECT
from engine.runtime.protecting import Protected
from engine.values.money import trimmed


def amend(
    order: Annotated[str | None, Parameter(help="The entry: cl_ord_id or a beginning of it, or the order_id.")] = None,
    *,
    limit_price: Annotated[str | None, Parameter(help="The entry's new limit.")] = None,
    qty: Annotated[str | None, Parameter(help="Its new total quantity, never more than the signal's.")] = None,
    signal: Annotated[str | None, Parameter(help="The signal whose exits are moved.")] = None,
    stop: Annotated[str | None, Parameter(help="Where its stop is to stand.")] = None,
    target: Annotated[str | None, Parameter(help="Where its next target is to stand.")] = None,
    reason: Annotated[str | None, Parameter(help="Why, for the journal.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Change a resting entry's price, or move a living bracket's stop and target in place.

    An entry meets every check of entries again. An answer that is lost is looked into: the order's reports tell.

    Example: python -m engine amend --signal 6f1c2a4e --stop 49500 --target 52000
    """
    given = {
        "order": order,
        "limit_price": limit_price,
        "qty": qty,
        "signal": signal,
        "stop": stop,
        "target": target,
        "reason": reason,
    }
    return show_answer(AMEND, given, directory_of(data_dir, config), as_json=as_json, lines=_amend_lines)


def protect(
    symbol: Annotated[str, Parameter(help="The market, such as BTC/USD.")],
    qty: Annotated[str, Parameter(help="How much of its base, such as 0.02.")],
    *,
    stop: Annotated[str, Parameter(help="Where the loss is cut.")],
    target: Annotated[str | None, Parameter(help="Where the profit is taken.")] = None,
    side: Annotated[
        Literal["buy", "sell"] | None, Parameter(help="How they came: buy for coins held, sell for coins owed.")
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Put coins that are there already under a stop, and a target: a bracket without an entry.

    Only coins that no other bracket holds. From then on it is a bracket as every other: it survives restarts.

    Example: python -m engine protect BTC/USD 0.02 --stop 49000 --target 52000
    """
    given = {"symbol": symbol, "qty": qty, "stop": stop, "target": target, "side": side}
    return show_answer(PROTECT, given, directory_of(data_dir, config), as_json=as_json, lines=_protect_lines)


def _amend_lines(done: Amending) -> Iterator[str]:
    words = {"amended": "amended", "on_the_way": "on the way", "unknown": "sent, and not answered yet"}
    yield f"{words[done.status]}{f': {done.reason}' if done.reason else ''}"
    if done.order is not None:
        at = "" if done.order.limit_price is None else f" at {trimmed(done.order.limit_price)}"
        name = order_name(done.order.role, done.order.cl_ord_id)
        yield f"{name}: {trimmed(done.order.order_qty)}{at}, {done.order.state}"
    for one in done.stops:
        trigger = "" if one.trigger_price is None else f" at {trimmed(one.trigger_price)}"
        yield f"{order_name(one.role, one.cl_ord_id)}: {trimmed(one.order_qty)}{trigger}, {one.state}"
    if done.target_price is not None:
        yield f"target at {trimmed(done.target_price)}"


def _protect_lines(done: Protected) -> Iterator[str]:
    state = "rests under its stop" if done.status == "covered" else "its stop is on the way"
    yield f"{trimmed(done.order_qty)} {done.symbol} {state}: signal {done.signal_id}"
