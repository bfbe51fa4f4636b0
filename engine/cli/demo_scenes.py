"""The demo's scenes: the same bracket and the same market, and one thing that goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import resources
from typing import Literal

import msgspec
import trio

from engine.orders.signal import Signal, parse_signal
from engine.sim import Exchange, ScriptedFaults, Step, http_error, lose_answer, parse_script

FaultName = Literal["ack-lost", "disconnect", "kill", "rest-down", "late-fill"]

LOOK_EVERY_S = 0.01
LATER_S = 6.0
ENTRY_FRAMES = 6
"""More frames than the exchange writes about a new order: all that could tell of it is lost."""


@dataclass(frozen=True)
class Scene:
    """One signal, one market, and what is done to the exchange meanwhile. ``before`` says what will go wrong."""

    signal: Signal
    script: tuple[Step, ...]
    before: str = ""
    act: Callable[[Exchange], Awaitable[None]] | None = None


def data(name: str) -> str:
    """Read one of the demo's files."""
    return resources.files("engine.cli").joinpath(name).read_text(encoding="utf-8")


def scene_of(fault: FaultName | None) -> Scene:
    """Return the scene of a fault, or the one in which nothing goes wrong."""
    signal, script = parse_signal(data("demo_signal.jsonl")), parse_script(data("demo_market.toml"))
    match fault:
        case None:
            return Scene(signal, script)
        case "ack-lost":
            return Scene(signal, _later(script, "client_order_open", 1), ACK_LOST, _lose_ack)
        case "disconnect":
            return Scene(signal, script, DISCONNECT, _disconnect)
        case "rest-down":
            return Scene(signal, _later(script, "after_client_fill", 3), REST_DOWN, _take_rest_down)
        case "late-fill":
            signal = msgspec.structs.replace(signal, entry_timeout_s=Decimal(7))
            return Scene(signal, _without_third_seller(script), LATE_FILL, _fill_late)
        case "kill":
            return Scene(signal, script, KILL)


ACK_LOST = (
    "the exchange takes the entry order, but its answer is lost, and so is every frame about the order:"
    " was it sent or not"
)
DISCONNECT = "both streams break after the first fill, and the second fill happens while nobody listens"
REST_DOWN = (
    "after the first fill every REST call answers 503 for six seconds, and the streams break as well:"
    " without REST there is no token for a new one"
)
LATE_FILL = "the entry times out and is canceled after two fills; only then does the exchange tell of a third one"
KILL = (
    "the engine runs in a process of its own and is killed with SIGKILL at the second fill;"
    " the third one happens while it is dead"
)


def _later(script: tuple[Step, ...], when: str, fills: int) -> tuple[Step, ...]:
    """Let one step, and so all that follow it, wait until the engine has found out by itself."""
    return tuple(
        replace(step, after_s=step.after_s + LATER_S) if (step.when, step.fills) == (when, fills) else step
        for step in script
    )


def _without_third_seller(script: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(step for step in script if not (step.when == "after_client_fill" and step.fills == 2))


async def _fills(exchange: Exchange, count: int) -> None:
    while len(exchange.truth.trades) < count:  # noqa: ASYNC110 - the exchange has no event for it
        await trio.sleep(LOOK_EVERY_S)


async def _lose_ack(exchange: Exchange) -> None:
    faults = ScriptedFaults().at("add_order", 1, lose_answer())
    for frame in range(1, ENTRY_FRAMES + 1):
        faults.at_frame("executions", frame, "lose")
    exchange.faults = faults
    while not exchange.truth.orders:  # noqa: ASYNC110
        await trio.sleep(LOOK_EVERY_S)
    await trio.sleep(0.2)
    exchange.faults = ScriptedFaults()


async def _disconnect(exchange: Exchange) -> None:
    await _fills(exchange, 1)
    await trio.sleep(2.4)  # the next seller comes after two and a half
    exchange.kick()


async def _take_rest_down(exchange: Exchange) -> None:
    await _fills(exchange, 1)
    await trio.sleep(1.5)
    exchange.faults = ScriptedFaults().during("*", 0, 6, http_error(503), transport="rest")
    exchange.kick()


async def _fill_late(exchange: Exchange) -> None:
    await _fills(exchange, 2)
    (entry,) = [order for order in exchange.truth.orders.values() if order.order_type == "limit"]
    while entry.status != "canceled":  # noqa: ASYNC110
        await trio.sleep(LOOK_EVERY_S)
    await trio.sleep(2)
    exchange.house.late_fill(entry.order_id, entry.order_qty - entry.cum_qty, Decimal(50_000))
