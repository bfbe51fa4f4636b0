"""The verbs about signals, brackets and the machinery: submit to denials."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, columns, directory_of, show_answer
from engine.cli.exits import Exit
from engine.cli.live import counter_line, limit_line, link_line, orders_table
from engine.control.brackets import BracketList, BracketRecord, SignalDetail, Verdict
from engine.control.looking import BookList, DenialList, LimitList, LinkList
from engine.control.looking_table import BOOKS, BRACKET, BRACKETS, DENIALS_TOLD, LIMITS, LINKS, SIGNAL, SUBMIT
from engine.errors import ConfigError
from engine.market.book import Level
from engine.values.money import trimmed

SignalId = Annotated[str, Parameter(help="signal_id or any unique beginning of it, or one of its orders.")]


def submit(
    signal: Annotated[
        str, Parameter(help="The signal as JSON, a file with one, or - for standard input.", allow_leading_hyphen=True)
    ],
    *,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Give the running engine a signal; says once the verdict is durable. Safe to repeat: one signal_id, one bracket.

    Example: python -m engine submit signal.json
    """
    directory = directory_of(data_dir, config)
    return show_answer(
        SUBMIT, {"signal": signal_text(signal)}, directory, as_json=as_json, lines=_verdict_lines, code=_verdict_code
    )


def signal(signal: SignalId, *, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Show one signal: what came, the verdict, and its bracket.

    Example: python -m engine signal 3f9c12ab
    """
    directory = directory_of(data_dir, config)
    return show_answer(SIGNAL, {"signal": signal}, directory, as_json=as_json, lines=_signal_lines)


def brackets(*, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """List the brackets that have not ended, with their cover and their orders.

    Example: python -m engine brackets
    """
    return show_answer(BRACKETS, {}, directory_of(data_dir, config), as_json=as_json, lines=_brackets_lines)


def bracket(signal: SignalId, *, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Show one bracket, living or ended.

    Example: python -m engine bracket 3f9c12ab
    """
    directory = directory_of(data_dir, config)
    return show_answer(BRACKET, {"signal": signal}, directory, as_json=as_json, lines=_bracket_lines)


def books(
    symbol: Annotated[str | None, Parameter(help="This market alone, in any spelling.")] = None,
    *,
    depth: Annotated[int | None, Parameter(help="Levels of each side, 1 to 1000.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Show the books that the engine holds, and how fresh they are; one by name whether held or not.

    Example: python -m engine books BTC/USD --depth 5
    """
    given = {"symbol": symbol, "depth": depth}
    return show_answer(BOOKS, given, directory_of(data_dir, config), as_json=as_json, lines=_books_lines)


def links(*, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Show the connections to the venue: health, latency, traffic, gaps.

    Example: python -m engine links --json
    """
    return show_answer(LINKS, {}, directory_of(data_dir, config), as_json=as_json, lines=_links_lines)


def limits(*, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Show the limits, what is used of them, and the room in the venue's own counters.

    Example: python -m engine limits
    """
    return show_answer(LIMITS, {}, directory_of(data_dir, config), as_json=as_json, lines=_limits_lines)


def denials(
    *,
    last: Annotated[int | None, Parameter(help="How many, 1 to 1000; left out: 50.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Show the last signals that were denied, with code, reason and numbers.

    Example: python -m engine denials --last 5
    """
    directory = directory_of(data_dir, config)
    return show_answer(DENIALS_TOLD, {"last": last}, directory, as_json=as_json, lines=_denials_lines)


def signal_text(given: str) -> str:
    """Return the signal that is given as JSON, as a file, or on standard input. Raises ConfigError."""
    if given.lstrip().startswith("{"):
        return given
    try:
        text = sys.stdin.read() if given == "-" else Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {given}: {getattr(error, 'strerror', None) or 'not text'}") from None
    if not text.strip():
        raise ConfigError(f"no signal in {'standard input' if given == '-' else given}: help concepts shows one")
    return text


def _verdict_code(found: Verdict) -> Exit:
    return Exit.DONE if found.status == "accepted" else Exit.REFUSED


# --- in words ------------------------------------------------------------------------------------------------------


def _verdict_lines(found: Verdict) -> Iterator[str]:
    why = f": {found.code}: {found.reason}" if found.code else ""
    yield f"signal {found.signal_id}: {found.status}{why} (row {found.offset})"
    if found.code:
        yield f"what to do: python -m engine errors {found.code}"


def _signal_lines(found: SignalDetail) -> Iterator[str]:
    signal = found.signal
    yield from _verdict_lines(found.verdict)
    yield f"{signal.side} {trimmed(signal.order_qty)} {signal.symbol} {signal.order_type}, came {found.received_at}"
    if found.bracket is not None:
        yield ""
        yield from _bracket_lines(found.bracket)


def _brackets_lines(found: BracketList) -> Iterator[str]:
    if not found.brackets:
        yield "no bracket is active"
        return
    for number, one in enumerate(found.brackets):
        if number:
            yield ""
        yield from _bracket_lines(one)


def _bracket_lines(one: BracketRecord) -> Iterator[str]:
    yield (
        f"bracket {one.signal_id}: {one.symbol} {one.side} {trimmed(one.order_qty)}, {one.outcome or one.state},"
        f" holds {trimmed(one.exposure)}, uncovered {trimmed(one.uncovered)}"
    )
    if one.reason:
        yield f"reason: {one.reason}"
    if one.orders:
        yield from orders_table(one.orders)


def _books_lines(found: BookList) -> Iterator[str]:
    if not found.books:
        yield "no book is held"
    for book in found.books:
        state = "verified" if book.usable else f"not usable: {book.fault}"
        yield f"{book.symbol}: {state}"
        depth = max(len(book.bids), len(book.asks))
        rows = [(*_level(book.bids, at), *reversed(_level(book.asks, at))) for at in range(depth)]
        yield from columns(("bid", "qty", "qty", "ask"), rows)


def _level(levels: tuple[Level, ...], at: int) -> tuple[str, str]:
    return (str(levels[at][0]), str(levels[at][1])) if at < len(levels) else ("", "")


def _links_lines(found: LinkList) -> Iterator[str]:
    yield from (link_line(link) for link in found.links)
    if found.breaker is not None:
        yield f"breaker: {found.breaker.state}, {found.breaker.failures} of {found.breaker.limit} failures"


def _limits_lines(found: LimitList) -> Iterator[str]:
    yield limit_line(found.used)
    limits, currency = found.limits, found.limits.currency
    named = {
        "exposure": limits.exposure_most,
        "one order": limits.order_value_most,
        "realised loss of a day": limits.daily_realized_loss_most,
        "loss of a day": limits.daily_loss_most,
        "drawdown": limits.drawdown_most,
    }
    yield from (f"at most {trimmed(most)} {currency}: {what}" for what, most in named.items() if most is not None)
    if limits.open_orders_most is not None:
        yield f"at most {limits.open_orders_most} open orders"
    yield from (counter_line(counter) for counter in found.counters)


def _denials_lines(found: DenialList) -> Iterator[str]:
    if not found.denials:
        yield "no signal was denied"
        return
    rows = [(one.at, one.symbol, one.signal_id[:8], one.code, one.reason) for one in found.denials]
    yield from columns(("time (UTC)", "symbol", "signal", "code", "reason"), rows)
