"""What the columns of a table are: times, the names of series, numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.data import clock
from training.data.clock import Clock
from training.errors import DataError

TEXT = (pl.String, pl.Categorical, pl.Enum)
COUNTERS = frozenset({"", "index", "unnamed: 0"})  # what tables are given for want of times
OFTEN = 1.5  # rows per time from which a table may hold several series
SURELY = 0.99  # of the rows are told apart by time and series


@dataclass(frozen=True)
class Roles:
    """The columns of one table.

    clock: the times, from the column `time`; both None where there is none. series: the column that names the series.
    numeric: columns that may be predicted. notes: what was recognised that a person should know.
    """

    clock: Clock | None
    time: str | None
    series: str | None
    numeric: tuple[str, ...]
    notes: tuple[str, ...]


def roles(path: Path, table: pl.DataFrame, chosen: Sequence[str], time: str | None, series: str | None) -> Roles:
    """Find out what was not said; chosen: columns that are certainly features.

    Raises:
        DataError: the time column holds what is no time, or it seems that many series share one table unnamed.
    """
    features = frozenset([*chosen, *([series] if series else [])])
    found, notes = (time, ()) if time else clock.recognised(path, table, features)
    times = clock.clock(path, table, found) if found else None
    if series is None and times is not None:
        series = _series(path, table, times, features | {found})
        if series:
            notes += (f"{path.name}: column {series!r} is taken as the name of the series",)
    numeric = [
        column.name
        for column in table.get_columns()
        if column.dtype.is_numeric() and column.name not in (found, series) and not _is_counter(column)
    ]
    return Roles(times, found, series, tuple(numeric), notes)


def _series(path: Path, table: pl.DataFrame, times: Clock, taken: frozenset[str | None]) -> str | None:
    """The text column that tells apart rows with the same time, if one does."""
    table = table.filter(pl.Series(times.known))
    _, ticks = np.unique(times.ticks[times.known], return_inverse=True)
    per_time = len(ticks) / (ticks.max(initial=0) + 1)
    if per_time < OFTEN:
        return None
    free = [column for column in table.get_columns() if column.name not in taken and not column.has_nulls()]
    for column in free:
        if column.dtype in TEXT and _tells_apart(column, ticks, len(ticks) / 2):
            return column.name
    for column in free:
        if column.dtype.is_integer() and _tells_apart(column, ticks, 3 * per_time):
            raise DataError(
                f"{path}: most rows share their time with another; if {column.name!r} says which series a row is of, "
                f"use --series-column {column.name}, otherwise choose it with --column"
            )
    return None


def _tells_apart(column: pl.Series, ticks: NDArray[np.intp], most: float) -> bool:
    names = column.cast(pl.String).rank("dense").to_numpy().astype(np.int64)
    if not 1 < names.max() <= most:
        return False
    return len(np.unique(ticks * (names.max() + 1) + names)) >= SURELY * len(ticks)


def _is_counter(column: pl.Series) -> bool:
    """A column that stands for times or row numbers rather than for something observed."""
    name = column.name.lower()
    if name in COUNTERS:
        return column.dtype.is_integer()
    return name in clock.NAMES - {"t", "step"}
