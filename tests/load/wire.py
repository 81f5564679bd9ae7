"""How a conversation reaches the service: requests are timed, counted and judged here, and sometimes cut off."""

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from tests.load.oracle import Wrong
from tests.load.tally import Tally

if TYPE_CHECKING:
    from locust.contrib.fasthttp import FastHttpSession  # which patches Python's sockets when it is imported

JSON = "application/json"
FAULTY = "faults"
"""The door under which requests are counted that are repeated or wrong on purpose."""

TIMEOUT_SECONDS = 60
SHOWN = 200
"""Bytes of a body that nobody understands."""


class Unavailable(Exception):
    """There was no answer, or one that says to come again: the same request may be sent again."""


class Abandoned(Exception):
    """An answer was wrong, so the state of the streams is in doubt."""


class Reply:
    """What came back."""

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.status, self.headers, self.content = status, headers, content

    @property
    def answer(self) -> dict[str, Any]:
        """Its JSON object.

        Raises:
            Wrong: it is none.
        """
        try:
            answer = orjson.loads(self.content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Wrong("body", self.content[:SHOWN], "a JSON object")
        return answer

    @property
    def error(self) -> str:
        """The code of a refusal, of either door."""
        return str(self.answer.get("error", "")).partition(":")[0]

    def expect(self, status: int, error: str | None = None) -> None:
        """See that it is the refusal, or the success, that it must be.

        Raises:
            Unavailable: it says to come again.
            Wrong: it is something else.
        """
        if self.status == status and (error is None or self.error == error):
            return
        got = f"{self.status} {self.error}".strip() if self.status >= 400 else str(self.status)
        if self.status in (429, 502, 503, 504):
            raise Unavailable(got)
        raise Wrong(f"outcome: {got}", got, f"{status} {error or ''}".strip())


Judge = Callable[[Reply], None]


class Wire:
    """A client's way to the service. due: when the next request should have been sent, if that was planned."""

    def __init__(self, client: "FastHttpSession", tally: Tally, api_key: str | None = None) -> None:
        self._client, self.tally = client, tally
        self._headers = {"Content-Type": JSON, "Accept-Encoding": "identity"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self.due: float | None = None

    def ask(
        self,
        door: str,
        path: str,
        body: Any = None,
        *,
        judge: Judge,
        who: object,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> bool:
        """Send a request and judge what comes back. Whether it is right; what is not, is counted and told.

        body: anything for JSON, or bytes as they are. who: whose request it is, for the report of an error.

        Raises:
            Unavailable: it is not known whether it was applied.
        """
        data = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else None
        late = 0.0
        if self.due is not None:
            late, self.due = max(time.perf_counter() - self.due, 0.0), None
        all_headers = {**self._headers, **(headers or {})}
        with self._client.request(
            method,
            path,
            name=f"{path.partition('/load-')[0]} [{door}]",
            data=data,  # type: ignore[arg-type]  # bytes are sent as they are
            headers=all_headers,
            catch_response=True,
        ) as response:
            response.request_meta["response_time"] += late * 1000  # as if it had been sent when it was due
            again = None
            try:
                if response.status_code == 0:
                    raise Unavailable(f"no answer: {type(response.request_meta['exception']).__name__}")
                reply = Reply(response.status_code, response.headers or {}, response.content or b"")
                judge(reply)
            except Unavailable as error:
                again, error_class, details = error, str(error), str(who)
            except Wrong as error:
                error_class, details = error.kind, f"{who}: {error}"
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                error_class, details = "wrong body", f"{who}: {error!r} in {response.content[:SHOWN]!r}"
            else:
                error_class = ""
            timing = response.headers.get("server-timing") if response.headers else None
            self.tally.answered(door, response.request_meta["response_time"], timing)
            if error_class:
                self.tally.wrong(error_class, details)
                response.failure(error_class)
            else:
                response.success()
        if again is not None:
            raise again
        return not error_class

    def leave(self, path: str, body: Any, share: float) -> None:
        """Send a request, or only a share of its body, and go away before it is answered."""
        data = orjson.dumps(body)
        address = urlsplit(self._client.base_url or "")
        lines = [f"POST {address.path}{path} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode()
        port = address.port or (443 if address.scheme == "https" else 80)
        with suppress(OSError), socket.create_connection((address.hostname, port), TIMEOUT_SECONDS) as connection:
            stream: socket.socket = connection
            if address.scheme == "https":
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # as FastHttpUser
                stream = context.wrap_socket(connection, server_hostname=address.hostname)
            stream.sendall(head + data[: round(len(data) * share)])
