"""Files as tables, what their columns are, and the series that stand in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.data.clock import Ticks
from training.data.columns import Roles, roles
from training.data.reading import Header, frame, numbers, stem
from training.errors import DataError


@dataclass(frozen=True)
class File:
    """One file as a table, and what its columns are; named: whether its first line names them."""

    path: Path
    table: pl.DataFrame
    named: bool
    roles: Roles


@dataclass
class Part:
    """The rows of one series as they stand in a file; ticks: None where there are no times."""

    name: str
    path: Path
    of_file: bool  # the whole file is this series
    ticks: Ticks | None
    dated: bool
    values: NDArray[np.float64]


def load(
    paths: Sequence[str | Path],
    columns: Sequence[str] = (),
    exogenous: Sequence[str] = (),
    time: str | None = None,
    series: str | None = None,
    header: Header = "auto",
) -> list[File]:
    """Read the files and recognise their columns; arguments as of `training.data.read`.

    Raises:
        DataError: no such file, a column that is missing or chosen twice, times that cannot be read.
    """
    asked = [*columns, *exogenous, *(name for name in (time, series) if name is not None)]
    if len(set(asked)) != len(asked):
        raise DataError("a column was named twice")
    files = []
    for path in map(Path, paths):
        table, named = frame(path, header)
        _require(path, table, asked)
        files.append(File(path, table, named, roles(path, table, [*columns, *exogenous], time, series)))
    if not files:
        raise DataError("no file was named")
    for file in files:
        if (file.roles.clock is None) != (files[0].roles.clock is None):
            with_times, without = (files[0], file) if file.roles.clock is None else (file, files[0])
            raise DataError(f"{without.path}: no column of times, but {with_times.path} has one")
    return files


def only(file: File, exogenous: Sequence[str]) -> tuple[str, ...]:
    """The one column of numbers that there is to predict.

    Raises:
        DataError: there is none, or a choice.
    """
    candidates = [name for name in file.roles.numeric if name not in exogenous]
    if len(candidates) == 1:
        return (candidates[0],)
    if candidates:
        raise DataError(
            f"{file.path}: choose with --column what to predict; its columns of numbers are {', '.join(candidates)}"
        )
    raise DataError(f"{file.path}: no column of numbers to predict; it has {', '.join(file.table.columns)}")


def notes(file: File) -> tuple[str, ...]:
    """What was recognised in a file, one line each for a person."""
    if file.named:
        return file.roles.notes
    last = f" to {file.table.width}" if file.table.width > 1 else ""
    return (f"{file.path.name}: no header line; the columns are called 1{last}", *file.roles.notes)


def parts(files: Sequence[File], features: Sequence[str]) -> list[Part]:
    """The series of all files, sorted by name.

    Raises:
        DataError: a column that is missing or holds text or infinity, a row without a time or the name of its series.
    """
    found = [part for file in files for part in _parts(file, features)]
    _name_apart(found)
    return sorted(found, key=lambda part: part.name)


def _parts(file: File, features: Sequence[str]) -> list[Part]:
    """The series of one file, rows in its order; rows without time and values are left out."""
    table, clock = file.table, file.roles.clock
    _require(file.path, table, features)
    values = np.column_stack([numbers(file.path, table[name]) for name in features])
    rows = np.arange(len(values))
    if clock is not None and not clock.known.all():
        if (blank := ~clock.known & ~np.isnan(values).all(axis=1)).any():
            raise DataError(f"{file.path}: column {file.roles.time!r}, row {np.argmax(blank) + 1}: no time")
        rows = rows[clock.known]
    ticks = clock.ticks if clock is not None else None
    dated = clock is not None and clock.dated
    groups = [(stem(file.path), rows)]
    if file.roles.series is not None:
        groups = _groups(file.path, table[file.roles.series], rows)
    of_file = file.roles.series is None
    return [
        Part(name, file.path, of_file, ticks[here] if ticks is not None else None, dated, values[here])
        for name, here in groups
    ]


def _groups(path: Path, column: pl.Series, rows: NDArray[np.int64]) -> list[tuple[str, NDArray[np.int64]]]:
    """Rows by series."""
    text = column.cast(pl.String)
    if text.has_nulls() and (nameless := text.is_null().to_numpy()[rows]).any():
        raise DataError(f"{path}: column {column.name!r}, row {rows[np.argmax(nameless)] + 1}: no name of a series")
    names, codes = np.unique(text.fill_null("").to_numpy().astype(str)[rows], return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order])) + 1
    return [(str(name), rows[here]) for name, here in zip(names, np.split(order, starts), strict=True)]


def _name_apart(parts: list[Part]) -> None:
    """Put the folder in front of equal file names, and the file in front of equal series of several files."""
    times = Counter(part.name for part in parts)
    for part in parts:
        if times[part.name] > 1:
            part.name = f"{part.path.resolve().parent.name if part.of_file else stem(part.path)}/{part.name}"
    name, count = Counter(part.name for part in parts).most_common(1)[0]
    if count > 1:
        raise DataError(f"two series are called {name!r}; rename a file, or name each file once")


def _require(path: Path, table: pl.DataFrame, names: Sequence[str]) -> None:
    if absent := [name for name in names if name not in table.columns]:
        raise DataError(f"{path}: no column {absent[0]!r}; it has {', '.join(table.columns)}")
