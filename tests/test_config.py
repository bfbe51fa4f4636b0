"""Settings: what wins, what is refused, and that every fault is told at once."""

from __future__ import annotations

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.config import Credentials, Settings, load_credentials, load_settings
from engine.config.guardian_keys import load_guardian_credentials
from engine.config.limits_section import LimitsSection
from engine.errors import ConfigError
from engine.kraken.settings import KrakenSettings, Secret
from engine.net.link_policy import LinkPolicy
from engine.orders.bracket_events import Policy
from engine.risk.limits import UNLIMITED, Limits, StrategyLimits, SymbolLimits
from engine.runtime.alarm import AlarmSettings
from engine.runtime.margin_settings import MarginSettings
from engine.runtime.settings import EngineSettings, MarketSettings
from engine.sim import SimSettings
from engine.values.money import Qty

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that runs the tests, and no file in the working directory."""
    for name in [name for name in os.environ if name.startswith("ENGINE_") or name == "CREDENTIALS_DIRECTORY"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(place: Path, text: str, name: str = "engine.toml", mode: int = 0o600) -> Path:
    path = place / name
    path.write_text(text)
    path.chmod(mode)
    return path


def test_file_holds_exactly_the_built_in_settings() -> None:
    """config/engine.toml may be left out: it says what is built in, and explains it. So does limits.toml beside it."""
    settings = load_settings(ROOT / "config" / "engine.toml")
    assert settings.model_dump(exclude={"limits"}) == load_settings().model_dump(exclude={"limits"})
    assert settings.limits == LimitsSection()


def test_file_shows_every_key() -> None:
    """Keys without a default stand there as comments."""
    texts = [(ROOT / "config" / name).read_text() for name in ("engine.toml", "limits.toml")]
    text, shown = "\n".join(texts), {**tomllib.loads(texts[0]), **tomllib.loads(texts[1])}

    def missing(table: dict[str, Any], model: dict[str, Any]) -> list[str]:
        names = [name for name in model if name not in table and f"# {name} = " not in text]
        nested = [name for name, value in model.items() if isinstance(value, dict) and name in table]
        return names + [found for name in nested for found in missing(table[name], model[name])]

    model = load_settings(None, {"limits": {}}).model_dump()
    for tables in ("symbol", "strategy"):
        assert f"# [limits.{tables}." in text
        del model["limits"][tables]
    assert missing(shown, model) == []


def test_command_line_over_environment_over_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each layer changes only what it names, within a table too."""
    file = written(tmp_path, 'seed = 1\n[log]\nlevel = "error"\n[policy]\nswap_bound_s = 9\ncover_bound_s = 8\n')
    monkeypatch.setenv("ENGINE_SEED", "2")
    monkeypatch.setenv("ENGINE_POLICY__SWAP_BOUND_S", "7")
    settings = load_settings(file, {"seed": 3, "log": {"file": "x.log"}})
    assert (settings.seed, settings.log.level, settings.log.file) == (3, "error", Path("x.log"))
    assert (settings.policy.swap_bound_s, settings.policy.cover_bound_s) == (7, 8)


def test_file_of_the_working_directory_is_the_default(tmp_path: Path) -> None:
    """config/engine.toml is read where it is there."""
    (tmp_path / "config").mkdir()
    written(tmp_path / "config", "seed = 11")
    assert load_settings().seed == 11


