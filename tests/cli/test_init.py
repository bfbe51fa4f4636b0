"""The verb init, and diagrams of machines that no order walks."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from engine.cli.app import main
from engine.config import load_credentials, load_settings
from engine.config.limits_section import LimitsSection
from engine.errors import ConfigError
from engine.kraken.key_info import NEEDED


def test_init_writes_settings_and_a_key_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Private where it must be; they load, and say what is still missing; the next command is told."""
    place = tmp_path / 'of "mine"'
    assert main(["init", "--dir", str(place)]) == 0
    config, key = place / "kraken.toml", place / "kraken-key.toml"
    assert (place / "limits.toml").read_text() == (Path(__file__).parents[2] / "config" / "limits.toml").read_text()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (place, config, key)]
    assert modes == [0o700, 0o644, 0o600]
    assert f"python -m engine run --config {config}" in capsys.readouterr().out
    assert all(name in key.read_text() for name in NEEDED.values())

    settings = load_settings(config)
    assert (settings.venue, settings.directory, settings.kraken.key_file) == ("kraken", place / "data", key)
    built_in = load_settings(None, {"venue": "kraken", "data_dir": place / "data", "kraken": {"key_file": key}})
    assert settings.model_dump(exclude={"limits"}) == built_in.model_dump(exclude={"limits"})
    assert settings.engine_settings().limits == LimitsSection().limits()
    with pytest.raises(ConfigError, match="api_key and api_secret still to be filled in"):
        load_credentials(settings)
    key.write_text(key.read_text().replace('_key = ""', '_key = "K"').replace('_secret = ""', '_secret = "S"'))
    assert load_credentials(settings).api_key.reveal() == "K"


def test_init_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file that is there keeps both from being written."""
    (tmp_path / "kraken-key.toml").write_text("precious")
    assert main(["init", "--dir", str(tmp_path)]) == 2
    assert "kraken-key.toml already there" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["kraken-key.toml"]
    assert (tmp_path / "kraken-key.toml").read_text() == "precious"


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ("link", "connected --> authenticated : authenticate"),
        ("breaker", "closed --> open : fail [limit_reached]"),
        ("trading", "REDUCING --> HALTED : halt"),
        ("order", "pending --> unknown : doubt"),
        ("bracket", "covering --> covered : hold"),
    ],
)
def test_every_machine_can_be_drawn(machine: str, words: str, tmp_path: Path) -> None:
    """As Mermaid, DOT and table."""
    drawn = {}
    for form in ("mermaid", "dot", "md"):
        out = tmp_path / form
        assert main(["diagram", "--machine", machine, "--format", form, "--out", str(out)]) == 0
        drawn[form] = out.read_text()
    assert words in drawn["mermaid"]
    assert drawn["dot"].startswith("digraph ")
    assert drawn["md"].startswith("| state | event | guard | next state |")


def test_no_order_walks_the_link_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and which machines an order walks."""
    arguments = ["diagram", "--machine", "link", "--order", "3f", "--data-dir", str(tmp_path)]
    assert main(arguments) == 2
    assert "--machine order or bracket" in capsys.readouterr().err
