"""/sessions: contexts that are made, shown, forked, taken back and deleted while their streams go on."""

import random
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from tests.load.doors.native import Chunks
from tests.load.oracle import Wrong
from tests.load.wire import Abandoned, Reply, Unavailable

SHARE = 0.3
"""Of the turns; in the others the stream goes on."""


class Custody(Chunks):
    """A client that plays with contexts. Whatever it does, the predictions are those of its series."""

    door, weight = "sessions", 1

    def begin(self) -> None:
        """Every other session gets its id from the service."""
        super().begin()
        self.made, self._make = False, random.random() < 0.5

    def act(self) -> None:
        """One thing, or go on."""
        if self._make:
            self._make = False
            self.make()
        elif self.mine.step and random.random() < SHARE:
            random.choice((self.fork, self.take_back))()
        else:
            super().act()

    def make(self) -> None:
        """An id that nobody can guess."""

        def judge(reply: Reply) -> None:
            reply.expect(HTTPStatus.CREATED)
            self.mine.check_place(reply.answer, 0)
            self.mine.session_id = str(reply.answer["session_id"])
            self.made = True

        self.ask(self.door, "/sessions", judge=judge)

    def fork(self) -> None:
        """Go on under another id; the one before is deleted."""
        token, before = self.show(), self.mine.session_id
        after = f"load-{uuid4().hex}"
        self.put(after, {"context": token}, self.mine.step, HTTPStatus.CREATED)
        self.put(before, {"context": token}, None, HTTPStatus.CONFLICT)  # it is alive, and no step is named
        self.delete(before)
        self.mine.session_id = after

    def take_back(self) -> None:
        """Go on, then back to where the stream was."""
        token, before = self.show(), self.mine.step
        self.send(self.compose())
        headers = {"if-match": str(self.mine.step)}
        self.put(self.mine.session_id, {"context": token}, before, HTTPStatus.OK, headers)
        self.mine.step = before

    def show(self) -> str:
        """A session as it is; its context as a token."""
        tokens = []

        def judge(reply: Reply) -> None:
            reply.expect(HTTPStatus.OK)
            answer = reply.answer
            self.mine.check_place(answer, self.mine.step)
            self.verify_holder(answer)
            if not isinstance(answer.get("context"), str):
                raise Wrong("holder", sorted(answer), "a token")
            tokens.append(answer["context"])

        self.ask(self.door, f"/sessions/{self.mine.session_id}", judge=judge, method="GET")
        return str(tokens[0])

    def put(
        self, session_id: str, body: Any, step: int | None, status: int, headers: dict[str, str] | None = None
    ) -> None:
        """Bring a context along; step: where it is then, None: it is refused."""

        def judge(reply: Reply) -> None:
            reply.expect(status, "session_exists" if step is None else None)
            if step is not None:
                self.mine.check_place(reply.answer, step)

        path = f"/sessions/{session_id}"
        try:
            self.ask(self.door, path, body, judge=judge, method="PUT", headers=headers)
        except Unavailable:  # it says no step of its own, so nobody knows where the session is now
            raise Abandoned from None

    def send(self, *arguments: Any, **options: Any) -> None:
        """What is a prediction is counted where it belongs."""
        options["door"] = options.get("door") or Chunks.door
        super().send(*arguments, **options)
