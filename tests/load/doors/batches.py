"""POST /predict_batch: one value each for many sessions, in columns."""

import random
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from tests.load.doors.conversation import Conversation, Request, wrong_step
from tests.load.doors.native import INVALID
from tests.load.oracle import Wrong
from tests.load.streams import Stream
from tests.load.wire import JSON, Reply

SIZE = 50
TWICE = 0.05
"""Share of the requests that have an id twice."""


class Batches(Conversation):
    """A client that collects the values of its streams."""

    door, weight = "predict_batch", 2
    tells_replays = False
    streams: list[Stream]
    place: tuple[Stream, int] | None  # of what was wrong

    def __str__(self) -> str:
        stream, step = self.place or (self.streams[0], self.streams[0].step)
        return f"{self.door}: {len(self.streams)} sessions, session {stream.session_id} at step {step}"

    @property
    def room(self) -> int:
        """How many more requests there are observations for."""
        return min(stream.left for stream in self.streams) // 2

    def begin(self) -> None:
        """Many sessions."""
        self.streams = [self.stream() for _ in range(SIZE)]
        self.place = None

    def act(self) -> None:
        """Now and then a stream has two values in one request."""
        if random.random() < TWICE:
            request = self.compose()
            stream, start = request.rows[random.randrange(len(request.rows))]
            self.send(self._of([*request.rows, (stream, start + 1)], repeatable=False))
        else:
            super().act()

    def compose(self, *, after: Request | None = None, wrong: bool = False) -> Request:
        """The next value of every stream; wrong: the steps of some of them are."""
        rows = [(stream, stream.step + (after is not None)) for stream in self.streams]
        chosen = random.sample(range(len(rows)), random.randint(1, len(rows))) if wrong else ()
        return self._of(rows, wrong=frozenset(chosen))

    def verify(self, reply: Reply, request: Request) -> int:
        """Row by row; those with a wrong step are refused, and no others."""
        reply.expect(HTTPStatus.OK)
        answer = reply.answer
        self._verify_errors(answer, request)
        try:
            self._verify_columns(answer, request)
        except Wrong as wrong:
            self.place = request.rows[wrong.place]
            raise
        return len(request.rows) - len(request.wrong)

    def _verify_columns(self, answer: Mapping[str, Any], request: Request) -> None:
        parts = request.rows[0][0].series.parts
        for kind in parts:
            expected = [
                None if row in request.wrong else stream.series.parts[kind][start]
                for row, (stream, start) in enumerate(request.rows)
            ]
            self.oracle.check(kind, answer.get(kind), expected)
        steps = [None if row in request.wrong else start + 1 for row, (_, start) in enumerate(request.rows)]
        if answer.get("steps") != steps:
            raise Wrong("step", answer.get("steps"), steps)
        alarms = [
            {"index": row, "start_step": stream.series.alarms[start]}
            for row, (stream, start) in enumerate(request.rows)
            if row not in request.wrong and stream.series.alarms[start]
        ]
        if answer.get("alarms", []) != alarms:
            raise Wrong("alarm", answer.get("alarms"), alarms)

    def refused(self, request: Request) -> None:
        """Rows with a right step are applied beside those that are refused."""
        if 0 < len(request.wrong) < len(request.rows):
            self.send(request)
        else:
            super().refused(request)

    def expect_conflict(self, reply: Reply, request: Request) -> None:
        """No row is applied."""
        self.verify(reply, replace(request, wrong=frozenset(range(len(request.rows)))))

    def malformed(self) -> tuple[dict[str, Any] | bytes, Mapping[str, str], int, str]:
        """Columns of different lengths, or no columns at all."""
        right = self.compose().body
        choices: list[dict[str, Any] | bytes] = [
            b'{"session_ids": ["a"',
            {**right, "values": right["values"][:-1]},
            {**right, "steps": right["steps"][:-1]},
            {**right, "session_ids": []},
            {**right, "values": ["1"] * len(right["values"])},
            {**right, "more": 1},
        ]
        return random.choice(choices), {"Content-Type": JSON}, HTTPStatus.BAD_REQUEST, INVALID

    def _of(
        self, rows: list[tuple[Stream, int]], *, wrong: frozenset[int] = frozenset(), repeatable: bool = True
    ) -> Request:
        body = {
            "session_ids": [stream.session_id for stream, _ in rows],
            "values": [stream.series.values[start] for stream, start in rows],
            "steps": [wrong_step(stream) if row in wrong else start for row, (stream, start) in enumerate(rows)],
        }
        return Request("/predict_batch", body, rows, 1, wrong, repeatable)

    def _verify_errors(self, answer: Mapping[str, Any], request: Request) -> None:
        """Each wrong row is refused for its step, and told where its session is."""
        errors = {error["index"]: error for error in answer.get("errors", [])}
        if errors.keys() != request.wrong:
            raise Wrong("rows", sorted(errors.items()), sorted(request.wrong))
        for row, error in errors.items():
            stream = request.rows[row][0]
            expected = ("step_conflict", stream.step) if stream.step else ("session_unknown", None)
            if (error.get("error"), error.get("expected_step")) != expected:
                raise Wrong("outcome of a row", error, expected)
