"""The one wrapper around calls to Chroma: retries, an end to the waiting, and one kind of error.

Chroma's client has no retry, and speaks the errors of whatever lies below it. A call that raised
may still have been carried out, so only calls that may be repeated go through here: upsert,
update, delete, and reads.
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
    wait_exponential,
    wait_random,
)
from tenacity.nap import sleep_using_event

from ingestd.errors import DiskFullError, IngestdError, StoreError

from .verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)
T = TypeVar("T")

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
SHOWN = 500
"""Characters of an error that are shown: a proxy may answer with a page."""


class RefusedError(StoreError):
    """Chroma understood the request and refuses it; trying again does not help."""

    code = "store_refused"


class Caller:
    """Calls Chroma with retries, until it answers, refuses, or the attempts are used up.

    Args:
        attempts: tries of one call, at least 1.
        first_wait_s: wait after the first failed try; it doubles with each.
    """

    def __init__(self, attempts: int, *, first_wait_s: float = FIRST_WAIT_S) -> None:
        self._stop = threading.Event()
        self._retrying = Retrying(
            retry=retry_if_exception(lambda error: judge(error) is Verdict.AGAIN),
            stop=stop_after_attempt(attempts) | stop_when_event_set(self._stop),
            wait=wait_exponential(multiplier=first_wait_s, max=LONGEST_WAIT_S)
            + wait_random(0, first_wait_s),
            sleep=sleep_using_event(self._stop),
            before_sleep=_tell,
            reraise=True,
        )

    def __call__(self, what: str, function: Callable[[], T]) -> T:
        """Call ``function``, which may be repeated.

        Args:
            what: the operation, for the log and the error.
            function: does it. An `IngestdError` of its own passes as it is.

        Raises:
            RefusedError: the request itself is wrong.
            DiskFullError: the server has no room to write.
            StoreError: no answer after all attempts, or one that no Chroma gives.
        """
        try:
            return self._retrying.copy()(_named(what, function))
        except IngestdError:
            raise
        except Exception as error:
            raise _as_store_error(what, error) from error

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Wait no longer: the attempt in hand, or the one next to come, is the last."""
        self._stop.set()


def _as_store_error(what: str, error: Exception) -> StoreError:
    text = f"{what}: {_shown(error)}"
    match judge(error):
        case Verdict.AGAIN:
            return StoreError(f"Chroma does not answer: {text}")
        case Verdict.FULL:
            return DiskFullError(f"Chroma's disk is full: {text}")
        case Verdict.REFUSED:
            return RefusedError(f"Chroma refuses: {text}")
        case Verdict.DENIED:
            return StoreError(
                f"Chroma denies access: {text}",
                hint="Check `store.token`, `store.token_header`, `store.tenant` and "
                "`store.database`.",
            )
        case Verdict.BROKEN:
            return StoreError(
                f"no answer that a Chroma server gives: {text}",
                hint="Look what listens at that address: another program, or a proxy.",
            )


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
        error=_shown(error),
    )


def _shown(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:SHOWN]
