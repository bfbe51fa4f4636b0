"""Which code ran: the version, and a hash over every source file, so that uncommitted code has a name as well."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import engine


@cache
def revision() -> str:
    """Return version and source hash."""
    root = Path(engine.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return f"{engine.__version__}+{digest.hexdigest()[:12]}"
