"""Locust's users: in the closed loop one for each door, a client that waits for its answer; one for the open loop."""

import time
from collections.abc import Callable
from typing import Any, ClassVar

from locust import FastHttpUser, task
from locust.user.task import LOCUST_STATE_STOPPING
from locust.user.wait_time import constant, poisson

from tests.load.arrivals import Arrivals, schedule
from tests.load.doors import (
    DOORS,
    Batches,
    Ceiling,
    Chunks,
    Conversation,
    Custody,
    Forecasts,
    Protocol,
    SingleValues,
    Tokens,
)
from tests.load.faults import Faults
from tests.load.oracle import Oracle
from tests.load.shapes import SHAPES
from tests.load.tally import Tally
from tests.load.wire import Wire

IDLE = constant(0)


class Client(FastHttpUser):
    """What every user has. The locustfile fills in the class attributes before any user is there."""

    abstract = True
    oracle: ClassVar[Oracle]
    faults: ClassVar[Faults]
    tally: ClassVar[Tally]
    api_key: ClassVar[str | None] = None

    def talk(self, door: type[Conversation]) -> Conversation:
        """A conversation of one's own."""
        return door(Wire(self.client, self.tally, self.api_key), self.oracle, self.faults)


class ClosedLoop(Client):
    """One conversation: a turn, the answer, a pause, the next turn."""

    abstract = True
    door: ClassVar[type[Conversation]]
    pace: ClassVar[float] = 0  # turns a second; 0: the next one at once

    def wait_time(self) -> float:
        """As long as clients wait that do not know of each other."""
        wait: Callable[[Any], float] = poisson(self.pace) if self.pace else IDLE
        return wait(self)

    def on_start(self) -> None:
        """They do not come all at once."""
        self.conversation = self.talk(self.door)
        self.wait()  # type: ignore[no-untyped-call]  # unannotated

    @task
    def turn(self) -> None:
        """One."""
        self.conversation.turn()


class SingleValueUser(ClosedLoop):
    """One value at a time."""

    door, weight = SingleValues, SingleValues.weight


class ChunkUser(ClosedLoop):
    """Some values at once."""

    door, weight = Chunks, Chunks.weight


class BatchUser(ClosedLoop):
    """One value each of many sessions."""

    door, weight = Batches, Batches.weight


class ForecastUser(ClosedLoop):
    """Looks ahead."""

    door, weight = Forecasts, Forecasts.weight


class TokenUser(ClosedLoop):
    """Holds its context itself."""

    door, weight = Tokens, Tokens.weight


class ProtocolUser(ClosedLoop):
    """Speaks the Open Inference Protocol."""

    door, weight = Protocol, Protocol.weight


class SessionUser(ClosedLoop):
    """Forks sessions and takes them back."""

    door, weight = Custody, Custody.weight


class CeilingUser(ClosedLoop):
    """Sends single values to a server that is none."""

    door, weight = Ceiling, Ceiling.weight


class OpenLoop(Client):
    """One generator of arrivals; several of them together are one process of the sum of their rates."""

    concurrency = 2000
    rate: ClassVar[float]
    seconds: ClassVar[float]
    shape: ClassVar[str]
    even: ClassVar[bool]
    sessions: ClassVar[int]
    doors: ClassVar[list[str]]

    @task
    def run_all(self) -> None:
        """All of the test."""
        doors = [DOORS[name] for name in self.doors]
        arrivals = Arrivals(doors, self.talk, self.sessions, self.tally)
        times = schedule(self.rate, self.seconds, SHAPES[self.shape], even=self.even)
        arrivals.run(times, lambda: self._state == LOCUST_STATE_STOPPING)
        while self._state != LOCUST_STATE_STOPPING:  # its part is done; the test ends for all at once
            time.sleep(0.05)
