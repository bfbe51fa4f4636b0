"""The exchange on its own, and an engine in another process that trades on it."""

from __future__ import annotations

import json
import signal

import pytest

from tests.cli.processes import Cli, quick, signal_line

pytestmark = pytest.mark.process


def test_an_engine_trades_on_an_exchange_in_another_process(cli: Cli) -> None:
    """The ready line is all a client needs; it is a key file too; a taken port is exit 2; SIGTERM is exit 0."""
    exchange = cli.start("exchange", "--seed", "5", "--data-dir", str(cli.place / "exchange"))
    assert exchange.stdout is not None
    line = exchange.stdout.readline()
    ready = json.loads(line)
    assert set(ready) == {"rest", "ws", "ws_auth", "control", "api_key", "api_secret", "accounts"}
    assert ready["ws"].endswith("/v2")
    assert ready["ws_auth"].endswith("/v2")

    port = ready["rest"].rpartition(":")[2]
    taken = cli.run("exchange", "--port", port, "--data-dir", str(cli.place / "other"))
    assert (taken.code, taken.out) == (2, "")
    assert "another port" in taken.err

    key_file = cli.place / "key.json"
    key_file.write_text(line)
    key_file.chmod(0o600)
    config = cli.place / "simulated.toml"
    config.write_text(
        f'venue = "simulated"\n[kraken]\nrest_url = "{ready["rest"]}"\nws_url = "{ready["ws"]}"\n'
        f'ws_auth_url = "{ready["ws_auth"]}"\nkey_file = "{key_file}"\n'
    )
    run = ("run", "--config", str(config), "--signals", "-", "--until-idle", "--json", "--data-dir", str(cli.data_dir))
    ended = cli.run(*run, stdin=quick())
    assert (ended.code, ended.json["brackets"][0]["outcome"]) == (0, "abandoned"), ended.err

    key_file.chmod(0o644)
    refused = cli.run(*run, stdin=quick())
    assert (refused.code, "chmod 600" in refused.err) == (2, True)

    stopped = cli.interrupt(exchange, signal.SIGTERM)
    assert stopped.code == 0, stopped.err


def test_a_market_script_with_faults_is_refused_with_all_of_them(cli: Cli) -> None:
    """Each fault on a line, with the file's name."""
    script = cli.place / "market.toml"
    script.write_text('[[step]]\ndo = "dance"\n[[step]]\ndo = "take"\n')
    ended = cli.run("exchange", "--market", f"script:{script}", "--data-dir", str(cli.data_dir))
    assert ended.code == 2
    assert ended.err.count("market.toml: step[") >= 2


def test_a_second_signal_forces_the_end(cli: Cli) -> None:
    """Against an exchange that hangs an orderly end takes its time; whoever will not wait gets 130 at once."""
    exchange = cli.start("exchange", "--data-dir", str(cli.place / "exchange"))
    assert exchange.stdout is not None
    ready = json.loads(exchange.stdout.readline())
    environment = {
        "ENGINE_VENUE": "simulated",
        "ENGINE_API_KEY": ready["api_key"],
        "ENGINE_API_SECRET": ready["api_secret"],
        "ENGINE_KRAKEN__REST_URL": ready["rest"],
        "ENGINE_KRAKEN__WS_URL": ready["ws"],
        "ENGINE_KRAKEN__WS_AUTH_URL": ready["ws_auth"],
    }
    line = signal_line(order_type="limit", limit_price="45000.0")
    file = cli.place / "signals.jsonl"
    file.write_text(line + "\n")
    run = cli.start("run", "--signals", str(file), "--data-dir", str(cli.data_dir), env=environment)
    assert run.stdout is not None
    next(row for row in run.stdout if " new " in row)
    exchange.send_signal(signal.SIGSTOP)
    run.send_signal(signal.SIGINT)
    assert run.stderr is not None
    next(row for row in run.stderr if "ending in order" in row)
    assert cli.interrupt(run).code == 130
    exchange.send_signal(signal.SIGCONT)
