"""What is wrong with the times of one series, and the policy that mends it."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.clock import Ticks
from training.data.spacing import Spacing, Steps, between, spacing, text_of
from training.errors import DataError

WIDEST = 4  # a regular timeline has at most so many times as many steps as rows; beyond, gaps are not filled


@dataclass(frozen=True)
class Policy:
    """What is done where times are not one regular row after the other.

    duplicates: rows with the same time in one series. unsorted: rows out of time order. gaps: times that the regular
    spacing skips; rows of NaN are put in ("missing"), or the rows around count as neighbours ("close"). irregular: no
    regular spacing at all; the rows stay as they come ("keep"), or become means over the median step ("resample").
    "refuse" always means a DataError.
    """

    duplicates: Literal["last", "first", "mean", "refuse"] = "last"
    unsorted: Literal["sort", "refuse"] = "sort"
    gaps: Literal["missing", "close", "refuse"] = "missing"
    irregular: Literal["keep", "resample", "refuse"] = "keep"


@dataclass(frozen=True)
class Faults:
    """What one series was found to have; counts are rows or steps.

    spacing: None where there is no regular one (`irregular`) or too few rows to tell. skipped: steps without a row;
    longest: most of them in one gap. wide: the gaps are too wide to fill. late: the last row is off the regular times.
    """

    spacing: Spacing | None = None
    unsorted: bool = False
    reversed: bool = False
    duplicates: int = 0
    gaps: int = 0
    skipped: int = 0
    longest: int = 0
    wide: bool = False
    irregular: bool = False
    late: bool = False


def mend(
    name: str, ticks: Ticks, dated: bool, values: NDArray[np.float64], policy: Policy
) -> tuple[Ticks, NDArray[np.float64], Faults]:
    """Rows in time order, one per time, at a regular spacing as far as there is one and the policy asks for it.

    ticks: (T,) as in `training.clock.Clock`; values: (T, F). Returns the same, of another length.

    Raises:
        DataError: the policy refuses what was found.
    """
    steps = np.diff(ticks)
    backwards = bool((steps < 0).any())
    faults = Faults(unsorted=backwards, reversed=backwards and bool((steps <= 0).all()))
    if backwards:
        if policy.unsorted == "refuse":
            row = int(np.argmax(steps < 0)) + 2
            raise DataError(
                f"{name}: row {row} is earlier than the row before it; sort the rows or use --unsorted sort"
            )
        order = np.argsort(ticks, kind="stable")
        ticks, values = ticks[order], values[order]
    if (again := np.diff(ticks) == 0).any():
        if policy.duplicates == "refuse":
            twice = text_of(ticks[np.argmax(again)], dated)
            raise DataError(f"{name}: {twice} stands in more than one row; use --duplicates last, first or mean")
        ticks, values = _single(ticks, values, policy.duplicates)
        faults = replace(faults, duplicates=int(again.sum()))
    if len(ticks) < 3:
        return ticks, values, faults
    found = spacing(ticks, dated)
    if found is None:
        return *_irregular(name, ticks, values, policy), replace(faults, irregular=True)
    skipped = found.counts - 1  # (T-1,) steps without a row
    faults = replace(
        faults,
        spacing=found.spacing,
        gaps=int((skipped > 0).sum()),
        skipped=int(skipped.sum()),
        longest=int(skipped.max()),
        wide=int(found.counts.sum()) + 1 > WIDEST * len(ticks),
        late=found.late,
    )
    if faults.gaps and policy.gaps == "refuse":
        raise DataError(
            f"{name}: {faults.skipped} steps of {found.spacing} have no row, the first after "
            f"{text_of(ticks[np.argmax(skipped > 0)], dated)}; use --gaps missing or close"
        )
    if faults.gaps and policy.gaps == "missing" and not faults.wide:
        return between(ticks, found), _filled(values, found), faults
    return ticks, values, faults


def _filled(values: NDArray[np.float64], steps: Steps) -> NDArray[np.float64]:
    """Rows of NaN where steps have no row."""
    places = np.r_[0, np.cumsum(steps.counts)]
    filled = np.full((places[-1] + 1, values.shape[1]), np.nan)
    filled[places] = values
    return filled


def _single(
    ticks: Ticks, values: NDArray[np.float64], policy: Literal["last", "first", "mean", "refuse"]
) -> tuple[Ticks, NDArray[np.float64]]:
    """One row per time; ticks: sorted, rows of one time in the order of the file."""
    starts = np.flatnonzero(np.r_[True, np.diff(ticks) != 0])
    if policy == "first":
        return ticks[starts], values[starts]
    if policy == "last":
        return ticks[starts], values[np.r_[starts[1:], len(ticks)] - 1]
    return ticks[starts], _means(values, starts)


def _means(values: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Means (len(starts), F) over the rows from one start to the next; missing values count nothing."""
    here = ~np.isnan(values)
    sums = np.add.reduceat(np.where(here, values, 0), starts, axis=0)
    counts = np.add.reduceat(here.astype(np.float64), starts, axis=0)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _irregular(
    name: str, ticks: Ticks, values: NDArray[np.float64], policy: Policy
) -> tuple[Ticks, NDArray[np.float64]]:
    if policy.irregular == "refuse":
        raise DataError(f"{name}: its rows have no regular spacing; use --irregular keep or resample")
    if policy.irregular == "keep":
        return ticks, values
    step = np.median(np.diff(ticks)).astype(ticks.dtype)
    bins = ((ticks - ticks[0]) // step).astype(np.int64)
    if bins[-1] >= 100 * len(ticks):
        raise DataError(
            f"{name}: {bins[-1] + 1} steps of its median spacing hold only {len(ticks)} rows; use --irregular keep"
        )
    starts = np.flatnonzero(np.r_[True, np.diff(bins) != 0])
    regular = np.full((bins[-1] + 1, values.shape[1]), np.nan)
    regular[bins[starts]] = _means(values, starts)
    return ticks[0] + step * np.arange(len(regular)), regular
