"""The short way in: a request that comes in one piece is answered without the ceremony of ASGI.

uvicorn makes a scope, a cycle, an event and two writes of every request, which costs more than to predict. A POST to
one of the door's own routes whose body is there at once needs none of them; everything else goes uvicorn's way. Both
lead to the same door (docs/decisions/0007-the-short-way-in.md).
"""

import logging
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.door import Door, refusal
from service.errors import InvalidRequest
from service.routes import Reply, head

LONGEST_URL = 0xFFFF
"""Bytes; httptools reads none that is longer."""


class Turn:
    """What uvicorn asks of the request that it believes to be answering."""

    def __init__(self) -> None:
        self.response_complete = True
        self.keep_alive = True
        self.disconnected = False
        self.message_event = self

    def set(self) -> None:
        """Nobody waits for a body."""


class Lane(HttpToolsProtocol):
    """uvicorn's protocol for one connection, with a short way for what is usual."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        door, logs = self.config.app, self.access_log and self.access_logger.isEnabledFor(logging.INFO)
        short = isinstance(door, Door) and not (self.limit_concurrency or self.root_path or logs)
        self._door: Any = door if short else None
        self._turn = Turn()
        self.url = b""
        self._parts: list[bytes] | None = None  # of the body of a request that may go the short way
        self._idle_since: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection and its timer end together."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def data_received(self, data: bytes) -> None:
        """What is not complete by now goes the long way."""
        super().data_received(data)
        if self._parts is not None:
            parts, self._parts = self._parts, None
            if not self.transport.is_closing():
                self._go_the_long_way()
                for part in parts:
                    super().on_body(part)

    def on_message_begin(self) -> None:
        """A request begins; which way it goes is seen when its headers are complete."""
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """Choose the way."""
        if self._may_be_short():
            self._parts = []
        else:
            self._go_the_long_way()

    def on_body(self, body: bytes) -> None:
        """A part of it."""
        if self._parts is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        if self._parts is None:
            super().on_message_complete()
            return
        body, self._parts = b"".join(self._parts), None
        turn = self._turn
        self.cycle = cast(Any, turn)
        turn.response_complete, turn.keep_alive = False, True
        task = self.loop.create_task(self._answer(self.url, dict(self.headers), body))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        """The next request may be answered. One timer watches the connection, not a new one after every answer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if nothing has come for so long."""
        self.timeout_keep_alive_task = None
        idle = 0.0 if self._idle_since is None else self.loop.time() - self._idle_since
        if idle >= self.timeout_keep_alive:
            super().timeout_keep_alive_handler()
        elif not self.transport.is_closing():
            self._watch(self.timeout_keep_alive - idle)

    def send_400_response(self, _: str) -> None:
        """Refuse what cannot be read as HTTP, and hang up: where the next request begins cannot be told."""
        size, message = len(self.url), "this is no HTTP/1.1 request that can be read"
        if size > LONGEST_URL:
            message = f"the URL has {size} bytes, and {LONGEST_URL} at most can be read; ask for less at a time"
        self._write(refusal(InvalidRequest(message), self.url.partition(b"?")[0].decode("latin-1")), False)

    def _watch(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """Something has come: the connection is not idle. Its timer runs on."""
        self._idle_since = None

    def _may_be_short(self) -> bool:
        parser = self.parser
        return (
            self._door is not None
            and self.url in self._door.posts
            and parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)  # else it waits for its turn
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
        )

    def _go_the_long_way(self) -> None:
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers += headers
        super().on_headers_complete()

    async def _answer(self, url: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        turn = self._turn
        try:
            reply = await self._door.answer(url, headers, body)
            if self.flow.write_paused:
                await self.flow.drain()
            if not self.transport.is_closing():
                self._write(reply, turn.keep_alive)
        except BaseException:  # only what ends the process: the door answers for everything else
            self.transport.close()
            raise
        finally:
            turn.response_complete = True
            self.on_response_complete()

    def _write(self, reply: Reply, keep_alive: bool) -> None:
        headers = [*self.server_state.default_headers, *head(reply)]
        if not keep_alive:  # the service is about to stop
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join((STATUS_LINE[reply.status], *lines, b"\r\n", reply.payload)))
        if not keep_alive:
            self.transport.close()
