"""Columns of times: which column is one, and what its texts and numbers mean."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.errors import DataError

Ticks = NDArray[np.int64] | NDArray[np.float64]

NAMES = frozenset({"time", "timestamp", "date", "ds", "datetime", "date_time", "unix", "epoch", "t", "step", "year"})
NEARLY_ALL = 0.9  # of the texts are dates in a column of times
SAMPLE = 50

SHAPES = (  # (pattern, replacement): other ways to write what ISO 8601 writes
    (r"^(\d{4})/(\d{1,2})/(\d{1,2})", "$1-$2-$3"),
    (r"^(\d{4})/(\d{1,2})$", "$1-$2"),
    (r"^(\d{4})-?Q1$", "$1-01"),
    (r"^(\d{4})-?Q2$", "$1-04"),
    (r"^(\d{4})-?Q3$", "$1-07"),
    (r"^(\d{4})-?Q4$", "$1-10"),
    (r"^(\d{4})$", "$1-01-01"),
    (r"^(\d{4}-\d{1,2})$", "$1-01"),
    (r"^(\d{4}-\d{1,2}-\d{1,2})T", "$1 "),
    (r"(:\d{2}\S*?) *(?:Z|UTC)$", "$1+00:00"),
    (r"(:\S+) +([+-]\d{2}:?\d{2})$", "$1$2"),
)
CLOCKS = ("", " %H:%M", " %H:%M:%S%.f", " %H:%M%#z", " %H:%M:%S%.f%#z")
PLAIN = ("%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%b %d, %Y")
DAY_FIRST, MONTH_FIRST = ("%d/%m/%Y", "%d-%m-%Y"), ("%m/%d/%Y", "%m-%d-%Y")


@dataclass(frozen=True)
class Clock:
    """When the rows were: microseconds since 1970 (UTC where the file tells a zone) if `dated`, else plain numbers.

    ticks: (T,); known: (T,), False where a row has no time.
    """

    ticks: Ticks
    known: NDArray[np.bool_]
    dated: bool


class AmbiguousDatesError(DataError):
    """Dates that may have the day or the month first."""


def clock(path: Path, table: pl.DataFrame, name: str) -> Clock:
    """The times in a column that was named or recognised.

    Raises:
        DataError: a text that is no date, or dates that can be read in two ways.
    """
    column = table[name]
    if column.dtype.is_numeric():
        if column.cast(pl.Float64).is_infinite().any():
            raise DataError(f"{path}: column {name!r} holds an infinite time")
        return _from_numbers(column)
    if column.dtype not in (pl.String, pl.Date, pl.Datetime):
        raise DataError(f"{path}: column {name!r} holds {column.dtype}, not times")
    moments = _moments(column)
    broken = moments.is_null() & column.is_not_null()
    if broken.any():
        row = broken.arg_max()
        assert row is not None
        raise DataError(f"{path}: column {name!r}, row {row + 1}: {str(column[row])[:40]!r} is not a date or time")
    found = _clock(moments)
    if (day := _time_of_day(table, found)) is not None:
        return Clock(found.ticks + day, found.known, True)
    return found


def recognised(path: Path, table: pl.DataFrame, chosen: frozenset[str]) -> tuple[str | None, tuple[str, ...]]:
    """The name of the column that holds the times, if one does, and what a person should know about it.

    chosen: columns that are features and so no times.
    """
    names = [name for name in table.columns if name not in chosen]
    for name in names:
        if table[name].dtype in (pl.Date, pl.Datetime) and not table[name].is_null().all():
            return name, ()
    notes: tuple[str, ...] = ()
    for name in names:
        try:
            if _holds_dates(table[name]):
                return name, ()
        except AmbiguousDatesError as error:
            notes += (f"{path.name}: {error}; not taken as times",)
    for name in names:
        if name.lower() in NAMES and _counts(table[name]):
            return name, ()
    return None, notes


def _holds_dates(column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return False
    text = column.drop_nulls()
    if not len(text) or _moments(text.head(SAMPLE), lenient=True).is_null().mean() == 1:
        return False
    return float(_moments(text).is_not_null().sum()) >= NEARLY_ALL * len(text)


def _counts(column: pl.Series) -> bool:
    """Numbers that could be times; under a name that may mean something else, only whole ones that rise."""
    if not column.dtype.is_numeric() or column.is_null().all():
        return False
    name, values = column.name.lower(), column.drop_nulls().cast(pl.Float64).to_numpy()
    if name not in {"t", "step", "year"}:
        return True
    rise = len(values) < 2 or float((np.diff(values) >= 0).mean()) >= NEARLY_ALL
    whole = bool((values == np.round(values)).all())
    return rise and whole and (name != "year" or bool(values.min() >= 1000 and values.max() <= 3000))


def _moments(column: pl.Series, lenient: bool = False) -> pl.Series:
    """As naive Datetime in microseconds, null where it is no date."""
    if column.dtype.is_temporal():
        zone = getattr(column.dtype, "time_zone", None)
        local = column.cast(pl.Datetime("us", zone)).dt.replace_time_zone(None)
        if zone is None or (local == local.dt.truncate("1d")).all():
            return local  # days are days wherever they are
        return column.cast(pl.Datetime("us", zone)).dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    text = column.cast(pl.String).str.strip_chars()
    for pattern, replacement in SHAPES:
        text = text.str.replace(pattern, replacement)
    plain = _parsed(text, PLAIN)
    if plain.null_count() == text.null_count():
        return plain
    rest = text.set(plain.is_not_null(), None)
    day, month = _parsed(rest, DAY_FIRST), _parsed(rest, MONTH_FIRST)
    if not lenient and day.null_count() == month.null_count() < len(rest) and not (day == month).all():
        raise AmbiguousDatesError(
            f"column {column.name!r} holds dates such as {rest.drop_nulls()[0]!r} in which the day or the month "
            "may come first; write them as YYYY-MM-DD"
        )
    slashed = day if day.null_count() <= month.null_count() else month
    return slashed if slashed.null_count() < plain.null_count() else plain


def _parsed(text: pl.Series, days: tuple[str, ...]) -> pl.Series:
    moments = pl.Series([None] * len(text), dtype=pl.Datetime("us"))
    for form in (day + time for day in days for time in CLOCKS):
        if moments.null_count() == text.null_count():
            break
        rest = text.set(moments.is_not_null(), None)
        moments = moments.zip_with(moments.is_not_null(), _read(rest, form))
    return moments


def _read(text: pl.Series, form: str) -> pl.Series:
    moments = text.str.to_datetime(form, strict=False, time_unit="us")
    return moments.dt.replace_time_zone(None)


def _clock(moments: pl.Series) -> Clock:
    return Clock(
        moments.cast(pl.Int64).fill_null(0).to_numpy().astype(np.int64), moments.is_not_null().to_numpy(), True
    )


def _time_of_day(table: pl.DataFrame, days: Clock) -> NDArray[np.int64] | None:
    """Microseconds (T,) from a column beside days without a clock, where one is called time and holds 12:30 or so."""
    name = next((name for name in table.columns if name.lower() in {"time", "hour", "clock"}), None)
    if name is None or table[name].dtype not in (pl.String, pl.Time) or (days.ticks % 86_400_000_000).any():
        return None
    text = "1970-01-01 " + table[name].cast(pl.String)
    moments = _parsed(text, ("%Y-%m-%d",))
    return None if moments.null_count() else _clock(moments).ticks.astype(np.int64)


def _from_numbers(column: pl.Series) -> Clock:
    """Years, days written as YYYYMMDD, seconds or smaller units since 1970, or a plain count."""
    known = (column.is_not_null() & column.cast(pl.Float64).is_not_nan()).fill_null(False)
    values = column.cast(pl.Float64).fill_nan(None)
    mask = known.to_numpy()
    present = values.drop_nulls()
    if not len(present) or (present != present.round()).any() or (present.abs() >= 2**62).any():
        return Clock(values.fill_null(0).to_numpy(), mask, False)
    whole = column.cast(pl.Int64) if column.dtype.is_integer() else values.cast(pl.Int64)
    whole = whole.fill_null(int(present[0]))
    least, most = int(whole.min()), int(whole.max())  # type: ignore[arg-type]  # whole numbers, and some
    if column.name.lower() == "year" and least >= 1000 and most <= 3000:
        return Clock(_clock(_moments(whole.cast(pl.String))).ticks, mask, True)
    if least >= 10_000_101 and most <= 30_001_231:
        days = whole.cast(pl.String).str.to_datetime("%Y%m%d", strict=False, time_unit="us")
        if not days.null_count():
            return Clock(_clock(days).ticks, mask, True)
    for unit, microseconds in ((10**8, 1_000_000), (10**11, 1000), (10**14, 1)):  # 1973 at the earliest
        if unit <= least and most < unit * 1000:
            return Clock((whole * microseconds).to_numpy(), mask, True)
    if least >= 10**17:
        return Clock((whole // 1000).to_numpy(), mask, True)
    return Clock(values.fill_null(0).to_numpy(), mask, False)
