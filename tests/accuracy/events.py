"""Alarms beside what is known to have happened: passengers of New York taxis in 30 minutes each.

The series is of the Numenta Anomaly Benchmark. Five days of 2014 and 2015 are known to be unlike the others (A. Lavin &
S. Ahmad, "Evaluating real-time anomaly detection algorithms", ICMLA 2015).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.accuracy.engine import Heard
from tests.accuracy.live import heard_of, trained_on
from training.accuracy import Case
from training.data import Split, read

Times = NDArray[np.datetime64]
HOUR = np.timedelta64(1, "h")
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Event:
    """So many days, from a midnight on."""

    name: str
    midnight: np.datetime64
    days: int = 1

    @property
    def end(self) -> np.datetime64:
        """The midnight after it."""
        return self.midnight + self.days * DAY


FILE, COLUMN = "nyc_taxi.csv", "value"
CUT = np.datetime64("2014-10-27")
"""Where the test part begins, so that all events are in it; everything before it is learned from."""

EVENTS = (
    Event("NYC marathon", np.datetime64("2014-11-02")),
    Event("Thanksgiving", np.datetime64("2014-11-27")),
    Event("Christmas", np.datetime64("2014-12-25")),
    Event("New Year", np.datetime64("2015-01-01")),
    Event("snow storm", np.datetime64("2015-01-26"), 2),
)


@dataclass(frozen=True)
class Found:
    """An event, and the alarm that found it, if one did.

    start: when it began. delay: hours from the event's midnight until then; below 0: it was running already.
    """

    event: Event
    start: np.datetime64 | None
    delay: float | None


@dataclass(frozen=True)
class Outcome:
    """What the service said of the test part, (N,) times and values of it, and what came of the events.

    spans: first and last moment of every alarm; besides: how many of them found no event.
    """

    times: Times
    values: NDArray[np.float64]
    heard: Heard
    found: tuple[Found, ...]
    spans: tuple[tuple[np.datetime64, np.datetime64], ...]
    besides: int


def outcome(task: tuple[Path, int]) -> Outcome:
    """Learn what is before CUT with a seed, and hear the rest one by one. task: the file, the seed

    Raises:
        DataError: it is not the file that it should be.
    """
    path, seed = task
    dataset = read([path], (COLUMN,))
    series = dataset.series[0]
    assert series.times is not None
    begin = int(np.searchsorted(series.times, CUT))
    case = Case(FILE, dataset, Split.at(begin, len(series.values)), {})
    heard = heard_of(case, trained_on(case, seed))
    spans = tuple((series.times[alarm.start], series.times[alarm.stop - 1]) for alarm in heard.raised)
    found = tuple(find(event, spans) for event in EVENTS)
    return Outcome(series.times[begin:], series.values[begin:, 0], heard, found, spans, besides(EVENTS, spans))


def find(event: Event, spans: Sequence[tuple[np.datetime64, np.datetime64]]) -> Found:
    """The first alarm that begins within an event's days, or else one that is running as they begin.

    spans: first and last moment of every alarm, in time order.
    """
    within = [start for start, _ in spans if event.midnight <= start < event.end]
    running = [start for start, last in spans if start < event.midnight <= last]
    start = next(iter(within + running), None)
    return Found(event, start, None if start is None else float((start - event.midnight) / HOUR))


def besides(events: Sequence[Event], spans: Sequence[tuple[np.datetime64, np.datetime64]]) -> int:
    """How many alarms have nothing to do with any event: they neither begin within its days nor run into them."""
    return sum(not any(start < event.end and event.midnight <= last for event in events) for start, last in spans)


def lines(one: Outcome) -> list[str]:
    """What a person reads of it."""
    told = []
    for found in one.found:
        if found.start is None or found.delay is None:
            told.append(f"{found.event.name}, {found.event.midnight}: missed")
            continue
        when = "was running already" if found.delay < 0 else f"{found.delay:g} h after its midnight"
        told.append(f"{found.event.name}, {found.event.midnight}: alarm at {_moment(found.start)}, {when}")
    days = len(one.times) // 48
    told.append(f"alarms besides: {one.besides} in {days} days, of {len(one.spans)} altogether")
    return told


def record(one: Outcome) -> dict[str, Any]:
    """As JSON holds it."""
    return {
        "events": [
            {
                "event": found.event.name,
                "day": str(found.event.midnight),
                "alarm": None if found.start is None else _moment(found.start),
                "delay_hours": found.delay,
            }
            for found in one.found
        ],
        "alarms": [[_moment(start), _moment(last)] for start, last in one.spans],
        "besides": one.besides,
    }


def _moment(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")
