"""Settings: what wins, what is refused, and that every fault is told at once."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.config import Credentials, Settings, load_credentials, load_settings
from engine.errors import ConfigError
from engine.kraken.settings import KrakenSettings, Secret
from engine.net.link_policy import LinkPolicy
from engine.orders.brackets import Policy
from engine.runtime.settings import EngineSettings, MarketSettings
from engine.sim import SimSettings

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
    """config/engine.toml may be left out: it says what is built in, and explains it."""
    assert load_settings(ROOT / "config" / "engine.toml").model_dump() == load_settings().model_dump()


def test_file_shows_every_key() -> None:
    """Keys without a default stand there as comments."""
    text = (ROOT / "config" / "engine.toml").read_text()
    shown = tomllib.loads(text)

    def missing(table: dict[str, Any], model: dict[str, Any]) -> list[str]:
        names = [name for name in model if name not in table and f"# {name} = " not in text]
        nested = [name for name, value in model.items() if isinstance(value, dict) and name in table]
        return names + [found for name in nested for found in missing(table[name], model[name])]

    assert missing(shown, load_settings().model_dump()) == []


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


@pytest.mark.parametrize("text", ["[log", 'data_dir = "\\q"'])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    """With the parser's own words."""
    with pytest.raises(ConfigError, match=r"engine\.toml: not TOML"):
        load_settings(written(tmp_path, text))


def test_settings_become_the_rooms_records() -> None:
    """Built-in settings give the records' own defaults."""
    settings = load_settings(None, {"data_dir": "d"})
    assert settings.engine_settings() == EngineSettings(data_dir=Path("d"), policy=Policy())
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
        (EngineSettings, settings.engine, {"data_dir", "lease_dir", "policy", "market"}),
        (MarketSettings, settings.market, set()),
        (Policy, settings.policy, set()),
        (KrakenSettings, settings.kraken, {*Credentials._fields, "mode", "plain_host", "user_agent"}),
        (LinkPolicy, settings.kraken.link, set()),
    ):
        assert set(type(table).model_fields) - {"key_file"} == set(room.__struct_fields__) - other, room


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
    places = {Settings(venue="kraken", data_dir=Path(name)).engine_settings().lease_dir for name in "ab"}
    (place,) = places
    assert place is not None
    assert place.is_relative_to(tmp_path)
    assert place.name == "leases"
    assert Settings().engine_settings().lease_dir is None
    assert Settings(venue="simulated").engine_settings().lease_dir is None


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
    assert load_credentials(with_key_file(written(tmp_path, text))) == (*both, Secret("Q"), Secret("R"))
    emptied = text.replace('"Q"', '""').replace('"R"', '""')
    assert load_credentials(with_key_file(written(tmp_path, emptied))) == (*both, None, None)


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
