"""POST /predict in a session: single values as they happen, and chunks of them."""

import random
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from tests.load.doors.conversation import Conversation, Request, wrong_step
from tests.load.oracle import Wrong
from tests.load.streams import Stream
from tests.load.wire import JSON, Reply

LONGEST_CHUNK = 16
TEXT = {"Content-Type": "text/plain"}
INVALID, UNTYPED = "invalid_request", "unsupported_media_type"


class SingleValues(Conversation):
    """One value, as it happens."""

    door, weight = "predict", 10
    path = "/predict"
    mine: Stream

    def __str__(self) -> str:
        return f"{self.door}: session {self.mine.session_id} at step {self.mine.step}"

    @property
    def room(self) -> int:
        """How many more requests there are observations for."""
        return self.mine.left // self.most

    @property
    def most(self) -> int:
        """Observations of one request at most."""
        return 1

    def begin(self) -> None:
        """One session."""
        self.mine = self.stream()

    def compose(self, *, after: Request | None = None, wrong: bool = False) -> Request:
        """The next observations, with their step."""
        stream, count = self.mine, random.randint(1, self.most)
        start = stream.step if after is None else after.rows[0][1] + after.count
        step = wrong_step(stream) if wrong else start
        body = self.body(step, stream.values(count, start))
        return Request(self.path, body, [(stream, start)], count, frozenset({0} if wrong else ()))

    def body(self, step: int, values: list[Any]) -> dict[str, Any]:
        """For the wire."""
        return {"session_id": self.mine.session_id, "values": values, "step": step}

    def verify(self, reply: Reply, request: Request) -> int:
        """Everything in the answer."""
        reply.expect(HTTPStatus.OK)
        ((stream, start),) = request.rows
        answer = reply.answer
        stream.check(answer, start, request.count)
        self.verify_holder(answer)
        request.answer, request.replayed = answer, "x-replayed" in reply.headers
        return request.count

    def verify_holder(self, answer: Mapping[str, Any]) -> None:
        """Who holds the context.

        Raises:
            Wrong: it is another session.
        """
        if answer.get("session_id") != self.mine.session_id:
            raise Wrong("session", answer.get("session_id"), self.mine.session_id)

    def malformed(self) -> tuple[dict[str, Any] | bytes, Mapping[str, str], int, str]:
        """Something is wrong with the body, or with what it says it is."""
        right = self.body(self.mine.step, self.mine.values(1))
        choices: list[dict[str, Any] | bytes] = [
            b'{"values": [1.0',
            b"",
            b"[]",
            b'{"values": [NaN]}',
            b'{"values": [1e999]}',
            {**right, "values": []},
            {**right, "values": ["1"]},
            {**right, "values": [[0.5] * (self.oracle.predictor.features + 1)]},
            {**right, "step": -1},
            {**right, "level": 1.5},
            {**right, "valeus": [1.0]},
        ]
        if random.random() < 0.1:
            return right, TEXT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, UNTYPED
        return random.choice(choices), {"Content-Type": JSON}, HTTPStatus.BAD_REQUEST, INVALID

    def finish(self) -> None:
        """Every other session is deleted; what is left expires."""
        if random.random() < 0.5:
            self.delete(self.mine.session_id)

    def delete(self, session_id: str) -> None:
        """And it is gone, for good."""
        path = f"/sessions/{session_id}"
        self.ask("sessions", path, judge=lambda reply: reply.expect(HTTPStatus.NO_CONTENT), method="DELETE")
        self.ask("sessions", path, judge=lambda reply: reply.expect(HTTPStatus.GONE, "session_deleted"), method="GET")


class Chunks(SingleValues):
    """Several values at once."""

    door, weight = "predict, chunks", 3

    @property
    def most(self) -> int:
        """Observations of one request at most."""
        return LONGEST_CHUNK
