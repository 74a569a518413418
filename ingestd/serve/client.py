"""Asks the running daemon through its control socket. It imports httpx: only for verbs that ask."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import httpx

from ingestd import __version__
from ingestd.errors import (
    BusyError,
    IngestdError,
    NotRunningError,
    OtherVersionError,
    StateError,
    UnavailableError,
    WaitTimeoutError,
)
from ingestd.lock import holder

from .address import short_name, socket_of
from .problems import from_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ingestd.location import Location
    from ingestd.lock import Owner

TIMEOUT_S = 10.0
NO_ROUTE = "no_route"
BUSY = 503


class Client:
    """A connection to the daemon on a state directory.

    Each call raises what the daemon raised, and:

    Raises:
        NotRunningError: no daemon runs there.
        UnavailableError: one runs, but does not take requests, or is of another version.
        BusyError: it has too many requests in hand.
        WaitTimeoutError: it does not answer in time.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._stack = ExitStack()
        path = socket_of(location.state_dir)
        try:
            name = self._stack.enter_context(short_name(path))
        except OSError as error:
            raise self._why_not() from error
        transport = httpx.HTTPTransport(uds=name)
        self._http = httpx.Client(transport=transport, base_url="http://ingestd", trust_env=False)
        self._stack.callback(self._http.close)

    def get(self, path: str, *, timeout_s: float | None = TIMEOUT_S) -> dict[str, Any]:
        """Ask for something."""
        return self._ask("GET", path, None, timeout_s)

    def post(
        self,
        path: str,
        values: Mapping[str, Any] | None = None,
        *,
        timeout_s: float | None = TIMEOUT_S,
    ) -> dict[str, Any]:
        """Have something done; a ``timeout_s`` of None waits as long as it takes."""
        return self._ask("POST", path, values or {}, timeout_s)

    def delete(self, path: str, *, timeout_s: float | None = TIMEOUT_S) -> dict[str, Any]:
        """Have something ended."""
        return self._ask("DELETE", path, None, timeout_s)

    def close(self) -> None:
        """Close the connection."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(
        self, method: str, path: str, values: Mapping[str, Any] | None, timeout_s: float | None
    ) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, json=values, timeout=timeout_s)
            if answer.status_code == BUSY:
                raise BusyError(
                    "the daemon has too many connections", hint="Try again in a moment."
                )
            found = answer.json()
        except httpx.TimeoutException as error:
            raise WaitTimeoutError(
                f"the daemon did not answer within {timeout_s:g} s",
                hint="It may be busy: try again; `ingestd status` shows what it does.",
            ) from error
        except httpx.ConnectError as error:
            raise self._why_not() from error
        except httpx.TransportError as error:
            raise self._why_cut() from error
        except ValueError as error:
            raise OtherVersionError("what answers is not a daemon of this version") from error
        if answer.is_success and isinstance(found, dict):
            return found
        raise self._as_raised(answer, found)

    @staticmethod
    def _as_raised(answer: httpx.Response, found: object) -> IngestdError:
        if not isinstance(found, dict):
            return OtherVersionError(f"the daemon answered {answer.status_code}")
        if found.get("code") == NO_ROUTE:
            theirs = answer.headers.get("server", "").removeprefix("ingestd/") or "unknown"
            return OtherVersionError(
                f"{found.get('message')}: it is of version {theirs}, this is {__version__}"
            )
        return from_json(found)

    def _why_not(self) -> IngestdError:
        """Why nobody answers."""
        owner = self._owner()
        if owner is None:
            return NotRunningError(f"no daemon runs on {self._location.state_dir}")
        if owner.verb != "run":
            return UnavailableError(
                f"{owner} takes no requests", hint="Only `ingestd run`, as a daemon, does."
            )
        return UnavailableError(
            f"{owner} has no control socket",
            hint="It may be starting or stopping: try again in a moment. Else its log has a line "
            "`control_not_opened` that says why, or it is of an older version: start it again.",
        )

    def _why_cut(self) -> IngestdError:
        """Why an answer broke off."""
        owner = self._owner()
        if owner is None:
            return NotRunningError("the daemon has ended")
        return UnavailableError(
            f"{owner} broke off the connection",
            hint="It may be stopping, or have too many requests: try again in a moment.",
        )

    def _owner(self) -> Owner | None:
        try:
            return holder(self._location.lock_file)
        except OSError as error:
            raise StateError(f"{self._location.state_dir}: {error.strerror}") from error
