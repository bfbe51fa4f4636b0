"""The tables of the simulated exchange: accounts, the market's source, and how lively a synthetic one is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from engine.cli.exchanges import sim_settings
from engine.config import Settings, load_settings
from engine.errors import ConfigError


def loaded(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "engine.toml"
    file.write_text(text)
    return load_settings(file, {"data_dir": str(tmp_path)})


def test_accounts_of_a_file_have_keys_of_their_own(tmp_path: Path) -> None:
    """What an account leaves out is as for everybody; its key is made once per data directory."""
    settings = loaded(
        tmp_path,
        '[[exchange.account]]\nname = "bob"\nfunds = { USD = "500" }\ntier = "pro"\nmaker_fee_pct = "0.1"\n'
        '[[exchange.account]]\nname = "eve"\npermissions = ["query-funds"]\n',
    )
    first, second = sim_settings(settings, tmp_path), sim_settings(settings, tmp_path)
    assert first.accounts["bob"] == {"USD": Decimal(500)}
    assert (first.tier_of("bob"), first.tier_of("eve")) == ("pro", "intermediate")
    assert first.fees_of("bob").steps[0].maker_pct == Decimal("0.1")
    assert first.fees_of("bob").steps[0].taker_pct == first.taker_fee_pct
    assert first.terms_of("eve").permissions == ("query-funds",)
    assert first.terms_of("bob").key == second.terms_of("bob").key != first.terms_of("eve").key
    assert first.boot + 1 == second.boot


def test_a_livelier_market_is_a_factor_away(tmp_path: Path) -> None:
    """Volatility, spread, depth, and takers in smaller parts, for every synthetic market."""
    plain = loaded(tmp_path, "").sim_settings().synthetic[0]
    scale = "[exchange.scale]\nvolatility = 2.0\nspread = 0.5\ndepth = 3.0\npartial_fills = 4.0\n"
    scaled = loaded(tmp_path, scale).sim_settings().synthetic[0]
    assert (scaled.walk_ticks, scaled.half_spread_ticks) == (2 * plain.walk_ticks, plain.half_spread_ticks // 2)
    assert scaled.level_lots == tuple(3 * lots for lots in plain.level_lots)
    assert scaled.taker_lots[1] == plain.taker_lots[1] // 4
    assert scaled.taker_every_s == plain.taker_every_s / 4


def test_what_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    """Names that are taken, assets nobody lists, quotes below what an order must be."""
    settings = loaded(
        tmp_path,
        '[exchange]\naccount = [{ name = "house" }, { name = "bob" }, { name = "bob", funds = { XYZ = "1" } }]\n'
        '[[exchange.market]]\nsymbol = "ETH/USD"\nstart_price = "3000.001"\nhalf_spread_ticks = 1\nwalk_ticks = 1\n'
        'refresh_s = 1\nlevels = 1\nlevel_step_ticks = 1\nlot = "0.0001"\nlevel_lots = [9, 3]\ntaker_every_s = 1\n'
        "taker_lots = [1, 1]\n",
    )
    with pytest.raises(ConfigError) as caught:
        settings.sim_settings()
    told = str(caught.value)
    for words in (
        "'house' is taken",
        "'bob' is taken",
        "account bob has XYZ, listed are ",
        "exchange.market ETH/USD: start_price 3000.001 is off its tick",
        "exchange.market ETH/USD: a level of 0.0009 is below",
        "exchange.market ETH/USD: level_lots and taker_lots are [least, most]",
    ):
        assert words in told


@pytest.mark.parametrize("text", ['source = "dream"', "speed = 0", 'account = [{ name = "Bob!" }]', 'fees = "free"'])
def test_words_that_mean_nothing_are_refused(tmp_path: Path, text: str) -> None:
    """With the file's name and the key."""
    with pytest.raises(ConfigError, match=r"engine\.toml: exchange\." + text.partition(" ")[0]):
        loaded(tmp_path, f"[exchange]\n{text}\n")


def test_a_mistake_in_an_account_of_the_command_line_is_told_of_it(tmp_path: Path) -> None:
    """Not of the file, which may hold accounts as well."""
    file = tmp_path / "engine.toml"
    file.write_text('[[exchange.account]]\nname = "bob"\n')
    with pytest.raises(ConfigError, match=r"^command line: exchange\.account\.1\.funds\.USD: "):
        load_settings(file, {"exchange": {"account": [{"name": "eve", "funds": {"USD": "x"}}]}})
