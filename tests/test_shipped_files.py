"""The files under config/ for live use: every key is there, they load, and alarms know their ways."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.config import load_credentials, load_settings
from engine.config.alarm_ways import load_alarm_ways
from engine.config.source import SettingsFiles, flat
from engine.errors import ConfigError
from engine.net.link_policy import LinkPolicy
from tests.live_settings import DATA_DIR, FILE, live_settings

CONFIG = Path(__file__).parents[1] / "config"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that runs the tests."""
    for name in [name for name in os.environ if name.startswith("ENGINE_") or name == "CREDENTIALS_DIRECTORY"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_live_settings_are_those_that_init_writes() -> None:
    """One source: after a change of config/engine.toml ``just live-settings`` writes this file anew."""
    assert FILE.read_text() == live_settings()


def test_live_settings_load_and_show_every_key() -> None:
    """Each key but the simulated exchange's stands there, set or as a comment with its reason."""
    settings = load_settings(CONFIG / "kraken.toml")
    assert (settings.venue, settings.directory) == ("kraken", DATA_DIR.expanduser())
    assert settings.engine_settings().limits.exposure_most is not None
    text = (CONFIG / "kraken.toml").read_text()
    shown = tomllib.loads(text)

    def missing(table: dict[str, Any], model: dict[str, Any]) -> list[str]:
        names = [name for name in model if name not in table and f"# {name} = " not in text]
        nested = [name for name, value in model.items() if isinstance(value, dict) and name in table]
        return names + [found for name in nested for found in missing(table[name], model[name])]

    assert missing(shown, settings.model_dump(exclude={"limits", "exchange"})) == []
    assert LinkPolicy(**settings.kraken.link.model_dump())


def test_keys_and_ways_come_from_the_credentials_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As systemd's LoadCredential lays them down; nothing else is needed."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for name, text in (("api_key", "K\n"), ("api_secret", "S\n"), ("webhook_url", "https://a/b\n"),
                       ("notify_urls", "tgram://x/y\n mailtos://z\n")):  # fmt: skip
        private(tmp_path / name, text, 0o440)
    settings = load_settings(CONFIG / "kraken.toml")
    assert load_credentials(settings).api_key.reveal() == "K"
    ways = load_alarm_ways(settings)
    assert ways.webhook is not None
    assert ways.webhook.reveal() == "https://a/b"
    assert [one.reveal() for one in ways.notify] == ["tgram://x/y", "mailtos://z"]
    assert "tgram" not in repr(ways)


def test_ways_come_from_a_private_file_or_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that others can read is refused, and so is an unknown key, without a word of what stands in it."""
    file = private(tmp_path / "ways.toml", 'notify_urls = ["json://a/T0KEN"]')
    settings = load_settings(None, {"alarms": {"ways_file": str(file)}})
    assert [one.reveal() for one in load_alarm_ways(settings).notify] == ["json://a/T0KEN"]
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_alarm_ways(settings)
    private(file, 'webhook = "https://a/T0KEN"')
    with pytest.raises(ConfigError, match="webhook: unknown key") as refused:
        load_alarm_ways(settings)
    assert "T0KEN" not in str(refused.value)
    private(file, "webhook_url = https://a/T0KEN")
    with pytest.raises(ConfigError, match="no file of ways") as refused:
        load_alarm_ways(settings)
    assert "T0KEN" not in str(refused.value)
    monkeypatch.setenv("ENGINE_WEBHOOK_URL", "https://b/c")
    ways = load_alarm_ways(load_settings(None, {"alarms": {"ways_file": str(file)}}))
    assert ways.webhook is not None
    assert ways.webhook.reveal() == "https://b/c"


def test_alarm_settings_reach_the_engine(tmp_path: Path) -> None:
    """As every table does."""
    file = private(tmp_path / "engine.toml", '[alarms]\nlatency_s = 0.5\nreconnects_most = 2\ntell_from = "critical"\n')
    alarms = load_settings(file).engine_settings().alarms
    assert (alarms.latency_s, alarms.reconnects_most, alarms.tell_from) == (0.5, 2, "critical")


def test_settings_are_told_by_name_and_without_secrets(tmp_path: Path) -> None:
    """What a reload compares: dotted names, amounts without idle digits, no token."""
    file = private(tmp_path / "engine.toml", '[control]\ntoken = "0123456789abcdef0123"\n')
    private(tmp_path / "limits.toml", '[limits]\norder_value_most = "500.00"\n[limits.symbol."BTC/USD"]\n'
            'order_qty_most = "0.50"\n')  # fmt: skip
    told = dict(flat(load_settings(file)))
    assert told["limits.order_value_most"] == "500"
    assert told["limits.symbol.BTC/USD.order_qty_most"] == "0.5"
    assert told["market.pairs"] == "[]"
    assert "data_dir" not in told
    assert "0123456789abcdef" not in str(told)


async def test_files_are_read_anew_each_time(tmp_path: Path) -> None:
    """With what stood on the command line still on top; a bad file raises every fault."""
    file = private(tmp_path / "engine.toml", "[engine]\npoll_every_s = 1.0\n")
    limits = private(tmp_path / "limits.toml", '[limits]\norder_value_most = "500"\n')
    source = SettingsFiles(load_settings(file), lambda: load_settings(file, {"seed": 3}))
    assert source.values["limits.order_value_most"] == "500"
    private(limits, '[limits]\norder_value_most = "600"\nsymbols = ["BTC/USD"]\n')
    read = await source.read()
    assert read.engine.limits.symbols == ("BTC/USD",)
    assert (read.values["limits.order_value_most"], read.values["seed"]) == ("600", "3")
    private(limits, '[limits]\norder_value_most = "-1"\ncolour = 1\n')
    with pytest.raises(ConfigError) as refused:
        await source.read()
    assert len(str(refused.value).splitlines()) == 2
