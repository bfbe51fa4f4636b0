import sys, pytest
from tests.scenarios.restart.lives import *
from tests.scenarios.honesty import *
from tests.scenarios.story import d
from engine.sim import ScriptedFaults
async def test_orphan_stop(seed, autojump_clock):
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.bought("0.02")
        (stop,) = case.resting("stop")
        kill(story)
        content = story.world.disk.content("journal")
        rows = bytes(content.durable + content.cache).split(b"\n")
        at = [n for n,r in enumerate(rows) if b'"intent"' in r[:140]][1]
        content.durable, content.cache = bytearray(b"\n".join(rows[:at]) + b"\n"), bytearray()
        await story.boot()
        await story.wait(20)
        print("PROBE open:", [(o.order_type,o.leaves_qty,o.cl_ord_id) for o in story.truth.orders.values() if o.is_open], story.engine.services.gate.reasons())
        story.market("48900","48910"); story.print("48900")
        await story.wait(20)
        print("PROBE after stop: BTC", story.truth.balances()["BTC"], [ (b.state) for b in story.engine.active()])
async def test_wrong_live(seed, autojump_clock):
    async with open_cut_story(seed) as story:
        story.market()
        story.world.exchange.faults=ScriptedFaults().at("add_order",1,DOUBTFUL_TEXTS[0].action(applied=False))
        case = await story.submit()
        await come(story, lambda: case.entry_is("unknown"))
        print(story.engine.resolve(case.entry().cl_ord_id,"live","wrong"))
        await story.wait(200)
        print("PROBE state", case.entry().state, case.entry().order_id)
        story.engine.cancel(case.signal_id)
        await story.wait(200)
        print("PROBE state", case.entry().state, case.outcome, story.engine.resolve(case.entry().cl_ord_id,"dead","oops"))
