import hashlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data import Policy, Split, check, read
from training.errors import DataError

SPLIT = Split.of(40, 0.15, 0.15)


DAYS = np.datetime64("2024-02-26") + np.arange(60)


def written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def rows(path: Path, lines: Sequence[tuple[object, ...]], header: str = "day,x") -> Path:
    return written(path, "\n".join([header, *(",".join(map(str, line)) for line in lines)]) + "\n")


def test_a_csv_is_read_in_order_with_its_gaps(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time,x,y\n1,5,0.5\n2,,1.5\n3,NA,-2e3\n")
    result = read([path], ["y", "x"])
    assert result.features == ("y", "x")
    assert (result.name, result.targets) == ("t.csv", 2)
    np.testing.assert_array_equal(result.series[0].values, [[0.5, 5], [1.5, np.nan], [-2000, np.nan]])


def test_parquet_gives_the_same_as_csv(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1, 2, None], "y": [0.5, None, 2.5]})
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    one, other = read([tmp_path / "t.csv"], ["x", "y"]), read([tmp_path / "t.parquet"], ["x", "y"])
    np.testing.assert_array_equal(one.series[0].values, other.series[0].values)


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
        read([path], columns)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read([tmp_path / "none.csv"], ["x"])
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"not parquet")
    with pytest.raises(DataError, match="cannot be read"):
        read([broken], ["x"])


def test_the_split_is_chronological_and_complete() -> None:
    assert Split.of(100, 0.15, 0.2, 0.1) == Split(train=55, validation=70, calibration=80, rows=100)
    assert Split.of(10_000, None, 0.2) == Split(train=6120, validation=7200, calibration=8000, rows=10_000)
    assert Split.of(100, None, 0.2) == Split(train=35, validation=70, calibration=80, rows=100)


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
        check("t", ("x",), values.reshape(-1, 1), SPLIT)


def test_a_short_series_is_refused() -> None:
    with pytest.raises(DataError, match="12 rows are too few"):
        check("t", ("x",), np.arange(12.0).reshape(-1, 1), Split.of(12, 0.15, 0.15))


def test_the_only_column_of_numbers_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "day,x,who\n2024-01-01,5,a\n2024-01-02,6,a\n")
    data = read([path])
    assert data.features == ("x",)
    np.testing.assert_array_equal(data.series[0].times, np.array(["2024-01-01", "2024-01-02"], "datetime64[us]"))


def test_a_choice_of_columns_is_left_to_the_person(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "day,x,y,z\n2024-01-01,5,1,1\n")
    with pytest.raises(DataError, match="choose with --column what to predict; its columns of numbers are x, y, z"):
        read([path])
    assert read([path], exogenous=["x", "z"]).features == ("y", "x", "z")
    with pytest.raises(DataError, match="no column of numbers"):
        read([written(tmp_path / "w.csv", "a,b\nu,v\n")])
    with pytest.raises(DataError, match="twice"):
        read([path], ["x"], ["x"])


def test_exogenous_columns_follow_the_targets(tmp_path: Path) -> None:
    data = read([written(tmp_path / "t.csv", "a,b,c\n1,2,3\n")], ["c"], ["a"])
    assert (data.features, data.targets) == (("c", "a"), 1)
    np.testing.assert_array_equal(data.series[0].values, [[3, 1]])


def test_a_long_table_is_several_series_by_name(tmp_path: Path) -> None:
    path = rows(
        tmp_path / "t.csv",
        [(day, name, k) for k, day in enumerate(DAYS[:6]) for name in ("north", "east")],
        "day,site,x",
    )
    data = read([path])
    assert [series.name for series in data.series] == ["east", "north"]
    assert data.findings == ("t.csv: column 'site' is taken as the name of the series",)
    for series in data.series:
        np.testing.assert_array_equal(series.values[:, 0], range(6))
    assert read([path], series="site").findings == ()


def test_files_are_series_by_their_names(tmp_path: Path) -> None:
    paths = [rows(tmp_path / f"{name}.csv", [(day, 1) for day in DAYS[:4]]) for name in ("b", "a")]
    data = read(paths)
    assert [series.name for series in data.series] == ["a", "b"]
    assert data.name == "b.csv, a.csv"
    assert data.sha256 == hashlib.sha256(paths[0].read_bytes() + paths[1].read_bytes()).hexdigest()


def test_equal_file_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = []
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        paths.append(rows(tmp_path / folder / "x.csv", [(day, 1) for day in DAYS[:4]]))
    assert [series.name for series in read(paths).series] == ["new/x", "old/x"]
    with pytest.raises(DataError, match="two series are called"):
        read([paths[0], paths[0]])


def test_a_long_table_may_stand_among_files(tmp_path: Path) -> None:
    long = rows(tmp_path / "l.csv", [(day, name, 1) for day in DAYS[:4] for name in ("a", "b")], "day,site,x")
    one = rows(tmp_path / "a.csv", [(day, 2) for day in DAYS[:4]])
    folder = tmp_path.name
    assert [series.name for series in read([long, one]).series] == sorted(["b", "l/a", f"{folder}/a"])


