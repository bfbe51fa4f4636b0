"""The venue's own check of a request's signature (protocol section 2.1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac


def signature(secret: str, path: str, nonce: str, body: bytes) -> str:
    """Compute API-Sign. ``path`` begins at ``/0``; ``body`` is the exact bytes that were sent."""
    digest = hashlib.sha256(nonce.encode() + body).digest()
    return base64.b64encode(
        hmac.new(base64.b64decode(secret), path.encode() + digest, hashlib.sha512).digest()
    ).decode()


def signature_matches(given: str, secret: str, path: str, nonce: str, body: bytes) -> bool:
    """Compare a signature; any text that is not base64 is simply wrong."""
    try:
        raw = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(raw, base64.b64decode(signature(secret, path, nonce, body)))
