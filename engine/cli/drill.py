"""The drill of a close: a simulated exchange in this process, a copy of the journal's positions, the real close."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import trio

from engine.control.command import Arguments
from engine.control.refusal import bad_request, refused
from engine.errors import ConfigError
from engine.journal.opening import read_journal
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.wire import TcpWire
from engine.orders.bracket_events import Policy
from engine.orders.brackets import Bracket
from engine.orders.signal import Signal, protecting
from engine.runtime.close_report import CloseReport
from engine.runtime.engine import Engine
from engine.runtime.opening import JOURNAL_FILE, open_engine
from engine.runtime.recovery import load_unfinished
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.sim import AssetSpec, Exchange, PairSpec, SimSettings
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Price, Qty, floor_to

LEVELS = 10
LEVEL_SHARE = Decimal("0.4")
"""Of what is held, at each level: so that a close needs more than the best one."""
COVERED_WITHIN_S = 10.0
SPARE = Decimal(3)


class Position(NamedTuple):
    """What one living bracket holds, and a price at which its stop has not fired."""

    signal: Signal
    instrument: Instrument
    qty: Qty
    price: Price


async def rehearse(arguments: Arguments, directory: Path) -> CloseReport:
    """Close a copy of what the journal says is held, on an exchange of its own. Raises Refusal.

    Nothing of the configured venue is opened, asked or read: neither keys nor market.
    """
    given = [name for name in ("symbol", "signal", "all") if arguments.get(name)]
    if len(given) != 1:
        raise bad_request("name exactly one of a symbol, --signal and --all")
    try:
        with read_journal(directory / JOURNAL_FILE) as journal:
            held = list(positions(one.bracket for one in load_unfinished(journal, Policy())))
    except ConfigError as error:
        raise refused("NO_JOURNAL", str(error), "name the data directory with --data-dir") from None
    symbol, signal_id = _named(arguments, held)
    if given == ["symbol"] and not any(symbol == one.instrument.symbol for one in held):
        raise refused("NOTHING_HELD", f"no bracket holds anything in {symbol}", "orders shows what there is")
    bps = arguments.get("max_slippage_bps")
    with TemporaryDirectory(prefix="drill-") as scratch:
        async with _rehearsal(held, Path(scratch)) as engine:
            await _stage(engine, held)
            report = await engine.close(
                symbol,
                signal_id=signal_id,
                everything=given == ["all"],
                max_slippage_bps=None if bps is None else Decimal(int(bps)),
                include_holdings=bool(arguments.get("include_holdings", False)),
                reason=str(arguments.get("reason", "drill")),
            )
    return msgspec.structs.replace(report, drill=True)


def positions(brackets: Iterable[Bracket]) -> Iterator[Position]:
    """Return what can be ordered of what the brackets hold."""
    for bracket in brackets:
        signal, instrument = bracket.terms, bracket.instrument
        entries = [one for one in bracket.orders.values() if one.role == "entry" and one.cum_qty]
        price = entries[0].avg_px if entries else signal.limit_price or ZERO
        stop = signal.stop_loss
        if stop is not None and (price <= stop.trigger_price) == (signal.side == "buy"):
            price = stop.trigger_price * (Decimal("1.02") if signal.side == "buy" else Decimal("0.98"))
        qty = instrument.lots(max(bracket.exposure, ZERO))
        if price and instrument.orderable(qty, price):
            yield Position(signal, instrument, qty, Price(floor_to(price, instrument.price_increment)))


def _named(arguments: Arguments, held: list[Position]) -> tuple[str | None, str | None]:
    if "symbol" in arguments:
        return str(arguments["symbol"]), None
    if "signal" not in arguments:
        return None, None
    text = str(arguments["signal"]).lower()
    found = [one.signal.signal_id for one in held if one.signal.signal_id.startswith(text)]
    if len(found) != 1:
        raise refused("NOT_FOUND", f"{len(found)} signals that hold something begin with {text!r}", "give its whole id")
    return None, found[0]


@asynccontextmanager
async def _rehearsal(held: list[Position], scratch: Path) -> AsyncIterator[Engine]:
    clock, chance = SystemClock(), SystemChance()
    exchange = Exchange(_sim(held), clock, chance)
    async with exchange.running(), trio.open_nursery() as nursery:
        port = await nursery.start(exchange.serve_tcp)
        _quote(exchange, held)
        ws = f"ws://127.0.0.1:{port}/v2"
        settings = KrakenSettings(
            api_key=Secret(exchange.api_key),
            api_secret=Secret(exchange.api_secret),
            mode="simulated",
            rest_url=f"http://127.0.0.1:{port}",
            ws_url=ws,
            ws_auth_url=ws,
        )
        venue = KrakenVenue(settings, wire=TcpWire(), clock=clock, chance=chance, nonces=MemoryNonceStore())
        async with open_engine(EngineSettings(data_dir=scratch, durability="process"), venue) as engine:
            yield engine
        nursery.cancel_scope.cancel("the drill is over")


async def _stage(engine: Engine, held: list[Position]) -> None:
    """Let every position rest under its stop, as it does on the venue."""
    for one in held:
        its = one.signal
        names = its.signal_id, its.strategy_id, its.symbol
        engine.brackets.hold(protecting(*names, its.side, one.qty, its.stop_loss, None, one.price))
    with trio.move_on_after(COVERED_WITHIN_S):
        while any(view.state != "covered" for view in engine.active()):
            await engine.brackets.wait_progress()


def _sim(held: list[Position]) -> SimSettings:
    plain = SimSettings()
    pairs = {pair.symbol: pair for pair in plain.pairs}
    assets = {asset.name: asset for asset in plain.assets}
    funds: dict[str, Decimal] = {}
    for one in held:
        pairs.setdefault(one.instrument.symbol, _pair(one.instrument))
        for name in (one.instrument.base, one.instrument.quote):
            assets.setdefault(name, AssetSpec(name=name, rest_key=name, altname=name, decimals=10, display_decimals=5))
        if one.signal.side == "buy":
            funds[one.instrument.base] = funds.get(one.instrument.base, ZERO) + one.qty
        else:
            funds[one.instrument.quote] = funds.get(one.instrument.quote, ZERO) + SPARE * one.qty * one.price
    return SimSettings(pairs=tuple(pairs.values()), assets=tuple(assets.values()), accounts={"client": funds})


def _pair(instrument: Instrument) -> PairSpec:
    name = f"{instrument.base}{instrument.quote}"
    return PairSpec(
        symbol=instrument.symbol,
        altname=name,
        rest_key=name,
        wsname=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        price_precision=instrument.price_precision,
        tick=instrument.price_increment,
        qty_precision=instrument.qty_precision,
        qty_min=instrument.qty_min,
        cost_precision=instrument.cost_precision,
        cost_min=instrument.cost_min,
    )


def _quote(exchange: Exchange, held: list[Position]) -> None:
    """Put a book around the first position of each market, wide enough for all of them."""
    for symbol in dict.fromkeys(one.instrument.symbol for one in held):
        its = [one for one in held if one.instrument.symbol == symbol]
        instrument, total = its[0].instrument, sum((one.qty for one in its), ZERO)
        size = max(instrument.lots(total * LEVEL_SHARE), 2 * instrument.qty_min)
        for level in range(LEVELS):
            away = instrument.price_increment * (level + 1)
            exchange.house.quote(symbol, "buy", its[0].price - away, size)
            exchange.house.quote(symbol, "sell", its[0].price + away, size)
