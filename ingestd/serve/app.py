"""The application behind the control socket: routes, bounds, and errors as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from ingestd.errors import IngestdError

from .problems import RequestError, as_json, status_of

if TYPE_CHECKING:
    from starlette.requests import Request

log = structlog.get_logger(__name__)

Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Takes the body of a POST or the query of a GET; what it gives is sent as JSON."""

BODY_BYTES = 64 * 1024
BODY_S = 10.0
"""How long a request may take to arrive."""


def make_app(routes: Mapping[str, Mapping[str, Handler]]) -> Starlette:
    """Make the application.

    Args:
        routes: handlers by method, by path.
    """
    return Starlette(
        routes=[
            Route(path, _endpoint(handler), methods=[method])
            for path, methods in routes.items()
            for method, handler in methods.items()
        ],
        exception_handlers={HTTPException: _no_such_route},
    )


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def answer(request: Request) -> JSONResponse:
        try:
            return JSONResponse(await handler(await _values(request)))
        except IngestdError as error:
            return JSONResponse(as_json(error), status_of(error))
        except Exception as error:
            log.exception("request_failed", path=request.url.path)
            told = IngestdError(
                f"{type(error).__name__}: {error}", hint="The log of the daemon tells more."
            )
            return JSONResponse(as_json(told), 500)

    return answer


async def _values(request: Request) -> dict[str, Any]:
    """What a request brings along.

    Raises:
        RequestError: it is too long, too slow, or not a JSON object.
    """
    if request.method in {"GET", "HEAD", "DELETE"}:
        return dict(request.query_params)
    try:
        async with asyncio.timeout(BODY_S):
            body = await _body(request)
    except TimeoutError as error:
        raise RequestError(f"the request was not complete after {BODY_S:g} s") from error
    try:
        values = json.loads(body) if body else {}
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise RequestError("the body is not a JSON object")
    return values


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES:
            raise RequestError(f"the body is longer than {BODY_BYTES:,} bytes")
    return bytes(body)


async def _no_such_route(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"this daemon does not know {request.method} {request.url.path}"
    return JSONResponse({"code": "no_route", "message": message, "hint": ""}, status)
