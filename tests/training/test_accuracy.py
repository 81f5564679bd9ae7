from pathlib import Path

import numpy as np
import pytest

from tests.training.examples import autoregression, logistic
from training import accuracy
from training.accuracy import STEP, Known, Outcome, as_table, cases, outcome, summary
from training.errors import DataError

BARS = {"RMSE": (2.0, 1.0), "skill": (0.1, 0.2), "NRMSE": (0.9, 0.5), "MSE": (0.9, 0.5), f"NRMSE at {STEP}": (2.0, 1.0)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One table with two columns of numbers, and one that is known."""
    rows = np.concatenate((autoregression(120), logistic(120)), axis=1)
    (tmp_path / "a.csv").write_text("x,y\n" + "\n".join(f"{x},{y}" for x, y in rows) + "\n")
    known = autoregression(500, seed=2)[:, 0]
    (tmp_path / "b.csv").write_text("z,other\n" + "\n".join(f"{z},1" for z in known) + "\n")
    (tmp_path / "notes.md").write_text("no data")
    monkeypatch.setitem(accuracy.KNOWN, "b.csv", (Known(("z",), 320, 420, BARS),))
    return tmp_path


def test_every_column_of_numbers_is_a_case_and_what_is_known_is_cut_as_usual(folder: Path) -> None:
    found = cases(folder)
    assert [case.name for case in found] == ["a: x", "a: y", "b: z"]
    assert [(case.split.calibration, case.split.rows) for case in found] == [(96, 120), (96, 120), (320, 420)]
    assert [dict(case.bars) for case in found] == [{}, {}, BARS]


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.csv"):
        cases(tmp_path)


def test_an_outcome_sets_the_network_beside_what_is_free(folder: Path) -> None:
    found = cases(folder)
    outcomes = [[outcome((case, 0))] for case in found]
    for (one,) in outcomes:
        assert 0 < one.to_naive < 1
        assert one.to_naive <= one.to_best
    measures = outcomes[2][0].measures
    assert set(measures) == set(BARS)
    assert measures["skill"] == pytest.approx(1 - outcomes[2][0].to_naive)
    test = found[2].dataset.series[0].values[320:]
    assert measures["NRMSE"] == pytest.approx(measures["RMSE"] / test.std())
    assert measures["MSE"] == pytest.approx((measures["RMSE"] / found[2].dataset.series[0].values.std()) ** 2)
    assert measures[f"NRMSE at {STEP}"] > measures["NRMSE"]

    report = summary(found, outcomes)
    assert [row["series"] for row in report["series"]] == ["a: x", "a: y", "b: z"]
    assert report["worst_to_naive"] == max(one.to_naive for (one,) in outcomes)
    assert as_table(report).row_count == 2 + len(BARS) + 2


def test_a_summary_is_of_medians_over_the_seeds(folder: Path) -> None:
    found = cases(folder)[:2]
    some = [Outcome("linear", 0.9, 0.8, {}), Outcome("network", 0.7, 1.2, {}), Outcome("linear", 0.8, 1.0, {})]
    report = summary(found, [some, [Outcome("persistence", 1.0, 4.0, {})]])
    assert report["series"][0] == {
        "series": "a: x",
        "kept": {"linear": 2, "network": 1},
        "to_naive": 0.8,
        "to_best": 1.0,
        "measures": {},
    }
    assert report["geometric_mean_to_best"] == pytest.approx(2.0)
    assert report["worst_to_naive"] == 1.0
