"""Writes config/kraken.toml: what ``init`` writes, with places that everybody has. ``just live-settings``."""

from __future__ import annotations

from pathlib import Path

from engine.cli.init import config_text

FILE = Path(__file__).parents[1] / "config" / "kraken.toml"
KEY_FILE, DATA_DIR = Path("~/kraken-key.toml"), Path("~/kraken-engine")


def live_settings() -> str:
    """Return what the file must hold: config/engine.toml, made for Kraken."""
    return config_text(KEY_FILE, DATA_DIR)


if __name__ == "__main__":
    FILE.write_text(live_settings())
