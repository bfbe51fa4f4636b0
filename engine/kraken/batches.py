"""What the answer to a batch proves about each of its members (§1.6, §1.9, §8.4, §8.5). Pure.

A member that neither succeeded nor failed provably is UNKNOWN: only REST documents the shape of a failed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.kraken import errors
from engine.kraken.errors import Verdict
from engine.kraken.frames import MemberInfo
from engine.orders.commands import NewOrder
from engine.orders.reports import Outcome

LEAST = 2
MOST_ADDS = 15
MOST_CANCELS = 50


class Judged(NamedTuple):
    """One member's verdict, the order id the venue gave it, and the venue's words."""

    verdict: Verdict
    order_id: str | None = None
    text: str = ""


def judge_adds(orders: Sequence[NewOrder], top: Sequence[str], members: Sequence[MemberInfo] | None) -> list[Judged]:
    """Judge a batch of new orders by its errors (``top``) and its members; both must be looked at.

    No members and errors: the batch was refused as a whole, if the errors are a certain no.
    """
    text = "; ".join(top)
    serious = [one for one in top if not errors.is_warning(one)]
    if not members:
        verdict = errors.of_errors("new", top) if serious else Verdict(Outcome.UNKNOWN, "NO_CONFIRMATION")
        return [Judged(verdict, None, text)] * len(orders)
    judged = []
    for order, member in zip(orders, _in_order(orders, members), strict=True):
        if member is None:
            judged.append(Judged(Verdict(Outcome.UNKNOWN, "NO_CONFIRMATION"), None, text))
        else:
            judged.append(_judge(order, member, serious))
    return judged


def _in_order(orders: Sequence[NewOrder], members: Sequence[MemberInfo]) -> list[MemberInfo | None]:
    """Give each order its member: by its name where members carry one, else by place when none is missing."""
    named = {member.cl_ord_id: member for member in members if member.cl_ord_id is not None}
    whole = len(members) == len(orders)
    found = []
    for place, order in enumerate(orders):
        unnamed = members[place] if whole and members[place].cl_ord_id is None else None
        found.append(named.get(order.cl_ord_id, unnamed))
    return found


def _judge(order: NewOrder, member: MemberInfo, serious: Sequence[str]) -> Judged:
    failures = [one for one in member.failures if not errors.is_warning(one)]
    text = "; ".join([*member.failures, *serious])
    if member.identity is not None:
        contradicted = failures or serious or member.success is False
        verdict = Verdict(Outcome.UNKNOWN, "CONTRADICTION") if contradicted else Verdict(Outcome.ACCEPTED, "")
        return Judged(verdict, member.identity, text)
    if failures:
        return Judged(errors.of_errors("new", failures), None, text)
    return Judged(Verdict(Outcome.UNKNOWN, "NO_CONFIRMATION"), None, text or f"nothing said of {order.cl_ord_id}")


def judge_cancels(members: int, top: Sequence[str], count: int | None) -> Judged:
    """Judge a batch of cancels, one verdict for all: the venue says how many it took, not which."""
    serious = [one for one in top if not errors.is_warning(one)]
    if serious:
        if count:
            return Judged(Verdict(Outcome.UNKNOWN, "CONTRADICTION"), None, "; ".join(serious))
        return Judged(errors.of_errors("cancel", serious), None, "; ".join(serious))
    if count == members:
        return Judged(Verdict(Outcome.ACCEPTED, ""))
    said = "said nothing" if count is None else f"took {count}"
    return Judged(Verdict(Outcome.UNKNOWN, "PARTLY_TAKEN"), None, f"of {members} cancels the venue {said}")
