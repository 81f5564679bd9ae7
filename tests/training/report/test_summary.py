from dataclasses import replace
from math import nan

import pytest

from tests.training.report.judgements import judgement, walk
from training.report.summary import Summary, geometric_mean, horizons_of, number, score_rows

JUDGED = judgement(walk(300))


def test_the_best_baseline_is_named() -> None:
    summary = Summary.of(JUDGED)
    baselines = JUDGED.scores[1:]
    assert summary.best == min(score.rmse for score in baselines)
    assert summary.best_name in {score.method for score in baselines}
    assert summary.ratio == pytest.approx(summary.network / summary.best)


def test_exactly_the_best_cells_are_marked() -> None:
    rows = score_rows(JUDGED)
    least = min(score.mae for score in JUDGED.scores)
    marked = [row.method for row in rows if row.cells[1].best]
    assert marked == [score.method for score in JUDGED.scores if score.mae == least]


def test_the_geometric_mean_leaves_out_what_is_not_known() -> None:
    summary = Summary.of(JUDGED)
    half, double, unknown = (replace(summary, network=times * summary.best) for times in (0.5, 2.0, nan))
    assert geometric_mean([half, double, unknown]) == pytest.approx(1.0)


def test_numbers_are_short() -> None:
    assert [number(value) for value in (1234.567, 12345.678, 0.00012345, nan)] == ["1235", "12346", "0.0001234", "–"]  # noqa: RUF001


def test_horizons_are_those_of_any_method() -> None:
    assert horizons_of(JUDGED) == [1, 8, 24]
