"""Logs: one line an event, as text or JSON, with secrets and personal data taken out.

Nothing here is a licence to log such data: the rule is that they never reach a log. The redaction
is the last resort, for libraries' own messages, for the texts of foreign errors, and for slips.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import structlog

GONE = "[redacted]"
EMAIL = "[e-mail]"
LONGEST = 20_000
"""Characters of one text in a log; a traceback has some 5,000."""
AGAIN_SECONDS = 60.0
"""How often the log says that something still fails."""

_WORDS = (
    "token|secret|password|passwd|passphrase|authorization|cookie|credential|credentials|"
    "apikey|assertion"
)
_SECRET_KEY = re.compile(rf"{_WORDS}|(?:api|private|fernet|secret)[_-]?key", re.IGNORECASE)
_PERSON_KEY = re.compile(r"e-?mail", re.IGNORECASE)
_PATTERNS = (
    # wstoken=…, access_token=…, "password": "…"
    (
        re.compile(
            rf"(\b[\w-]{{0,40}}?(?:{_WORDS}|(?:api|private)[_-]?key)\b[\"']?\s*[=:]\s*)"
            r"(?!\[redacted\])(?:\"[^\"]*\"|'[^']*'|(?:(?:bearer|basic)\s+)?[^\s\"'&,;)\]}]+)",
            re.IGNORECASE,
        ),
        rf"\1{GONE}",
    ),
    (
        re.compile(r"\b(bearer|basic)\s+(?!\[redacted\])[\w.~+/=-]{8,}", re.IGNORECASE),
        rf"\1 {GONE}",
    ),
    # A token of the interface, a webhook's secret, a signed token, wherever it stands
    (re.compile(r"\blmsb_\w{12}_[\w-]{20,}"), GONE),
    (re.compile(r"\bwhsec_[\w+/=-]{16,}"), GONE),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), GONE),
    # The password in an address: postgresql://name:…@host/
    (re.compile(r"(://[^\s/:@]{0,200}):[^\s/@]{1,200}@"), rf"\1:{GONE}@"),
    (
        re.compile(
            r"[^\s@<>\"=,;:()\[\]{}/|&?']['\w.!#$%*+^`~-]{0,64}(?:@|%40)[\w-]{1,64}(?:\.[\w-]{1,64}){0,8}"
        ),
        EMAIL,
    ),
)
_QUIET = ("apscheduler", "alembic", "procrastinate", "psycopg", "asyncio")
"""Libraries of whose logs only the warnings are of interest."""


def redacted_text(text: str) -> str:
    """A text without anything that looks like a secret or an e-mail address."""
    if len(text) > LONGEST:
        text = text[:LONGEST] + " …"
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def redacted(value: object) -> object:
    """A value of a log event without secrets and e-mail addresses, at any depth.

    What is neither a number, a text nor made of such becomes its text: a record's ``repr`` may
    hold anything.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, Mapping):
        return {str(key): _redacted_item(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redacted(item) for item in value]
    return redacted_text(str(value) if isinstance(value, BaseException) else repr(value))


def _redacted_item(key: str, value: object) -> object:
    if _SECRET_KEY.search(key):
        return GONE
    counted = value is None or isinstance(value, (bool, int))
    return EMAIL if _PERSON_KEY.search(key) and not counted else redacted(value)


def redact(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The processor just before the renderer."""
    for key, value in event.items():
        if not key.startswith("_"):  # the formatter's own
            event[key] = _redacted_item(key, value)
    return event


class LastingFailure:
    """Says in the log that something fails, once a minute while it does, and once that it is over:
    what is tried each second would else fill the log."""

    def __init__(
        self, log: Any, event: str, over: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._event, self._over, self._clock = log, event, over, clock
        self._said: float | None = None

    def failed(self, error: str) -> None:
        now = self._clock()
        if self._said is None or now - self._said >= AGAIN_SECONDS:
            self._said = now
            self._log.error(self._event, error=error)

    def works(self) -> None:
        if self._said is not None:
            self._said = None
            self._log.info(self._over)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stderr`` is at the moment: somebody may have replaced it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def set_up(level: str = "info", *, as_json: bool = False) -> None:
    """Sends everything that is logged, by us and by libraries, to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        quiet = logging.DEBUG if level == "debug" else logging.WARNING
        logging.getLogger(name).setLevel(quiet)
