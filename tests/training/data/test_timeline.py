from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from training.data.spacing import DAY, spacing
from training.data.timeline import Faults, Policy, mend
from training.errors import DataError

HOUR = DAY // 24
DEFAULT = Policy()


def ticks(moments: Any, unit: str = "D") -> np.ndarray:
    return np.asarray(moments, dtype=f"datetime64[{unit}]").astype("datetime64[us]").astype(np.int64)


def mended(at: np.ndarray, values: Sequence[float], policy: Policy = DEFAULT) -> tuple[np.ndarray, list[float], Faults]:
    times, result, faults = mend("s", at, at.dtype == np.int64, np.array(values)[:, None], policy)
    return times, result[:, 0].tolist(), faults


MONTHS = np.arange("2019-01", "2024-01", dtype="datetime64[M]")
WEEKDAYS = np.array([d for d in np.arange("2024-01-01", "2024-06-01", dtype="datetime64[D]") if np.is_busday(d)])


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (np.arange(9) * HOUR, "1 hour"),
        (np.arange(9) * HOUR // 4, "15 minutes"),
        (np.arange(9) * 7 * DAY, "7 days"),
        (np.arange(9) * 250_000, "250 milliseconds"),
        (ticks(MONTHS), "1 month"),
        (ticks(MONTHS[::3]), "1 quarter"),
        (ticks(MONTHS[::6]), "2 quarters"),
        (ticks(MONTHS[::12]), "1 year"),
        (ticks((MONTHS + 1).astype("datetime64[D]") - 1), "1 month"),
        (ticks(WEEKDAYS), "1 business day"),
        (np.arange(9) * DAY + HOUR * (np.arange(9) > 4), "1 day"),
        (np.arange(90) * 60_000_000 + np.random.default_rng(0).integers(0, 2_000_000, 90), None),
        (np.arange(9.0) / 10, "0.1"),
    ],
    ids=str,
)
def test_a_regular_spacing_has_no_gaps(at: np.ndarray, text: str | None) -> None:
    found = spacing(at, at.dtype == np.int64)
    assert found is not None
    assert text in (None, str(found.spacing))
    assert (found.counts == 1).all()
    assert not found.late


@pytest.mark.parametrize("at", [MONTHS, MONTHS[::3], MONTHS[::12], (MONTHS + 1).astype("datetime64[D]") - 1, WEEKDAYS])
def test_a_gap_in_the_calendar_is_filled_where_it_is(at: np.ndarray) -> None:
    """The dates put in are those of the calendar, too; at the end of a month they may be a day early."""
    whole = ticks(at)
    times, values, faults = mended(np.delete(whole, 2), np.delete(np.arange(len(at)), 2).tolist())
    np.testing.assert_allclose(
        times, whole, atol=3 * DAY if at.dtype == "datetime64[D]" and at[0].item().day > 28 else 0
    )
    assert np.isnan(values[2])
    assert values[3:] == list(range(3, len(at)))
    assert (faults.gaps, faults.skipped, faults.longest) == (1, 1, 1)


def test_gaps_are_filled_closed_or_refused() -> None:
    at = np.array([0, 1, 2, 5, 6]) * HOUR
    times, values, faults = mended(at, [0, 1, 2, 5, 6])
    np.testing.assert_array_equal(times, np.arange(7) * HOUR)
    np.testing.assert_array_equal(values, [0, 1, 2, np.nan, np.nan, 5, 6])
    assert (faults.gaps, faults.skipped, faults.longest) == (1, 2, 2)
    times, values, _ = mended(at, [0, 1, 2, 5, 6], Policy(gaps="close"))
    np.testing.assert_array_equal(times, at)
    assert values == [0, 1, 2, 5, 6]
    with pytest.raises(
        DataError, match="s: 2 steps of 1 hour have no row, the first after 1970-01-01 02:00:00; use --gaps"
    ):
        mended(at, [0, 1, 2, 5, 6], Policy(gaps="refuse"))


def test_gaps_that_are_wider_than_the_data_stay_open() -> None:
    at = np.r_[np.arange(20), 500 + np.arange(20)] * HOUR
    times, _, faults = mended(at, [0.0] * 40)
    assert faults.wide
    assert len(times) == 40


@pytest.mark.parametrize(("choice", "expected"), [("last", 3.0), ("first", 1.0), ("mean", 2.0)])
def test_of_rows_with_one_time_one_stays(choice: Any, expected: float) -> None:
    at = np.array([0, 1, 1, 1, 2, 3]) * HOUR
    times, values, faults = mended(at, [0, 1, np.nan, 3, 4, 5], Policy(duplicates=choice))
    assert values == [0, expected, 4, 5]
    assert len(times) == 4
    assert faults.duplicates == 2


def test_rows_with_one_time_may_be_refused() -> None:
    with pytest.raises(DataError, match="1970-01-01 01:00:00 stands in more than one row; use --duplicates"):
        mended(np.array([0, 1, 1]) * HOUR, [0, 1, 2], Policy(duplicates="refuse"))


def test_rows_are_sorted_or_refused() -> None:
    at = np.array([0, 2, 1, 3]) * HOUR
    _, values, faults = mended(at, [0, 2, 1, 3])
    assert values == [0, 1, 2, 3]
    assert faults.unsorted
    assert not faults.reversed
    assert mended(at[[3, 1, 2, 0]], [3, 2, 1, 0])[2].reversed
    with pytest.raises(DataError, match="row 3 is earlier than the row before it; sort the rows"):
        mended(at, [0, 2, 1, 3], Policy(unsorted="refuse"))


def test_irregular_rows_are_kept_averaged_or_refused() -> None:
    at = np.array([0, 10, 14, 33, 47, 50, 96]) * HOUR  # median step 12 h
    rows = [0.0, 2, 4, 6, 8, 10, 12]
    times, values, faults = mended(at, rows)
    assert faults.irregular
    assert values == rows
    times, values, _ = mended(at, rows, Policy(irregular="resample"))
    np.testing.assert_array_equal(times, np.arange(9) * 12 * HOUR)
    np.testing.assert_array_equal(values, [1, 4, 6, 8, 10, np.nan, np.nan, np.nan, 12])
    with pytest.raises(DataError, match="no regular spacing; use --irregular keep or resample"):
        mended(at, rows, Policy(irregular="refuse"))


def test_a_last_row_off_the_regular_times_is_told() -> None:
    at = np.r_[np.arange(9), 8.4] * HOUR
    _, values, faults = mended(at.astype(np.int64), list(range(10)))
    assert faults.late
    assert values == list(range(10))


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows_have_no_spacing(rows: int) -> None:
    _, values, faults = mended(np.arange(rows) * HOUR, [1.0] * rows)
    assert (values, faults) == ([1.0] * rows, Faults())
