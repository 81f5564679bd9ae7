"""Files to frames: Parquet, and CSV with its separators, with a header line or without."""

import csv
import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.errors import DataError

Header = Literal["auto", "yes", "no"]

MISSING = (
    *("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-", "?"),
    *("na", "n/a", "NAN", "Null", "none", "NaT", "#N/A", "<NA>"),
)
HEAD = 1 << 16  # bytes that are looked at to learn how a CSV file is written
LIKE_A_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?([T ].*)?|\d{4}-?Q[1-4]")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    separator: str
    decimal_comma: bool
    header: bool


def frame(path: Path, header: Header = "auto") -> tuple[pl.DataFrame, bool]:
    """The table in a file, and whether the file itself names its columns; otherwise they are "1", "2", ….

    Raises:
        DataError: no such file, or nothing that can be read as a table.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pl.read_parquet(path, glob=False), True
        dialect = _dialect(path, header)
        table = pl.read_csv(
            path,
            separator=dialect.separator,
            decimal_comma=dialect.decimal_comma,
            has_header=dialect.header,
            infer_schema_length=None,
            null_values=list(MISSING),
            glob=False,  # brackets in a file name are brackets
        )
    except (pl.exceptions.PolarsError, OSError, EOFError, UnicodeError, csv.Error) as error:
        reason = str(error).strip().splitlines()
        raise DataError(f"{path}: cannot be read as a table ({reason[0] if reason else 'empty'})") from None
    if dialect.header:
        names = [name.replace('""', '"').strip() for name in table.columns]  # polars leaves them doubled
    else:
        names = list(map(str, range(1, table.width + 1)))
    if len(set(names)) == len(names):
        table.columns = names
    return table.with_columns(_without_blanks(column) for column in table.get_columns()), dialect.header


def numbers(path: Path, column: pl.Series) -> NDArray[np.float64]:
    """A column as float64 (T,), NaN = missing.

    Raises:
        DataError: text, infinity, or a type that is not a number.
    """
    if column.dtype == pl.Boolean or column.dtype.is_temporal() or column.dtype.is_nested():
        raise DataError(f"{path}: column {column.name!r} holds {column.dtype}, not numbers")
    cast = column.cast(pl.Float64, strict=False)
    if (broken := cast.is_null() & column.is_not_null()).any():
        row = broken.arg_max()
        assert row is not None
        raise DataError(f"{path}: column {column.name!r}, row {row + 1}: {str(column[row])[:40]!r} is not a number")
    if cast.is_infinite().any():
        raise DataError(f"{path}: column {column.name!r} holds an infinite number")
    values: NDArray[np.float64] = cast.fill_null(float("nan")).to_numpy().astype(np.float64)
    return values


def stem(path: Path) -> str:
    """The name of a file without its ending, nor that of its compression."""
    return Path(path.name.removesuffix(".gz")).stem


def _dialect(path: Path, header: Header) -> Dialect:
    lines = _head(path)
    for separator in ("\t", ";", ","):
        rows = list(csv.reader(lines, delimiter=separator))
        if rows and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1:
            break
    else:
        separator, rows = ",", [[line.strip().strip('"')] for line in lines]
    comma = separator != "," and any(re.fullmatch(r"\s*-?\d+,\d+\s*", field) for row in rows for field in row)
    named = not (rows and all(_is_datum(field) for field in rows[0]))
    return Dialect(separator, comma, named if header == "auto" else header == "yes")


def _head(path: Path) -> list[str]:
    """Its first lines, at most 50, none of them blank or cut."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        data: bytes = file.read(HEAD)
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    if len(data) == HEAD:
        lines = lines[:-1]
    return [line for line in lines if line.strip()][:50]


def _is_datum(field: str) -> bool:
    """A number, a date or a mark for a missing value."""
    field = field.strip()
    if field in MISSING or LIKE_A_DATE.fullmatch(field):
        return True
    try:
        float(field.replace(",", "."))
    except ValueError:
        return False
    return "_" not in field


def _without_blanks(column: pl.Series) -> pl.Series:
    """Text stripped of blanks around it; numbers where nothing but blanks had kept them text."""
    if column.dtype != pl.String or column.is_null().all():
        return column
    text = column.str.strip_chars()
    text = text.set(text.is_in(list(MISSING)), None)
    cast = text.cast(pl.Float64, strict=False)
    return text if (cast.is_null() & text.is_not_null()).any() or cast.is_null().all() else cast
