"""Margin on the wire: flags of orders, the way they take, positions and trade balance read exactly."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.errors import VenueProtocolError, VenueUnavailable
from engine.kraken import encode
from engine.kraken.margin_terms import goes_by_ws, leverage_by_ws, with_listed_leverage
from engine.kraken.rest_margin import PositionObject, TradeBalanceObject, trade_balance, venue_position
from engine.kraken.symbols import PairRow, Symbols
from engine.orders.commands import NewOrder
from engine.orders.reports import Outcome
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty
from engine.venue.protocol import Lane

from .conftest import dec

BTC = "BTC/USD"
PLAIN = Instrument(
    BTC, "BTC", "USD", "online", 1, Price(dec("0.1")), 8, Qty(dec("1E-8")), Qty(dec("0.0001")), 5, dec(1)
)
LENDS = msgspec.structs.replace(PLAIN, leverage_buy=(2, 3, 4, 5, 10), leverage_sell=(2, 3))


def entry(name: str = "e-1", leverage: int | None = 5, side: str = "buy") -> NewOrder:
    """A margin entry that rests."""
    return NewOrder(name, BTC, side, "limit", dec("0.01"), dec("40000.0"), leverage=leverage)  # type: ignore[arg-type]


def out(name: str = "x-1", leverage: int = 5) -> NewOrder:
    """A reduce-only stop."""
    return NewOrder(
        name, BTC, "sell", "stop-loss", dec("0.01"), trigger_price=dec("30000.0"), leverage=leverage, reduce_only=True
    )


def test_websocket_says_margin_and_reduce_only_and_no_number():
    """v2 knows no leverage: ``margin`` asks for the pair's own (§8.1)."""
    assert {k: v for k, v in encode.add_order(out(), "T").items() if k in ("margin", "reduce_only", "leverage")} == {
        "margin": True,
        "reduce_only": True,
    }
    assert "reduce_only" not in encode.add_order(entry(), "T")
    assert not {"margin", "reduce_only"} & set(encode.add_order(entry(leverage=None), "T"))


def test_rest_names_the_leverage():
    """A form's flag is a text, in a batch's JSON it is none."""
    fields = encode.add_order_form(out(), "XBTUSD")
    assert (fields["leverage"], fields["reduce_only"]) == ("5", "true")
    assert "reduce_only" not in encode.add_order_form(entry(), "XBTUSD")
    assert "leverage" not in encode.add_order_form(entry(leverage=None), "XBTUSD")
    rows = encode.add_batch_body([out("a"), out("b")], "XBTUSD")["orders"]
    assert [(row["leverage"], row["reduce_only"]) for row in rows] == [("5", True)] * 2


def test_websocket_takes_the_highest_leverage_up_to_five():
    """An entry with another one must go by REST; an exit may go either way."""
    assert [leverage_by_ws(one) for one in ((2, 3, 4, 5, 10), (2, 3), (10,), ())] == [5, 3, None, None]
    assert goes_by_ws(entry(leverage=5), LENDS)
    assert not goes_by_ws(entry(leverage=3), LENDS)
    assert goes_by_ws(entry(leverage=3, side="sell"), LENDS)
    assert not goes_by_ws(entry(leverage=5), None)
    assert goes_by_ws(out(leverage=2), LENDS)
    assert goes_by_ws(entry(leverage=None), LENDS)


@pytest.mark.parametrize(("listed", "sent"), [((2, 3), 3), ((2, 3, 5), 5), ((), 5)])
def test_exit_by_rest_takes_a_leverage_of_its_own_side(listed, sent):
    """Its entry's where that is listed, else the highest; an empty list is for the venue to judge."""
    instrument = msgspec.structs.replace(LENDS, leverage_sell=listed)
    assert with_listed_leverage(out(), instrument).leverage == sent
    assert with_listed_leverage(entry(leverage=7), instrument).leverage == 7, "an entry's is its own"


async def test_entry_takes_the_way_that_can_say_its_leverage(stage, autojump_clock):
    """Four of five goes by REST while the stream stands; the exchange has exactly what was asked for."""
    async with stage.link() as link:
        ways = []
        for order, lane in ((entry("e-5"), Lane.ENTRY), (entry("e-4", 4), Lane.ENTRY), (out("x-4", 4), Lane.REDUCING)):
            answer = await link.submit(await link.admit(lane, order), order)
            assert answer.outcome is Outcome.ACCEPTED
            ways.append(answer.transport)
        assert ways == ["ws", "rest", "ws"]
    orders = {order.cl_ord_id: order for order in stage.exchange.truth.orders.values()}
    assert [orders[name].leverage for name in ("e-5", "e-4")] == [5, 4]
    assert (orders["x-4"].reduce_only, orders["x-4"].leverage) == (True, 5)


