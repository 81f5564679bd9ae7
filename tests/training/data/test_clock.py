from pathlib import Path

import numpy as np
import polars as pl
import pytest

from training.data.clock import clock, recognised
from training.errors import DataError

PATH = Path("t.csv")


def times(column: list[object], name: str = "at") -> list[str]:
    found = clock(PATH, pl.DataFrame({name: column}), name)
    assert found.dated
    return [str(moment) for moment in found.ticks.astype("datetime64[us]").astype("datetime64[s]")]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-03-01", "2024-03-01T00:00:00"),
        ("2024-3-1", "2024-03-01T00:00:00"),
        ("2024/03/01", "2024-03-01T00:00:00"),
        ("2024-03", "2024-03-01T00:00:00"),
        ("1749", "1749-01-01T00:00:00"),
        ("2024-Q2", "2024-04-01T00:00:00"),
        ("01.03.2024 05:06", "2024-03-01T05:06:00"),
        ("1 Mar 2024", "2024-03-01T00:00:00"),
        ("Mar 1, 2024", "2024-03-01T00:00:00"),
        ("2024-03-01 05:06", "2024-03-01T05:06:00"),
        ("2024-03-01 05:06:07", "2024-03-01T05:06:07"),
        ("2024-03-01T05:06:07.250", "2024-03-01T05:06:07"),
        ("2024-03-01T05:06:07Z", "2024-03-01T05:06:07"),
        ("2024-03-01 05:06:07 UTC", "2024-03-01T05:06:07"),
        ("2024-03-01T05:06:07+02:00", "2024-03-01T03:06:07"),
        ("2024-03-01 05:06 -0130", "2024-03-01T06:36:00"),
        ("25/03/2024", "2024-03-25T00:00:00"),
        ("03/25/2024 05:06", "2024-03-25T05:06:00"),
    ],
)
def test_common_ways_to_write_a_time(text: str, moment: str) -> None:
    assert times([text]) == [moment]
    assert recognised(PATH, pl.DataFrame({"x": [1], "at": [text]}), frozenset())[0] == "at"


@pytest.mark.parametrize(
    ("name", "number", "moment"),
    [
        ("year", 1999, "1999-01-01T00:00:00"),
        ("date", 20240301, "2024-03-01T00:00:00"),
        ("ds", 1_700_000_000, "2023-11-14T22:13:20"),
        ("time", 1_700_000_000_000, "2023-11-14T22:13:20"),
        ("time", 1_700_000_000_000_000, "2023-11-14T22:13:20"),
        ("time", 1_700_000_000_000_000_000, "2023-11-14T22:13:20"),
    ],
)
def test_numbers_that_are_times(name: str, number: int, moment: str) -> None:
    assert times([number], name) == [moment]
    assert recognised(PATH, pl.DataFrame({"x": [1], name: [number]}), frozenset())[0] == name


def test_a_date_without_a_clock_among_times_is_midnight() -> None:
    assert times(["2024-03-01", "2024-03-01 01:00:00"]) == ["2024-03-01T00:00:00", "2024-03-01T01:00:00"]


def test_dates_and_times_of_day_in_two_columns_belong_together() -> None:
    table = pl.DataFrame({"date": ["2024-03-01", "2024-03-01"], "time": ["00:00", "12:30"]})
    assert np.diff(clock(PATH, table, "date").ticks) == 12.5 * 3.6e9


def test_temporal_columns_are_times() -> None:
    moments = pl.Series(["2024-03-01 05:00"]).str.to_datetime("%Y-%m-%d %H:%M")
    assert times(moments.to_list()) == ["2024-03-01T05:00:00"]
    table = pl.DataFrame({"a": ["2024-01-01"], "at": moments.dt.replace_time_zone("Europe/Berlin")})
    assert recognised(PATH, table, frozenset()) == ("at", ())
    assert str(clock(PATH, table, "at").ticks.astype("datetime64[us]")[0]) == "2024-03-01T04:00:00.000000"


def test_days_of_a_zone_stay_days() -> None:
    days = pl.Series(["2024-03-30", "2024-03-31", "2024-04-01"]).str.to_datetime("%Y-%m-%d", time_zone="Europe/Berlin")
    assert times(days.to_list())[1:] == ["2024-03-31T00:00:00", "2024-04-01T00:00:00"]


@pytest.mark.parametrize("column", [[True], [[1]], [float("inf")]])
def test_what_can_be_no_time_is_refused(column: list[object]) -> None:
    with pytest.raises(DataError, match="column 'at' holds"):
        clock(PATH, pl.DataFrame({"at": column}), "at")


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Datetime, pl.String])
def test_an_empty_column_is_no_time(dtype: type[pl.DataType]) -> None:
    table = pl.DataFrame({"time": pl.Series([None, None], dtype=dtype), "x": [1, 2]})
    assert recognised(PATH, table, frozenset()) == (None, ())


def test_numbers_beyond_all_times_are_a_plain_count() -> None:
    assert not clock(PATH, pl.DataFrame({"time": pl.Series([2**63 + 1], dtype=pl.UInt64)}), "time").dated


def test_a_plain_count_orders_but_has_no_dates() -> None:
    found = clock(PATH, pl.DataFrame({"time": [0.5, None, 1.5]}), "time")
    assert not found.dated
    assert found.known.tolist() == [True, False, True]


def test_a_broken_date_is_named() -> None:
    table = pl.DataFrame({"at": [f"2024-01-{day:02}" for day in range(1, 31)] + ["Total"]})
    assert recognised(PATH, table, frozenset())[0] == "at"
    with pytest.raises(DataError, match=r"t.csv: column 'at', row 31: 'Total' is not a date or time"):
        clock(PATH, table, "at")


def test_dates_that_can_be_read_in_two_ways_are_no_times() -> None:
    table = pl.DataFrame({"at": ["01/02/2024", "02/02/2024"]})
    name, notes = recognised(PATH, table, frozenset())
    assert name is None
    assert "the day or the month may come first" in notes[0]
    with pytest.raises(DataError, match="write them as YYYY-MM-DD"):
        clock(PATH, table, "at")
    assert times(["01/02/2024", "13/02/2024"]) == ["2024-02-01T00:00:00", "2024-02-13T00:00:00"]
    assert times(["01/01/2024", "02/02/2024"])[1] == "2024-02-02T00:00:00"


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("who", ["a", "b"]),
        ("x", [1_700_000_000, 1_700_000_001]),
        ("year", [7, 8]),
        ("year", [2000, 1999]),
        ("T", [3, 1]),
        ("t", [0.5, 1.5]),
        ("note", [None, None]),
    ],
)
def test_other_columns_are_no_times(name: str, column: list[object]) -> None:
    assert recognised(PATH, pl.DataFrame({name: column}), frozenset()) == (None, ())


def test_a_chosen_column_is_no_time() -> None:
    assert recognised(PATH, pl.DataFrame({"year": [1999, 2000]}), frozenset({"year"})) == (None, ())
