"""Where the engine's exchange comes from: Kraken itself, a simulated one elsewhere, or one embedded in this process."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from engine.cli.markets import market_changes, with_faults
from engine.cli.mounts import network_file_system
from engine.cli.output import talk
from engine.config import Credentials, Settings, load_credentials
from engine.errors import ConfigError, JournalError
from engine.journal.lease import hold_lease
from engine.kraken.nonce_file import FileNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.fence import FencedStream
from engine.net.wire import TcpWire
from engine.runtime.fence import Fence
from engine.seams.chance import Chance, SeededChance, SystemChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange, ExchangeStore, SimSettings, load_or_make_identity, open_exchange_store

LOOPBACK = "127.0.0.1"
ADDRESS_FILE = "port"
ANSWER_BOUND_S = 2.0


def prepare_directory(path: Path) -> Path:
    """Make the data directory (0700), or make sure that nobody else can write into it. Raises ConfigError."""
    try:
        if not path.exists():
            path.mkdir(mode=0o700, parents=True)
        elif path.is_dir() and not any(path.iterdir()):
            path.chmod(0o700)
        if not path.is_dir():
            raise NotADirectoryError(None, "it is no directory")
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise ConfigError(
            f"cannot use the data directory {path}: {error.strerror}; choose one with --data-dir"
        ) from error
    if (kind := network_file_system(path)) is not None:
        raise ConfigError(
            f"the data directory {path} lies on {kind}, where locks and syncs do not hold: use a local disk"
        )
    if mode & 0o022:
        raise ConfigError(f"others can write into the data directory {path} (mode {mode:04o}): run chmod 700 {path}")
    return path


@dataclass(frozen=True)
class Listening:
    """A simulated exchange and the port it listens on."""

    exchange: Exchange
    port: int

    @property
    def addresses(self) -> dict[str, str]:
        """The settings that point an adapter at it."""
        ws = f"ws://{LOOPBACK}:{self.port}/v2"
        return {"rest_url": f"http://{LOOPBACK}:{self.port}", "ws_url": ws, "ws_auth_url": ws}

    def accounts(self) -> list[dict[str, str]]:
        """Every account with the key that was made for it on this data directory, the default one first."""
        keys = {name: self.exchange.credentials(name) for name in self.exchange.settings.accounts}
        return [{"name": name, "api_key": key, "api_secret": secret} for name, (key, secret) in keys.items()]

    def ready_line(self) -> dict[str, object]:
        """What a client needs to know: addresses, and the keys that were made for this data directory."""
        addresses = self.addresses
        return {
            "rest": addresses["rest_url"],
            "ws": addresses["ws_url"],
            "ws_auth": addresses["ws_auth_url"],
            "control": f"{addresses['rest_url']}/control",
            "api_key": self.exchange.api_key,
            "api_secret": self.exchange.api_secret,
            "accounts": self.accounts(),
        }


def market_chance(settings: Settings) -> Chance:
    """Return what shapes the market: the seed when one is set. Keys and order ids never hang on it."""
    return SystemChance() if settings.seed is None else SeededChance(settings.seed)


def sim_settings(settings: Settings, directory: Path, **changes: object) -> SimSettings:
    """Return the exchange's settings with the key and the boot count of this data directory. Raises ConfigError."""
    try:
        others = [account.name for account in settings.exchange.account]
        identity = load_or_make_identity(directory / "exchange", SystemChance(), others)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use the exchange's identity in {directory}: {error}") from error
    kept = {"api_key": identity.api_key, "api_secret": identity.api_secret, "boot": identity.boot}
    sim = settings.sim_settings(**kept, **changes)
    terms = {name: replace(sim.terms_of(name), key=identity.others[name]) for name in others}
    return replace(sim, terms=terms)


async def prepared_sim(settings: Settings, directory: Path) -> SimSettings:
    """Return the exchange's settings with its market's source and its faults. Raises ConfigError, VenueUnavailable."""
    sim = sim_settings(settings, directory, **await market_changes(settings))
    return with_faults(sim, settings.exchange.faults)


@contextmanager
def _open_store(directory: Path) -> Iterator[ExchangeStore]:
    """Open what the exchange knows for ever. Raises JournalError when it is in use (saying by whom) or damaged."""
    lock = directory / "exchange" / "exchange.lock"
    with ExitStack() as held:
        held.enter_context(
            hold_lease(lock, what="the exchange's state", now_ns=SystemClock().now_ns(), data_dir=directory)
        )
        try:
            store = held.enter_context(open_exchange_store(directory / "exchange"))
        except (OSError, ValueError) as error:
            raise JournalError(f"cannot use the exchange's state in {directory / 'exchange'}: {error}") from error
        yield store


@asynccontextmanager
async def open_exchange(
    sim: SimSettings, chance: Chance, port: int, directory: Path, *, free_port: bool = False
) -> AsyncIterator[Listening]:
    """Run a simulated exchange on loopback TCP; ``directory`` keeps its accounts, orders and trades over restarts.

    With ``free_port`` a port that is taken gives way to any that is free. Raises ConfigError when the port is taken,
    JournalError when the kept state cannot be used.
    """
    with _open_store(directory) as store:
        try:
            exchange = Exchange(sim, SystemClock(), chance, store=store, tell=talk)
        except ValueError as error:
            raise ConfigError(f"the exchange kept in {directory} does not fit the settings: {error}") from error
        async with _serving(exchange, port, directory, free_port=free_port) as listening:
            yield listening