async def test_entry_that_no_way_can_say_is_not_sent(stage, autojump_clock):
    """By WebSocket alone it would borrow more than was asked for: the reason names that."""
    async with stage.link(orders_via="ws") as link:
        with pytest.raises(VenueUnavailable, match="cannot name a leverage below the pair's highest"):
            await link.admit(Lane.ENTRY, entry(leverage=3))
    assert stage.exchange.truth.orders == {}


async def test_positions_trade_balance_and_lending_are_read(stage, autojump_clock):
    """What the exchange holds, to the digit, in our names; the instrument knows what its pair lends."""
    async with stage.link() as link:
        assert (await link.margin_positions(), (await link.trade_balance("USD")).level) == ([], None)
        instrument = link.instrument(BTC)
        assert (instrument.leverage_buy, instrument.margin_stop) == ((2, 3, 4, 5), 40)
        assert link.instrument("SOL/USD").leverages("buy") == ()
        stage.exchange.house.quote(BTC, "sell", dec("50000"), dec("1"))
        order = NewOrder("m-1", BTC, "buy", "market", dec("0.1"), leverage=5)
        await link.submit(await link.admit(Lane.ENTRY, order), order)
        await stage.sink.wait(lambda: any(one.fill for one in stage.sink.reports))
        (one,) = await link.margin_positions()
        order_id = next(iter(stage.exchange.truth.orders))
        assert (one.order_id, one.symbol, one.side) == (order_id, BTC, "buy")
        assert (one.qty, one.cost, one.margin) == (dec("0.1"), 5000, 1000)
        told = await link.trade_balance("USD")
        assert (told.currency, told.used, told.level is not None) == ("USD", 1000, True)
        assert told.free == told.equity - told.used
    fill = next(one for one in stage.sink.reports if one.fill)
    assert (fill.margin, fill.liquidated) == (True, False)


def test_part_of_a_position_is_closed_in_proportion():
    """What is left is what counts; all closed leaves nothing."""
    row = PositionObject("O1", "XXBTZUSD", "sell", Decimal(5000), Decimal("0.1"), Decimal("0.04"), Decimal(1000))
    one = venue_position("T1", row, Symbols())
    assert (one.qty, one.cost, one.margin, one.symbol) == (Decimal("0.06"), 3000, 600, "XXBTZUSD")


@pytest.mark.parametrize(
    "change", [{"vol_closed": Decimal("0.2")}, {"vol": Decimal(0)}, {"cost": Decimal("NaN")}, {"margin": Decimal(-1)}]
)
def test_position_with_impossible_numbers_is_refused(change):
    """More closed than opened, nothing opened, no number: nothing of it is believed."""
    row = PositionObject("O1", "XXBTZUSD", "buy", Decimal(5000), Decimal("0.1"), Decimal(0), Decimal(1000))
    with pytest.raises(VenueProtocolError):
        venue_position("T1", msgspec.structs.replace(row, **change), Symbols())


def test_trade_balance_may_be_negative_and_must_be_a_number():
    """A loss beyond the collateral is told as it is."""
    row = msgspec.json.decode(
        b'{"eb":"1","tb":"10.5","m":"3","n":"-20","c":"1","v":"1","e":"-9.5","mf":"-12.5","ml":"-316.67"}',
        type=TradeBalanceObject,
    )
    told = trade_balance("USD", row)
    assert (told.equity, told.free, told.level) == (dec("-9.5"), dec("-12.5"), dec("-316.67"))
    with pytest.raises(VenueProtocolError):
        trade_balance("USD", msgspec.structs.replace(row, e=Decimal("Infinity")))


def test_rest_knows_assets_by_their_old_names():
    """ZUSD is USD; what it lists under no other name keeps its own."""
    symbols = Symbols()
    symbols.learn_pairs({"XXBTZUSD": PairRow("XBTUSD", "XXBT", "ZUSD", "XBT/USD", (2, 3), (2,), 40)})
    symbols.learn_instruments([PLAIN])
    assert (symbols.rest_asset("USD"), symbols.rest_asset("EUR")) == ("ZUSD", "EUR")
    found = symbols.instrument(BTC)
    assert found is not None
    assert (found.leverages("buy"), found.leverages("sell"), found.margin_stop) == ((2, 3), (2,), 40)
