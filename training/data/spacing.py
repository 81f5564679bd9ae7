"""How far the times of a series lie apart: a fixed step, months of the calendar, or business days."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.data.clock import Ticks

DAY = 86_400_000_000  # microseconds
NEAR = 0.1  # a step may be so much of itself too early or late: jitter, or the hour of summer time in a day
MOSTLY = 0.9  # of the steps have to agree
SINGLE = 1 / 3  # at least of the steps are single ones
UNITS = (("day", DAY), ("hour", DAY // 24), ("minute", 60_000_000), ("second", 1_000_000), ("millisecond", 1000))
MONTHS = (("year", 12), ("quarter", 3), ("month", 1))


@dataclass(frozen=True)
class Spacing:
    """A regular spacing: `step` in microseconds (or in plain numbers), months, or business days."""

    kind: Literal["fixed", "plain", "months", "business"]
    step: float

    def __str__(self) -> str:
        if self.kind == "months":
            name, size = next(((name, size) for name, size in MONTHS if self.step % size == 0))
            return f"{self.step / size:g} {name}{'' if self.step == size else 's'}"
        if self.kind == "business":
            return "1 business day"
        if self.kind == "plain":
            return f"{self.step:g}"
        unit, size = next(((unit, size) for unit, size in UNITS if self.step % size == 0), ("second", 1_000_000))
        return f"{self.step / size:g} {unit}{'' if self.step == size else 's'}"


@dataclass(frozen=True)
class Steps:
    """The spacing of a series and how many steps (T-1,) lie from each row to the next, at least 1.

    late: the last step alone is no whole number of steps.
    """

    spacing: Spacing
    counts: NDArray[np.int64]
    late: bool


def spacing(ticks: Ticks, dated: bool) -> Steps | None:
    """The regular spacing of at least three rising times (T,); None where there is none."""
    if len(ticks) < 3:
        return None
    if dated:
        found = _months(ticks) or _business(ticks)
        if found is not None:
            return found
    steps = np.diff(ticks)
    sizes, counts = np.unique(steps, return_counts=True)
    for step in sorted({float(np.median(steps)), float(sizes[np.argmax(counts)])}):
        if found := _multiples(Spacing("fixed" if dated else "plain", step), steps / step):
            return found
    return None


def between(ticks: Ticks, steps: Steps) -> Ticks:
    """Times of all steps (sum of counts + 1,), those of the rows among them."""
    before = np.repeat(np.arange(len(steps.counts)), steps.counts)  # row that precedes each step
    offset = np.arange(len(before)) - np.r_[0, np.cumsum(steps.counts)][before]  # steps since that row
    start = ticks[before]
    inner: Any
    if steps.spacing.kind == "months":
        inner = _months_on(start, offset * int(steps.spacing.step))
    elif steps.spacing.kind == "business":
        inner = np.busday_offset(_days(start), offset).astype(np.int64) * DAY + start % DAY
    else:
        share = (ticks[before + 1] - start) * offset / steps.counts[before]
        inner = start + (share if steps.spacing.kind == "plain" else np.round(share).astype(np.int64))
    inner[offset == 0] = start[offset == 0]
    return np.append(inner, ticks[-1])


def moments(ticks: Ticks) -> NDArray[np.datetime64]:
    """Dated ticks (T,) as datetime64[us]."""
    return ticks.astype("datetime64[us]")


def text_of(tick: np.int64 | np.float64, dated: bool) -> str:
    """One time as a person writes it, without a clock or a fraction that says nothing."""
    if not dated:
        return f"{tick:g}"
    text = str(np.datetime64(int(tick), "us")).removesuffix(".000000").replace("T", " ")
    return text.removesuffix(" 00:00:00")


def _multiples(spacing: Spacing, ratios: NDArray[np.float64]) -> Steps | None:
    counts = np.maximum(1, np.round(ratios)).astype(np.int64)
    near = np.abs(ratios - counts) <= NEAR
    if (near.mean() < MOSTLY and not near[:-1].all()) or (counts == 1).mean() < SINGLE:
        return None
    return Steps(spacing, counts, bool(near[:-1].all() and not near[-1]))


def _days(ticks: Ticks) -> NDArray[np.datetime64]:
    return moments(ticks).astype("datetime64[D]")


def _months(ticks: Ticks) -> Steps | None:
    if np.median(np.diff(ticks)) < 27 * DAY:
        return None
    months = moments(ticks).astype("datetime64[M]")
    day = (_days(ticks) - months.astype("datetime64[D]")).astype(np.int64)  # of the month, from 0
    if (day == np.bincount(day).argmax()).mean() < MOSTLY and not (day >= 27).all():
        return None
    steps = np.diff(months).astype(np.int64)
    if (steps < 1).any():
        return None
    step = int(np.bincount(steps).argmax())
    return _multiples(Spacing("months", step), steps / float(step))


def _business(ticks: Ticks) -> Steps | None:
    if abs(np.median(np.diff(ticks)) / DAY - 1) > NEAR:
        return None
    days = _days(ticks)
    apart = np.diff(days).astype(np.int64)
    counts = np.busday_count(days[:-1], days[1:]).astype(np.int64)
    if not np.is_busday(days).all() or (apart < 1).any() or not (apart > 1).any():
        return None
    if (counts < apart)[apart > 1].mean() < MOSTLY:
        return None
    return Steps(Spacing("business", 1), counts, False)


def _months_on(ticks: Ticks, months: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times some months later, on the same day at the same hour, or on the last day of a month that is too short."""
    first = moments(ticks).astype("datetime64[M]")
    target = first + months
    within = ticks - first.astype("datetime64[us]").astype(np.int64)
    length = (target + 1).astype("datetime64[D]") - target.astype("datetime64[D]")
    day = np.minimum(within // DAY, length.astype(np.int64) - 1)
    result: NDArray[np.int64] = target.astype("datetime64[us]").astype(np.int64) + day * DAY + within % DAY
    return result
