"""The one wrapper around calls to Chroma: bounded waits, retries, and one kind of error.

Chroma's client has no time limit and no retry, and speaks the errors of whatever lies below it. A
call that raised may still have been carried out, so only calls that may be repeated go through
here: upsert, update, delete, and reads.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential_jitter,
)
from tenacity.nap import sleep_using_event

from ingestd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)
T = TypeVar("T")

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0


class RefusedError(StoreError):
    """Chroma understood the request and refuses it; trying again does not help."""

    code = "store_refused"


class Caller:
    """Calls Chroma with retries, until it answers, refuses, or the attempts are used up."""

    def __init__(self, attempts: int) -> None:
        self._stop = threading.Event()
        self._retrying = Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(attempts) | stop_when_event_set(self._stop),
            wait=wait_exponential_jitter(initial=FIRST_WAIT_S, max=LONGEST_WAIT_S),
            sleep=sleep_using_event(self._stop),
            before_sleep=_tell,
            reraise=True,
        )

    def __call__(self, what: str, function: Callable[[], T]) -> T:
        """Call ``function``, which may be repeated.

        Args:
            what: the operation, for the log and the error.
            function: does it.

        Raises:
            RefusedError: the request is wrong.
            StoreError: no answer, after all attempts.
        """
        try:
            return self._retrying.copy()(_named(what, function))
        except StoreError:
            raise
        except Exception as error:
            text = f"{what}: {type(error).__name__}: {error}"
            if is_transient(error):
                raise StoreError(f"Chroma does not answer: {text}") from error
            raise RefusedError(f"Chroma refuses: {text}") from error

    def stop(self) -> None:
        """Wait no longer: the attempt in hand is the last."""
        self._stop.set()


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    import httpx  # noqa: PLC0415 - slow to import, and loaded with Chroma anyway
    from chromadb import errors  # noqa: PLC0415 - the same

    if isinstance(error, (httpx.TransportError, errors.InternalError, errors.RateLimitError)):
        return True
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500  # noqa: PLR2004 - server errors
    return isinstance(error, ValueError) and "Could not connect" in str(error)


def _named(what: str, function: Callable[[], T]) -> Callable[[], T]:
    """Give a lambda the name that the log shows."""

    def call() -> T:
        return function()

    call.__name__ = what
    return call


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning(
        "store_retry",
        call=getattr(state.fn, "__name__", "?"),
        attempt=state.attempt_number,
        wait_s=round(state.next_action.sleep, 2) if state.next_action else 0,
        error=f"{type(error).__name__}: {error}"[:300],
    )
