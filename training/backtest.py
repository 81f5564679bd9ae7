"""Rolling-origin evaluation: train on the past, predict the block that follows, move on, train again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

from rich.markup import escape
from rich.table import Table

from training.data import Dataset, Series, Split
from training.evaluate import Judgement, Score
from training.fit import Tell, silent
from training.loop import Options
from training.train import train

Shares = tuple[float | None, float | None]


def origins(rows: int, folds: int) -> list[int]:
    """Where the blocks begin: the second half of the rows, cut into `folds` blocks (Tashman 2000)."""
    return [rows - (rows - rows // 2) * left // folds for left in range(folds, 0, -1)]


def backtest(
    dataset: Dataset, shares: Shares, folds: int, options: Options, tell: Tell = silent
) -> list[list[Judgement]]:
    """The judgements of every fold; each network has seen nothing from its origin on.

    shares: of the rows of a fold for validation and for calibration, None: as many as by default.

    Raises:
        DataError: a series is too short for so many folds.
        DivergenceError, WorseThanNaiveError: as `fit`.
    """
    return [_fold(dataset, shares, folds, number, options, tell) for number in range(folds)]


def _fold(dataset: Dataset, shares: Shares, folds: int, number: int, options: Options, tell: Tell) -> list[Judgement]:
    series, splits = [], []
    for one in dataset.series:
        begins = [*origins(len(one.values), folds), len(one.values)]
        origin, end = begins[number], begins[number + 1]
        series.append(_until(one, end))
        splits.append(Split.at(origin, end, *shares))
    return train(replace(dataset, series=tuple(series)), splits, options, tell=tell).judgements


def _until(series: Series, end: int) -> Series:
    times = None if series.times is None else series.times[:end]
    return replace(series, values=series.values[:end], times=times)


def record(folds: Sequence[Sequence[Judgement]]) -> dict[str, Any]:
    """As JSON holds it: the origins, and by target and method the RMSE of every fold and the mean skill over naive."""
    return {
        "origins": [fold[0].split.calibration for fold in folds],
        "targets": {
            judged.name: {
                method: {"rmse": [score.rmse for score in scores], "skill": mean(score.skill for score in scores)}
                for method, scores in _by_method([fold[number] for fold in folds]).items()
            }
            for number, judged in enumerate(folds[0])
        },
    }


def tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """One for every target of the record."""
    for target, methods in found["targets"].items():
        table = Table(title=f"{escape(target)}: one-step RMSE after each origin", title_justify="left")
        table.add_column("method")
        for origin in found["origins"]:
            table.add_column(f"from {origin}", justify="right")
        table.add_column("mean skill over naive", justify="right")
        for method, errors in methods.items():
            table.add_row(method, *(f"{rmse:.4g}" for rmse in errors["rmse"]), f"{errors['skill']:+.1%}")
        yield table


def _by_method(judged: Sequence[Judgement]) -> dict[str, list[Score]]:
    """Scores of every fold, by method without what was chosen for it: AR(9) and AR(12) are both AR."""
    return {
        _kind(first.method): [
            next(score for score in each.scores if _kind(score.method) == _kind(first.method)) for each in judged
        ]
        for first in judged[0].scores
    }


def _kind(method: str) -> str:
    return method.partition("(")[0].strip()
