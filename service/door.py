"""The native HTTP door: decode, call the engine, encode; and every error, whoever raised it, in the one shape.

It stands in front of BentoML's own routes because BentoML answers a body that is no JSON with 500, writes a traceback
with the rejected values into the log, and has three error shapes of its own (docs/decisions/0001-door.md).
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from service import openapi
from service.engine import Engine
from service.errors import (
    STATUS,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    ServiceError,
    TooLarge,
    UnsupportedMediaType,
)
from service.schemas import ForecastRequest, PredictRequest
from service.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
REASONS = {"extra_forbidden": "there is no such field", "missing": "this field is needed"}

logger = logging.getLogger("elman")


class Disconnected(Exception):
    """The client went away before its body was complete; there is nobody to answer."""


class Door:
    """ASGI middleware. `engine` is asked for at the first request, when the worker has built it."""

    def __init__(self, app: App, engine: Callable[[], Engine], settings: Settings) -> None:
        self._app = app
        self._engine = engine
        self._settings = settings
        document, page = json.dumps(openapi.document()).encode(), openapi.PAGE.encode()
        self._posts: dict[str, Callable[[bytes], bytes]] = {"/predict": self._predict, "/forecast": self._forecast}
        self._gets: dict[str, tuple[Callable[[], bytes], bytes]] = {
            "/model": (self._model, JSON),
            "/docs.json": (lambda: document, JSON),
            "/": (lambda: page, HTML),
        }

    def _predict(self, body: bytes) -> bytes:
        answer = self._engine().predict(PredictRequest.model_validate_json(body))
        return answer.model_dump_json(exclude_none=True).encode()

    def _forecast(self, body: bytes) -> bytes:
        answer = self._engine().forecast(ForecastRequest.model_validate_json(body))
        return answer.model_dump_json().encode()

    def _model(self) -> bytes:
        return self._engine().describe().model_dump_json().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer our own routes; hand everything else on to BentoML."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path not in self._posts and path not in self._gets:
            await self._app(scope, receive, _reshaping(scope, send))
            return
        try:
            media_type, payload = await self._answer(path, method, scope, receive)
            status, headers = 200, _headers(media_type, payload)
        except Disconnected:
            return
        except ServiceError as error:
            status, headers, payload = _encode(error)
        await _send(send, status, headers, b"" if method == "HEAD" else payload)

    async def _answer(self, path: str, method: str, scope: Scope, receive: Receive) -> tuple[bytes, bytes]:
        """-> media type and payload"""
        try:
            if path in self._posts:
                if method != "POST":
                    raise MethodNotAllowed(f"{path} takes POST, not {method}", allow="POST")
                return JSON, self._posts[path](await self._body(scope, receive))
            if method not in ("GET", "HEAD"):
                raise MethodNotAllowed(f"{path} takes GET, not {method}", allow="GET, HEAD")
            answer, media_type = self._gets[path]
            return media_type, answer()
        except ValidationError as error:
            raise _invalid(error) from None
        except (ServiceError, Disconnected):
            raise
        except Exception:
            logger.exception("%s %s failed", method, path)
            raise InternalError("something went wrong here; the service's log has the details") from None

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        headers = dict(scope["headers"])
        media_type = headers.get(b"content-type", JSON).split(b";")[0].strip().lower()
        if media_type != JSON:
            raise UnsupportedMediaType("send the body as JSON, with the header content-type: application/json")
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
            raise TooLarge(f"the body is over the limit of {limit} bytes; send fewer values at a time")
        return body


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


def _encode(error: ServiceError) -> tuple[int, Headers, bytes]:
    payload = json.dumps({"error": error.code, "message": str(error), **error.details}).encode()
    headers = _headers(JSON, payload)
    for detail, header in (("retry_after", b"retry-after"), ("allow", b"allow")):
        if detail in error.details:
            headers.append((header, str(error.details[detail]).encode()))
    return STATUS[error.code], headers, payload


def _headers(media_type: bytes, payload: bytes) -> Headers:
    return [(b"content-type", media_type), (b"content-length", b"%d" % len(payload))]


async def _send(send: Send, status: int, headers: Headers, payload: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})


def _reshaping(scope: Scope, send: Send) -> Send:
    """A `send` for BentoML's own routes: what they refuse is refused in the one shape."""
    refused = False

    async def reshape(message: Message) -> None:
        nonlocal refused
        if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
            refused = True
            await _send(send, *_encode(_translate(message["status"], dict(message["headers"]), scope)))
        elif not refused:
            await send(message)

    return reshape


def _translate(status: int, headers: dict[bytes, bytes], scope: Scope) -> ServiceError:
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(f"there is no {scope['path']} here; the page at / lists every route")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = headers.get(b"allow", b"GET").decode()
        return MethodNotAllowed(f"{scope['path']} takes {allow}, not {scope['method']}", allow=allow)
    return InternalError("something went wrong here; the service's log has the details")
