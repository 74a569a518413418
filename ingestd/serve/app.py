"""The application behind a socket: routes, bounds, who is let in, and errors as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ingestd.errors import IngestdError

from .problems import RequestError, as_json, status_of
from .reply import Asked, Reply

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .admission import Admission

log = structlog.get_logger(__name__)

Handler = Callable[[Asked], Awaitable[Mapping[str, Any] | Reply]]
"""Takes the body of a POST or the query of a GET; a mapping is sent as JSON."""
Routes = Mapping[str, Mapping[str, Handler]]
"""Handlers by method, by path; in braces, parts of a path that are given as values."""

BODY_BYTES = 64 * 1024
BODY_S = 10.0
"""How long a request may take to arrive."""


def make_app(routes: Routes, admission: Admission | None = None) -> ASGIApp:
    """Make the application.

    Args:
        routes: what it answers.
        admission: who is let in; None where the socket's own rights decide that.
    """
    app = Starlette(
        routes=[
            Route(path, _endpoint(handler), methods=[method])
            for path, methods in routes.items()
            for method, handler in methods.items()
        ],
        exception_handlers={HTTPException: _no_such_route},
    )
    return app if admission is None else _Door(app, admission)


class _Door:
    """Turns requests away, and gives every answer the headers that keep a browser strict."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (name.encode(), value.encode()) for name, value in self._admission.headers.items()
        ]

        async def send_strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                more = [header for header in headers if header[0] not in there]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        request = Request(scope)
        refusal = self._admission.refuse(request.method, request.url.path, _headers(request))
        if refusal is None:
            scope["trusted"] = self._admission.trusts(_headers(request))
            await self._app(scope, receive, send_strict)
        else:
            content = {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}
            answer = JSONResponse(content, refusal.status, dict(refusal.headers))
            await answer(scope, receive, send_strict)


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            asked = Asked(
                {**await _values(request), **request.path_params},
                _headers(request),
                trusted=request.scope.get("trusted", True),
            )
            return _response(await handler(asked), request.method)
        except IngestdError as error:
            return JSONResponse(as_json(error), status_of(error))
        except Exception as error:
            log.exception("request_failed", path=request.url.path)
            told = IngestdError(
                f"{type(error).__name__}: {error}", hint="The log of the daemon tells more."
            )
            return JSONResponse(as_json(told), 500)

    return answer


def _headers(request: Request) -> dict[str, str]:
    return dict(request.headers.items())


def _response(found: Mapping[str, Any] | Reply, method: str) -> Response:
    if not isinstance(found, Reply):
        return JSONResponse(dict(found))
    headers = {"content-type": found.media_type, **found.headers}
    if isinstance(found.body, bytes | str):
        return Response(found.body, found.status, headers)
    if method == "HEAD":  # what never ends has no length to tell
        return Response(None, found.status, headers)
    return StreamingResponse(found.body, found.status, headers)


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
