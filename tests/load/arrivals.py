"""An open loop: requests arrive at times that do not wait for answers, as those of many independent clients do.

Each latency counts from when its request should have been sent. What a stalled service, or a slow generator, keeps
waiting is not forgotten (that would be coordinated omission); how late the generator itself was is told beside it.
"""

import random
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator

import gevent

from tests.load.buckets import bucket_of
from tests.load.doors.conversation import Conversation
from tests.load.tally import LONGEST_SAMPLE, Tally

MOST_WAITING = 2000
"""Requests on the way at most; with so many the service is lost, and the generator does not follow it."""

NOT_SENT = f"not sent: {MOST_WAITING} others wait for answers"

Doors = list[type[Conversation]]


def schedule(rate: float, seconds: float, shape: Callable[[float], float], *, even: bool = False) -> Iterator[float]:
    """When requests are due, in seconds from the start: `rate` a second at most, even or at random (Poisson)."""
    due, credit = 0.0, 0.0
    while (due := due + (1 / rate if even else random.expovariate(rate))) < seconds:
        credit = credit + shape(due / seconds) if even else shape(due / seconds) + random.random()
        if credit >= 1:
            credit -= 1
            yield due


class Arrivals:
    """Each arrival is a turn of the conversation that has waited longest, or of a new one.

    sessions: conversations that are there at once; more if all are waiting for answers.
    """

    def __init__(
        self, doors: Doors, make: Callable[[type[Conversation]], Conversation], sessions: int, tally: Tally
    ) -> None:
        self._doors, self._weights = doors, [door.weight for door in doors]
        self._make, self._tally = make, tally
        whole = sum(self._weights)
        self._wanted = {door: max(1, round(sessions * door.weight / whole)) for door in doors}
        self._there = dict.fromkeys(doors, 0)
        self._idle: dict[type[Conversation], deque[Conversation]] = {door: deque() for door in doors}
        self._waiting = 0

    def run(self, times: Iterator[float], stopped: Callable[[], bool]) -> None:
        """Send what is due until the schedule ends, and wait for the last answers."""
        begin = time.perf_counter()
        for due in times:
            pause = begin + due - time.perf_counter()
            gevent.sleep(max(pause, 0))  # who is late lets others run, too
            if stopped():
                break
            if self._waiting >= MOST_WAITING:
                self._tally.wrong(NOT_SENT, f"{due:.1f} s after the start")
                continue
            self._waiting += 1
            gevent.spawn(self._turn, begin + due)
        while self._waiting and not stopped():
            gevent.sleep(0.01)

    def _turn(self, due: float) -> None:
        (door,) = random.choices(self._doors, self._weights)
        idle = self._idle[door]
        if idle and self._there[door] >= self._wanted[door]:
            conversation = idle.popleft()
        else:
            conversation = self._make(door)
            self._there[door] += 1
        late = max(time.perf_counter() - due, 0.0)
        self._tally.lags[(bucket_of(late * 1000),)] += 1
        conversation.wire.due = due
        try:
            conversation.turn()
        except Exception:  # a mistake of ours, which must not look like silence
            self._tally.wrong("the client crashed", traceback.format_exc()[-LONGEST_SAMPLE:])
        finally:
            self._waiting -= 1
            idle.append(conversation)
