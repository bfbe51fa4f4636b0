"""The official checksum and signature vectors, reproduced by the exchange's own code."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.sim.book import checksum
from engine.sim.signing import signature, signature_matches

FIXTURES = Path(__file__).parent.parent / "fixtures" / "kraken"


def vectors(name: str) -> list[Any]:
    return [
        pytest.param(vector, id=vector["name"])
        for vector in json.loads((FIXTURES / f"{name}.json").read_text())["vectors"]
    ]


@pytest.mark.parametrize("vector", [v for v in vectors("book_checksum") if v.values[0]["kind"].startswith("book")])
def test_book_checksum(vector: dict[str, Any]) -> None:
    """The checksum over the ten best levels equals Kraken's, whether the values were trimmed or not."""
    asks, bids = ([(Decimal(p), Decimal(q)) for p, q in vector[side]] for side in ("asks", "bids"))
    assert checksum(asks, bids, vector["price_precision"], vector["qty_precision"]) == vector["expected_crc32"]


@pytest.mark.parametrize("vector", vectors("signature"))
def test_signature(vector: dict[str, Any]) -> None:
    """API-Sign equals the known answer and is accepted; one changed byte of the body is not."""
    body = vector["body"].encode()
    expected, args = vector["expected_api_sign"], (vector["secret"], vector["path"], vector["nonce"])
    assert signature(*args, body) == expected
    assert signature_matches(expected, *args, body)
    assert not signature_matches(expected, *args, body + b" ")
    assert not signature_matches("not base64!", *args, body)


@pytest.mark.parametrize("vector", vectors("signature"))
async def test_signature_at_the_door(open_sim: Any, autojump_clock: Any, vector: dict[str, Any]) -> None:
    """The known request is let in over the wire to the byte; under another signature, or sent again, it is not."""
    async with open_sim(api_secret=vector["secret"]) as sim:

        async def ask(sign: str) -> list[str]:
            headers = {"API-Key": sim.exchange.api_key, "API-Sign": sign, "content-type": vector["content_type"]}
            _, answer = await sim.rest.raw("POST", vector["path"], headers, vector["body"].encode())
            return json.loads(answer)["error"]

        sign = vector["expected_api_sign"]
        assert await ask(sign[4:] + sign[:4]) == ["EAPI:Invalid signature"]
        assert not [error for error in await ask(sign) if error.startswith("EAPI")]
        assert await ask(sign) == ["EAPI:Invalid nonce"]
