"""The HTTP door: who asks, what for, and every error, whoever raised it, in the one shape.

It stands in front of BentoML's own routes because BentoML answers a body that is no JSON with 500, writes a traceback
with the rejected values into the log, and has three error shapes of its own (docs/decisions/0001-door.md).
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from service import codings
from service.access import Access
from service.errors import (
    STATUS,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    ServiceError,
    TooLarge,
)
from service.paths import is_protocol, placed
from service.routes import Headers, Reply, Request, Route, Routes, Stream, check_media_type, head
from service.settings import Settings, listed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REASONS = {"extra_forbidden": "there is no such field", "missing": "this field is needed"}
DETAIL_HEADERS = {"retry_after": b"retry-after", "allow": b"allow"}

logger = logging.getLogger("elman")


class Disconnected(Exception):
    """The client went away; there is nobody to answer."""


class Door:
    """ASGI middleware. `routes` is asked for at the first request, when the worker has built the engine."""

    def __init__(self, app: App, routes: Callable[[], Routes], settings: Settings) -> None:
        self._app = app
        self._routes = routes
        self._settings = settings
        self._access = Access(listed(settings.api_keys))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer our own routes; hand everything else on to BentoML."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        routes = self._routes()
        path = scope["path"]
        template, name = placed(path)
        methods = routes.table.get(template)
        if methods is None:
            if is_protocol(path):
                await _send(send, refusal(_nothing_at(path), path), with_body=scope["method"] != "HEAD")
            else:
                await self._app(scope, receive, _reshaping(scope, send))
            return
        method, headers = scope["method"], dict(scope["headers"])
        try:
            route, owner = self._admitted(methods, method, path, headers)
            body = await self._body(headers, receive) if method not in ("GET", "HEAD") else b""
            reply = await self._handled(route, Request(owner, headers, scope["query_string"], body, name))
        except Disconnected:
            return
        except Exception as error:
            reply = refusal(_known(error, method), path)
        routes.engine.metrics.requests.inc(template, reply.status)
        if reply.stream is None:
            await _send(send, reply, with_body=method != "HEAD")
        else:
            await _send_all(send, receive, reply, reply.stream, with_body=method != "HEAD")

    @cached_property
    def posts(self) -> Mapping[bytes, tuple[str, Mapping[str, Route]]]:
        """What `answer` answers: by the path itself, so none that has a variable."""
        table = {path: methods for path, methods in self._routes().table.items() if "{" not in path}
        return {path.encode(): (path, methods) for path, methods in table.items() if "POST" in methods}

    async def answer(self, url: bytes, headers: Mapping[bytes, bytes], body: bytes) -> Reply:
        """The same for a POST to one of `posts` that is complete."""
        path, methods = self.posts[url]
        try:
            route, owner = self._admitted(methods, "POST", path, headers)
            if len(body) > self._settings.max_body_bytes:
                raise self._too_large()
            reply = await self._handled(route, Request(owner, headers, b"", body))
        except Exception as error:
            reply = refusal(_known(error, "POST"), path)
        self._routes().engine.metrics.requests.inc(path, reply.status)
        return reply

    def _admitted(
        self, methods: Mapping[str, Route], method: str, path: str, headers: Mapping[bytes, bytes]
    ) -> tuple[Route, str]:
        """The route, and whose sessions it may see."""
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allow = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
            raise MethodNotAllowed(f"{path} takes {allow}, not {method}", allow=allow)
        authorization = headers.get(b"authorization")
        owner = "" if route.public else self._access.owner(authorization.decode("latin-1") if authorization else None)
        if route.takes_body:
            check_media_type(headers)
        return route, owner

    async def _handled(self, route: Route, request: Request) -> Reply:
        """What the route makes of it; compressed bodies both ways, where it takes them."""
        headers = request.headers
        if route.coded and b"content-encoding" in headers:
            request.body = codings.inflated(request.body, headers[b"content-encoding"], self._settings.max_body_bytes)
        reply = await route.handler(request)
        if route.coded and len(reply.payload) > codings.SMALL and b"accept-encoding" in headers:
            _compress(reply, headers[b"accept-encoding"])
        return reply

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        limit, seconds = self._settings.max_body_bytes, self._settings.body_timeout_seconds
        body, announced, more = b"", int(headers.get(b"content-length", 0)), True
        try:
            async with asyncio.timeout(seconds):
                while more and max(len(body), announced) <= limit:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            raise RequestTimeout(f"the body was not complete after {seconds:g} s") from None
        if max(len(body), announced) > limit:
            raise self._too_large()
        return body

    def _too_large(self) -> TooLarge:
        limit = self._settings.max_body_bytes
        return TooLarge(f"the body is over the limit of {limit} bytes; send fewer values at a time")


def _known(error: Exception, method: str) -> ServiceError:
    """What to tell of it."""
    if isinstance(error, ValidationError):
        return _invalid(error)
    if isinstance(error, ServiceError):
        return error
    logger.error("%s failed", method, exc_info=error)
    return InternalError("something went wrong here; the service's log has the details")


def _invalid(error: ValidationError) -> InvalidRequest:
    """The first of the validation errors, with its place but without the value that was sent."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return InvalidRequest("the body is not JSON")
    field, *rest = first["loc"] or ("the body",)
    place = str(field) + "".join(f"[{index}]" for index in rest if isinstance(index, int))
    if field == "values" and rest:
        return InvalidRequest(f"{place}: an observation is a finite number, a list of one per feature, or null")
    return InvalidRequest(f"{place}: {REASONS.get(first['type'], first['msg'])}")