def test_every_fault_is_told_at_once_with_its_place_and_range(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line a fault: where it stands, which key, what is permitted."""
    monkeypatch.setenv("ENGINE_VENEU", "kraken")
    monkeypatch.setenv("ENGINE_LOG__LEVEL", "loud")
    file = written(
        tmp_path, "colour = 1\n[policy]\nswap_bound_s = -1\n[exchange]\nport = 70000\nmarket = []\nhue = 2\n"
    )
    with pytest.raises(ConfigError) as raised:
        load_settings(file, {"seed": "x"})
    lines = str(raised.value).splitlines()
    assert len(lines) == 7
    for start, *words in (
        ("environment: ENGINE_VENEU: unknown", "VENUE"),
        ("environment: ENGINE_LOG__LEVEL: log.level: ", "'warning'"),
        (f"{file}: colour: unknown key",),
        (f"{file}: policy.swap_bound_s: ", "permitted: above 0 to 3600", "is -1"),
        (f"{file}: exchange.port: ", "permitted: from 0 to 65535", "is 70000"),
        (f"{file}: exchange.hue: unknown key",),
        ("command line: seed: ",),
    ):
        (line,) = [line for line in lines if line.startswith(start)]
        assert all(word in line for word in words), line


def test_breaker_bounds_are_checked_and_reach_the_engine(tmp_path: Path) -> None:
    """Failures from 1 to 1000, a rest of up to an hour."""
    settings = load_settings(written(tmp_path, "[engine]\nbreaker_failures = 3\nbreaker_rest_s = 12.5\n"))
    engine = settings.engine_settings()
    assert (engine.breaker_failures, engine.breaker_rest_s) == (3, 12.5)
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, "[engine]\nbreaker_failures = 0\nbreaker_rest_s = 3601\n"))
    assert "engine.breaker_failures" in str(caught.value)
    assert "engine.breaker_rest_s" in str(caught.value)


@pytest.mark.parametrize("text", ["[log", 'data_dir = "\\q"'])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    """With the parser's own words."""
    with pytest.raises(ConfigError, match=r"engine\.toml: not TOML"):
        load_settings(written(tmp_path, text))


def test_settings_become_the_rooms_records() -> None:
    """Built-in settings give the records' own defaults."""
    settings = load_settings(None, {"data_dir": "d"})
    built_in_limits = LimitsSection().limits()
    assert settings.engine_settings() == EngineSettings(data_dir=Path("d"), policy=Policy(), limits=built_in_limits)
    key, secret = Secret("k"), Secret("c2VjcmV0")
    built_in = KrakenSettings(api_key=key, api_secret=secret, mode="simulated")
    assert settings.kraken_settings(Credentials(key, secret)) == built_in
    sim = settings.sim_settings(boot=4)
    assert (sim.boot, sim.maker_fee_pct, len(sim.synthetic)) == (4, SimSettings().maker_fee_pct, 3)
    assert (sim.tier, sim.keep_closed) == ("intermediate", 10_000)
    assert sim.accounts == SimSettings().accounts


def test_only_venue_kraken_is_live() -> None:
    """Anything else must never reach a real account."""
    key = Credentials(Secret("k"), Secret("c2VjcmV0"))
    modes = {venue: Settings(venue=venue).kraken_settings(key).mode for venue in ("kraken", "simulated")}
    assert modes == {"kraken": "live", "simulated": "simulated"}


def test_every_member_that_shapes_the_engine_can_be_set() -> None:
    """What a room may be told, a file may tell; the exceptions are named here."""
    settings = Settings()
    for room, table, other in (
        (
            EngineSettings,
            settings.engine,
            {"data_dir", "lease_dir", "policy", "market", "margin", "limits", "alarms", "dead_man_s"},
        ),
        (Limits, LimitsSection(), set()),
        (SymbolLimits, LimitsSection().each_symbol, set()),
        (StrategyLimits, LimitsSection().each_strategy, set()),
        (MarketSettings, settings.market, set()),
        (Policy, settings.policy, set()),
        (MarginSettings, settings.margin, set()),
        (AlarmSettings, settings.alarms, set()),
        (KrakenSettings, settings.kraken, {*Credentials._fields, "mode", "plain_host", "user_agent"}),
        (LinkPolicy, settings.kraken.link, set()),
    ):
        assert set(type(table).model_fields) - {"key_file", "ways_file"} == set(room.__struct_fields__) - other, room


def test_dead_man_switch_needs_its_own_word(tmp_path: Path) -> None:
    """Off whatever its time-out says; the engine is told a time-out only where it was switched on."""
    off = load_settings(written(tmp_path, "[guardian]\ndead_man_timeout_s = 90\n"))
    on = load_settings(written(tmp_path, '[guardian]\ndead_man_timeout_s = 90\ndead_man_switch = "entries-only"\n'))
    assert (off.engine_settings().dead_man_s, on.engine_settings().dead_man_s) == (None, 90)


def test_guardian_has_a_key_file_of_its_own(tmp_path: Path) -> None:
    """Its key, and how it knows the engine's journal and orders; what is missing or open to others is refused."""
    text = 'api_key = "k"\napi_secret = "c2VjcmV0"\nengine_account = "abc"\nengine_mark = "00ff"\n'
    file = written(tmp_path, text, "guardian-key.toml")
    found = load_guardian_credentials(load_settings(None, {"guardian": {"key_file": file}}))
    assert found is not None
    assert (found.credentials.api_key, found.engine_account, found.engine_mark) == (Secret("k"), "abc", b"\x00\xff")
    assert load_guardian_credentials(load_settings()) is None
    for bad, said in (
        (text.replace("engine_mark", "mark"), "lacks engine_mark"),
        (text.replace("00ff", "zz"), "hexadec"),
    ):
        written(tmp_path, bad, "guardian-key.toml")
        with pytest.raises(ConfigError, match=said):
            load_guardian_credentials(load_settings(None, {"guardian": {"key_file": file}}))
    written(tmp_path, text, "guardian-key.toml", 0o644)
    with pytest.raises(ConfigError, match="others can read"):
        load_guardian_credentials(load_settings(None, {"guardian": {"key_file": file}}))


def test_a_file_reaches_the_rooms(tmp_path: Path) -> None:
    """A table within a table too; what it leaves out stays built in."""
    text = (
        '[engine]\nvisibility_lag_s = 7\n[kraken]\nmay_withdraw = true\norders_via = "rest"\n'
        '[kraken.link]\nping_every_s = 2.5\nalarm_after = 3\n[exchange]\ntier = "none"\nkeep_closed = 500\n'
    )
    settings = load_settings(written(tmp_path, text))
    assert settings.engine_settings().visibility_lag_s == 7
    kraken = settings.kraken_settings(Credentials(Secret("k"), Secret("c2VjcmV0")))
    assert (kraken.may_withdraw, kraken.orders_via) == (True, "rest")
    assert kraken.link == LinkPolicy(ping_every_s=2.5, alarm_after=3)
    assert (settings.sim_settings().tier, settings.sim_settings().keep_closed) == (None, 500)


def test_a_live_key_has_one_lease_for_all_data_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the user's state directory; a simulated exchange's key needs none."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    live = [Settings(venue="kraken", data_dir=Path(name), limits=LimitsSection()) for name in "ab"]
    places = {settings.engine_settings().lease_dir for settings in live}
    (place,) = places
    assert place is not None
    assert place.is_relative_to(tmp_path)
    assert place.name == "leases"
    assert Settings().engine_settings().lease_dir is None
    assert Settings(venue="simulated").engine_settings().lease_dir is None


# --- the limits


def test_live_venue_without_limits_is_not_started(tmp_path: Path) -> None:
    """It says what to write; with the file beside the settings it starts."""
    file = written(tmp_path, 'venue = "kraken"')
    with pytest.raises(ConfigError, match=r"needs limits: put a limits\.toml beside the settings file"):
        load_settings(file).engine_settings()
    written(tmp_path, '[limits]\norder_value_most = "50"', "limits.toml")
    assert load_settings(file).engine_settings().limits.order_value_most == 50


def test_simulated_exchange_has_limits_of_its_own() -> None:
    """Without a file the built-in ones hold."""
    assert load_settings().engine_settings().limits == LimitsSection().limits()
    assert LimitsSection().limits() != UNLIMITED
    assert not LimitsSection().limits().judges_nothing


def test_limits_reach_the_checks(tmp_path: Path) -> None:
    """A market or strategy with a table of its own has that one, every other the common one."""
    text = (
        '[limits]\nsymbols = ["BTC/USD"]\n[limits.rates]\nEUR = "1.1"\n[limits.each_symbol]\nexposure_most = "5"\n'
        '[limits.symbol."BTC/USD"]\norder_qty_most = "0.5"\n[limits.strategy.momentum]\ndaily_loss_most = "7"\n'
    )
    limits = load_settings(written(tmp_path, text)).engine_settings().limits
    assert (limits.symbols, limits.rates) == (("BTC/USD",), {"EUR": Decimal("1.1")})
    assert limits.of_symbol("BTC/USD") == SymbolLimits(order_qty_most=Qty(Decimal("0.5")))
    assert limits.of_symbol("ETH/USD").exposure_most == 5
    assert limits.of_strategy("momentum").daily_loss_most == 7
    assert limits.of_strategy("other") == limits.each_strategy


def test_every_fault_of_the_limits_is_told_at_once_with_its_range(tmp_path: Path) -> None:
    """By the name of their own file, inside a table of a market or strategy too."""
    text = (
        '[limits]\norder_value_most = "-1"\ncollar_bps = "10001"\nmax_orders = 1\nlink_loss_halt_s = 1\n'
        '[limits.rates]\nEUR = "0"\n[limits.symbol."BTC/USD"]\norder_qty_most = "0"\n[limits.strategy."a b"]\n[log]\n'
    )
    limits = written(tmp_path, text, "limits.toml")
    with pytest.raises(ConfigError) as raised:
        load_settings(written(tmp_path, "[limits]\n", "other.toml"))
    assert "stands in" in str(raised.value)
    with pytest.raises(ConfigError) as raised:
        load_settings(written(tmp_path, "seed = 1.5"))
    faults = str(raised.value).splitlines()
    for words in (
        f"{limits}: log: unknown key; this file holds the table limits alone",
        f"{limits}: limits.order_value_most: input should be greater than 0 (permitted: above 0 to 1000000000000)",
        f"{limits}: limits.collar_bps: input should be less than or equal to 10000 (permitted: above 0 to 10000)",
        f"{limits}: limits.max_orders: unknown key",
        f"{limits}: limits.link_loss_halt_s: input should be greater than or equal to 5 (permitted: from 5 to 86400)",
        f"{limits}: limits.rates.EUR: input should be greater than 0 (permitted: above 0 to 1000000000000)",
        f"{limits}: limits.symbol.BTC/USD.order_qty_most: input should be greater than 0 (permitted: above 0",
        f"{limits}: limits.strategy.a b: string should match pattern",
        f"{tmp_path / 'engine.toml'}: seed: ",
    ):
        assert any(fault.startswith(words) for fault in faults), (words, faults)
    assert len(faults) == 9


# --- the key


def with_key_file(path: Path) -> Settings:
    return load_settings(None, {"venue": "kraken", "kraken": {"key_file": str(path)}})


@pytest.mark.parametrize("text", ['api_key = "K"\napi_secret = "S"\n', '{"api_key":"K","api_secret":"S","rest":"x"}'])
def test_key_file(tmp_path: Path, text: str) -> None:
    """TOML, or the line that ``exchange`` prints."""
    assert load_credentials(with_key_file(written(tmp_path, text))) == Credentials(Secret("K"), Secret("S"))


def test_key_file_may_hold_a_second_key_for_reads(tmp_path: Path) -> None:
    """An empty one is none."""
    text = 'api_key = "K"\napi_secret = "S"\nquery_key = "Q"\nquery_secret = "R"\n'
    both = (Secret("K"), Secret("S"))
    assert load_credentials(with_key_file(written(tmp_path, text))) == Credentials(*both, Secret("Q"), Secret("R"))
    emptied = text.replace('"Q"', '""').replace('"R"', '""')
    assert load_credentials(with_key_file(written(tmp_path, emptied))) == Credentials(*both)


def test_key_file_may_name_former_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of them, or one line in the environment."""
    text = 'api_key = "K"\napi_secret = "S"\nformer_secrets = ["F", "G"]\n'
    former = (Secret("F"), Secret("G"))
    assert load_credentials(with_key_file(written(tmp_path, text))).former_secrets == former
    for name, value in (("API_KEY", "K"), ("API_SECRET", "S"), ("FORMER_SECRETS", "F, G")):
        monkeypatch.setenv(f"ENGINE_{name}", value)
    assert load_credentials(Settings()).former_secrets == former


def test_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """With the command that mends it, and without the key."""
    path = written(tmp_path, 'api_key = "KEY-K"\napi_secret = "S"\n', mode=0o640)
    with pytest.raises(ConfigError, match="chmod 600") as raised:
        load_credentials(with_key_file(path))
    assert "KEY-K" not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["api_key = KEY-K", "", 'api_key = "KEY-K"', 'api_key = "KEY-K"\napi_secret = ""', "\x00"]
)
def test_key_file_that_is_none_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    """No part of it in the message."""
    with pytest.raises(ConfigError) as raised:
        load_credentials(with_key_file(written(tmp_path, text)))
    assert "KEY-K" not in str(raised.value)


def test_environment_and_credentials_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment wins over systemd's directory, which wins over the key file."""
    settings = with_key_file(written(tmp_path, 'api_key = "F"\napi_secret = "F"\n'))
    written(tmp_path, "D\n", "api_key")
    written(tmp_path, "D\n", "api_secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_credentials(settings) == Credentials(Secret("D"), Secret("D"))
    monkeypatch.setenv("ENGINE_API_KEY", "E")
    monkeypatch.setenv("ENGINE_API_SECRET", "E")
    assert load_credentials(load_settings()) == Credentials(Secret("E"), Secret("E"))


def test_a_key_in_the_settings_file_is_refused(tmp_path: Path) -> None:
    """A settings file is no place for it, and the message says which is."""
    with pytest.raises(ConfigError, match="key_file") as raised:
        load_settings(written(tmp_path, '[kraken]\napi_key = "KEY-K"\n'))
    assert "KEY-K" not in str(raised.value)


def test_no_key_at_all_says_what_to_do() -> None:
    """A first contact with Kraken itself ends here."""
    with pytest.raises(ConfigError, match="ENGINE_API_KEY"):
        load_credentials(load_settings(None, {"venue": "kraken"}))


def test_a_token_in_a_file_that_others_can_read_is_refused_unshown(tmp_path: Path) -> None:
    """In a file of one's own it is taken, and no repr shows it."""
    text = '[control]\nport = 0\ntoken = "a-token-of-my-own"\n'
    settings = load_settings(written(tmp_path, text))
    assert settings.control.token is not None
    assert settings.control.token.get_secret_value() == "a-token-of-my-own"
    assert "a-token" not in repr(settings)
    with pytest.raises(ConfigError, match=r"control\.token: others can read this file") as error:
        load_settings(written(tmp_path, text, mode=0o644))
    assert "a-token" not in str(error.value)
