"""Logging set up once: structlog and the libraries' records through one chain, with every secret blotted out."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from engine.errors import ConfigError
from engine.seams.clock import Clock, SystemClock
from engine.values.time import rfc3339

BLOT = "***"

# Last words of names whose values are never shown: api_secret, API-Key, wsToken, Authorization, query_key.
_SECRET_WORDS = {
    *("key", "apikey", "secret", "apisecret", "token", "sign", "signature", "authorization"),
    *("otp", "password", "passwd", "passphrase", "cookie", "credentials"),
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# The same names inside a text, as headers, query strings, JSON and reprs write them. Signatures change with every
# request, so nobody can register them: a name beside them is all there is to know them by.
_NAMED_VALUE = re.compile(
    r"(\b[\w-]*(?:api[-_]?key|secret|token|api[-_]?sign|signature|authorization|otp|password|passphrase)\b"
    r"(?:['\"\\]*\s*[:=]|['\"\\]+\s*,(?=\s*b?\\*['\"]))\s*(?:b?\\*['\"])?(?:(?:Bearer|Basic)\s+)?)[^\s'\"&,;\\)\]}]{6,}",
    re.IGNORECASE,
)
_DEEPEST = 8
_TALKATIVE = ("httpx", "httpcore", "trio-websocket")  # a line for each request, with its address


class Redactor:
    """A structlog processor that knows which names and which values must not be seen.

    It leaves plain JSON values only: whatever else was logged is turned into text first, so that no repr made later
    can bring a secret back.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: str) -> None:
        """Blot out ``secret`` from now on, also where it is URL-encoded or escaped. An empty one is ignored."""
        if not secret:
            return
        escaped = secret.encode("unicode_escape").decode()
        self._values |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), escaped}
        # Longest first, or a secret that begins with another would leave its tail.
        longest_first = sorted(self._values, key=lambda value: (-len(value), value))
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """Return ``text`` without secrets: known values, and whatever stands beside a telling name."""
        if self._pattern is not None:
            text = self._pattern.sub(BLOT, text)
        return _NAMED_VALUE.sub(rf"\1{BLOT}", text)

    def __call__(self, logger: object, method: str, event: EventDict) -> EventDict:  # noqa: ARG002 - structlog's signature
        """Return a clean event. Names with an underscore in front are structlog's own and never printed."""
        return {
            self.text(name): value if name.startswith("_") else self._named(name, value, 0)
            for name, value in event.items()
        }

    def _named(self, name: object, value: object, depth: int) -> object:
        return BLOT if _is_secret_name(name) and value is not None else self._clean(value, depth)

    def _clean(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, bytes | bytearray | memoryview):
            return self.text(bytes(value).decode(errors="backslashreplace"))
        if isinstance(value, str) or depth == _DEEPEST:
            return self.text(str(value))
        if isinstance(value, msgspec.Struct):
            value = msgspec.structs.asdict(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._named(name, item, depth + 1) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return self._clean_items(list(value), depth)
        return self.text(repr(value) if isinstance(value, BaseException) else str(value))

    def _clean_items(self, items: list[object], depth: int) -> list[object]:
        if len(items) == 2 and _is_secret_name(items[0]):  # a header as a pair
            return [self._clean(items[0], depth + 1), BLOT]
        return [self._clean(item, depth + 1) for item in items]


def _is_secret_name(name: object) -> bool:
    text = name.decode(errors="replace") if isinstance(name, bytes) else name
    words = _WORD.findall(text) if isinstance(text, str) else []
    return bool(words) and words[-1].lower() in _SECRET_WORDS


class Logs:
    """The logging of this process, as configured. Ends with close(), or with the next configure_logs()."""

    def __init__(self, redactor: Redactor, handlers: list[logging.Handler]) -> None:
        self._redactor = redactor
        self._handlers = handlers

    def hide(self, secret: str) -> None:
        """Blot out a secret learnt later, such as a fetched token."""
        self._redactor.hide(secret)

    def redacted(self, text: str) -> str:
        """Return text for another way out (an error message on stderr) without secrets."""
        return self._redactor.text(text)

    def close(self) -> None:
        """Stop writing and close the file, not the stream. Closing twice is fine."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
        self._handlers.clear()


class _StreamHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Lose the line. The library would print the record as it was before redaction."""


class _FileHandler(_StreamHandler):
    def close(self) -> None:
        self.stream.close()
        super().close()


def configure_logs(
    stream: TextIO,
    *,
    json: bool | None = None,
    level: str = "info",
    file: Path | None = None,
    secrets: Iterable[str] = (),
    clock: Clock | None = None,
) -> Logs:
    """Send every log line of this process to ``stream`` and, as JSON lines, to ``file`` (appended to, made 0600).

    ``json`` None means: JSON lines unless the stream is a terminal. Replaces what an earlier call set up. Raises
    ConfigError for an unknown level or a file that cannot be opened.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigError(f"log level {level!r} is unknown: use debug, info, warning, error or critical")
    redactor = Redactor(secrets)
    before = _chain(redactor, clock or SystemClock())
    is_terminal = stream.isatty()
    as_json = not is_terminal if json is None else json
    outputs: list[logging.Handler] = [_StreamHandler(stream)]
    outputs[0].setFormatter(_formatter(before, as_json=as_json, colors=is_terminal))
    if file is not None:
        outputs.append(_FileHandler(_open_log(file)))
        outputs[1].setFormatter(_formatter(before, as_json=True, colors=False))
    _install(outputs, number)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # module-level loggers must follow a later call
    )
    return Logs(redactor, outputs)


def _chain(redactor: Redactor, clock: Clock) -> list[Processor]:
    def add_time(logger: object, method: str, event: EventDict) -> EventDict:  # noqa: ARG001 - structlog's signature
        event["ts"] = rfc3339(clock.now_ns())
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        add_time,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # to text before redaction; the pretty ones print local variables
        redactor,
    ]


def _formatter(before: list[Processor], *, as_json: bool, colors: bool) -> logging.Formatter:
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_json_text)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=colors, timestamp_key="ts", exception_formatter=structlog.dev.plain_traceback
        )
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def _json_text(event: EventDict, **_: Any) -> str:
    return msgspec.json.encode(event).decode()


def _open_log(path: Path) -> TextIO:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot open the log file {path}: {error.strerror}") from error
    return os.fdopen(handle, "a", encoding="utf-8")


def _install(outputs: list[logging.Handler], level: int) -> None:
    root = logging.getLogger()
    for earlier in [handler for handler in root.handlers if isinstance(handler, _StreamHandler)]:
        root.removeHandler(earlier)
        earlier.close()
    for output in outputs:
        root.addHandler(output)
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
