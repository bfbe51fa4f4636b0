"""What the service manager has told this process: where to report to, and how often a sign of life is wanted."""

from __future__ import annotations

import os
from typing import NamedTuple


class ServiceTerms(NamedTuple):
    """``address`` "": nobody wants to hear of it. ``watchdog_s`` None: no sign of life is waited for."""

    address: str = ""
    watchdog_s: float | None = None


def service_terms() -> ServiceTerms:
    """Read NOTIFY_SOCKET and WATCHDOG_USEC as systemd sets them; a watchdog for another process is none of ours."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    ours = usec.isdecimal() and int(usec) > 0 and pid in ("", str(os.getpid()))
    return ServiceTerms(address, int(usec) / 1e6 if ours else None)
