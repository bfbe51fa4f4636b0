"""What a key may do, and what of that is a fault."""

import msgspec
import pytest

from engine.kraken.key_info import NEEDED, WITHDRAWING, KeyInfo, check_key

NOW_NS = 1_790_000_000 * 10**9


def info(**changes) -> KeyInfo:
    """A key without fault."""
    return KeyInfo(**{"permissions": tuple(NEEDED), "ip_allowlist": ("192.0.2.1",), "api_key_name": "bot", **changes})


def codes(one, **more):
    """Codes of all faults, the fatal ones with a mark."""
    return [fault.code + "!" * fault.fatal for fault in check_key(one, now_ns=NOW_NS, **more)]


def test_the_documented_answer_is_read():
    """Kraken's own example: it may withdraw, and lacks most of what is needed."""
    text = (
        '{"apiKeyName":"my-api-key","apiKey":"4/SDr","nonce":"1772627060997","nonceWindow":0,"permissions":'
        '["query-funds","withdraw-funds","query-open-trades","modify-trades"],"iban":"AA88","validUntil":"0",'
        '"queryFrom":"0","queryTo":"0","createdTime":"1","modifiedTime":"1","ipAllowlist":[],"lastUsed":"1"}'
    )
    one = msgspec.json.decode(text, type=KeyInfo)
    assert codes(one) == ["KEY_LACKS_PERMISSION!"] * 3 + ["KEY_MAY_WITHDRAW!", "KEY_NO_IP_LIST"]
    assert "4/SDr" not in repr(one)


def test_a_good_key_has_no_fault():
    """Extra harmless permissions do not matter."""
    assert codes(info(permissions=(*NEEDED, "query-ledger"))) == []


@pytest.mark.parametrize("permission", NEEDED)
def test_each_missing_permission_is_named(permission):
    """With its wire name and its name on Kraken's page."""
    rest = tuple(name for name in NEEDED if name != permission)
    (fault,) = check_key(info(permissions=rest), now_ns=NOW_NS)
    assert fault.fatal
    assert permission in fault.text
    assert NEEDED[permission] in fault.text


@pytest.mark.parametrize("permission", sorted(WITHDRAWING))
def test_key_that_may_move_funds_is_refused_unless_allowed_by_name(permission):
    """Withdrawals and changes of withdrawal addresses alike."""
    one = info(permissions=(*NEEDED, permission))
    assert codes(one) == ["KEY_MAY_WITHDRAW!"]
    assert codes(one, may_withdraw=True) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"valid_until": "1789999999"}, ["KEY_EXPIRED!"]),
        ({"valid_until": 1_790_000_000 + 86_400}, ["KEY_EXPIRES_SOON"]),
        ({"valid_until": "1800000000"}, []),
        ({"query_from": "1700000000"}, ["KEY_QUERY_RANGE!"]),
        ({"query_to": "1700000000"}, ["KEY_QUERY_RANGE!"]),
        ({"nonce_window": 10_000}, ["KEY_NONCE_WINDOW"]),
        ({"ip_allowlist": ()}, ["KEY_NO_IP_LIST"]),
        ({"nonce": "101"}, ["FOREIGN_NONCE"]),
        ({"nonce": "100"}, []),
    ],
)
def test_validity_range_nonce_and_addresses(changes, expected):
    """What hides the truth or has ended is fatal, what is merely unwise is advice."""
    assert codes(info(**changes), used_nonce=100) == expected


def test_key_for_reads_needs_only_to_read():
    """The second key: no trading permission is asked of it, and it must not withdraw either."""
    assert codes(info(permissions=("query-funds", "query-open-trades", "query-closed-trades")), reads_only=True) == []
    assert codes(info(permissions=("query-funds", "withdraw-funds")), reads_only=True) == [
        "KEY_LACKS_PERMISSION!",
        "KEY_LACKS_PERMISSION!",
        "KEY_MAY_WITHDRAW!",
    ]
