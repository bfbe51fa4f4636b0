"""The line of private calls."""

import trio

from engine.kraken.nonce_line import AGED_S, PASS_S, YIELD_S, NonceLine
from engine.venue.protocol import Lane


async def test_most_urgent_goes_first(autojump_clock):
    """Waiting calls are served by lane, then by arrival."""
    line, served = NonceLine(), []

    async def call(lane, name):
        await line.take(lane)
        with line.turn(lane):
            served.append(name)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for delay, (lane, name) in enumerate(
            [(Lane.ENTRY, "first"), (Lane.QUERY, "query"), (Lane.ENTRY, "entry"), (Lane.EMERGENCY, "emergency")]
        ):
            await trio.sleep(0.01 * delay)
            nursery.start_soon(call, lane, name)
    assert served == ["first", "emergency", "entry", "query"]


async def test_query_in_flight_gives_way_to_an_order(autojump_clock):
    """A read that hangs is cut off three seconds after an order begins to wait; the order then goes."""
    line, cut = NonceLine(), []

    async def query():
        await line.take(Lane.QUERY)
        with line.turn(Lane.QUERY) as scope:
            await trio.sleep_forever()
        cut.append(scope.cancelled_caught)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(query)
        await trio.sleep(5)
        await line.take(Lane.CANCEL)
        with line.turn(Lane.CANCEL):
            assert trio.current_time() == 5 + YIELD_S
    assert cut == [True]


async def test_order_in_flight_keeps_its_turn_against_entries(autojump_clock):
    """An entry waits for the answer of the order before it, however long that takes."""
    line = NonceLine()

    async def order():
        await line.take(Lane.ENTRY)
        with line.turn(Lane.ENTRY) as scope:
            await trio.sleep(50)
        assert not scope.cancelled_caught

    async with trio.open_nursery() as nursery:
        nursery.start_soon(order)
        await trio.sleep(1)
        await line.take(Lane.ENTRY)
        with line.turn(Lane.ENTRY):
            assert trio.current_time() == 50


async def test_exit_passes_an_unanswered_order(autojump_clock):
    """A stop does not wait out an entry whose answer is lost; that one is not cut, and the line stays one line."""
    line, ends = NonceLine(), []

    async def order(lane, lasts_s):
        await line.take(lane)
        began_s = trio.current_time()
        with line.turn(lane) as scope:
            await trio.sleep(lasts_s)
        ends.append((lane, round(began_s, 3), round(trio.current_time(), 3), scope.cancelled_caught))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(order, Lane.ENTRY, 7)
        await trio.sleep(0.4)
        nursery.start_soon(order, Lane.REDUCING, 0.1)
        nursery.start_soon(order, Lane.EMERGENCY, 0.1)
        await trio.sleep(0.1)
        nursery.start_soon(order, Lane.QUERY, 0.1)
    assert ends == [
        (Lane.EMERGENCY, PASS_S, PASS_S + 0.1, False),
        (Lane.REDUCING, PASS_S + 0.1, PASS_S + 0.2, False),
        (Lane.QUERY, PASS_S + 0.2, PASS_S + 0.3, False),
        (Lane.ENTRY, 0, 7, False),
    ]


async def test_entries_without_end_do_not_starve_a_read(autojump_clock):
    """A read that has waited for two seconds goes by arrival with the entries; exits still pass it. (Squall 2000058)"""
    line, began = NonceLine(), {}

    async def call(lane, name):
        await line.take(lane)
        with line.turn(lane):
            began[name] = round(trio.current_time(), 3)
            await trio.sleep(0.5)

    async with trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(call, Lane.ENTRY, f"entry {number}")
            if number == 1:
                nursery.start_soon(call, Lane.QUERY, "read")
            await trio.sleep(0.25)
        nursery.start_soon(call, Lane.REDUCING, "exit")
    assert began["read"] == 0.25 + AGED_S + 0.25
    assert began["exit"] == 3.5
    assert max(began, key=began.get) == "entry 11"


async def test_cancelled_waiter_does_not_block_the_line(autojump_clock):
    """A call that stops waiting leaves the line as if it had never come."""
    line = NonceLine()
    await line.take(Lane.ENTRY)
    with line.turn(Lane.ENTRY):
        with trio.move_on_after(1):
            await line.take(Lane.ENTRY)
    with trio.fail_after(1):
        await line.take(Lane.QUERY)
    with line.turn(Lane.QUERY):
        pass
