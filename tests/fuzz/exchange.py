"""Malformed requests and frames at the embedded exchange: an error answer or a clean close each.

After every hundred a sane client still gets its order placed and canceled, and the money is conserved.
"""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from decimal import Decimal
from types import MappingProxyType

import structlog
import trio
import trio.testing

from engine.net.wire import open_virtual_wire
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.sim import Exchange, KeySpec, SimSettings
from tests.fuzz.attack import Attack
from tests.fuzz.doors import HOST, PORT, Doors, Tried
from tests.fuzz.sanity import Sanity

SANE_EVERY = 100
VIRTUAL_BOUND_S = 1_300.0
"""A peer that stops in the middle is waited for twice ten minutes; nothing takes longer on virtual time."""
SLOW_S = 5.0
"""A case that takes this much processor time is as good as a hang; how busy the machine is else does not count."""
GROWTH_MOST = 32 << 20
"""Bytes that one run may leave behind: orders, trades and ledgers are kept, requests and connections are not."""
SHOWN = 400
FUNDS = MappingProxyType({"USD": Decimal(10**9), "BTC": Decimal(10**4)})


class Failure(AssertionError):
    """A case that did what none may do. Its bytes are in the message."""


def run(cases: int, seed: int) -> dict[str, int]:
    """Try so many cases at all doors; return how they ended. Raises Failure, or what the exchange died of."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    tried = Tried()
    try:
        trio.run(_world, cases, str(seed), tried, clock=trio.testing.MockClock(autojump_threshold=0))
    except BaseExceptionGroup as group:
        what = "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in _leaves(group))
        place = f"seed {seed}, case {sum(tried.ended.values())}"
        raise Failure(f"{place}: {what}: {tried.raw[:SHOWN]!r}") from group
    finally:
        structlog.reset_defaults()
    return dict(sorted(tried.ended.items()))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


async def _world(cases: int, seed: str, tried: Tried) -> None:
    settings = SimSettings(
        accounts={"client": FUNDS, "sane": FUNDS},
        more_keys=(KeySpec(name="sane/key", account="sane"),),
        keep_closed=500,
        hang_s=1.0,
    )
    exchange = Exchange(settings, VirtualClock(), SeededChance(seed))
    async with (
        exchange.running(),
        open_virtual_wire(random.Random(f"{seed}/wire")) as wire,
        trio.open_nursery() as nursery,
    ):
        wire.listen(HOST, PORT, exchange.serve)
        tracemalloc.start()
        try:
            doors = Doors(wire, tried)
            sanity = Sanity(exchange, doors, VIRTUAL_BOUND_S)
            await _try_all(Attack(exchange, doors, sanity, nursery, random.Random(seed)), sanity, cases, tried)
        finally:
            tracemalloc.stop()
        nursery.cancel_scope.cancel()


async def _try_all(attack: Attack, sanity: Sanity, cases: int, tried: Tried) -> None:
    await sanity.check()
    before = _bytes()
    for number in range(1, cases + 1):
        began = time.process_time()
        with trio.fail_after(VIRTUAL_BOUND_S):
            how = await attack.try_one()
            if number % SANE_EVERY == 0:
                await sanity.check()
        assert (took_s := time.process_time() - began) < SLOW_S, f"took {took_s:.1f} s of the processor"
        tried.ended[how] += 1
    await attack.close()
    await sanity.check_end()
    assert (grown := _bytes() - before) < GROWTH_MOST, f"{cases} cases left {grown:,} bytes behind"


def _bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
