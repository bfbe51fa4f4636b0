"""What the adapter refuses to start with."""

import pytest

from engine.errors import ConfigError
from engine.kraken.settings import KrakenSettings, Secret

KEY, SECRET = Secret("key"), Secret("c2VjcmV0" * 10 + "c2VjcQ==")
PUBLIC = Secret("a2V5" * 14)
LOCAL = {"rest_url": "http://127.0.0.1:8000", "ws_url": "ws://[::1]:8000/v2", "ws_auth_url": "ws://localhost:8000/v2"}
VIRTUAL = {"rest_url": "http://sim", "ws_url": "ws://sim/v2", "ws_auth_url": "ws://sim/v2", "plain_host": "sim"}


def settings(**changes) -> KrakenSettings:
    """Settings with a key."""
    return KrakenSettings(**{"api_key": KEY, "api_secret": SECRET, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mode": "simulated", **LOCAL},
        {"mode": "simulated", **LOCAL, "api_secret": Secret("c2VjcmV0c2VjcmV0")},
        {"query_key": PUBLIC, "query_secret": SECRET},
        {"mode": "simulated", **VIRTUAL},
        {"ws_url": "wss://beta-ws.kraken.com/v2"},
        {**LOCAL, "extra_live_hosts": ("127.0.0.1", "::1", "localhost")},
        {"mode": "simulated", **LOCAL, "rest_url": "https://sim.example.org"},
    ],
)
def test_good_settings_pass(changes):
    """Kraken's addresses, loopback, the virtual wire and named hosts are accepted."""
    settings(**changes).check()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rest_url": "http://api.kraken.com"}, "must use https"),
        ({"ws_auth_url": "ws://ws-auth.kraken.com/v2"}, "must use wss"),
        ({"mode": "simulated", **LOCAL, "rest_url": "http://10.0.0.7"}, "must use https"),
        ({**LOCAL}, "live key must not go to 127.0.0.1"),
        ({"rest_url": "https://evil.example"}, "live key must not go to evil.example"),
        ({"rest_url": "https://api.kraken.com.evil.example"}, "live key"),
        ({"rest_url": "https://notkraken.com"}, "live key"),
        ({**VIRTUAL}, "sim"),
        ({"mode": "simulated"}, "Kraken itself"),
        ({"mode": "simulated", **LOCAL, "ws_auth_url": "wss://ws-auth.kraken.com/v2"}, "Kraken itself"),
        ({"rest_url": "https://api.kraken.com/0"}, "without a path"),
        ({"rest_url": "https://user:pw@api.kraken.com"}, "without user"),
        ({"rest_url": "api.kraken.com"}, "must look like"),
        ({"api_secret": Secret("not base64!")}, "api_secret is not base64"),
        ({"api_key": Secret("")}, "api_key is empty"),
        ({"api_key": Secret("two words")}, "api_key is empty or not plain text"),
        ({"api_secret": Secret("c2VjcmV0" * 10)}, "api_secret holds 60 bytes, .* holds 64"),
        ({"api_key": SECRET, "api_secret": PUBLIC}, "api_key and api_secret look swapped"),
        ({"query_key": PUBLIC}, "query_key and query_secret belong together"),
        ({"query_key": PUBLIC, "query_secret": Secret("?")}, "query_secret is not base64"),
        ({"query_key": KEY, "query_secret": SECRET}, "query_key is api_key again"),
        ({"entry_deadline_s": 0.1}, "entry_deadline_s"),
        ({"rest_deadline_s": 2}, "rest_deadline_s"),
        ({"book_depth": 11}, "book_depth"),
    ],
)
def test_bad_settings_are_refused_by_name(changes, words):
    """Each refusal names the setting and says what is wrong, before anything connects."""
    with pytest.raises(ConfigError, match=words):
        settings(**changes).check()


def test_secrets_print_stars():
    """Neither settings nor their errors show the key or the secret."""
    shown = repr(settings()) + str(settings().api_secret) + f"{settings().api_key}"
    assert "c2VjcmV0" not in shown
    assert "Secret(***)" in shown
    with pytest.raises(ConfigError) as failure:
        settings(api_secret=Secret("hunter2!")).check()
    assert "hunter2" not in str(failure.value)
