"""Nothing secret comes out of the logs, by whatever way it went in."""

from __future__ import annotations

import io
import json
import logging
import stat
from pathlib import Path

import msgspec
import pytest
import structlog
import trio

from engine.errors import ConfigError
from engine.runtime.logs import Logs, Redactor, configure_logs

KEY = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
TOKEN = "1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606d1WcF3XfEMw"
SIGNATURE = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="


class Still:
    def now_ns(self) -> int:
        return 1_767_225_600_123_456_789


class Held(msgspec.Struct):
    api_secret: str
    note: str


class Shy:
    def __repr__(self) -> str:
        return f"Shy({KEY})"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logs(stream: io.StringIO) -> Logs:
    return configure_logs(stream, secrets=[KEY], clock=Still(), level="debug")


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_line_has_time_level_logger_and_context(logs: Logs, stream: io.StringIO) -> None:
    """The time is the clock seam's; bound context is merged in."""
    structlog.contextvars.bind_contextvars(signal_id="s1")
    structlog.get_logger("engine.orders").info("order.trade", cl_ord_id="o1", last_qty="0.10")
    assert _lines(stream) == [
        {
            "event": "order.trade",
            "cl_ord_id": "o1",
            "last_qty": "0.10",
            "signal_id": "s1",
            "level": "info",
            "logger": "engine.orders",
            "ts": "2026-01-01T00:00:00.123456Z",
        }
    ]


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "API-Key",
        "api_secret",
        "secret",
        "token",
        "wsToken",
        "sign",
        "API-Sign",
        "signature",
        "Authorization",
        "otp",
        "password",
        "query_key",
        "cookie",
    ],
)
def test_values_of_telling_names_are_blotted(logs: Logs, stream: io.StringIO, name: str) -> None:
    """On top, nested, in pairs of headers, in bytes, and inside a text."""
    log = structlog.get_logger()
    log.info("a", **{name: "unregistered-1"})
    log.info("b", nested={"deep": [{name: ["unregistered-1"]}]})
    log.info("c", headers=[(name, "unregistered-1"), (name.encode(), b"unregistered-1")])
    assert "unregistered" not in stream.getvalue()
    assert len(_lines(stream)) == 3


@pytest.mark.parametrize(
    "text",
    [
        f"POST /0/private/AddOrder API-Sign: {SIGNATURE}",
        f"Headers({{'host': 'h', 'api-sign': '{SIGNATURE}'}})",
        f"[(b'API-Sign', b'{SIGNATURE}')]",
        f'{{"method":"subscribe","params":{{"channel":"executions","token":"{SIGNATURE}"}}}}',
        f"Authorization: Bearer {SIGNATURE}",
        f"otp=123456&password={SIGNATURE}",
    ],
)
def test_unregistered_values_beside_a_telling_name_in_a_text(logs: Logs, stream: io.StringIO, text: str) -> None:
    """Signatures are new each time: the name beside them gives them away, in messages and in tracebacks."""
    log = structlog.get_logger()
    log.info(text, frame=text, raw=text.encode())
    try:
        raise ValueError(text)
    except ValueError as error:
        log.exception("failed", error=error)
    assert SIGNATURE[:12] not in stream.getvalue()
    assert "123456&" not in stream.getvalue()


def test_ordinary_names_and_texts_are_left_alone(logs: Logs, stream: io.StringIO) -> None:
    """Redaction does not eat what a person needs."""
    facts = {
        "kind": "new",
        "nonce": 17,
        "design": "x",
        "tokens_left": 3,
        "why": "EAPI:Invalid key, token, sorry",
        "qty": None,
    }
    structlog.get_logger().info("token.renewed", **facts)
    (line,) = _lines(stream)
    assert line["event"] == "token.renewed"
    assert {name: line[name] for name in facts} == facts


def test_registered_values_are_blotted_wherever_they_stand(logs: Logs, stream: io.StringIO) -> None:
    """Strings, names, bytes, structs, exceptions, objects, deep nesting, URL-encoded."""
    deep: object = KEY
    for _ in range(20):
        deep = [deep]
    structlog.get_logger().info(
        f"sent {KEY}",
        text=f"x{KEY}y",
        nested={"list": [KEY, {KEY: 1}], "set": {KEY}, "tuple": (1, KEY)},
        raw=KEY.encode(),
        held=Held(api_secret="other", note=KEY),
        error=ValueError(KEY),
        shy=Shy(),
        deep=deep,
        form="data=kQH5HW%2F8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg%3D%3D",
    )
    assert "kQH5HW" not in stream.getvalue()
    assert "other" not in stream.getvalue()
    assert _lines(stream)[0]["text"] == "x***y"


