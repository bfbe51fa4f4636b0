"""The looking verbs on the command line: against a living engine's answers in words, and on a dead one's journal."""

from __future__ import annotations

import json

import pytest
import trio

from engine.cli import looking
from engine.cli.exits import Exit
from engine.control.looking_table import BOOKS, BRACKETS, DENIALS_TOLD, LIMITS, LINKS, SUBMIT
from engine.errors import ConfigError
from tests.control.conftest import FIRST, SECOND, SIGNAL

pytestmark = pytest.mark.tcp


async def test_answers_are_told_in_words(open_live):
    """A line for what matters of each, amounts without needless zeros."""
    async with open_live() as live:
        await live.client.call(SUBMIT, {"signal": SIGNAL % FIRST})
        await live.until(lambda: bool(live.exchange.truth.orders))
        denied = await live.client.call(SUBMIT, {"signal": (SIGNAL % SECOND).replace("BTC/USD", "NO/SUCH")})
        assert next(looking._verdict_lines(denied)).startswith(f"signal {SECOND}: denied: SYMBOL_UNKNOWN")
        assert looking._verdict_code(denied) is Exit.REFUSED
        brackets = list(looking._brackets_lines(await live.client.call(BRACKETS, {})))
        assert brackets[0] == f"bracket {FIRST}: BTC/USD buy 0.02, entering, holds 0, uncovered 0"
        assert "entry" in brackets[2]
        books = list(looking._books_lines(await live.client.call(BOOKS, {"symbol": "BTC/USD", "depth": 1})))
        assert books[0] == "BTC/USD: verified"
        assert len(books) == 3
        links = list(looking._links_lines(await live.client.call(LINKS, {})))
        assert links[0].startswith("link public: healthy")
        limits = list(looking._limits_lines(await live.client.call(LIMITS, {})))
        assert limits[0].startswith("exposure ")
        denials = list(looking._denials_lines(await live.client.call(DENIALS_TOLD, {})))
        assert "SYMBOL_UNKNOWN" in denials[1]


async def _lived(open_live) -> None:
    async with open_live() as live:
        await live.client.call(SUBMIT, {"signal": SIGNAL % FIRST})
        await live.until(lambda: bool(live.exchange.truth.orders))
        await live.client.call(SUBMIT, {"signal": (SIGNAL % SECOND).replace("BTC/USD", "NO/SUCH")})


def test_a_dead_engines_journal_answers(open_live, data_dir, capsys):
    """signal, bracket, brackets and denials need no engine; submit and the machinery do."""
    trio.run(_lived, open_live)
    capsys.readouterr()
    assert looking.signal(FIRST, data_dir=data_dir, as_json=True) is Exit.DONE
    assert json.loads(capsys.readouterr().out)["bracket"]["outcome"] == "abandoned"
    assert looking.bracket(FIRST[:5], data_dir=data_dir) is Exit.DONE
    assert capsys.readouterr().out.startswith(f"bracket {FIRST}: BTC/USD buy 0.02, abandoned")
    assert looking.brackets(data_dir=data_dir) is Exit.DONE
    assert capsys.readouterr().out == "no bracket is active\n"
    assert looking.denials(last=1, data_dir=data_dir) is Exit.DONE
    assert "SYMBOL_UNKNOWN" in capsys.readouterr().out
    assert looking.bracket(SECOND, data_dir=data_dir) is Exit.REFUSED
    for call in (looking.books, looking.links, looking.limits):
        assert call(data_dir=data_dir) is Exit.NO_ENGINE
    assert looking.submit(SIGNAL % FIRST, data_dir=data_dir) is Exit.NO_ENGINE


def test_a_signal_file_that_is_not_there_is_named(data_dir):
    """With what is wrong with it."""
    with pytest.raises(ConfigError, match="cannot read nowhere"):
        looking.submit("nowhere.json", data_dir=data_dir)
