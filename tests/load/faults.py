"""What goes wrong on the way in traffic, on purpose, and what must come of it."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import gevent

from tests.load.wire import FAULTY, Abandoned, Unavailable

if TYPE_CHECKING:
    from tests.load.doors.conversation import Conversation, Request

RATE = 0.01
"""Of each kind, among all turns of a conversation, if not told otherwise."""

LONGEST_PAUSE = 0.01


class Faults:
    """How often each kind happens."""

    def __init__(self, rates: Mapping[str, float]) -> None:
        self._kinds, self._rates = list(rates), list(rates.values())
        self._none = 1 - sum(self._rates)
        if self._none < 0 or min(self._rates, default=0) < 0:
            raise ValueError("rates of faults are shares: none is below 0, and their sum is up to 1")

    def pick(self) -> str | None:
        """What happens now, mostly nothing."""
        if random.random() < self._none:
            return None
        return random.choices(self._kinds, self._rates)[0]


def retry(talk: "Conversation") -> None:
    """A request that was answered comes again: the same answer, and nothing advances."""
    request = talk.compose()
    talk.send(request)
    for _ in range(random.randint(1, 3)):
        talk.send(request, again=True, door=FAULTY)


def lost(talk: "Conversation") -> None:
    """The answer is lost: the client asks again, and is answered as if for the first time, or again."""
    request = talk.compose()
    if not talk.forgives_stragglers:
        talk.send(request)
        return
    talk.wire.leave(request.path, request.body, 1.0)
    gevent.sleep(random.uniform(0, LONGEST_PAUSE))
    talk.send(request, again=None)


def disconnect(talk: "Conversation") -> None:
    """The client goes away in the middle of its request: nothing has happened."""
    request = talk.compose()
    talk.wire.leave(request.path, request.body, random.uniform(0, 0.95))
    talk.send(request, again=False)


def duplicate(talk: "Conversation") -> None:
    """The same request comes twice at once: it is applied once, and both are answered the same."""
    request = talk.compose()
    twin = replace(request)
    other = gevent.spawn(_sent, talk, twin)
    try:
        talk.send(request, again=None)
    finally:
        trouble = other.get()
    if trouble is not None:
        raise trouble
    if talk.tells_replays and request.replayed == twin.replayed:
        talk.wire.tally.wrong("wrong replay", f"{talk}: of two at once, both say replayed: {twin.replayed}")
        raise Abandoned


def reorder(talk: "Conversation") -> None:
    """A request overtakes the one before: it is refused, and taken when it comes again."""
    if not talk.orders:
        talk.send(talk.compose())
        return
    first = talk.compose()
    second = talk.compose(after=first)
    talk.refused(second)
    talk.send(first)
    talk.send(second)


def wrong_step(talk: "Conversation") -> None:
    """A client that has lost count: it is told where it is, and nothing changes, as the next answer shows."""
    talk.refused(talk.compose(wrong=True))
    talk.send(talk.compose())


def malformed(talk: "Conversation") -> None:
    """A body that nobody can understand: it is refused, and nothing changes, as the next answer shows."""
    request = talk.compose()
    body, headers, status, error = talk.malformed()
    talk.ask(FAULTY, request.path, body, judge=lambda reply: reply.expect(status, error), headers=headers)
    talk.send(request)


FAULTS: Mapping[str, Callable[["Conversation"], None]] = {
    "retry": retry,
    "lost": lost,
    "disconnect": disconnect,
    "duplicate": duplicate,
    "reorder": reorder,
    "wrong-step": wrong_step,
    "malformed": malformed,
}


def _sent(talk: "Conversation", request: "Request") -> Exception | None:
    try:
        talk.send(request, again=None, door=FAULTY)
    except (Abandoned, Unavailable) as trouble:
        return trouble
    return None
