from pathlib import Path

import numpy as np
import polars as pl
import pytest

from training.data import Split, Table, check, read
from training.errors import DataError

SPLIT = Split.of(40, 0.15, 0.15)


def table(values: np.ndarray) -> Table:
    return Table("t.csv", "", ("x",), values.reshape(-1, 1).astype(np.float64))


def test_a_csv_is_read_in_order_with_its_gaps(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time,x,y\n1,5,0.5\n2,,1.5\n3,NA,-2e3\n")
    result = read(path, ["y", "x"])
    assert result.features == ("y", "x")
    np.testing.assert_array_equal(result.values, [[0.5, 5], [1.5, np.nan], [-2000, np.nan]])


def test_parquet_gives_the_same_as_csv(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1, 2, None], "y": [0.5, None, 2.5]})
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    one, other = read(tmp_path / "t.csv", ["x", "y"]), read(tmp_path / "t.parquet", ["x", "y"])
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("content", "columns", "complaint"),
    [
        ("x\n1\n2\n", ["z"], "no column 'z'; it has x"),
        ("x\n1\nwarm\n3\n", ["x"], "column 'x', row 2: 'warm' is not a number"),
        ("x\n1\ninf\n", ["x"], "infinite"),
        ("x\ntrue\nfalse\n", ["x"], "Boolean"),
        ("x,y\n1,2\n", ["x", "x"], "twice"),
        ("", ["x"], "cannot be read"),
        ("x\n1\n2,3,4\n", ["x"], "cannot be read"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, content: str, columns: list[str], complaint: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=complaint):
        read(path, columns)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none.csv", ["x"])
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"not parquet")
    with pytest.raises(DataError, match="cannot be read"):
        read(broken, ["x"])


def test_the_split_is_chronological_and_complete() -> None:
    assert Split.of(100, 0.15, 0.2) == Split(train=65, validation=80, rows=100)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (np.full(40, np.nan), "no value at all in its training part"),
        (np.r_[np.arange(34.0), np.full(6, np.nan)], "no value at all in its test part"),
        (np.full(40, 0.1), "constant in its training part"),
        (np.r_[np.full(28, 7.0), np.arange(12.0)], "constant in its training part"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(values: np.ndarray, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        check(table(values), SPLIT)


def test_a_short_series_is_refused() -> None:
    with pytest.raises(DataError, match="12 rows are too few"):
        check(table(np.arange(12.0)), Split.of(12, 0.15, 0.15))
