"""What is looked at before the streams open: reachable, our clock, the venue's mode, the key. Each a clear sentence."""

from __future__ import annotations

from urllib.parse import urlsplit

import structlog

from engine.errors import ConfigError, VenueRefused, VenueUnavailable
from engine.kraken import errors
from engine.kraken.key_info import Fault, check_key
from engine.kraken.queries import Queries
from engine.kraken.rest import RestClient
from engine.kraken.rest_key import RestKey
from engine.kraken.settings import KrakenSettings
from engine.kraken.venue_time import VenueTime
from engine.seams.clock import Clock
from engine.values.time import NS

log = structlog.get_logger()

ADVICE = {
    "INVALID_KEY": "the venue does not know this key; copy it again, or make a new one",
    "INVALID_SIGNATURE": "the private key does not belong to the public key; copy both again",
    "INVALID_NONCE": (
        "the key has seen a higher nonce: another program uses it, or once used it with a larger unit;"
        " make a key for this engine alone"
    ),
    "PERMISSION_DENIED": "the key lacks a permission; tick it on Kraken's API page",
    "LOCKOUT": "too many bad calls from this address; wait 15 minutes without any try, each one prolongs it",
    "UNKNOWN_METHOD": "the venue lacks this endpoint; if it is GetApiKeyInfo, set check_key = false",
}


class Preflight:
    """The checks of a start, in the order in which a person can mend things."""

    def __init__(
        self, settings: KrakenSettings, rest: RestClient, queries: Queries, venue_time: VenueTime, clock: Clock
    ) -> None:
        self._settings, self._rest, self._queries = settings, rest, queries
        self._venue_time, self._clock = venue_time, clock

    async def run(self) -> None:
        """Raise ConfigError (mend a setting, a key, the clock), VenueRefused or VenueUnavailable with what to do."""
        try:
            await self._queries.measure_clock()
        except VenueUnavailable as error:
            host = urlsplit(self._settings.rest_url).netloc
            raise VenueUnavailable(f"cannot reach {host}: {error}; check the network and rest_url") from error
        self._check_clock()
        await self._check_mode()
        if self._settings.check_key:
            await self._check_key(self._rest.trade_key, reads_only=False)
            if self._rest.query_key is not self._rest.trade_key:
                await self._check_key(self._rest.query_key, reads_only=True)

    def _check_clock(self) -> None:
        skew_s, bound_s = self._venue_time.skew_ns / NS, self._settings.clock_skew_bound_s
        if abs(skew_s) > bound_s:
            raise ConfigError(
                f"this machine's clock is {abs(skew_s):.1f} s {'behind' if skew_s > 0 else 'ahead of'} the venue's,"
                f" more than {bound_s:g} s; set it by NTP (chrony, systemd-timesyncd), or raise clock_skew_bound_s"
            )

    async def _check_mode(self) -> None:
        mode = await self._queries.system_status()
        if mode == "maintenance":
            raise VenueUnavailable(
                "the venue is in maintenance: it takes neither orders nor cancels; start again when it is online"
                " (https://status.kraken.com)"
            )
        if mode != "online":
            log.warning("venue.mode", mode=mode)

    async def _check_key(self, key: RestKey, *, reads_only: bool) -> None:
        try:
            info = await self._queries.key_info(key)
        except VenueRefused as error:
            raise VenueRefused([_advised(text) for text in error.errors]) from error
        faults = check_key(
            info,
            now_ns=self._venue_time.now_ns(self._clock.now_ns()),
            used_nonce=key.last_nonce,
            may_withdraw=self._settings.may_withdraw,
            reads_only=reads_only,
        )
        self._judge(faults)

    def _judge(self, faults: list[Fault]) -> None:
        fatal = [fault.text for fault in faults if fault.fatal]
        if fatal:
            raise ConfigError("\n".join(fatal))
        for fault in faults:
            if self._settings.mode == "live":
                log.warning("key.advice", code=fault.code, text=fault.text)


def _advised(text: str) -> str:
    advice = ADVICE.get(errors.code_of(text))
    return f"{text}: {advice}" if advice else text
