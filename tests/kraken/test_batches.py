"""Batches: how they are written, and what each shape of an answer proves about each member."""

import msgspec
import pytest

from engine.errors import OrderInvariantError
from engine.kraken import decode, encode
from engine.kraken.batches import judge_adds, judge_cancels
from engine.kraken.frames import MemberInfo, Response
from engine.kraken.order_way import check_batch
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder
from engine.orders.reports import Outcome

from .conftest import dec

SECOND = 1_000_000_000
ORDERS = [
    NewOrder("c-1", "BTC/USD", "buy", "limit", dec("0.01"), dec("49000.0"), deadline_ns=5 * SECOND),
    NewOrder("c-2", "BTC/USD", "sell", "stop-loss", dec("0.02"), trigger_price=dec("48000.0"), deadline_ns=5 * SECOND),
]
CANCELS = [CancelOrder("c-1", "O1", "BTC/USD"), CancelOrder("c-2", "", "ETH/USD")]
FAILED = "EOrder:Insufficient funds"


def adds(*members, top=()):
    """Outcomes, codes and ids of the two orders."""
    found = msgspec.convert(list(members), list[MemberInfo]) if members else None
    return [(str(j.verdict.outcome), j.verdict.code, j.order_id) for j in judge_adds(ORDERS, top, found)]


def test_frame_of_a_batch():
    """Symbol, deadline and token once; numbers exact; members as in add_order."""
    frame = msgspec.json.decode(encode.frame("batch_add", encode.batch_add(ORDERS, "T"), 7))
    assert {k: v for k, v in frame["params"].items() if k != "orders"} == {
        "symbol": "BTC/USD",
        "deadline": "1970-01-01T00:00:05.000Z",
        "token": "T",
    }
    first, second = frame["params"]["orders"]
    assert (first["cl_ord_id"], first["limit_price"], first["order_qty"]) == ("c-1", 49000.0, 0.01)
    assert second["triggers"]["price"] == 48000.0
    assert not {"symbol", "deadline", "token"} & set(first)


def test_body_of_a_rest_batch():
    """Amounts as texts, one pair, one deadline."""
    body = encode.add_batch_body(ORDERS, "XBTUSD")
    assert (body["pair"], body["deadline"]) == ("XBTUSD", "1970-01-01T00:00:05.000Z")
    assert [(o["ordertype"], o["price"], o["volume"]) for o in body["orders"]] == [
        ("limit", "49000.0", "0.01"),
        ("stop-loss", "48000.0", "0.02"),
    ]
    assert not any("pair" in order or "deadline" in order for order in body["orders"])


def test_cancels_name_each_order_once():
    """By the venue's id where it is known, else by ours; the two transports spell the lists differently."""
    assert encode.batch_cancel(CANCELS, "T") == {"orders": ["O1"], "cl_ord_id": ["c-2"], "token": "T"}
    assert encode.cancel_batch_body(CANCELS) == {"orders": ["O1"], "cl_ord_ids": ["c-2"]}


