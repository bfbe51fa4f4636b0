"""The venue: reached by REST and by both streams, its clock, its mode, and what the keys may do. Asks, never orders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from engine.cli.doctor.finding import Finding, bad, doubtful, good
from engine.cli.exchanges import nonces_of
from engine.cli.exits import Exit, exit_of, sentences
from engine.cli.silent_sink import SilentSink
from engine.config import Settings
from engine.errors import VenueError, VenueRefused
from engine.journal.lease import hold_lease
from engine.kraken import errors
from engine.kraken.key_info import NEEDED, READING, check_key
from engine.kraken.market_venue import open_market
from engine.kraken.preflight import ADVICE
from engine.kraken.queries import Queries
from engine.kraken.rest import RestClient, open_rest
from engine.kraken.rest_key import RestKey
from engine.kraken.settings import KrakenSettings
from engine.kraken.symbols import Symbols
from engine.kraken.venue import KrakenVenue
from engine.kraken.venue_time import VenueTime
from engine.net.wire import TcpWire
from engine.runtime.opening import JOURNAL_FILE
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.seams.stopwatch import SystemStopwatch
from engine.values.time import NS

_NETWORK = "look at the network, the address and https://status.kraken.com"


@contextmanager
def alone(settings: Settings, venue: KrakenVenue) -> Iterator[None]:
    """Hold the leases of account and journal: a second user of a key spoils the nonces of the first.

    Raises JournalBusy while an engine runs there.
    """
    with ExitStack() as held:
        now_ns, directory = SystemClock().now_ns(), settings.directory
        account = venue.identity.account
        if settings.lease_dir is not None and settings.lease_dir.is_dir():
            lock = settings.lease_dir / f"{account}.lock"
            held.enter_context(hold_lease(lock, what=f"API key {account}", data_dir=directory, now_ns=now_ns))
        if directory.is_dir() and (directory / JOURNAL_FILE).exists():
            lock = directory / f"{JOURNAL_FILE}.lock"
            held.enter_context(hold_lease(lock, what="the journal", data_dir=directory, now_ns=now_ns))
        yield


class VenueCheck:
    """Looks at one venue, step by step; a step that fails does not keep the next from being taken.

    ``place`` keeps the nonces. Every step is bounded by the adapter's own time-outs.
    """

    def __init__(self, kraken: KrakenSettings, venue: KrakenVenue, place: Path) -> None:
        self._kraken, self._venue, self._place = kraken, venue, place
        self._clock, self._time = SystemClock(), VenueTime()

    async def public(self) -> list[Finding]:
        """Look at what needs no key: REST, clock, mode, the public stream."""
        async with self._rest() as (_, queries):
            found = await self._reach(queries)
        return [*found, await self._public_stream()]

    async def private(self) -> list[Finding]:
        """Look at what needs the key: its rights, and the private stream."""
        found = []
        async with self._rest() as (rest, queries):
            if self._kraken.check_key:
                found += await self._key(queries, rest.trade_key, reads_only=False)
                if rest.query_key is not rest.trade_key:
                    found += await self._key(queries, rest.query_key, reads_only=True)
        if any(one.health == "fail" for one in found):
            return found
        return [*found, await self._private_stream()]

    @asynccontextmanager
    async def _rest(self) -> AsyncIterator[tuple[RestClient, Queries]]:
        kraken, place = self._kraken, self._place
        query = None if kraken.query_key is None else nonces_of(place, kraken.query_key)
        nonces = nonces_of(place, kraken.api_key)
        async with open_rest(kraken, TcpWire(), self._clock, SystemChance(), nonces, query) as rest:
            yield rest, Queries(rest, Symbols(), self._clock, self._time)

    async def _reach(self, queries: Queries) -> list[Finding]:
        host, watch = urlsplit(self._kraken.rest_url).netloc, SystemStopwatch()
        before_ns = watch.monotonic_ns()
        try:
            await queries.measure_clock()
            took_ms = (watch.monotonic_ns() - before_ns) / 1e6
            mode = await queries.system_status()
        except VenueError as error:
            return [bad("REST", f"{host}: {error}", _NETWORK, exit_of(error))]
        return [good("REST", f"{host} answered in {took_ms:.0f} ms, connecting included"), self._skew(), _mode(mode)]

    def _skew(self) -> Finding:
        skew_s, bound_s = self._time.skew_ns / NS, self._kraken.clock_skew_bound_s
        if abs(skew_s) <= bound_s:
            return good("clock skew", f"{abs(skew_s):.1f} s against the venue, {bound_s:g} s are allowed")
        side = "behind" if skew_s > 0 else "ahead of"
        text = f"this machine is {abs(skew_s):.1f} s {side} the venue, {bound_s:g} s are allowed"
        return bad("clock skew", text, "set it by NTP (chrony, systemd-timesyncd)", Exit.USAGE)

    async def _key(self, queries: Queries, key: RestKey, *, reads_only: bool) -> list[Finding]:
        name = "key for reads" if reads_only else "key"
        try:
            info = await queries.key_info(key)
        except VenueError as error:
            return [bad(name, str(error), _advice(error), exit_of(error))]
        faults = check_key(
            info,
            now_ns=self._time.now_ns(self._clock.now_ns()),
            used_nonce=key.last_nonce,
            may_withdraw=self._kraken.may_withdraw,
            reads_only=reads_only,
        )
        found = []
        for fault in faults:
            if self._kraken.mode == "simulated" and not fault.fatal:
                continue  # advice for a key that guards nothing
            text, _, what_to_do = fault.text.partition("; ")
            advice = what_to_do or "see errors " + fault.code
            found.append(bad(name, text, advice, Exit.USAGE) if fault.fatal else doubtful(name, text, advice))
        wanted = READING if reads_only else tuple(NEEDED)
        may = ", ".join(name for name in wanted if name in info.permissions)
        return found if any(one.health == "fail" for one in found) else [good(name, f"may {may}"), *found]

    async def _public_stream(self) -> Finding:
        address, watch = self._kraken.ws_url, SystemStopwatch()
        before_ns = watch.monotonic_ns()
        try:
            wire, chance = TcpWire(), SystemChance()
            async with open_market(address, SilentSink(), wire=wire, clock=self._clock, chance=chance):
                took_ms = (watch.monotonic_ns() - before_ns) / 1e6
        except Exception as error:  # nurseries wrap it
            return _stream_failed("WebSocket public", error)
        return good("WebSocket public", f"{address}: markets are listed after {took_ms:.0f} ms")

    async def _private_stream(self) -> Finding:
        address, watch = self._kraken.ws_auth_url, SystemStopwatch()
        before_ns = watch.monotonic_ns()
        try:
            async with self._venue.open(SilentSink()) as link:
                took_ms = (watch.monotonic_ns() - before_ns) / 1e6
                late = [view.latency_s for view in link.links() if view.latency_s is not None]
        except Exception as error:  # nurseries wrap it
            return _stream_failed("WebSocket private", error)
        said = f", latency {max(late) * 1000:.1f} ms" if late else ""
        return good("WebSocket private", f"{address}: complete after {took_ms:.0f} ms{said}")


def _stream_failed(name: str, error: BaseException) -> Finding:
    said = sentences(error)
    if not said:
        raise error
    return bad(name, "; ".join(said), _NETWORK, exit_of(error))


def _mode(mode: str) -> Finding:
    if mode == "online":
        return good("venue mode", mode)
    if mode == "maintenance":
        advice = "it takes neither orders nor cancels: wait (https://status.kraken.com)"
        return bad("venue mode", mode, advice, Exit.UNREACHABLE)
    return doubtful("venue mode", mode, "entries may be refused until it is online again")


def _advice(error: VenueError) -> str:
    texts = error.errors if isinstance(error, VenueRefused) else []
    return next((ADVICE[code] for code in map(errors.code_of, texts) if code in ADVICE), _NETWORK)
