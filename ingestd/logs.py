"""Log set-up: structlog over the standard library.

Pretty on a terminal, with priorities for systemd's journal, JSON otherwise.

Events are short names with key-values. The names that others build on: ``document_indexed``,
``document_skipped``, ``document_failed``, ``documents_deleted``, ``source_offline``,
``source_held``, ``watcher_lost``, ``reconciled``, ``drained``, ``store_unavailable``,
``disk_full``, ``paused``, ``resumed``, ``store_refilling``, ``store_refilled``,
``cache_damaged``, ``left_for_next_start``, ``ready``, ``repeated``.
No event carries the text of a document, or a secret.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Literal

import structlog

from .repeats import Repeats
from .visible import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from structlog.typing import Processor

    Event = MutableMapping[str, Any]

log = structlog.get_logger(__name__)

Form = Literal["auto", "pretty", "journal", "json"]
LIBRARIES = ("watchdog", "apscheduler", "httpx", "chromadb", "alembic", "sqlalchemy", "asyncio")
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Levels as the journal, and syslog before it, number them."""
MASK = "***"
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")
_LEAST_SECRET = 4


def configure(level: str, form: Form, secrets: Iterable[str | None] = ()) -> None:
    """Set up logging for this process, to standard error.

    Args:
        level: lowest level of our own events: debug, info, warning, error.
        form: pretty for people, journal for systemd, json for machines, auto to choose by what
            standard error is.
        secrets: what is told nowhere; passwords in addresses are not, either.
    """
    form = _chosen(form)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.StackInfoRenderer(),
    ]
    if form != "journal":  # which knows the time itself
        pretty = form == "pretty"
        stamp = structlog.processors.TimeStamper(
            fmt="%Y-%m-%d %H:%M:%S" if pretty else "iso", utc=not pretty
        )
        shared.append(stamp)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _StderrHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(form, [one for one in secrets if one and len(one) >= _LEAST_SECRET]),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    set_level(level)


def set_level(level: str) -> None:
    """Change the lowest level of our own events."""
    logging.getLogger("ingestd").setLevel(level.upper())


def _chosen(form: Form) -> Form:
    if form != "auto":
        return form
    if sys.stderr.isatty():
        return "pretty"
    return "journal" if _to_journal() else "json"


def _to_journal() -> bool:
    """Whether standard error is a stream of systemd's journal."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _renderers(form: Form, secrets: list[str]) -> list[Processor]:
    def mask(_logger: Any, _method: str, event: Event) -> Event:
        for key, value in event.items():
            if isinstance(value, str):
                event[key] = _masked(value, secrets)
        return event

    if form == "json":
        # Without the values of variables: they may be text of documents.
        plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        structured = structlog.processors.ExceptionRenderer(plain)
        # Last of all: tracebacks are nested, and hold messages of their own.
        render = structlog.processors.JSONRenderer()
        return [
            structured,
            mask,
            lambda logger, method, event: _masked(str(render(logger, method, event)), secrets),
        ]
    if form == "pretty":
        console = structlog.dev.ConsoleRenderer(pad_event_to=24)
        return [structlog.processors.format_exc_info, mask, _clean, console]
    return [structlog.processors.format_exc_info, mask, _journal]


def _masked(text: str, secrets: list[str]) -> str:
    text = _PASSWORD.sub(MASK, text)
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _clean(_logger: Any, _method: str, event: Event) -> Event:
    """Nothing in a value ends the line or steers a terminal; a traceback has lines of its own."""
    for key, value in event.items():
        if isinstance(value, str) and key not in ("exception", "stack"):
            event[key] = clean(value)
    return event


def _journal(_logger: Any, _method: str, event: Event) -> str:
    """A line with its priority, event first; one for each line of a traceback."""
    priority = f"<{PRIORITIES.get(str(event.pop('level', 'info')), 6)}>"
    trace = [str(event.pop(key)) for key in ("exception", "stack") if key in event]
    event.pop("logger", None)
    first = clean(str(event.pop("event", "")))
    pairs = [f"{key}={_value(value)}" for key, value in event.items()]
    lines = [" ".join([first, *pairs]), *(line for text in trace for line in text.splitlines())]
    return "\n".join(priority + line for line in lines)


def _value(value: Any) -> str:
    text = clean(str(value).lower() if isinstance(value, bool) else str(value))
    if text and not re.search(r'[\s"=]', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what ``sys.stderr`` is at the time: a progress bar may have put itself there.

    What repeats itself too often is counted, and told when a minute is over, or at the end.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self._repeats = Repeats()
        atexit.register(self._tell, at_once=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless there were too many like it."""
        event = record.msg if isinstance(record.msg, dict) else {"event": record.name}
        level = record.levelname.lower()
        debugging = logging.getLogger("ingestd").level <= logging.DEBUG
        told = debugging or self._repeats.take({**event, "level": level})
        self._tell()
        if told:
            super().emit(record)

    def _tell(self, *, at_once: bool = False) -> None:
        for event in self._repeats.over(at_once=at_once):
            name, level = event.pop("event"), event.pop("level")
            getattr(log, level)(name, **event)  # comes back here, as an event of its own kind

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _value: Any) -> None:
        """Ignore what the base class remembers."""
