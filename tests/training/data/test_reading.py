import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from training.data.reading import MISSING, Header, frame, numbers, stem
from training.errors import DataError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "a,b\n1,2.5\n3,4.5\n"),
        ("t.csv", "a;b\n1;2.5\n3;4.5\n"),
        ("t.csv", "a;b\n1;2,5\n3;4,5\n"),
        ("t.tsv", "a\tb\n1\t2.5\n3\t4.5\n"),
        ("t.txt", "\ufeff a , b \n 1, 2.5\n 3 ,4.5 \n"),
        ("t.csv", '"a","b"\r\n"1","2.5"\r\n"3","4.5"\r\n'),
    ],
)
def test_a_table_is_read_however_it_is_written(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    table, named = frame(tmp_path / name)
    assert named
    assert table.columns == ["a", "b"]
    np.testing.assert_array_equal(np.column_stack([numbers(tmp_path, table[c]) for c in "ab"]), [[1, 2.5], [3, 4.5]])


def test_quotes_in_names_are_not_doubled(tmp_path: Path) -> None:
    path = tmp_path / "quoted.csv"
    path.write_text('"load ""net"", kW","wind"\n1,2\n3,4\n')
    assert frame(path)[0].columns == ['load "net", kW', "wind"]


def test_compressed_text_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a\n1\n2\n"))
    table, _ = frame(tmp_path / "t.csv.gz")
    assert table["a"].to_list() == [1, 2]
    assert stem(tmp_path / "t.csv.gz") == "t"


@pytest.mark.parametrize(
    ("first", "named"),
    [
        ("1,2", False),
        ("-1e-3,NaN", False),
        ("2024-01-01,NA", False),
        ("2024-01-01T00:00:00Z,", False),
        ("2020Q1,4", False),
        ("x,2", True),
        ("2024 sales,1", True),
        ("a1,b2", True),
    ],
)
def test_a_header_is_recognised(tmp_path: Path, first: str, named: bool) -> None:
    (tmp_path / "t.csv").write_text(f"{first}\n7,8\n")
    table, header = frame(tmp_path / "t.csv")
    assert header is named
    assert table.height == (1 if named else 2)
    assert named or table.columns == ["1", "2"]


@pytest.mark.parametrize(("header", "columns", "rows"), [("yes", ["1990", "1991"], 1), ("no", ["1", "2"], 2)])
def test_what_is_said_of_the_header_counts(tmp_path: Path, header: Header, columns: list[str], rows: int) -> None:
    (tmp_path / "t.csv").write_text("1990,1991\n7,8\n")
    table, _ = frame(tmp_path / "t.csv", header)
    assert (table.columns, table.height) == (columns, rows)


def test_every_mark_for_a_missing_value_is_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"1, {mark}\n2,{mark}\n" for mark in MISSING))
    table, _ = frame(tmp_path / "t.csv")
    assert np.isnan(numbers(tmp_path, table["b"])).all()
    assert table.height == 2 * len(MISSING)


def test_parquet_is_read(tmp_path: Path) -> None:
    pl.DataFrame({"x": [1.5, None, float("nan")]}).write_parquet(tmp_path / "t.pq")
    table, named = frame(tmp_path / "t.pq")
    assert named
    np.testing.assert_array_equal(numbers(tmp_path, table["x"]), [1.5, np.nan, np.nan])


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00\x01,\n\xff"])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as a table"):
        frame(tmp_path / "t.csv")


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a\n1\n" * 99)[:-12])
    with pytest.raises(DataError, match="cannot be read as a table"):
        frame(tmp_path / "t.csv.gz")
