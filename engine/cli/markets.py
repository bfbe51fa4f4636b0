"""Where the simulated exchange's market comes from, and what goes wrong on it, by the words of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.config import Settings
from engine.errors import ConfigError, VenueUnavailable
from engine.net.wire import TcpWire
from engine.sim import (
    DEFAULT_ASSETS,
    KRAKEN_URL,
    Listing,
    LiveMarket,
    ReplayMarket,
    SimSettings,
    SourceLost,
    SourceRefused,
    address_of,
    fetch_listing,
    listing_of,
    names_of,
    read_faults,
    read_header,
    read_script,
)

SYNTHETIC, SCRIPT, REPLAY, LIVE = "synthetic", "script:", "replay:", "live:"
SOURCES = f"{SYNTHETIC}, {SCRIPT}FILE, {REPLAY}FILE or {LIVE}URL"


async def market_changes(settings: Settings) -> dict[str, object]:
    """Return the members of SimSettings that the configured source asks for; a live one is asked what it lists.

    Raises ConfigError with every fault of a file, VenueUnavailable when a live source cannot be reached.
    """
    source = settings.exchange.source
    if source == SYNTHETIC:
        return {}
    if source.startswith(SCRIPT):
        return {"synthetic": (), "script": _script(source.removeprefix(SCRIPT))}
    if source.startswith(REPLAY):
        return _replay(settings, source.removeprefix(REPLAY))
    if source.startswith(LIVE):
        return await _live(settings, source.removeprefix(LIVE) or KRAKEN_URL)
    raise ConfigError(f"the market is {SOURCES}, not {source!r}")


def with_faults(sim: SimSettings, file: Path | None) -> SimSettings:
    """Add the faults of a file. Raises ConfigError with every mistake in it."""
    if file is None:
        return sim
    try:
        return replace(sim, faults=read_faults(file, names_of(sim)))
    except OSError as error:
        raise ConfigError(f"cannot read the faults {file}: {error.strerror}") from error
    except ValueError as error:
        raise _each_line(file, error) from error


def _each_line(file: Path, error: ValueError) -> ConfigError:
    return ConfigError("\n".join(f"{file}: {line}" for line in str(error).splitlines()))


def _script(place: str) -> Sequence[object]:
    file = Path(place).expanduser()
    try:
        return read_script(file)
    except OSError as error:
        raise ConfigError(f"cannot read the market script {file}: {error.strerror}") from error
    except ValueError as error:
        raise _each_line(file, error) from error


def _replay(settings: Settings, place: str) -> dict[str, object]:
    file = Path(place).expanduser()
    try:
        header = read_header(file)
        listing = listing_of(header.listed(), header.symbols)
    except OSError as error:
        raise ConfigError(f"cannot read the recording {file}: {error.strerror}") from error
    except (ValueError, SourceRefused) as error:
        raise ConfigError(f"{file}: {error}") from error
    return {**_listed(listing), "replay": ReplayMarket(file=file, speed=settings.exchange.speed)}


async def _live(settings: Settings, url: str) -> dict[str, object]:
    exchange = settings.exchange
    symbols = exchange.symbols or tuple(market.symbol for market in exchange.market)
    try:
        listing = await fetch_listing(TcpWire(), address_of(url), symbols)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    except SourceRefused as error:
        raise ConfigError(f"{url} cannot be the market's source: {error}") from error
    except SourceLost as error:
        raise VenueUnavailable(
            f"cannot reach the market's source {url}: {error}; without a network --market {SYNTHETIC} needs none"
        ) from error
    return {**_listed(listing), "live": LiveMarket(url=url, symbols=symbols, depth=exchange.source_depth)}


def _listed(listing: Listing) -> dict[str, object]:
    """List what the source lists, and keep the assets that an account may have anyway."""
    names = {asset.name for asset in listing.assets}
    others = tuple(asset for asset in DEFAULT_ASSETS if asset.name not in names)
    return {"synthetic": (), "pairs": listing.pairs, "assets": (*listing.assets, *others)}
