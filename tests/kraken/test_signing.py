"""Signatures against the published and derived known answers."""

import json
from pathlib import Path

import pytest

from engine.kraken.signing import api_sign

VECTORS = json.loads((Path(__file__).parent.parent / "fixtures/kraken/signature.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
def test_signature_equals_known_answer(vector):
    """Form and JSON bodies, with and without one-time password, sign as the vectors say."""
    sign = api_sign(vector["path"], vector["nonce"], vector["body"].encode(), vector["secret"])
    assert sign == vector["expected_api_sign"]