def test_tracebacks_are_redacted(logs: Logs, stream: io.StringIO) -> None:
    """Causes, groups and notes too; the traceback itself stays readable."""
    try:
        try:
            raise ValueError(f"bad {KEY}")
        except ValueError as cause:
            error = RuntimeError(f"again {KEY}")
            error.add_note(f"note {KEY}")
            raise ExceptionGroup("both", [error]) from cause
    except ExceptionGroup:
        structlog.get_logger().exception("link.lost")
        logging.getLogger("library").exception("went %s", KEY)
    structlog.get_logger().info("here", stack_info=True, local=KEY)
    text = stream.getvalue()
    assert "kQH5HW" not in text
    assert "RuntimeError: again ***" in text
    assert "ValueError: bad ***" in text


def test_library_records_take_the_same_way(logs: Logs, stream: io.StringIO) -> None:
    """Standard logging gets time, level, context and redaction; request lines of httpx are not shown."""
    structlog.contextvars.bind_contextvars(signal_id="s1")
    logging.getLogger("hypercorn.error").warning("Running on %s?token=%s", "http://localhost", KEY)
    logging.getLogger("httpx").info("HTTP Request: GET /")
    (line,) = _lines(stream)
    assert line == {
        "event": "Running on http://localhost?token=***",
        "level": "warning",
        "logger": "hypercorn.error",
        "signal_id": "s1",
        "ts": "2026-01-01T00:00:00.123456Z",
    }


def test_secret_learnt_later(logs: Logs, stream: io.StringIO) -> None:
    """A fetched token is hidden from then on, in the logs and in other text."""
    logs.hide(TOKEN)
    logs.hide("")
    structlog.get_logger().info("ws.subscribed", answer=f"ok {TOKEN}")
    assert TOKEN not in stream.getvalue()
    assert logs.redacted(f"error: {TOKEN} and {KEY}!") == "error: *** and ***!"


def test_a_secret_that_begins_with_another() -> None:
    """Neither leaves a tail."""
    redactor = Redactor(["abcd", "abcdefgh"])
    assert redactor.text("abcdefgh abcd") == "*** ***"


def test_a_terminal_gets_a_console(logs: Logs) -> None:
    """People get columns, and no locals in tracebacks."""
    terminal = Terminal()
    configure_logs(terminal, secrets=[KEY], clock=Still())
    secret_local = KEY
    try:
        raise ValueError("plain")
    except ValueError:
        structlog.get_logger().exception("order.trade", note=secret_local)
    text = terminal.getvalue()
    assert "order.trade" in text
    assert "ValueError: plain" in text
    assert "\x1b[" in text
    assert "kQH5HW" not in text
    assert not text.startswith("{")


def test_json_can_be_forced_and_forbidden() -> None:
    """The terminal decides only when nobody else did."""
    terminal, pipe = Terminal(), io.StringIO()
    configure_logs(terminal, json=True, clock=Still())
    structlog.get_logger().info("a")
    assert json.loads(terminal.getvalue())["event"] == "a"
    configure_logs(pipe, json=False, clock=Still())
    structlog.get_logger().info("b")
    assert pipe.getvalue().startswith("2026-01-01")
    assert "\x1b[" not in pipe.getvalue()


def test_file_gets_json_lines_and_is_private(tmp_path: Path) -> None:
    """The file holds the same lines, redacted, appended, readable by the owner alone."""
    path = tmp_path / "engine.log"
    for event in ("first", "second"):
        logs = configure_logs(Terminal(), file=path, secrets=[KEY], clock=Still())
        structlog.get_logger().info(event, note=KEY)
        logs.close()
        logs.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["event"], line["note"]) for line in lines] == [("first", "***"), ("second", "***")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_level_is_obeyed(stream: io.StringIO) -> None:
    """Below the level nothing comes out, from us or from libraries."""
    configure_logs(stream, level="warning", clock=Still())
    structlog.get_logger().info("quiet")
    logging.getLogger("library").info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in _lines(stream)] == ["loud"]


def test_wrong_settings_are_told(stream: io.StringIO, tmp_path: Path) -> None:
    """Each says what to change."""
    with pytest.raises(ConfigError, match="log level 'loud' is unknown"):
        configure_logs(stream, level="loud")
    with pytest.raises(ConfigError, match="cannot open the log file"):
        configure_logs(stream, file=tmp_path / "none" / "engine.log")


def test_a_broken_stream_loses_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed stderr neither raises into an order task nor prints the raw record elsewhere."""
    stream = io.StringIO()
    configure_logs(stream, secrets=[KEY], clock=Still())
    stream.close()
    structlog.get_logger().info("x", note=KEY)
    logging.getLogger("library").error("%s", KEY)
    assert capsys.readouterr() == ("", "")


async def test_context_is_inherited_by_tasks(logs: Logs, stream: io.StringIO) -> None:
    """What a scope binds, its tasks say."""

    async def work() -> None:
        structlog.get_logger().info("child")

    structlog.contextvars.bind_contextvars(cl_ord_id="o1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
    assert _lines(stream)[0]["cl_ord_id"] == "o1"
