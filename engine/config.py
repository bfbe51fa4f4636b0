"""Every setting of the program in one frozen model: command line over ENGINE_* environment over file over built in.

Defaults are those of the rooms' own records, which is where a setting ends up; config/engine.toml explains each one.
The API key is no setting: it comes from the environment, a credentials directory or a file only its owner can read.
"""

from __future__ import annotations

import json
import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from engine.errors import ConfigError
from engine.kraken.settings import KrakenSettings, OrdersVia, Secret, Tier
from engine.orders.brackets import Policy
from engine.runtime.settings import EngineSettings
from engine.sim import DEFAULT_PAIRS, SimSettings, SyntheticMarket

PREFIX = "ENGINE_"
DEFAULT_FILE = Path("config/engine.toml")
CREDENTIAL_NAMES = ("api_key", "api_secret")

_ENGINE, _POLICY, _SIM = EngineSettings(), Policy(), SimSettings()
_KRAKEN = KrakenSettings(api_key=Secret(""), api_secret=Secret(""))

Place = Annotated[Path, BeforeValidator(lambda value: Path(value).expanduser() if isinstance(value, str) else value)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Pause = Annotated[float, Field(ge=0, le=3600)]
Queue = Annotated[int, Field(ge=16, le=1_000_000)]
Percent = Annotated[Decimal, Field(ge=0, le=10)]
Amount = Annotated[Decimal, Field(gt=0, le=10**12)]
Funds = Annotated[Decimal, Field(ge=0, le=10**12)]
Ticks = Annotated[int, Field(ge=1, le=100_000)]
Lots = Annotated[int, Field(ge=1, le=10**9)]


class Section(BaseModel):
    """One table of the file. Unknown keys are faults, and so is a number that is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LogSection(Section):
    """``log``: what is told on stderr and into a file."""

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    file: Place | None = None


class EngineSection(Section):
    """``engine``: the running engine's patience and queues."""

    durability: Literal["power", "process"] = _ENGINE.durability
    book_wait_s: Seconds = _ENGINE.book_wait_s
    shutdown_bound_s: Seconds = _ENGINE.shutdown_bound_s
    send_bound_s: Seconds = _ENGINE.send_bound_s
    poll_every_s: Seconds = _ENGINE.poll_every_s
    silent_immediate_s: Seconds = _ENGINE.silent_immediate_s
    silent_resting_s: Seconds = _ENGINE.silent_resting_s
    order_inbox: Queue = _ENGINE.order_inbox
    bracket_inbox: Queue = _ENGINE.bracket_inbox
    subscriber_queue: Queue = _ENGINE.subscriber_queue


class PolicySection(Section):
    """``policy``: how brackets behave."""

    cover_window_s: Pause = _POLICY.cover_window_s
    cover_bound_s: Seconds = _POLICY.cover_bound_s
    swap_bound_s: Seconds = _POLICY.swap_bound_s
    swap_pause_s: Pause = _POLICY.swap_pause_s
    retry_pause_s: Pause = _POLICY.retry_pause_s
    naked_action: Literal["alert", "close"] = _POLICY.naked_action


class KrakenSection(Section):
    """``kraken``: addresses and patience of the adapter, whatever it talks to."""

    rest_url: str = _KRAKEN.rest_url
    ws_url: str = _KRAKEN.ws_url
    ws_auth_url: str = _KRAKEN.ws_auth_url
    key_file: Place | None = None
    ca_file: Place | None = None
    extra_live_hosts: tuple[str, ...] = _KRAKEN.extra_live_hosts
    connect_timeout_s: Seconds = _KRAKEN.connect_timeout_s
    total_timeout_s: Seconds = _KRAKEN.total_timeout_s
    read_timeout_s: Seconds = _KRAKEN.read_timeout_s
    open_timeout_s: Seconds = _KRAKEN.open_timeout_s
    max_connections: Annotated[int, Field(ge=1, le=64)] = _KRAKEN.max_connections
    entry_deadline_s: Annotated[float, Field(ge=0.5, le=60)] = _KRAKEN.entry_deadline_s
    exit_deadline_s: Annotated[float, Field(ge=0.5, le=60)] = _KRAKEN.exit_deadline_s
    cancel_deadline_s: Annotated[float, Field(ge=0.5, le=60)] = _KRAKEN.cancel_deadline_s
    rest_deadline_s: Annotated[float, Field(gt=2, le=60)] = _KRAKEN.rest_deadline_s
    answer_grace_s: Pause = _KRAKEN.answer_grace_s
    admit_timeout_s: Pause = _KRAKEN.admit_timeout_s
    heartbeat_bound_s: Seconds = _KRAKEN.heartbeat_bound_s
    backoff_first_s: Seconds = _KRAKEN.backoff_first_s
    backoff_most_s: Seconds = _KRAKEN.backoff_most_s
    tier: Tier = _KRAKEN.tier
    orders_via: OrdersVia = _KRAKEN.orders_via
    book_depth: Literal[10, 25, 100, 500, 1000] = 10


class MarketSection(Section):
    """``exchange.market``: one synthetic market. Distances in ticks, quantities in lots of ``lot`` base units."""

    symbol: Literal["BTC/USD", "ETH/USD", "SOL/USD"]
    start_price: Amount
    half_spread_ticks: Ticks
    walk_ticks: Annotated[float, Field(ge=0, le=100_000)]
    refresh_s: Seconds
    levels: Annotated[int, Field(ge=1, le=500)]
    level_step_ticks: Ticks
    lot: Amount
    level_lots: tuple[Lots, Lots]
    taker_every_s: Seconds
    taker_lots: tuple[Lots, Lots]


def _market(symbol: Any, price: str, lot: str, *ticks: int, level_lots: tuple[int, int], taker: int) -> MarketSection:
    half_spread, walk, step = ticks
    return MarketSection(
        symbol=symbol,
        start_price=Decimal(price),
        half_spread_ticks=half_spread,
        walk_ticks=walk,
        refresh_s=0.5,
        levels=12,
        level_step_ticks=step,
        lot=Decimal(lot),
        level_lots=level_lots,
        taker_every_s=0.7,
        taker_lots=(taker // 20, taker),
    )


_MARKETS = (
    _market("BTC/USD", "50000", "0.0001", 20, 60, 15, level_lots=(200, 4000), taker=120),
    _market("ETH/USD", "3000", "0.001", 12, 40, 10, level_lots=(300, 6000), taker=200),
    _market("SOL/USD", "150", "0.02", 2, 3, 2, level_lots=(300, 6000), taker=200),
)


class ExchangeSection(Section):
    """``exchange``: the simulated Kraken, embedded or on its own."""

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    maker_fee_pct: Percent = _SIM.maker_fee_pct
    taker_fee_pct: Percent = _SIM.taker_fee_pct
    max_open_orders: Annotated[int, Field(ge=1, le=10_000)] = _SIM.max_open_orders
    processing_delay_s: Pause = _SIM.processing_delay_s
    untriggered_stops_hold_funds: bool = _SIM.untriggered_stops_hold_funds
    funds: dict[Literal["USD", "BTC", "ETH", "SOL"], Funds] = Field(
        default_factory=lambda: dict(_SIM.accounts["client"])  # type: ignore[arg-type]  # its keys are those names
    )
    market: tuple[MarketSection, ...] = _MARKETS


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
    policy: PolicySection = PolicySection()
    kraken: KrakenSection = KrakenSection()
    exchange: ExchangeSection = ExchangeSection()

    @property
    def directory(self) -> Path:
        """Where journal, exchange state and nonce marks lie."""
        return self.data_dir or platformdirs.user_data_path("kraken-order-engine", appauthor=False)

    def engine_settings(self) -> EngineSettings:
        """Return what engine.runtime takes."""
        policy = Policy(**self.policy.model_dump())
        return EngineSettings(data_dir=self.directory, policy=policy, **self.engine.model_dump())

    def kraken_settings(self, api_key: Secret, api_secret: Secret, **addresses: str) -> KrakenSettings:
        """Return what engine.kraken takes; ``addresses`` are those of an embedded exchange."""
        mode = "live" if self.venue == "kraken" else "simulated"
        given = {**self.kraken.model_dump(exclude={"key_file"}), **addresses}
        return KrakenSettings(api_key=api_key, api_secret=api_secret, mode=mode, **given)  # type: ignore[arg-type]

    def sim_settings(self, **changes: Any) -> SimSettings:
        """Return what engine.sim takes, with the synthetic markets; ``changes`` are members of SimSettings."""
        listed = {pair.symbol: pair for pair in DEFAULT_PAIRS}
        for market in self.exchange.market:
            if market.start_price % listed[market.symbol].tick:
                raise ConfigError(f"exchange.market {market.symbol}: start_price {market.start_price} is off its tick")
        plain = self.exchange.model_dump(exclude={"port", "funds", "market"})
        given = {
            "accounts": {"client": dict(self.exchange.funds)},
            "synthetic": tuple(SyntheticMarket(**market.model_dump()) for market in self.exchange.market),
        }
        return SimSettings(**{**plain, **given, **changes})


# --- reading -------------------------------------------------------------------------------------------------------


def load_settings(file: Path | None = None, command_line: dict[str, Any] | None = None) -> Settings:
    """Read settings; ``file`` None means config/engine.toml if it is there. ``command_line`` is nested as the model is.

    Raises ConfigError with every fault at once, one a line, each with where it stands and what is permitted.
    """
    chosen = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    table = _read_table(chosen) if chosen else {}
    given = command_line or {}

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=table)

    faults = _unknown_names()
    try:
        settings = Layered(**given)
    except ValidationError as error:
        faults += [_spoken(fault, chosen, given) for fault in error.errors(include_url=False)]
    except SettingsError as error:
        faults.append(f"environment: {error}")
    if faults:
        raise ConfigError("\n".join(faults))
    return settings


def _read_table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error


def _unknown_names() -> list[str]:
    """The library passes over unknown names at the top level; a misspelt one must not be lost."""
    known = (*Settings.model_fields, *CREDENTIAL_NAMES)
    ours = [name for name in sorted(os.environ) if name.upper().startswith(PREFIX)]
    unknown = [name for name in ours if name[len(PREFIX) :].lower().partition("__")[0] not in known]
    return [f"environment: {name}: unknown; {PREFIX}… may be {_names(known)}, and SECTION__KEY" for name in unknown]


def _names(fields: tuple[str, ...]) -> str:
    return ", ".join(name.upper() for name in fields)


def _spoken(fault: Any, file: Path | None, command_line: dict[str, Any]) -> str:
    path = tuple(part for part in fault["loc"] if part != "[key]")
    name = ".".join(str(part + 1 if isinstance(part, int) else part) for part in path)
    variable = PREFIX + "__".join(str(part) for part in path).upper()
    if _reaches(command_line, path):
        where = "command line"
    elif variable in os.environ:
        where = f"environment: {variable}"
    else:
        where = str(file or "built-in settings")
    if fault["type"] == "extra_forbidden":
        hint = " (keys belong into a key file, see kraken.key_file)" if path[-1] in CREDENTIAL_NAMES else ""
        return f"{where}: {name}: unknown key{hint}"
    value = fault.get("input")
    shown = f", is {value}" if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else ""
    return f"{where}: {name}: {fault['msg'][:1].lower()}{fault['msg'][1:]}{_permitted(path)}{shown}"


def _reaches(table: Any, path: tuple[Any, ...]) -> bool:
    for part in path:
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def _permitted(path: tuple[Any, ...]) -> str:
    """Name both ends of a number's range, not only the one that was passed."""
    model: Any = Settings
    field = None
    for part in path:
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            return ""
        field = fields[part]
        model = field.annotation
    marks = getattr(field, "metadata", ())
    ends = [
        f"{word} {getattr(mark, end)}"
        for end, word in (("ge", "from"), ("gt", "above"), ("le", "to"))
        for mark in marks
        if hasattr(mark, end)
    ]
    return f" (permitted: {' '.join(ends)})" if ends else ""


# --- the key -------------------------------------------------------------------------------------------------------


def load_credentials(settings: Settings) -> tuple[Secret, Secret]:
    """Return (API key, secret) from ENGINE_API_KEY/ENGINE_API_SECRET, $CREDENTIALS_DIRECTORY, or ``kraken.key_file``.

    Raises ConfigError, also for a key file that others can read. No message holds any part of a secret.
    """
    found = [os.environ.get(PREFIX + name.upper(), "") for name in CREDENTIAL_NAMES]
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not any(found) and directory and (Path(directory) / CREDENTIAL_NAMES[0]).is_file():
        found = [_read_private(Path(directory) / name, guarded=True) for name in CREDENTIAL_NAMES]
    if not any(found) and settings.kraken.key_file is not None:
        found = _read_key_file(settings.kraken.key_file)
    if not all(found):
        raise ConfigError(
            f'venue = "{settings.venue}" needs an API key: set kraken.key_file to a file (mode 0600) with the lines'
            ' api_key = "…" and api_secret = "…", or set ENGINE_API_KEY and ENGINE_API_SECRET'
        )
    return Secret(found[0].strip()), Secret(found[1].strip())


def _read_key_file(path: Path) -> list[str]:
    text = _read_private(path, guarded=False)
    try:
        table = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError:
        raise ConfigError(f'{path} is no key file: it needs the lines api_key = "…" and api_secret = "…"') from None
    missing = [name for name in CREDENTIAL_NAMES if not isinstance(table.get(name), str)]
    if missing:
        raise ConfigError(f"{path} lacks {' and '.join(missing)}")
    return [str(table[name]) for name in CREDENTIAL_NAMES]


def _read_private(path: Path, *, guarded: bool) -> str:
    """Read a secret. ``guarded``: whoever made the directory (systemd) answers for its modes."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not text'}") from None
    if not guarded and mode & 0o077:
        raise ConfigError(f"others can read {path} (mode {mode & 0o777:04o}): run chmod 600 {path}")
    return text