def _compress(reply: Reply, accepted: bytes) -> None:
    reply.payload, coding = codings.deflated(reply.payload, accepted)
    if coding is not None:
        reply.headers += [(b"content-encoding", coding), (b"vary", b"accept-encoding")]


def refusal(error: ServiceError, path: str = "") -> Reply:
    """In the one shape, or in that of the protocol that is spoken at the path."""
    if is_protocol(path):
        payload = json.dumps({"error": f"{error.code}: {error}"}).encode()
    else:
        payload = json.dumps({"error": error.code, "message": str(error), **error.details}).encode()
    headers: Headers = [
        (header, str(error.details[detail]).encode())
        for detail, header in DETAIL_HEADERS.items()
        if detail in error.details
    ]
    status = STATUS[error.code]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    return Reply(payload, status, headers=headers)


async def _send(send: Send, reply: Reply, *, with_body: bool = True) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": head(reply)})
    await send({"type": "http.response.body", "body": reply.payload if with_body else b""})


async def _send_all(send: Send, receive: Receive, reply: Reply, stream: Stream, *, with_body: bool) -> None:
    """Piece by piece, until there are no more or the client goes away."""

    async def give(message: Message) -> None:
        try:
            await send(message)
        except RuntimeError as error:  # uvloop's: the connection is closed, of which `receive` knows later, or never
            raise Disconnected from error

    async def pump() -> None:
        await give({"type": "http.response.start", "status": reply.status, "headers": head(reply)})
        if with_body:
            async for piece in stream:
                await give({"type": "http.response.body", "body": piece, "more_body": True})
        await give({"type": "http.response.body", "body": b""})

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    pumping, leaving = asyncio.ensure_future(pump()), asyncio.ensure_future(left())
    try:
        await asyncio.wait((pumping, leaving), return_when=asyncio.FIRST_COMPLETED)
        if pumping.done():
            with suppress(Disconnected):
                pumping.result()
    finally:
        stream.close()
        pumping.cancel()
        leaving.cancel()


def _reshaping(scope: Scope, send: Send) -> Send:
    """A `send` for BentoML's own routes: what they refuse is refused in the one shape."""
    refused = False

    async def reshape(message: Message) -> None:
        nonlocal refused
        if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
            refused = True
            await _send(send, refusal(_translate(message["status"], dict(message["headers"]), scope)))
        elif not refused:
            await send(message)

    return reshape


def _nothing_at(path: str) -> NotFound:
    only = "the one model is elman, and " if is_protocol(path) else ""
    return NotFound(f"there is no {path} here; {only}the page at / lists every route")


def _translate(status: int, headers: dict[bytes, bytes], scope: Scope) -> ServiceError:
    if status == HTTPStatus.NOT_FOUND:
        return _nothing_at(scope["path"])
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = headers.get(b"allow", b"GET").decode()
        return MethodNotAllowed(f"{scope['path']} takes {allow}, not {scope['method']}", allow=allow)
    return InternalError("something went wrong here; the service's log has the details")
