"""The whole model, and what the rooms are told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.config.alarms_section import AlarmsSection
from engine.config.control_section import ControlSection
from engine.config.credentials import Credentials
from engine.config.engine_sections import EngineSection, LogSection, MarginSection, MarketSection, PolicySection
from engine.config.exchange_section import ExchangeSection
from engine.config.guardian_section import GuardianSection
from engine.config.kraken_section import KrakenSection
from engine.config.limits_section import LimitsSection
from engine.config.section import Place
from engine.errors import ConfigError
from engine.kraken.settings import KrakenSettings
from engine.net.link_policy import LinkPolicy
from engine.orders.bracket_events import Policy
from engine.risk.limits import Limits
from engine.runtime.margin_settings import MarginSettings
from engine.runtime.settings import EngineSettings, MarketSettings
from engine.sim import SimSettings

APP = "kraken-order-engine"
PREFIX = "ENGINE_"


class Settings(BaseSettings):
    """Everything that can be set, checked. ``seed`` shapes the synthetic market only; None draws one."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        nested_model_default_partial_update=True,
    )

    venue: Literal["embedded", "kraken", "simulated"] = "embedded"
    data_dir: Place | None = None
    seed: int | None = None
    log: LogSection = LogSection()
    engine: EngineSection = EngineSection()
    market: MarketSection = MarketSection()
    policy: PolicySection = PolicySection()
    margin: MarginSection = MarginSection()
    control: ControlSection = ControlSection()
    alarms: AlarmsSection = AlarmsSection()
    kraken: KrakenSection = KrakenSection()
    guardian: GuardianSection = GuardianSection()
    exchange: ExchangeSection = ExchangeSection()
    limits: LimitsSection | None = None
    """None: nobody has set any. The simulated exchange then has the built-in ones, Kraken none: it is not started."""

    @property
    def directory(self) -> Path:
        """Where journal, exchange state and nonce marks lie."""
        return self.data_dir or platformdirs.user_data_path(APP, appauthor=False)

    @property
    def lease_dir(self) -> Path | None:
        """Where the lease of a live key lies: one place per user, so that two data directories cannot share a key.

        None for a simulated exchange: its key belongs to one data directory, whose journal has a lease.
        """
        if self.venue != "kraken":
            return None
        return platformdirs.user_state_path(APP, appauthor=False) / "leases"

    def _limits(self) -> Limits:
        if self.limits is None and self.venue == "kraken":
            raise ConfigError(
                'venue = "kraken" needs limits: put a limits.toml beside the settings file;'
                " `python -m engine init` writes one, every key explained"
            )
        return (self.limits or LimitsSection()).limits()

    def engine_settings(self) -> EngineSettings:
        """Return what engine.runtime takes. Raises ConfigError for a live venue without limits."""
        policy = Policy(**self.policy.model_dump())
        market = MarketSettings(**self.market.model_dump())
        return EngineSettings(
            data_dir=self.directory,
            lease_dir=self.lease_dir,
            policy=policy,
            market=market,
            margin=MarginSettings(**self.margin.model_dump()),
            limits=self._limits(),
            dead_man_s=self.guardian.dead_man_s,
            alarms=self.alarms.alarm_settings(),
            **self.engine.model_dump(),
        )

    def kraken_settings(self, credentials: Credentials, **addresses: str) -> KrakenSettings:
        """Return what engine.kraken takes; ``addresses`` are those of an embedded exchange."""
        plain = self.kraken.model_dump(exclude={"key_file", "link"})
        given: dict[str, Any] = {**plain, **credentials._asdict(), **addresses}
        mode: Literal["live", "simulated"] = "live" if self.venue == "kraken" else "simulated"
        return KrakenSettings(mode=mode, link=LinkPolicy(**self.kraken.link.model_dump()), **given)

    def sim_settings(self, **changes: Any) -> SimSettings:
        """Return what engine.sim takes, with the synthetic markets; ``changes`` are members of SimSettings."""
        return self.exchange.sim_settings(changes)
