"""What each native route does with a request: decode, call, encode."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs

from pydantic import BaseModel

from service import openapi, ui
from service.codec import decode_columns, encode
from service.columns import Columns
from service.custody import Custody
from service.engine import Engine, Timing
from service.errors import InvalidRequest, NotFound, UnsupportedMediaType
from service.metrics import CONTENT_TYPE
from service.paths import FILE, SESSION, UI
from service.readiness import Readiness
from service.schemas import ForecastRequest, PredictRequest, RestoreRequest
from service.sessions.rosters import Rosters
from service.siblings import Siblings

MAX_WATCHED = 1000

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
TEXT = b"text/plain; charset=utf-8"
EVENTS = b"text/event-stream"
POLICY = b"content-security-policy"

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Request:
    """A request whose body has arrived, and whose sender is known. name: what stands for the variable of the path."""

    owner: str
    headers: Mapping[bytes, bytes]
    query: bytes
    body: bytes
    name: str = ""


class Stream(Protocol):
    """What is sent piece by piece, for as long as the client listens."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces."""

    def close(self) -> None:
        """Nobody listens any more."""


@dataclass(slots=True)
class Reply:
    """What is sent back; where there is a stream, without an end."""

    payload: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: Headers = field(default_factory=list)
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A handler; whether it takes a JSON body, is open to everybody even where keys are needed, and whether bodies may
    be compressed.
    """

    handler: Callable[[Request], Awaitable[Reply]]
    takes_body: bool = False
    public: bool = False
    coded: bool = False


class Routes:
    """Every native route by path and method, and others beside them; `{session_id}` stands for the rest of a path below
    /sessions/.
    """

    def __init__(
        self,
        engine: Engine,
        custody: Custody,
        siblings: Siblings,
        readiness: Readiness,
        others: Mapping[str, Mapping[str, Route]],
    ) -> None:
        self.engine = engine
        self._custody = custody
        self._siblings = siblings
        self._readiness = readiness
        self._columns, self._rosters = Columns(engine), Rosters()
        self._document = json.dumps(openapi.document()).encode()
        self.table: Mapping[str, Mapping[str, Route]] = {
            "/predict": {"POST": Route(self.predict, takes_body=True)},
            "/predict_batch": {"POST": Route(self.predict_batch, takes_body=True)},
            "/forecast": {"POST": Route(self.forecast, takes_body=True)},
            "/model": {"GET": Route(self.model)},
            "/sessions": {"GET": Route(self.sessions), "POST": Route(self.create)},
            SESSION: {
                "GET": Route(self.session),
                "PUT": Route(self.restore, takes_body=True),
                "DELETE": Route(self.delete),
            },
            "/watch": {"GET": Route(self.watch)},
            "/metrics": {"GET": Route(self.metrics, public=True)},
            "/readyz": {"GET": Route(self.ready, public=True)},
            "/docs.json": {"GET": Route(self.document, public=True)},
            "/": {"GET": Route(self.page, public=True)},
            UI: {"GET": Route(self.live, public=True)},
            FILE: {"GET": Route(self.file, public=True)},
            **others,
        }

    async def predict(self, request: Request) -> Reply:
        """POST /predict"""
        prediction = await self.engine.predict(PredictRequest.model_validate_json(request.body), request.owner)
        timing = prediction.timing
        self.engine.metrics.time(timing.queue, timing.compute, timing.store)
        headers = [(b"server-timing", _server_timing(timing))]
        if prediction.replayed:
            headers.append((b"x-replayed", b"true"))
        return Reply(prediction.text or encode(prediction.answer), headers=headers)

    async def predict_batch(self, request: Request) -> Reply:
        """POST /predict_batch"""
        wanted = decode_columns(request.body, self._rosters, request.owner)
        answer = await self._columns.predict(wanted, request.owner)
        return Reply(encode(answer))

    async def forecast(self, request: Request) -> Reply:
        """POST /forecast"""
        return Reply(
            _encode(await self.engine.forecast(ForecastRequest.model_validate_json(request.body), request.owner))
        )

    async def model(self, _: Request) -> Reply:
        """GET /model"""
        return Reply(self.engine.model.describe().model_dump_json().encode())

    async def sessions(self, request: Request) -> Reply:
        """GET /sessions"""
        query = _parameters(request, "cursor", "limit", "prefix")
        cursor, limit, prefix = (query.get(name, [""])[0] for name in ("cursor", "limit", "prefix"))
        number = _whole_number(limit, "limit") if "limit" in query else 100
        return Reply(_encode(await self._custody.page(request.owner, cursor, number, prefix)))

    async def create(self, request: Request) -> Reply:
        """POST /sessions"""
        if request.body not in (b"", b"{}"):
            raise InvalidRequest("a new session takes nothing; to bring a context along use PUT /sessions/ID")
        return Reply(_encode(await self._custody.create(request.owner)), status=201)

    async def session(self, request: Request) -> Reply:
        """GET /sessions/{session_id}"""
        return Reply(_encode(await self._custody.show(request.name, request.owner)))

    async def restore(self, request: Request) -> Reply:
        """PUT /sessions/{session_id}"""
        step = request.headers.get(b"if-match")
        if_step = None if step is None else _whole_number(step.decode("latin-1").strip('" '), "if-match")
        wanted = RestoreRequest.model_validate_json(request.body)
        session, created = await self._custody.restore(request.name, wanted, request.owner, if_step)
        return Reply(_encode(session), status=201 if created else 200)

    async def delete(self, request: Request) -> Reply:
        """DELETE /sessions/{session_id}"""
        await self._custody.delete(request.name, request.owner)
        return Reply(b"", status=204)

    async def watch(self, request: Request) -> Reply:
        """GET /watch"""
        query = _parameters(request, "session_id", "hidden_state")
        ids, closely = (set(query.get(name, ())) for name in ("session_id", "hidden_state"))
        if not 0 < len(ids) <= MAX_WATCHED:
            raise InvalidRequest(f"session_id: say which to watch, {MAX_WATCHED} at most: ?session_id=a&session_id=b")
        if closely - ids:
            raise InvalidRequest("hidden_state: only of what is watched; give the same id as session_id, too")
        owner = request.owner
        watcher = self.engine.watching.watch(
            [owner + session_id for session_id in ids],
            lambda key: self._custody.look(key.removeprefix(owner), owner),
            [owner + session_id for session_id in closely],
        )
        headers = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        return Reply(b"", media_type=EVENTS, headers=headers, stream=watcher)

    async def metrics(self, _: Request) -> Reply:
        """GET /metrics"""
        states = [numbers["metrics"] for numbers in await self._siblings.numbers()]
        return Reply(self.engine.metrics.text(states), media_type=CONTENT_TYPE)

    async def ready(self, _: Request) -> Reply:
        """GET /readyz"""
        await self._readiness.check()
        return Reply(b"\n", media_type=TEXT)

    async def document(self, _: Request) -> Reply:
        """GET /docs.json"""
        return Reply(self._document)

    async def page(self, _: Request) -> Reply:
        """GET /"""
        return Reply(openapi.PAGE.encode(), media_type=HTML, headers=[(POLICY, openapi.POLICY)])

    async def live(self, request: Request) -> Reply:
        """GET /ui"""
        return self._file("index.html", request)

    async def file(self, request: Request) -> Reply:
        """GET /ui/{file}"""
        if not request.name:  # the page's own links are relative
            return Reply(b"", status=308, media_type=HTML, headers=[(b"location", b"../ui")])
        return self._file(request.name, request)

    def _file(self, name: str, request: Request) -> Reply:
        file = ui.files().get(name)
        if file is None:
            raise NotFound(f"there is no /ui/{name} here; the live page is /ui")
        headers = [(b"etag", file.tag), (b"cache-control", b"no-cache"), (POLICY, ui.POLICY)]
        headers += [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
        if request.headers.get(b"if-none-match") == file.tag:
            return Reply(b"", status=304, media_type=file.media_type, headers=headers)
        return Reply(file.content, media_type=file.media_type, headers=headers)


def head(reply: Reply) -> Headers:
    """All headers of a reply."""
    if reply.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return reply.headers
    if reply.stream is not None:
        return [*reply.headers, (b"content-type", reply.media_type)]
    return [*reply.headers, (b"content-type", reply.media_type), (b"content-length", b"%d" % len(reply.payload))]


def check_media_type(headers: Mapping[bytes, bytes]) -> None:
    """A body is JSON, and says so or says nothing.

    Raises:
        UnsupportedMediaType: it says something else.
    """
    media_type = headers.get(b"content-type", JSON).split(b";")[0].strip().lower()
    if media_type != JSON:
        raise UnsupportedMediaType("send the body as JSON, with the header content-type: application/json")


def _parameters(request: Request, *known: str) -> dict[str, list[str]]:
    query = parse_qs(request.query.decode("latin-1"), keep_blank_values=True)
    if unknown := query.keys() - set(known):
        raise InvalidRequest(f"{min(unknown)}: there is no such parameter; here {' and '.join(known)} can be said")
    return query


def _encode(message: BaseModel) -> bytes:
    return message.model_dump_json(exclude_none=True).encode()


def _server_timing(timing: Timing) -> bytes:
    queue, compute, store = timing.queue * 1000, timing.compute * 1000, timing.store * 1000
    return f"queue;dur={queue:.3f}, compute;dur={compute:.3f}, store;dur={store:.3f}".encode()


def _whole_number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise InvalidRequest(f"{what}: a whole number is expected")
    return int(text)
