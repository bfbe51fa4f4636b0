"""What the conformance kit found: a verdict for each check, and the report of them all."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.venue.protocol import VenueIdentity


class Verdict(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    """What every adapter must do, it does not."""
    LACKING = "lacking"
    """The manifest offers it, and it does not hold."""
    NOT_OFFERED = "not offered"
    """The manifest leaves it out, or the ground has no hand to try it with."""


class Finding(msgspec.Struct, frozen=True):
    """One check's end. ``reason`` says what was seen, or why it was not tried; empty when it passed."""

    name: str
    verdict: Verdict
    reason: str = ""


class ContractReport(msgspec.Struct, frozen=True):
    """All findings, in the order of the checks."""

    venue: VenueIdentity
    findings: tuple[Finding, ...]

    @property
    def conforms(self) -> bool:
        """Whether nothing failed and nothing offered is lacking."""
        return not self.having(Verdict.FAILED, Verdict.LACKING)

    def having(self, *verdicts: Verdict) -> tuple[Finding, ...]:
        """Return the findings with any of these verdicts."""
        return tuple(finding for finding in self.findings if finding.verdict in verdicts)

    def __str__(self) -> str:
        """Write one line for each check: for people."""
        wide = max((len(finding.name) for finding in self.findings), default=0)
        return "\n".join(f"{f.name:<{wide}}  {f.verdict:<11}  {f.reason}".rstrip() for f in self.findings)
