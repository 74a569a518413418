"""What an error of Chroma's client says about trying again, and about whose fault it is."""

from __future__ import annotations

import json
from enum import Enum

TOO_MANY = 429
TIMED_OUT = 408
DENIALS = frozenset({401, 403, 407})
WRONG = frozenset({400, 409, 413, 422})
"""Statuses that speak of the content of the request; others speak of its address."""


NO_SPACE = ("disk is full", "no space left on device")
"""What the errors of a server say whose disk is full; they are internal ones, like any other."""


class Verdict(Enum):
    """What follows from an error."""

    AGAIN = "again"
    """The same call may succeed later."""
    FULL = "full"
    """The same call may succeed when there is room on the server's disk."""
    REFUSED = "refused"
    """This request never will; another may."""
    DENIED = "denied"
    """No request will, with these credentials."""
    BROKEN = "broken"
    """No request will: what answers is no Chroma server, or not one that we know."""


def judge(error: BaseException) -> Verdict:
    """Judge an error that a call to Chroma raised.

    Args:
        error: of chromadb, of httpx below it, or of Python.
    """
    import httpx  # noqa: PLC0415 - slow to import, and loaded with Chroma anyway
    from chromadb import errors  # noqa: PLC0415 - the same

    if any(words in str(error).lower() for words in NO_SPACE):
        return Verdict.FULL
    status = http_status(error)
    if status is not None:
        return _by_status(status)
    for kinds, verdict in (
        ((httpx.TransportError, errors.InternalError, errors.RateLimitError), Verdict.AGAIN),
        ((errors.AuthorizationError, errors.ChromaAuthError), Verdict.DENIED),
        ((errors.VersionMismatchError, json.JSONDecodeError), Verdict.BROKEN),
        # The last three: Chroma's client looks at what it is given before it sends it.
        ((errors.ChromaError, ValueError, TypeError, OverflowError), Verdict.REFUSED),
    ):
        if isinstance(error, kinds):
            return verdict
    return Verdict.BROKEN


def http_status(error: BaseException) -> int | None:
    """The HTTP status behind an error; None when there is none.

    Where a proxy answers for Chroma, its client raises a bare `Exception` with the page's text,
    and the status is only in what that exception came from.
    """
    import httpx  # noqa: PLC0415 - slow to import, and loaded with Chroma anyway

    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code
    if type(error) is Exception and isinstance(error.__context__, httpx.HTTPStatusError):
        return error.__context__.response.status_code
    return None


def _by_status(status: int) -> Verdict:
    if status >= 500 or status in {TOO_MANY, TIMED_OUT}:  # noqa: PLR2004 - server errors
        return Verdict.AGAIN
    if status in DENIALS:
        return Verdict.DENIED
    return Verdict.REFUSED if status in WRONG else Verdict.BROKEN
