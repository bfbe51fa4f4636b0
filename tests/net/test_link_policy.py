"""Judging a link."""

import msgspec
import pytest

from engine.errors import ConfigError
from engine.net.link_policy import LinkPolicy, Vitals, judge

POLICY = LinkPolicy()


@pytest.mark.parametrize(
    ("vitals", "grade", "give_up", "why"),
    [
        (Vitals(0.5), "healthy", False, ""),
        (Vitals(14.9), "healthy", False, ""),
        (Vitals(15), "degraded", False, "no heartbeat for 15.0 s"),
        (Vitals(29.9), "degraded", False, "heartbeat"),
        (Vitals(30), "unhealthy", True, "no heartbeat for 30.0 s"),
        (Vitals(0, ping_s=0.99), "healthy", False, ""),
        (Vitals(0, ping_s=1), "degraded", False, "ping took 1.00 s"),
        (Vitals(0, ping_s=5), "unhealthy", False, "ping took"),
        (Vitals(0, ping_s=10, ping_waits_s=10), "unhealthy", True, "no answer to a ping for 10.0 s"),
        (Vitals(0, messages=100, errors=9), "healthy", False, ""),
        (Vitals(0, messages=100, errors=10), "degraded", False, "errors in 10% of 100 messages"),
        (Vitals(0, messages=100, errors=50), "unhealthy", False, "errors in 50%"),
        (Vitals(0, messages=19, errors=19), "healthy", False, ""),
        (Vitals(0, gaps=1), "healthy", False, ""),
        (Vitals(0, gaps=2), "degraded", False, "2 gaps in 600 s"),
        (Vitals(0, gaps=5), "unhealthy", False, "5 gaps"),
        (Vitals(16, ping_s=6, messages=100, errors=11), "unhealthy", False, "ping took 6.00 s"),
        (Vitals(16, gaps=2), "degraded", False, "no heartbeat"),
    ],
)
def test_worst_measure_decides(vitals, grade, give_up, why):
    """Each bound counts when it is reached; only silence gives a connection up."""
    judgement = judge(vitals, POLICY)
    assert (judgement.grade, judgement.give_up) == (grade, give_up)
    assert why in judgement.why
    assert bool(judgement.why) == (grade != "healthy")


def test_bounds_are_configurable():
    """Other bounds, another judgement."""
    assert judge(Vitals(3), LinkPolicy(heartbeat_degraded_s=2, heartbeat_unhealthy_s=4)).grade == "degraded"
    assert judge(Vitals(0, messages=4, errors=1), LinkPolicy(rate_least=4)).grade == "degraded"


@pytest.mark.parametrize(
    "changes",
    [
        {"heartbeat_degraded_s": 31},
        {"ping_degraded_s": 0},
        {"error_rate_degraded": 0.6},
        {"gaps_unhealthy": 1},
        {"connections_most": 0},
        {"messages_within_s": -1},
    ],
)
def test_contradicting_bounds_are_refused(changes):
    """A policy that cannot work names its setting."""
    with pytest.raises(ConfigError, match=f"link: .*{next(iter(changes)).rsplit('_s', 1)[0].split('_')[0]}"):
        msgspec.structs.replace(POLICY, **changes).check()
    POLICY.check()
