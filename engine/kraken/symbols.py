"""Every spelling of a market or an asset, resolved to the v2 name. Read from the venue, never built by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from engine.values.instrument import Instrument

_V2_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
"""The two renames of the v2 API; REST's ``wsname`` still uses the old codes."""


class PairRow(msgspec.Struct, frozen=True):
    """What AssetPairs says about the names of one pair, and about margin: the instrument channel knows no leverages."""

    altname: str
    base: str = ""
    quote: str = ""
    wsname: str = ""
    leverage_buy: tuple[int, ...] = ()
    leverage_sell: tuple[int, ...] = ()
    margin_stop: int | None = None


class Symbols:
    """The directory of instruments: v2 names from the ``instrument`` channel, REST names from AssetPairs."""

    def __init__(self) -> None:
        self._instruments: dict[str, Instrument] = {}
        self._rows: dict[str, PairRow] = {}
        self._margin: dict[str, PairRow] = {}  # by v2 name
        self._spellings: dict[str, str] = {}
        self._rest_names: dict[str, str] = {}
        self._assets: dict[str, str] = {}

    def learn_pairs(self, rows: Mapping[str, PairRow]) -> None:
        """Take AssetPairs, pair key to row."""
        self._rows = dict(rows)
        self._margin = {self._v2_symbol(row): row for row in rows.values()}
        self._instruments = {symbol: self._with_margin(one) for symbol, one in self._instruments.items()}
        self._index()

    def learn_instruments(self, instruments: Iterable[Instrument]) -> list[Instrument]:
        """Take instruments, return those that are new or changed."""
        known = (self._with_margin(one) for one in instruments)
        changed = [one for one in known if self._instruments.get(one.symbol) != one]
        fresh = any(one.symbol not in self._instruments for one in changed)
        self._instruments.update((one.symbol, one) for one in changed)
        if fresh:
            self._index()
        return changed

    def instrument(self, spelling: str) -> Instrument | None:
        """Return the instrument of BTC/USD, XBT/USD, XBTUSD or XXBTZUSD (upper or lower case)."""
        symbol = self.symbol(spelling)
        return self._instruments.get(symbol) if symbol is not None else None

    def instruments(self) -> list[Instrument]:
        """Return all known instruments."""
        return list(self._instruments.values())

    def symbol(self, spelling: str) -> str | None:
        """Return the v2 symbol of any spelling, or None."""
        return self._spellings.get(spelling.upper())

    def rest_name(self, symbol: str) -> str | None:
        """Return the altname that REST takes as ``pair``, or None for a market REST does not list."""
        return self._rest_names.get(symbol)

    def asset(self, spelling: str) -> str:
        """Return the v2 name of an asset (XXBT, XBT, BTC are BTC); a balance suffix such as ``.F`` stays."""
        code, dot, suffix = spelling.partition(".")
        return self._assets.get(code, _V2_NAMES.get(code, code)) + dot + suffix

    def rest_asset(self, asset: str) -> str:
        """Return REST's name of an asset, the v2 name where it lists no other."""
        return next((old for old, new in self._assets.items() if new == asset and old != asset), asset)

    def _with_margin(self, instrument: Instrument) -> Instrument:
        row = self._margin.get(instrument.symbol)
        if row is None:
            return instrument
        return msgspec.structs.replace(
            instrument,
            leverage_buy=row.leverage_buy,
            leverage_sell=row.leverage_sell,
            margin_stop=row.margin_stop,
        )

    def _index(self) -> None:
        self._spellings = {symbol.upper(): symbol for symbol in self._instruments}
        for instrument in self._instruments.values():
            self._assets.setdefault(instrument.base, instrument.base)
            self._assets.setdefault(instrument.quote, instrument.quote)
        for key, row in self._rows.items():
            symbol = self._v2_symbol(row)
            if symbol not in self._instruments:
                continue
            self._rest_names[symbol] = row.altname
            base, _, quote = symbol.partition("/")
            old_base, _, old_quote = row.wsname.partition("/")
            for name in (key, row.altname, row.wsname, f"{base}{quote}"):
                if name:
                    self._spellings.setdefault(name.upper(), symbol)
            for old, new in ((row.base, base), (row.quote, quote), (old_base, base), (old_quote, quote)):
                if old:
                    self._assets.setdefault(old, new)

    @staticmethod
    def _v2_symbol(row: PairRow) -> str:
        base, _, quote = row.wsname.partition("/")
        return f"{_V2_NAMES.get(base, base)}/{_V2_NAMES.get(quote, quote)}"
