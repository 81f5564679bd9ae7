"""Read a table, choose columns, check them, and split them in time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.errors import DataError

MIN_ROWS = 30
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-", "?")


@dataclass(frozen=True)
class Split:
    """Chronological: train is [0, train), validation [train, validation), test [validation, rows)."""

    train: int
    validation: int
    rows: int

    @classmethod
    def of(cls, rows: int, validation_share: float, test_share: float) -> "Split":
        """Cut `rows` values; every part has at least two."""
        test = max(2, round(rows * test_share))
        validation = max(2, round(rows * validation_share))
        return cls(rows - test - validation, rows - test, rows)


@dataclass(frozen=True)
class Table:
    """Chosen columns of one file: values (T, F) in raw units and time order, NaN = missing."""

    name: str
    sha256: str
    features: tuple[str, ...]
    values: NDArray[np.float64]


def read(path: str | Path, columns: Sequence[str]) -> Table:
    """Read columns of a CSV or Parquet file as float64.

    Raises:
        DataError: no such file, unreadable, a column that is missing, holds text or infinity, or is chosen twice.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if len(set(columns)) != len(columns):
        raise DataError("a column was named twice")
    frame = _frame(path)
    if absent := [name for name in columns if name not in frame.columns]:
        raise DataError(f"{path}: no column {absent[0]!r}; it has {', '.join(frame.columns)}")
    values = np.column_stack([_numbers(path, frame[name]) for name in columns])
    return Table(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), tuple(columns), values)


def check(table: Table, split: Split) -> None:
    """Refuse what cannot be learned from.

    Raises:
        DataError: too few rows, or a column that is empty or constant in the training part, or empty in another.
    """
    if split.rows < MIN_ROWS or split.train < MIN_ROWS // 3:
        raise DataError(f"{table.name}: {split.rows} rows are too few; at least {MIN_ROWS} are needed")
    parts = {
        "training": table.values[: split.train],
        "validation": table.values[split.train : split.validation],
        "test": table.values[split.validation :],
    }
    for column, feature in enumerate(table.features):
        for part, values in parts.items():
            if np.isnan(values[:, column]).all():
                raise DataError(f"{table.name}: column {feature!r} has no value at all in its {part} part")
        train = parts["training"][:, column]
        if np.nanstd(train) <= 1e-12 * max(1.0, np.nanmax(np.abs(train))):
            raise DataError(f"{table.name}: column {feature!r} is constant in its training part; nothing to learn")


def _frame(path: Path) -> pl.DataFrame:
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema_length=None, null_values=list(MISSING))
    except (pl.exceptions.PolarsError, OSError, UnicodeError) as error:
        reason = str(error).strip().splitlines()
        raise DataError(f"{path}: cannot be read as a table ({reason[0] if reason else 'empty'})") from None


def _numbers(path: Path, column: pl.Series) -> NDArray[np.float64]:
    if column.dtype == pl.Boolean or column.dtype.is_temporal() or column.dtype.is_nested():
        raise DataError(f"{path}: column {column.name!r} holds {column.dtype}, not numbers")
    numbers = column.cast(pl.Float64, strict=False)
    if (broken := numbers.is_null() & column.is_not_null()).any():
        row = broken.arg_max()
        assert row is not None
        raise DataError(f"{path}: column {column.name!r}, row {row + 1}: {str(column[row])[:40]!r} is not a number")
    if numbers.is_infinite().any():
        raise DataError(f"{path}: column {column.name!r} holds an infinite number")
    values: NDArray[np.float64] = numbers.fill_null(float("nan")).to_numpy().astype(np.float64)
    return values