@pytest.mark.parametrize(
    ("members", "top", "judged"),
    [
        # the documented answers of both transports
        ([{"txid": "O1"}, {"txid": "O2"}], [], [("accepted", "", "O1"), ("accepted", "", "O2")]),
        (
            [{"order_id": "O1", "cl_ord_id": "c-1"}, {"order_id": "O2", "cl_ord_id": "c-2"}],
            [],
            [("accepted", "", "O1"), ("accepted", "", "O2")],
        ),
        ([{"txid": "O1"}, {"error": FAILED}], [], [("accepted", "", "O1"), ("refused", "INSUFFICIENT_FUNDS", None)]),
        ([], [FAILED], [("refused", "INSUFFICIENT_FUNDS", None)] * 2),
        # shapes that were seen or may come
        (
            [{"txid": ["O1"]}, {"success": False, "error": [FAILED]}],
            [],
            [("accepted", "", "O1"), ("refused", "INSUFFICIENT_FUNDS", None)],
        ),
        (
            [{"order_id": "O2", "cl_ord_id": "c-2"}, {"order_id": "O1", "cl_ord_id": "c-1"}],
            [],
            [("accepted", "", "O1"), ("accepted", "", "O2")],
        ),
        # whatever is not proved is unknown
        ([{}, {"txid": "O2"}], [], [("unknown", "NO_CONFIRMATION", None), ("accepted", "", "O2")]),
        ([{"txid": "O1"}], [], [("unknown", "NO_CONFIRMATION", None)] * 2),
        ([{"order_id": "O2", "cl_ord_id": "c-2"}], [], [("unknown", "NO_CONFIRMATION", None), ("accepted", "", "O2")]),
        (
            [{"txid": "O1", "error": FAILED}, {"txid": "O2"}],
            [],
            [("unknown", "CONTRADICTION", "O1"), ("accepted", "", "O2")],
        ),
        (
            [{"txid": "O1", "success": False}, {"txid": "O2"}],
            [],
            [("unknown", "CONTRADICTION", "O1"), ("accepted", "", "O2")],
        ),
        (
            [{"txid": "O1"}, {"txid": "O2"}],
            [FAILED],
            [("unknown", "CONTRADICTION", "O1"), ("unknown", "CONTRADICTION", "O2")],
        ),
        (
            [{"txid": "O1"}, {"error": "EOrder:Never heard of"}],
            [],
            [("accepted", "", "O1"), ("unknown", "UNLISTED", None)],
        ),
        ([{"txid": "O1"}, {"error": "EService:Busy"}], [], [("accepted", "", "O1"), ("unknown", "SERVICE_BUSY", None)]),
        ([], ["EService:Unavailable"], [("unknown", "SERVICE_UNAVAILABLE", None)] * 2),
        ([], [], [("unknown", "NO_CONFIRMATION", None)] * 2),
        (
            [{"cl_ord_id": "x", "order_id": "O1"}, {"txid": "O2"}],
            [],
            [("unknown", "NO_CONFIRMATION", None), ("accepted", "", "O2")],
        ),
        ([{"txid": "O1"}, {"txid": "O2"}], ["WDatabase:No change"], [("accepted", "", "O1"), ("accepted", "", "O2")]),
    ],
)
def test_each_member_is_judged_by_what_is_proved(members, top, judged):
    """Accepted only with an id and without any error; refused only with a certain no; else unknown."""
    assert adds(*members, top=top) == judged


@pytest.mark.parametrize(
    ("top", "count", "outcome", "code"),
    [
        ([], 3, Outcome.ACCEPTED, ""),
        ([], 2, Outcome.UNKNOWN, "PARTLY_TAKEN"),
        ([], 0, Outcome.UNKNOWN, "PARTLY_TAKEN"),
        ([], 4, Outcome.UNKNOWN, "PARTLY_TAKEN"),
        ([], None, Outcome.UNKNOWN, "PARTLY_TAKEN"),
        (["EOrder:Unknown order"], None, Outcome.REFUSED, "UNKNOWN_ORDER"),
        (["EOrder:Unknown order"], 2, Outcome.UNKNOWN, "CONTRADICTION"),
        (["EService:Busy"], None, Outcome.UNKNOWN, "SERVICE_BUSY"),
    ],
)
def test_a_batch_cancel_only_counts(top, count, outcome, code):
    """All taken, or nobody knows which."""
    judged = judge_cancels(3, top, count)
    assert (judged.verdict.outcome, judged.verdict.code) == (outcome, code)


def test_response_whose_result_is_a_list_is_read():
    """The documented answer to batch_add, and the one with an object that holds the list."""
    text = (
        '{"method":"batch_add","req_id":9,"result": [{"order_id":"O1","cl_ord_id":"c-1"},{"error":"EOrder:x"}],'
        '"success":true,"time_in":"2026-01-01T00:00:00.1Z","time_out":"2026-01-01T00:00:00.2Z"}'
    )
    frame = decode.message(text)
    assert isinstance(frame, Response)
    assert (frame.req_id, frame.success, frame.time_out) == (9, True, "2026-01-01T00:00:00.2Z")
    assert [(m.identity, m.failures) for m in frame.result.orders] == [("O1", ()), (None, ("EOrder:x",))]
    nested = decode.message('{"method":"batch_add","success":false,"result":{"orders":[{"success":false}]}}')
    assert nested.result.orders[0].success is False
    counted = decode.message('{"method":"batch_cancel","success":true,"result":{"count":2}}')
    assert counted.result.count == 2


@pytest.mark.parametrize(
    "requests",
    [
        ORDERS[:1],
        ORDERS * 8,
        CANCELS[:1],
        [CancelOrder(f"c-{n}", f"O{n}", "BTC/USD") for n in range(51)],
        [ORDERS[0], CANCELS[1]],
        [ORDERS[0], msgspec.structs.replace(ORDERS[1], symbol="ETH/USD")],
        [ORDERS[0], ORDERS[0]],
        [AmendOrder(f"c-{n}", f"O{n}", "BTC/USD", dec("1")) for n in range(2)],
        [],
    ],
)
def test_what_is_no_batch_is_our_own_mistake(requests):
    """Two to fifteen orders of one symbol, two to fifty cancels, each order once."""
    with pytest.raises(OrderInvariantError):
        check_batch(requests)
