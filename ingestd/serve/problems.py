"""How an error crosses the control socket: as code, message and hint, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingestd.errors import (
    BusyError,
    ConfigError,
    DiskFullError,
    IngestdError,
    NotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestError(IngestdError):
    """A request to the control socket is not as it must be."""

    exit_code = 2
    code = "request"
    hint = "`ingestd VERB --help` names the values that are taken."


STATUS: tuple[tuple[type[IngestdError], int], ...] = (
    (RequestError, 400),
    (ConfigError, 400),
    (NotFoundError, 404),
    (BusyError, 409),
    (UnavailableError, 501),
    (DiskFullError, 507),
)


def status_of(error: IngestdError) -> int:
    """The HTTP status that fits an error best."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def as_json(error: IngestdError) -> dict[str, str]:
    """The error as it is sent."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def from_json(values: Mapping[str, Any]) -> IngestdError:
    """The error as it was raised; one of a kind that is not known here keeps its words."""
    code, message = str(values.get("code", "")), str(values.get("message", "unknown error"))
    hint = str(values.get("hint", ""))
    kinds = (kind for kind in _kinds(IngestdError) if kind.code == code)
    return next(kinds, IngestdError)(message, hint=hint)


def _kinds(kind: type[IngestdError]) -> list[type[IngestdError]]:
    """An error class and all below it that are loaded, the most general first."""
    return [kind, *(one for below in kind.__subclasses__() for one in _kinds(below))]
