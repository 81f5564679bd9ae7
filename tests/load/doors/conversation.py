"""A client that talks about streams of its own, by one door, and knows what must be answered.

It always says where its streams are (`step`), so that whatever happens on the way, every request may be repeated.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar

from tests.load.faults import FAULTS, Faults
from tests.load.oracle import Oracle, Wrong
from tests.load.streams import Stream
from tests.load.wire import FAULTY, Abandoned, Judge, Reply, Unavailable, Wire

TRIES = 20
"""So often a request is sent while the service says that it cannot, or says nothing."""

SPARE = 3
"""Requests that a fault may need, and the end."""

WRONG_OFFSETS = (1, 7, -20)
"""Steps that no request of a stream can have had last: chunks are shorter."""


@dataclass
class Request:
    """The next observations of some streams: rows says from which step on each is told `count` of them.

    wrong: whose step is not where the stream is. answer: what it was answered.
    """

    path: str
    body: dict[str, Any]
    rows: list[tuple[Stream, int]]
    count: int = 1
    wrong: frozenset[int] = frozenset()
    repeatable: bool = True
    answer: Mapping[str, Any] = field(default_factory=dict)
    replayed: bool = False


class Conversation(ABC):
    """One client. `turn` is called again and again."""

    door: ClassVar[str]
    weight: ClassVar[int]
    orders: ClassVar[bool] = True  # whether a request can be made before the one ahead of it is answered
    tells_replays: ClassVar[bool] = True
    longest_stream: ClassVar[int | None] = None
    made = False  # whether there is a session before the first observation

    def __init__(self, wire: Wire, oracle: Oracle, faults: Faults) -> None:
        self.wire, self.oracle, self.faults = wire, oracle, faults
        self.model = oracle.model
        self._pending: Request | None = None
        self._tries = 0
        self._begin()

    @abstractmethod
    def begin(self) -> None:
        """Take up new streams."""

    @abstractmethod
    def compose(self, *, after: Request | None = None, wrong: bool = False) -> Request:
        """The next request; or the one behind one that is not answered yet; or one whose step is wrong."""

    @abstractmethod
    def verify(self, reply: Reply, request: Request) -> int:
        """Compare an answer with the oracle's; how many numbers were predicted. It notes `answer` and `replayed`.

        Raises:
            Wrong: it is another.
            Unavailable: it says to come again.
        """

    @abstractmethod
    def malformed(self) -> tuple[dict[str, Any] | bytes, Mapping[str, str], int, str]:
        """A request that nobody can understand: body, headers, and how it must be refused."""

    @property
    @abstractmethod
    def room(self) -> int:
        """How many more requests there are observations for."""

    @property
    def forgives_stragglers(self) -> bool:
        """Whether a request may still arrive when later ones have been answered, and changes nothing then."""
        return True

    def turn(self) -> None:
        """One act of the conversation, which ends with an answer, or is told as an error."""
        try:
            self._go_on()
        except Unavailable:
            return
        except Abandoned:
            self._begin()

    def act(self) -> None:
        """The next request, or a fault around it."""
        fault = self.faults.pick()
        if fault is None:
            self.send(self.compose())
        else:
            self.wire.tally.faults[(fault,)] += 1
            FAULTS[fault](self)

    def send(self, request: Request, *, again: bool | None = False, door: str | None = None) -> None:
        """Send a request that has to succeed. again: whether it was applied before; None: nobody knows.

        Raises:
            Unavailable: it did not reach the service, perhaps; it will be sent again.
            Abandoned: the answer is wrong.
        """

        def judge(reply: Reply) -> None:
            predicted = self.verify(reply, request)
            if self.tells_replays and again is not None and request.replayed != again:
                raise Wrong("replay", f"replayed: {request.replayed}", f"replayed: {again}")
            self.wire.tally.predicted(predicted)

        try:
            self.ask(door or self.door, request.path, request.body, judge=judge)
        except Unavailable:
            self._tries += 1
            if self._tries >= TRIES or not request.repeatable:
                raise Abandoned from None
            self._pending = request
            raise
        self._tries = 0
        for row, (stream, start) in enumerate(request.rows):
            if row not in request.wrong:
                stream.step = max(stream.step, start + request.count)
        self.noted(request)

    def refused(self, request: Request) -> None:
        """Send a request whose step is wrong, and see that it is refused."""
        self.ask(FAULTY, request.path, request.body, judge=lambda reply: self.expect_conflict(reply, request))

    def expect_conflict(self, reply: Reply, request: Request) -> None:
        """See that a wrong step was refused.

        Raises:
            Wrong: it was not.
        """
        ((stream, _),) = request.rows
        if stream.step == 0 and self.orders and not self.made:
            reply.expect(HTTPStatus.NOT_FOUND, "session_unknown")
            return
        reply.expect(HTTPStatus.CONFLICT, "step_conflict")
        expected = reply.answer.get("expected_step", stream.step)  # /v2 has one string for everything
        if expected != stream.step:
            raise Wrong("expected step", expected, stream.step)

    def ask(
        self,
        door: str,
        path: str,
        body: Any = None,
        *,
        judge: Judge,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send anything and judge what comes back.

        Raises:
            Unavailable: there is no answer.
            Abandoned: it is wrong.
        """
        if not self.wire.ask(door, path, body, judge=judge, who=self, method=method, headers=headers):
            raise Abandoned

    def noted(self, request: Request) -> None:  # noqa: B027 (most have nothing to note)
        """A request has been answered."""

    def finish(self) -> None:  # noqa: B027 (as above)
        """The streams have come to their end: leave them to expire."""

    def stream(self) -> Stream:
        """A new one."""
        self.wire.tally.facts[("streams",)] += 1
        return Stream(self.oracle, self.longest_stream)

    def _go_on(self) -> None:
        if self._pending is not None:
            request, self._pending = self._pending, None
            self.send(request, again=None)
        else:
            self.act()
        if self.room < SPARE:
            try:
                self.finish()
            finally:
                self._begin()

    def _begin(self) -> None:
        self._pending, self._tries = None, 0
        self.begin()


def wrong_step(stream: Stream) -> int:
    """A step at which the stream is not."""
    return random.choice([step for offset in WRONG_OFFSETS if (step := stream.step + offset) >= 0])
