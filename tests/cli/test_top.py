"""The verb top: every frame folded, every width fitted, the terminal given back."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import termios
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from engine.cli.top.fold import fold
from engine.cli.top.screen import draw
from engine.control.board import Board, BoardChange, BoardHealth
from engine.venue.protocol import Headroom
from tests.cli.processes import COMMAND, Cli, signal_line

NOW_MS = 1_000_000


def blank(kind: Any, **given: object) -> Any:
    """Make a record whose members are nothing, but for those given."""
    members = {one.name: _nothing(one.type) for one in msgspec.inspect.type_info(kind).fields if one.required}
    return msgspec.convert({**msgspec.to_builtins(kind(**members)), **given}, kind, strict=False)


def _nothing(kind: msgspec.inspect.Type) -> Any:
    match kind:
        case msgspec.inspect.StructType():
            return blank(kind.cls)
        case msgspec.inspect.LiteralType():
            return kind.values[0]
        case msgspec.inspect.UnionType():
            return None
        case msgspec.inspect.VarTupleType():
            return ()
        case msgspec.inspect.DecimalType():
            return Decimal(0)
        case msgspec.inspect.DictType():
            return {}
        case _:
            name = type(kind).__name__
            return {"IntType": 0, "FloatType": 0.0, "StrType": "", "BoolType": False, "ListType": []}[name]


def board(**changes: object) -> Board:
    """A board of one covered bracket and its stop."""
    counters = {"symbol": "BTC/USD", "level": 120, "threshold": 125, "open_orders": 3, "most_open_orders": 80}
    health = blank(BoardHealth, counters=[msgspec.to_builtins(blank(Headroom, **counters))])
    whole = {
        "engine": {"version": "1", "venue": "kraken", "account": "a", "mode": "live", "pid": 1, "started_ms": 0},
        "orders": [order()],
        "brackets": [bracket()],
        "trading": {"latch": {"state": "ACTIVE", "strategies": {}, "causes": []}, "gate": {}},
        "health": msgspec.to_builtins(health),
    }
    return blank(Board, **{**whole, **changes})  # type: ignore[no-any-return]


def order(name: str = "aaaaaaaa", **changes: object) -> dict[str, object]:
    return {
        "cl_ord_id": name,
        "order_id": "",
        "signal_id": "11111111",
        "strategy_id": "s",
        "role": "stop",
        "symbol": "BTC/USD",
        "side": "sell",
        "order_type": "stop-loss",
        "time_in_force": "gtc",
        "state": "open",
        "ended_as": "",
        "order_qty": "2",
        "cum_qty": "1",
        "avg_px": "",
        "limit_price": "",
        "trigger_price": "45000",
        "since_ms": 1,
        "changed_ms": 1,
        "ended": False,
        "doubt": False,
        "reason": "",
        **changes,
    }


def bracket(name: str = "11111111", **changes: object) -> dict[str, object]:
    return {
        "signal_id": name,
        "strategy_id": "s",
        "symbol": "BTC/USD",
        "side": "buy",
        "state": "covered",
        "outcome": "",
        "order_qty": "2",
        "held": "2",
        "uncovered": "0",
        "uncovered_qty_s": "0",
        "reason": "",
        "stop_price": "45000",
        "target_price": "60000",
        "realized": "0",
        "since_ms": 1,
        "changed_ms": 1,
        "ended": False,
        "orders": 1,
        **changes,
    }


def shown(found: Board | None, width: int = 120, height: int = 40) -> str:
    return "\n".join(line.plain for line in draw(found, "", width, height, NOW_MS))


def test_a_change_replaces_its_rows_and_drops_what_is_gone() -> None:
    """What a change leaves out stays; before a snapshot there is nothing to change."""
    change = msgspec.convert(
        {
            "kind": "change",
            "number": 2,
            "offset": 9,
            "at_ms": 5,
            "orders": [order("bbbbbbbb")],
            "orders_gone": ["aaaaaaaa"],
        },
        BoardChange,
    )
    after = fold(board(), change)
    assert after is not None
    assert [one.cl_ord_id for one in after.orders] == ["bbbbbbbb"]
    assert (after.offset, after.brackets) == (9, board().brackets)
    assert fold(None, change) is None


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("height", [10, 16, 30])
def test_every_terminal_is_fitted(width: int, height: int) -> None:
    """No line is wider, none more; what does not fit is counted."""
    many = board(orders=[order(f"{number:08d}") for number in range(50)])
    lines = draw(many, "", width, height, NOW_MS)
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width
    assert "more)" in "\n".join(line.plain for line in lines)
    assert Console(width=width).render_lines(lines[0])


def test_what_is_wrong_comes_first() -> None:
    """A naked bracket above a covered one, an order in doubt above one that is not, a halt on top of all."""
    cause = {"code": "COMMAND", "reason": "news", "ts_ns": 1, "strategy_id": "", "move": "halt"}
    wrong = board(
        brackets=[bracket(), bracket("22222222", state="naked", uncovered="2")],
        orders=[order(), order("cccccccc", doubt=True, state="unknown")],
        trading={"latch": {"state": "HALTED", "strategies": {}, "causes": [cause]}, "gate": {"NOT_FLAT": "look"}},
    )
    text = shown(wrong)
    assert text.splitlines()[0].startswith("HALTED  kraken live")
    assert text.splitlines()[1] == "HALT COMMAND: news"
    assert "ENTRIES KEPT BACK NOT_FLAT: look" in text
    assert "brackets 2, 1 not covered" in text
    assert text.index("22222222") < text.index("11111111 BTC/USD")
    assert text.index("cccccccc") < text.index("aaaaaaaa")


def test_numbers_are_told() -> None:
    text = shown(board())
    assert "████░░░░ 1/2 stop-loss 45000" in text
    assert "120/125 points 3/80 orders" in text
    assert "connecting" in shown(None)


@pytest.mark.process
def test_without_a_terminal_it_says_what_to_use_instead(cli: Cli) -> None:
    ended = cli.run("top", "--data-dir", str(cli.data_dir))
    assert (ended.code, "top --once" in ended.err) == (2, True), ended.err
    assert cli.run("top", "--once", "--data-dir", str(cli.data_dir)).code == 6


@pytest.mark.process
def test_in_a_terminal_it_shows_the_engine_and_q_gives_it_back(cli: Cli) -> None:
    """On the alternate screen, with the bracket; afterwards the terminal echoes again."""
    (cli.place / "s.jsonl").write_text(signal_line() + "\n")
    engine = cli.start("run", "--json", "--signals", "s.jsonl", "--data-dir", str(cli.data_dir))
    _wait_for_door(cli.data_dir)
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [*COMMAND, "top", "--data-dir", str(cli.data_dir)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=cli.place,
        env=cli.environment({"TERM": "xterm-256color"}),
    )
    try:
        seen = _read_until(master, "00000000")
        os.write(master, b"q")
        assert process.wait(20) == 0
    finally:
        process.kill()
        after = termios.tcgetattr(slave)
        os.close(slave)
        os.close(master)
        cli.interrupt(engine)
    assert "\x1b[?1049h" in seen
    assert after[3] == before[3]


def _wait_for_door(directory: Path) -> None:
    for _ in range(800):
        if (directory / "control.sock").exists() or (directory / "control.path").exists():
            return
        time.sleep(0.05)
    raise AssertionError("no door")


def _read_until(master: int, words: str) -> str:
    seen = ""
    for _ in range(2000):
        seen += os.read(master, 65536).decode("utf-8", "replace")
        if words in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen):
            return seen
    raise AssertionError(seen)
