"""The verb ``plan``: what a signal would do, shown whole, and nothing of it done."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, show_refusal
from engine.cli.complaints import complain
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.looking import signal_text
from engine.cli.output import Output, talk
from engine.cli.plan.addresses import open_addresses, rest_name
from engine.cli.plan.lines import plan_lines
from engine.cli.plan.offline import plan_offline
from engine.cli.plan.rate import RateCost, rate_cost
from engine.cli.plan.wire import WireMessage, wire_message
from engine.config import Settings, load_settings
from engine.control.client import open_client
from engine.control.planning import PLAN, SLIPPAGE_BPS, Planned
from engine.control.refusal import Refusal
from engine.errors import ConfigError
from engine.orders.signal import Signal, SignalFault, parse_signal
from engine.risk.preview import Preview, Terms, reckon
from engine.runtime.logs import configure_logs


class Plan(msgspec.Struct, frozen=True):
    """A preview with what it would cost and how it would look on the wire, order by order."""

    preview: Preview
    terms: Terms
    rate: RateCost
    messages: tuple[WireMessage, ...]


def plan(
    signal: Annotated[
        str, Parameter(help="The signal as JSON, a file with one, or - for standard input.", allow_leading_hyphen=True)
    ],
    *,
    fee_bps: Annotated[
        str | None, Parameter(help="Fee of each trade for the worst case, in hundredths of a percent.")
    ] = None,
    slippage_bps: Annotated[
        str | None, Parameter(help="How far past its trigger a stop trades, in hundredths of a percent.")
    ] = None,
    url: Annotated[str | None, Parameter(help="A public WebSocket to take the market from, and ask no engine.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Show what a signal would do: verdict with every check, orders, wire messages, worst case. Nothing is sent.

    The running engine judges it as it stands now; without one public market data and the settings do. Exit code 0 when
    it would be accepted, 4 when it would be denied.

    Example: python -m engine plan signal.json --slippage-bps 25
    """
    logs = configure_logs(sys.stderr, level="critical")
    try:
        text = signal_text(signal)
        parsed = _parsed(text)
        settings = load_settings(config, {} if data_dir is None else {"data_dir": data_dir})
        given = _given(settings, fee_bps, slippage_bps)
        made = trio.run(partial(_plan, settings, parsed, text, url, given))
    except Refusal as refusal:
        return show_refusal(Output(), refusal, as_json=as_json)
    except Exception as error:  # nurseries wrap it
        return complain(error, logs)
    if made is None:
        talk("broken off")
        return Exit.OTHER
    output = Output()
    if as_json:
        output.json(made)
    else:
        output.text("".join(f"{line}\n" for line in plan_lines(made.preview, made.terms, made.messages, made.rate)))
    return Exit.DONE if made.preview.verdict == "accepted" else Exit.REFUSED


def _parsed(text: str) -> Signal:
    try:
        return parse_signal(text)
    except SignalFault as fault:
        raise ConfigError("\n".join(fault.errors)) from None


def _given(settings: Settings, fee_bps: str | None, slippage_bps: str | None) -> Terms:
    fee = settings.engine_settings().limits.fee_reserve_bps if fee_bps is None else _bps("--fee-bps", fee_bps)
    slippage = Decimal(SLIPPAGE_BPS) if slippage_bps is None else _bps("--slippage-bps", slippage_bps)
    return Terms(fee, slippage)


def _bps(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not 0 <= value <= 5000:
        raise ConfigError(f"{name} is a number from 0 to 5000 (hundredths of a percent), not {text!r}")
    return value


async def _plan(settings: Settings, signal: Signal, text: str, url: str | None, terms: Terms) -> Plan | None:
    """Work it out; None when it was interrupted."""
    made = None
    async with open_interrupts() as stop:
        with stop:
            planned = None if url is not None else await _asked(settings, text)
            async with open_addresses(settings, url) as (ws_url, rest_url):
                if planned is None:
                    limits, directory = settings.engine_settings().limits, settings.directory
                    told, counters = await plan_offline(signal, ws_url, limits, directory, terms), None
                else:
                    told, counters = planned.preview, planned.counters
                rate = rate_cost(told.signal, settings.kraken.tier, counters, counted=planned is not None)
                made = await _whole(told, rate, rest_url, terms)
    return made


async def _asked(settings: Settings, text: str) -> Planned | None:
    """Ask the running engine; None when there is none."""
    async with open_client(settings.directory) as client:
        if client is None:
            return None
        try:
            planned: Planned = await client.call(PLAN, PLAN.arguments({"signal": text}))
        except Refusal as refusal:
            if refusal.complaint.code == "NO_ENGINE":
                return None
            raise
        return planned


async def _whole(told: Preview, rate: RateCost, rest_url: str | None, terms: Terms) -> Plan:
    pair = await rest_name(rest_url, told.instrument)
    if told.worst is not None and told.instrument is not None:
        worst = reckon(told.signal, told.instrument, told.worst.entry_px, terms)
        told = msgspec.structs.replace(told, worst=worst)
    messages = tuple(wire_message(child.order, pair) for child in told.orders)
    return Plan(told, terms, rate, messages)