@asynccontextmanager
async def _serving(exchange: Exchange, port: int, directory: Path, *, free_port: bool) -> AsyncIterator[Listening]:
    taken: OSError | None = None
    async with trio.open_nursery() as exchange_nursery:
        try:
            listening = Listening(exchange, await _listen(exchange_nursery, exchange, port, free_port=free_port))
        except OSError as error:
            taken = error
        else:
            async with exchange.running():
                with _told(listening, directory):
                    yield listening
            exchange_nursery.cancel_scope.cancel()
    if taken is not None:
        said = os.strerror(taken.errno) if taken.errno else str(taken)
        raise ConfigError(f"cannot listen on {LOOPBACK}:{port}: {said}; choose another port, or 0 for any that is free")


@contextmanager
def _told(listening: Listening, directory: Path) -> Iterator[None]:
    """Leave word where it listens, for ``watch``."""
    file = directory / "exchange" / ADDRESS_FILE
    file.write_text(f"{listening.port}\n", encoding="ascii")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


async def running_address(directory: Path) -> str | None:
    """Return the WebSocket of the exchange that runs on a data directory, None when none does."""
    try:
        port = int((directory / "exchange" / ADDRESS_FILE).read_text(encoding="ascii"))
        with trio.fail_after(ANSWER_BOUND_S):
            stream = await trio.open_tcp_stream(LOOPBACK, port)
    except (OSError, ValueError, trio.TooSlowError):
        return None  # no word of it, or left behind by one that was killed
    await stream.aclose()
    return f"ws://{LOOPBACK}:{port}/v2"


async def _listen(exchange_nursery: trio.Nursery, exchange: Exchange, port: int, *, free_port: bool) -> int:
    """Bind here, not in the serving task, so that a taken port is an OSError and not a group of them."""
    try:
        listeners = await trio.open_tcp_listeners(port, host=LOOPBACK)
    except OSError as error:
        if not free_port or error.errno != errno.EADDRINUSE:
            raise
        listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
        talk(f"port {port} is taken: listening on {listeners[0].socket.getsockname()[1]} instead")
    exchange_nursery.start_soon(trio.serve_listeners, exchange.serve, listeners, name="exchange/listen")
    return int(listeners[0].socket.getsockname()[1])


@asynccontextmanager
async def open_venue(
    settings: Settings,
    directory: Path,
    hide: Callable[[str], object],
    *,
    fence: Fence | None = None,
    **sim_changes: object,
) -> AsyncIterator[KrakenVenue]:
    """Give the configured venue; an embedded exchange runs while the block stands.

    ``hide`` is told every secret before it is used. ``fence`` is asked before every byte to the venue: that of the
    engine that will order there. ``sim_changes`` are members of SimSettings for the embedded one.
    """
    if settings.venue != "embedded":
        yield adapter(settings.kraken_settings(load_credentials(settings)), directory, hide, fence)
        return
    async with open_embedded(settings, directory, hide, fence=fence, **sim_changes) as (_, venue):
        yield venue


@asynccontextmanager
async def open_apart(settings: Settings, place: Path) -> AsyncIterator[KrakenSettings]:
    """Give the adapter's settings for verbs that only ask; nothing that is kept is touched.

    An embedded exchange runs while the block stands: a fresh one in ``place``, with the configured market and account,
    without the orders of earlier runs and without faults. That of the data directory must stand still while no engine
    watches it, or its stops would fire unseen.
    """
    if settings.venue != "embedded":
        yield settings.kraken_settings(load_credentials(settings))
        return
    sim = sim_settings(settings, place, **await market_changes(settings))
    async with open_exchange(sim, market_chance(settings), 0, place) as listening:
        exchange = listening.exchange
        made = Credentials(Secret(exchange.api_key), Secret(exchange.api_secret))
        yield settings.kraken_settings(made, **listening.addresses)


@asynccontextmanager
async def open_embedded(
    settings: Settings,
    directory: Path,
    hide: Callable[[str], object],
    *,
    fence: Fence | None = None,
    **sim_changes: object,
) -> AsyncIterator[tuple[Exchange, KrakenVenue]]:
    """Run an exchange in this process while the block stands, and give it with an adapter to it.

    With ``sim_changes`` they alone say what the market is, and nothing goes wrong on it.
    """
    if sim_changes:
        sim = sim_settings(settings, directory, **sim_changes)
    else:
        sim = await prepared_sim(settings, directory)
    port, free_port = settings.exchange.port, settings.exchange.free_port
    async with open_exchange(sim, market_chance(settings), port, directory, free_port=free_port) as listening:
        exchange = listening.exchange
        made = Credentials(Secret(exchange.api_key), Secret(exchange.api_secret))
        yield exchange, adapter(settings.kraken_settings(made, **listening.addresses), directory, hide, fence)


def adapter(
    kraken: KrakenSettings, directory: Path, hide: Callable[[str], object], fence: Fence | None = None
) -> KrakenVenue:
    """Return the adapter over TCP, its nonces kept in ``directory``; ``hide`` is told every secret first."""
    for secret in (kraken.api_key, kraken.api_secret, kraken.query_key, kraken.query_secret, *kraken.former_secrets):
        if secret is not None:
            hide(secret.reveal())
    return KrakenVenue(
        kraken,
        wire=TcpWire() if fence is None else TcpWire(lambda stream: FencedStream(stream, fence)),
        clock=SystemClock(),
        chance=SystemChance(),
        nonces=nonces_of(directory, kraken.api_key),
        query_nonces=None if kraken.query_key is None else nonces_of(directory, kraken.query_key),
    )


def nonces_of(directory: Path, key: Secret) -> FileNonceStore:
    """Return the store of one key's mark: a second key starts its own."""
    return FileNonceStore(directory / f"nonce-{hashlib.sha256(key.reveal().encode()).hexdigest()[:16]}")
