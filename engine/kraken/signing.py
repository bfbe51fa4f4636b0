"""The API-Sign header of private REST calls (Kraken, guide "Spot REST authentication")."""

from __future__ import annotations

import base64
import hashlib
import hmac


def api_sign(path: str, nonce: str, body: bytes, secret: str) -> str:
    """Return base64(HMAC-SHA512(base64decode(secret), path + SHA256(nonce + body))).

    ``path`` starts at ``/0``; ``body`` is byte for byte what will be sent and itself contains ``nonce``.
    """
    digest = hashlib.sha256(nonce.encode("ascii") + body).digest()
    key = base64.b64decode(secret, validate=True)
    return base64.b64encode(hmac.new(key, path.encode("ascii") + digest, hashlib.sha512).digest()).decode("ascii")
