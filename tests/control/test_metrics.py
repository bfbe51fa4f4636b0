"""GET /metrics: both forms, names with units, bounded labels, no account data, and what the shipped files name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from engine.chaos.world import World
from engine.control.metrics import expose
from engine.testing import run_world
from tests.control.conftest import FIRST, signal
from tests.runtime.worlds import SIGNAL_ID, live_through

CONFIG = Path(__file__).parents[2] / "config"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
NAME = re.compile(r"\b(?:engine|process)_[a-z_]+")


@pytest.fixture(scope="module")
def scraped() -> dict[str, tuple[str, str]]:
    """Both forms, after one bracket's life."""

    async def body(world: World) -> dict[str, tuple[str, str]]:
        await live_through(world)
        world.engine.alarms.occurred("TEST", "secret-subject", "secret text")
        forms = {"openmetrics": OPENMETRICS, "text": "", "browser": "text/html,*/*;q=0.8"}
        return {
            form: (told[0], told[1].decode()) for form, one in forms.items() for told in [expose(world.engine, one)]
        }

    return run_world(body, seed=1, limit_s=3600)


def samples(scraped: dict[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Every sample name in the exposition with one of its label sets."""
    families = read_openmetrics(scraped["openmetrics"][1])
    return {sample.name: sample.labels for family in families for sample in family.samples}


def test_the_form_is_what_was_asked_for(scraped):
    """OpenMetrics for who accepts it, the plain text format for everybody else; both parse strictly."""
    assert scraped["openmetrics"][0].startswith("application/openmetrics-text; version=1.0.0")
    assert scraped["openmetrics"][1].endswith("# EOF\n")
    assert scraped["text"][0].startswith("text/plain; version=")
    assert scraped["browser"][0].startswith("text/plain; version=")
    assert len(list(read_text(scraped["text"][1]))) > 60


def test_what_was_asked_for_is_there(scraped):
    """Each figure that the engine owes."""
    owed = re.findall(
        r"\w+",
        """
        engine_orders engine_order_transitions_total engine_fills_total engine_slippage_ratio_bucket
        engine_signal_to_wire_seconds_bucket engine_wire_to_ack_seconds_bucket engine_frame_to_report_seconds_bucket
        engine_denials_total engine_uncovered_quantity engine_uncovered_quantity_seconds_total
        engine_uncovered_seconds_total engine_unwatched_targets engine_unwatched_seconds_total engine_link_state
        engine_link_attempts_total engine_link_disconnects_total engine_link_gaps_total
        engine_link_duplicate_frames_total engine_link_invalid_frames_total engine_link_latency_seconds
        engine_link_received_bytes_total engine_link_sent_bytes_total engine_rate_counter_points
        engine_rate_counter_limit_points engine_journal_sync_seconds_bucket engine_queue_messages
        engine_loop_busy_seconds_bucket engine_loop_late_seconds_bucket engine_alarms engine_alarms_raised_total
    """,
    )
    assert set(owed) <= samples(scraped).keys()
    assert samples(scraped).keys() >= {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def test_nothing_of_the_account_is_told(scraped):
    """No id, no text of an alarm, no balance; labels are symbols, roles, codes and the like."""
    text = scraped["openmetrics"][1]
    for hidden in (SIGNAL_ID, "secret", "account", "balance", "pnl", "50000"):
        assert hidden not in text, hidden
    names = {name for labels in samples(scraped).values() for name in labels}
    assert names <= {
        *("state", "from_state", "to_state", "symbol", "side", "role", "liquidity", "code", "verdict", "request"),
        *("transport", "outcome", "link", "asset", "queue", "level", "sink", "generation", "le", "version", "venue"),
        *("mode", "engine_link_state", "engine_trading_state", "engine_breaker_state"),
    }


def test_every_metric_in_the_dashboard_and_the_alert_rules_exists(scraped):
    """A panel without data, or a rule that can never fire, is worse than none."""
    suffix = {"counter": "_total", "histogram": "_bucket"}
    families = read_openmetrics(scraped["openmetrics"][1])
    exposed = samples(scraped).keys() | {family.name + suffix.get(family.type, "") for family in families}
    dashboard = json.loads((CONFIG / "grafana" / "kraken-order-engine.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    rules = (CONFIG / "alerts.yaml").read_text()
    asked += re.findall(r"expr: (.+)", rules)
    assert len(asked) > 60
    named = {name for expression in asked for name in NAME.findall(re.sub(r'"[^"]*"', "", expression))}
    assert named <= exposed
    labels = {label for labels in samples(scraped).values() for label in labels}
    grouped = {name for one in asked for group in re.findall(r"by \(([a-z_, ]+)\)", one) for name in group.split(", ")}
    assert grouped <= labels | {"generation", "sink", "outcome"}


def test_every_rule_says_how_grave_it_is_and_what_to_do():
    """Severity, summary and description; each name once."""
    rules = (CONFIG / "alerts.yaml").read_text().split("      - alert: ")[1:]
    assert len(rules) == len({rule.splitlines()[0] for rule in rules}) > 15
    for rule in rules:
        assert re.search(r"severity: (warning|critical)", rule), rule
        assert re.search(r"summary: .+", rule), rule
        assert re.search(r"description: .+", rule), rule


@pytest.mark.tcp
async def test_the_door_answers_a_scrape(open_live):
    """With and without the slash, over the socket; the figures follow what happens."""
    async with open_live() as live:
        await live.engine.submit(signal())
        await live.until(lambda: any(one.orders for one in live.engine.active()))
        transport = httpx.AsyncHTTPTransport(uds=str(live.control.path))
        async with httpx.AsyncClient(transport=transport, base_url="http://engine", trust_env=False) as http:
            for path in ("/metrics", "/metrics/"):
                response = await http.get(path, headers={"accept": OPENMETRICS})
                assert response.status_code == 200
                assert response.headers["content-type"].startswith("application/openmetrics-text")
        assert 'engine_signals_total{verdict="accepted"} 1.0' in response.text
        assert FIRST not in response.text
        assert "engine_loop_busy_seconds_sum" in response.text
