"""What is in the files, for a person who is about to fit them: in the terminal, and as a picture."""

import argparse
import shlex
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.arguments import policy
from training.data import Dataset, Policy, Series, dataset
from training.data.files import File, load
from training.data.spacing import Spacing, spacing, text_of
from training.errors import DataError
from training.overview import draw
from training.season import seasons

SHOWN = 10  # series
FEWEST = 10  # changes in which a season is looked for


def inspect(options: argparse.Namespace, console: Console) -> Dataset:
    """Tell what `fit` would read, and write the picture to `options.output`; options: as parsed for `inspect`.

    Without a chosen column, all columns of numbers are looked at.

    Raises:
        DataError: the files cannot be read, or hold no numbers.
    """
    columns, exogenous = options.column or [], options.exogenous or []
    files = load(options.data, columns, exogenous, options.time, options.series, options.header)
    targets = tuple(columns) or tuple(name for name in files[0].roles.numeric if name not in exogenous)
    if not targets:
        raise DataError(f"{files[0].path}: no column of numbers; it has {', '.join(files[0].table.columns)}")
    data = dataset(files, targets, tuple(exogenous), policy(options))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    draw(options.output, data)
    console.print(_columns(files, data), _series(data.series))
    _say(console, "irregular", data.findings or ("nothing",))
    _say(console, "season", [_season(data)])
    _say(console, "picture", [str(options.output)])
    _say(console, "to fit it", [_command(options, files, data)])
    return data


def _say(console: Console, heading: str, lines: Sequence[str]) -> None:
    """Lines under a heading, never broken: they may be copied."""
    console.print(f"\n[bold]{heading}[/bold]")
    for line in lines:
        console.print(f"  {escape(line)}", soft_wrap=True)


def _columns(files: Sequence[File], data: Dataset) -> Table:
    """Every column of the files, with its range over all of them."""
    rows = sum(file.table.height for file in files)
    table = Table(title=f"{escape(data.name[:200])}: {rows} rows", title_justify="left", box=None, pad_edge=False)
    for heading in ("column", "type", "from", "to", "missing", ""):
        table.add_column(heading, justify="right" if heading in ("from", "to", "missing") else "left", overflow="fold")
    for name in dict.fromkeys(name for file in files for name in file.table.columns):
        holders = [file for file in files if name in file.table.columns]
        table.add_row(*map(escape, _column(name, holders, data)))
    return table


def _column(name: str, files: Sequence[File], data: Dataset) -> tuple[str, ...]:
    column = _whole([file.table[name] for file in files])
    roles = files[0].roles
    remark = {roles.time: "time of a row", roles.series: "name of the series"}.get(name, "")
    if name in data.features[data.targets :]:
        remark = "exogenous"
    present = column.drop_nulls()
    present = present.drop_nans() if column.dtype.is_float() else present
    if name == roles.time and roles.clock is not None and len(present):
        ticks = np.concatenate([f.roles.clock.ticks[f.roles.clock.known] for f in files if f.roles.clock is not None])
        low, high = (text_of(tick, roles.clock.dated) for tick in (ticks.min(), ticks.max()))
    else:
        low, high = _text(present.min()), _text(present.max())
    if not len(present) or present.n_unique() == 1:
        remark = "constant" if len(present) else "empty"
    share = f"{1 - len(present) / max(1, len(column)):.1%}" if len(present) < len(column) else "-"
    return (
        name,
        "times" if name == roles.time else _kind(column.dtype),
        low,
        high,
        "<0.1%" if share == "0.0%" else share,
        remark,
    )


def _whole(columns: Sequence[pl.Series]) -> pl.Series:
    """One column of several files; text where the files disagree on its type."""
    if len({column.dtype for column in columns}) == 1:
        return pl.concat(columns)
    to = pl.Float64 if all(column.dtype.is_numeric() for column in columns) else pl.String
    return pl.concat([column.cast(to) for column in columns])


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:24]


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        return "whole numbers" if dtype.is_integer() else "numbers"
    if dtype.is_temporal():
        return "times"
    return "true or false" if dtype == pl.Boolean else "text" if dtype in (pl.String, pl.Categorical) else str(dtype)


def _series(series: Sequence[Series]) -> Table:
    lengths = [len(one.values) for one in series]
    least, most = min(lengths), max(lengths)
    of = f"{least} steps" if least == most else f"{least} to {most} steps"
    title = "\none series" if len(series) == 1 else f"\n{len(series)} series of {of}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("series", "steps", "from", "to", "every"):
        table.add_column(heading, justify="left" if heading in ("series", "every") else "right", overflow="fold")
    for one in series[:SHOWN]:
        first, last = ("-", "-")
        if one.times is not None and len(one.times):
            ticks = one.times.astype(np.int64)
            first, last = text_of(ticks[0], True), text_of(ticks[-1], True)
        every = spaced(one)
        table.add_row(escape(one.name), str(len(one.values)), first, last, str(every) if every else "-")
    if len(series) > SHOWN:
        table.add_row(f"… {len(series) - SHOWN} more")
    return table


def spaced(series: Series) -> Spacing | None:
    """How far the values of a series lie apart; None where its times do not say."""
    found = None if series.times is None else spacing(series.times.astype(np.int64), True)
    return found.spacing if found else None


def _season(data: Dataset) -> str:
    """The seasons of the longest series in words."""
    series = max(data.series, key=lambda one: len(one.values))
    values = series.values[:, : data.targets]
    found = seasons(values[:, moving]) if (moving := _moving(values)).any() else []
    every = spaced(series)
    words = [f"{season} steps{_lasting(every, season)}" for season in found]
    of = f" (of {series.name})" if len(data.series) > 1 and words else ""
    return f"{' and '.join(words)}{of}" if words else "none is visible"


def _moving(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which columns (F,) of values (T, F) do not always change by the same, so that there may be a season."""
    changes = np.diff(values, axis=0)
    moving: NDArray[np.bool_] = (~np.isnan(changes)).sum(axis=0) >= FEWEST
    low, high = np.nanquantile(changes[:, moving], [0.01, 0.99], axis=0) if moving.any() else (0, 0)
    moving[moving] = low < high
    return moving


def _lasting(every: Spacing | None, season: int) -> str:
    if every is None or every.kind in ("plain", "business"):
        return ""
    return f" = {Spacing(every.kind, every.step * season)}"


def _command(options: argparse.Namespace, files: Sequence[File], data: Dataset) -> str:
    """The `fit` that reads the same; all columns that are not constant, if none was chosen."""
    candidates = [name for at, name in enumerate(data.features[: data.targets]) if _varies(data, at)]
    columns = options.column or candidates or list(data.features[:1])
    words = ["python", "-m", "training", "fit", *options.data]
    words += [word for name in columns for word in ("--column", name)]
    words += [word for name in options.exogenous or () for word in ("--exogenous", name)]
    for flag, value in (("--time", options.time), ("--series-column", options.series or files[0].roles.series)):
        words += [flag, value] if value else []
    words += ["--header", options.header] if options.header != "auto" else []
    for field, default in vars(Policy()).items():
        words += [f"--{field}", chosen] if (chosen := getattr(options, field)) != default else []
    return shlex.join(words)


def _varies(data: Dataset, column: int) -> bool:
    return any(
        len(np.unique(values[~np.isnan(values)])) > 1 for values in (one.values[:, column] for one in data.series)
    )
