"""The tables ``exchange.bounds`` and ``exchange.manners``: the exchange's switches in reach of a file."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from engine.config.exchange_section import ExchangeSection
from engine.config.exchange_switches import BoundsSection, MannersSection
from engine.errors import ConfigError
from engine.sim import SimSettings
from tests.test_exchange_section import loaded

INSIDE = {"assets", "pairs", "accounts", "terms", "more_keys", "synthetic", "script", "replay", "live", "fee_schedule"}
"""What the other members of ``exchange`` become."""
MADE = {"api_key", "api_secret", "permissions", "boot"}
"""What belongs to a data directory, and what each account says for itself."""
TIMES = {"heartbeat_s", "rest_lag_s", "ws_deadline_default_s", "ws_deadline_floor_s", "rest_deadline_floor_s"}
TIMES |= {"deadline_ceiling_s", "margin_rollover_s", "ohlc_snapshot_candles"}
"""Kraken's own figures, or what a fault sets (``rest_lag``)."""
RULES = {"rest_history_calls", "rest_free_calls", "rate_refusal_is_charged", "lockout_is_extended", "split_hosts"}
SERVER = {"max_connections", "max_body", "ws_out_frames", "ws_late_requests", "hang_s"}


def test_every_switch_of_the_exchange_is_in_reach_of_a_file() -> None:
    """What cannot be set is named here, with its reason; the texts are all that Kraken does not publish."""
    sections = (ExchangeSection, BoundsSection, MannersSection)
    settable = {name for section in sections for name in section.model_fields}
    texts = {field.name for field in fields(SimSettings) if field.name.startswith(("reason_", "error_"))}
    members = {field.name for field in fields(SimSettings)}
    assert members - settable == INSIDE | MADE | TIMES | RULES | SERVER | texts


def test_switches_reach_the_exchange(tmp_path: Path) -> None:
    """Beside what the other tables say; without a word everything is as SimSettings has it."""
    text = (
        "[exchange.bounds]\nws_messages_per_s = 20\nconnection_budget = 150\n"
        '[exchange.manners]\npost_only_manner = "cancel"\nbatch_result = "orders"\nmarket_band_pct = "5"\n'
    )
    sim, plain = loaded(tmp_path, text).sim_settings(), loaded(tmp_path, "").sim_settings()
    assert (sim.ws_messages_per_s, sim.connection_budget, sim.lockout_after) == (20, 150, None)
    assert (sim.post_only_manner, sim.batch_result, sim.market_band_pct) == ("cancel", "orders", Decimal(5))
    names = {*BoundsSection.model_fields, *MannersSection.model_fields}
    assert {name: getattr(plain, name) for name in names} == {name: getattr(SimSettings(), name) for name in names}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[exchange.manners]\npost_only_manner = "ignore"\n', "exchange.manners.post_only_manner"),
        ("[exchange.bounds]\nws_messages_per_s = 0\n", "exchange.bounds.ws_messages_per_s"),
        ("[exchange.manners]\nnonsense = true\n", "exchange.manners.nonsense"),
    ],
)
def test_a_switch_that_is_none_is_told_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    """As any other mistake in the file."""
    with pytest.raises(ConfigError, match=fault):
        loaded(tmp_path, text)
