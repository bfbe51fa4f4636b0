"""The breaker for entries: every row of its machine, on a clock of plain numbers."""

import pytest
from statemachine.exceptions import TransitionNotAllowed

from engine.orders.diagram import diagram_of
from engine.orders.reports import Answer, Outcome
from engine.risk.breaker import SERVICE_CODES, Breaker, BreakerMachine, is_failure

UNKNOWN = Answer("new", "c-1", Outcome.UNKNOWN, 0, code="ANSWER_TIMEOUT", text="no answer")
ACCEPTED = Answer("new", "c-1", Outcome.ACCEPTED, 0)
REFUSED = Answer("new", "c-1", Outcome.REFUSED, 0, code="INSUFFICIENT_FUNDS")


def opened(rest_s: float = 60) -> Breaker:
    """A breaker that has just opened, at 100 s."""
    breaker = Breaker(failures=3, rest_s=rest_s)
    for _ in range(3):
        breaker.observe(UNKNOWN, 100)
    return breaker


def test_consecutive_failures_open_it():
    """Five by default; a success or a business refusal in between starts the count anew."""
    breaker = Breaker()
    for between in (ACCEPTED, REFUSED):
        for _ in range(4):
            breaker.observe(UNKNOWN, 1)
        breaker.observe(between, 1)
    for number in range(5):
        assert breaker.allows(1), number
        breaker.observe(UNKNOWN, 1)
    assert breaker.state == "open"
    assert not breaker.allows(60.9)


def test_after_the_rest_one_probe_goes_and_its_success_closes():
    """One entry passes, the next waits for its answer."""
    breaker = opened()
    assert not breaker.allows(159)
    assert breaker.allows(160)
    assert breaker.state == "probing"
    assert not breaker.allows(161)
    breaker.observe(REFUSED, 162)
    assert (breaker.state, breaker.allows(162), breaker.view(162).failures) == ("closed", True, 0)


def test_failed_probe_opens_it_for_another_rest():
    """The rest begins when the probe fails."""
    breaker = opened()
    assert breaker.allows(160)
    breaker.observe(UNKNOWN, 165)
    assert not breaker.allows(224)
    assert breaker.allows(225)


def test_lost_probe_is_followed_by_another():
    """A probe that a check stopped before the wire does not keep the breaker shut for ever."""
    breaker = opened()
    assert breaker.allows(160)
    assert not breaker.allows(219)
    assert breaker.allows(220)


def test_answers_while_open_change_nothing():
    """Exits go on and are answered either way: the rest is kept, and not prolonged."""
    breaker = opened()
    breaker.observe(ACCEPTED, 110)
    assert breaker.state == "open"
    breaker.observe(UNKNOWN, 120)
    assert breaker.state == "open"
    assert breaker.allows(160)


@pytest.mark.parametrize(
    ("outcome", "code", "failed"),
    [
        (Outcome.UNKNOWN, "UNLISTED", True),
        (Outcome.NOT_SENT, "NOT_CONNECTED", True),
        *[(Outcome.REFUSED, code, True) for code in sorted(SERVICE_CODES)],
        (Outcome.REFUSED, "RATE_LIMIT", False),
        (Outcome.REFUSED, "POST_ONLY", False),
        (Outcome.ACCEPTED, "", False),
        (Outcome.NOT_SENT, "WITHDRAWN", None),
        (Outcome.NOT_SENT, "DEADLINE_PASSED", None),
        (Outcome.NOT_SENT, "VENUE_UNAVAILABLE", None),
    ],
)
def test_what_counts_as_a_failure(outcome, code, failed):
    """Transport, unknown and EService count; the venue's rules do not; our own doing says nothing."""
    assert is_failure(Answer("new", "c", outcome, 0, code=code)) is failed


def test_service_codes_are_those_of_the_catalogue():
    """Every EService row of the outcome table counts, and nothing else does."""
    from engine.kraken.errors import RULES

    assert {rule.code for rule in RULES if rule.prefix.startswith("EService")} == SERVICE_CODES


def test_every_row_is_walked_and_no_other_exists():
    """Every row fires; in every state what has no row raises and changes nothing."""
    rows = {(e.source, e.event, e.target) for e in diagram_of(BreakerMachine).edges}
    assert rows == {
        ("closed", "fail", "open"),
        ("closed", "fail", "closed"),
        ("closed", "succeed", "closed"),
        ("open", "fail", "open"),
        ("open", "succeed", "open"),
        ("open", "rested", "probing"),
        ("probing", "fail", "open"),
        ("probing", "succeed", "closed"),
    }
    for state in ("closed", "open", "probing"):
        for event in ("fail", "succeed", "rested"):
            for limit in (False, True):
                machine = BreakerMachine(start_value=state)
                targets = {target for source, name, target in rows if (source, name) == (state, event)}
                if targets:
                    machine.send(event, limit_reached=limit)
                    assert str(machine.current_state_value) in targets
                else:
                    with pytest.raises(TransitionNotAllowed):
                        machine.send(event, limit_reached=limit)
                    assert machine.current_state_value == state


def test_view_tells_why_and_how_long():
    """What status shows."""
    view = opened().view(130)
    assert (view.state, view.failures, view.limit, view.retry_in_s) == ("open", 3, 3, 30)
    assert view.why == "new unknown: ANSWER_TIMEOUT no answer"