def test_files_need_the_same_columns(tmp_path: Path) -> None:
    one, other = rows(tmp_path / "a.csv", [(DAYS[0], 1)]), rows(tmp_path / "b.csv", [(DAYS[0], 1)], "day,z")
    with pytest.raises(DataError, match=r"b.csv: no column 'x'; it has day, z"):
        read([one, other])
    with pytest.raises(DataError, match=r"c.csv: no column of times"):
        read([one, written(tmp_path / "c.csv", "x\n1\n")])


def test_rows_without_a_time_are_left_out_if_they_are_blank(tmp_path: Path) -> None:
    lines: list[tuple[object, ...]] = [(day, 1) for day in DAYS[:4]]
    assert len(read([rows(tmp_path / "t.csv", [*lines, ("", "")])]).series[0].values) == 4
    with pytest.raises(DataError, match="column 'day', row 5: no time"):
        read([rows(tmp_path / "t.csv", [*lines, ("", "7")])])


def test_a_row_without_the_name_of_its_series_is_refused(tmp_path: Path) -> None:
    path = rows(tmp_path / "t.csv", [(DAYS[0], "a", 1), (DAYS[1], "", 2)], "day,site,x")
    with pytest.raises(DataError, match="column 'site', row 2: no name"):
        read([path], series="site")


def test_numbers_that_seem_to_name_series_are_asked_about(tmp_path: Path) -> None:
    path = rows(tmp_path / "t.csv", [(day, store, 0.5) for day in DAYS[:6] for store in (1, 2)], "day,store,x")
    with pytest.raises(DataError, match="--series-column store"):
        read([path], ["x"])
    assert [series.name for series in read([path], series="store").series] == ["1", "2"]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    path = rows(tmp_path / "t.csv", [(day, "" if k in (3, 4, 9) else k) for k, day in enumerate(DAYS)])
    assert read([path]).findings == ("x: 3 values are missing (5%), at most 2 in a row",)


def test_a_last_row_that_alone_lacks_a_value_is_told(tmp_path: Path) -> None:
    path = rows(tmp_path / "t.csv", [*((day, 1) for day in DAYS[:9]), (DAYS[9], "")])
    assert "only the last row lacks a value; it may be cut or not over yet" in read([path]).findings


def test_findings_of_many_series_are_summed(tmp_path: Path) -> None:
    lines = [(day, f"s{n}", n) for n in range(9) for k, day in enumerate(DAYS[:9]) if n > 4 or k != 4]
    findings = read([rows(tmp_path / "t.csv", lines, "day,site,x")], series="site").findings
    assert findings == (
        "5 of 9 series (s0, s1, s2, …): 5 gaps: 5 steps of 1 day without a row, at most 1 in a row; "
        "rows of missing values were put in",
    )


@given(order=st.permutations(range(20)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = read([rows(Path(folder) / "t.csv", [(DAYS[k], k) for k in order])])
    np.testing.assert_array_equal(data.series[0].values[:, 0], range(20))
    assert len(data.findings) == (order != sorted(order))


@given(dropped=st.sets(st.integers(1, 28), max_size=8))
def test_a_row_that_is_not_there_is_a_row_of_missing_values(dropped: set[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = rows(Path(folder) / "t.csv", [(DAYS[k], k) for k in range(30) if k not in dropped])
        series = read([path], policy=Policy()).series[0]
    np.testing.assert_array_equal(series.values[:, 0], [np.nan if k in dropped else k for k in range(30)])
    np.testing.assert_array_equal(series.times, DAYS[:30].astype("datetime64[us]"))


@given(again=st.lists(st.integers(0, 19), max_size=9))
def test_the_last_row_of_a_time_counts(again: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = [(DAYS[k], k) for k in range(20)] + [(DAYS[k], 100 + at) for at, k in enumerate(again)]
        series = read([rows(Path(folder) / "t.csv", lines)]).series[0]
    expected = [float(k) for k in range(20)]
    for at, k in enumerate(again):
        expected[k] = 100.0 + at
    np.testing.assert_array_equal(series.values[:, 0], expected)


def test_large_files_are_read_quickly(tmp_path: Path) -> None:
    times = (np.datetime64("2020-01-01", "us") + np.arange(20_000) * np.timedelta64(1, "h")).astype(str)
    values = np.random.default_rng(0).normal(size=(20_000, 8))
    names = [f"c{k}" for k in range(8)]
    pl.DataFrame({"at": times} | dict(zip(names, values.T, strict=True))).write_csv(tmp_path / "t.csv")
    start = time.perf_counter()
    data = read([tmp_path / "t.csv"], names)
    assert time.perf_counter() - start < 5, "far more than it takes, for a busy machine"
    np.testing.assert_array_equal(data.series[0].values, values)
