"""Log set-up: structlog over the standard library, pretty on a terminal, JSON otherwise.

Events are short names with key-values. The names that others build on: ``document_indexed``,
``document_skipped``, ``document_failed``, ``documents_deleted``, ``source_offline``,
``source_held``, ``watcher_lost``, ``reconciled``, ``drained``, ``store_unavailable``,
``disk_full``, ``paused``, ``resumed``, ``store_refilling``, ``store_refilled``,
``cache_damaged``, ``left_for_next_start``, ``ready``.
No event carries the text of a document.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

LIBRARIES = ("watchdog", "apscheduler", "httpx", "chromadb", "alembic", "sqlalchemy", "asyncio")


def configure(level: str, form: Literal["auto", "pretty", "json"]) -> None:
    """Set up logging for this process, to standard error.

    Args:
        level: lowest level of our own events: debug, info, warning, error.
        form: pretty for people, json for machines, auto to choose by what standard error is.
    """
    pretty = form == "pretty" or (form == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(
            fmt="%Y-%m-%d %H:%M:%S" if pretty else "iso", utc=not pretty
        ),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[Processor] = (
        [structlog.dev.ConsoleRenderer(pad_event_to=24)]
        if pretty
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
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


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what ``sys.stderr`` is at the time: a progress bar may have put itself there."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _value: Any) -> None:
        """Ignore what the base class remembers."""
