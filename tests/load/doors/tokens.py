"""POST /predict with the context in the client's hands: each answer brings the token for the next request."""

import random
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from tests.load.doors.conversation import Request
from tests.load.doors.native import SingleValues
from tests.load.oracle import Wrong
from tests.load.wire import JSON


class Tokens(SingleValues):
    """A client that nobody has to remember. What is sent again is computed again, from the same token."""

    door, weight = "tokens", 2
    orders = False
    tells_replays = False
    token: str | None

    def __str__(self) -> str:
        return f"{self.door}: a stream at step {self.mine.step}"

    def begin(self) -> None:
        """From zero, without a token."""
        super().begin()
        self.token = None

    def body(self, step: int, values: list[Any]) -> dict[str, Any]:
        """For the wire."""
        return {"values": values, "step": step, **({} if self.token is None else {"context": self.token})}

    def verify_holder(self, answer: Mapping[str, Any]) -> None:
        """The client holds it."""
        if not isinstance(answer.get("context"), str) or "session_id" in answer:
            raise Wrong("holder", sorted(answer), "a token and no session")

    def noted(self, request: Request) -> None:
        """The next request starts from here."""
        self.token = str(request.answer["context"])

    def malformed(self) -> tuple[dict[str, Any] | bytes, Mapping[str, str], int, str]:
        """Also a token that was tampered with."""
        if self.token is None or random.random() < 0.5:
            return super().malformed()
        at = random.randrange(len(self.token) // 4, 3 * len(self.token) // 4)
        tampered = self.token[:at] + ("A" if self.token[at] != "A" else "B") + self.token[at + 1 :]
        body = {"values": self.mine.values(1), "context": tampered}
        return body, {"Content-Type": JSON}, HTTPStatus.BAD_REQUEST, "invalid_token"

    def finish(self) -> None:
        """Nobody holds anything."""
