"""Scores as rows of text, for the terminal and for the page, and what many targets come to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log, nan

from training.evaluate import Judgement, Score

DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """A number in words; best: no other method does better in this column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One method and its cells."""

    method: str
    cells: list[Cell]


@dataclass(frozen=True)
class Summary:
    """One target in a line. network, naive, best: RMSE in raw units; best is the baseline with the least, `best_name`.

    The best baseline is known only after the test part was seen: nobody could have chosen it before.
    """

    name: str
    network: float
    naive: float
    best: float
    best_name: str
    skill: float

    @classmethod
    def of(cls, judgement: Judgement) -> "Summary":
        """NaN and a dash for what is not known."""
        network, *baselines = judgement.scores
        naive = next((score.rmse for score in baselines if score.method == "naive"), nan)
        known = [(score.rmse, score.method) for score in baselines if isfinite(score.rmse)]
        best, best_name = min(known, default=(nan, DASH))
        return cls(judgement.name, network.rmse, naive, best, best_name, network.skill)

    @property
    def ratio(self) -> float:
        """RMSE of the network over that of the best baseline: below 1 the network is better; NaN over 0."""
        return self.network / self.best if self.best > 0 else nan

    @property
    def cells(self) -> list[str]:
        """In the order of SUMMARY_HEADINGS."""
        return [
            self.name, number(self.network), number(self.naive), number(self.best), self.best_name,
            percent(self.skill), ratio(self.ratio),
        ]  # fmt: skip


SUMMARY_HEADINGS = ("target", "network", "naive", "best baseline", "which", "skill over naive", "network / best")
TEXT_HEADINGS = ("target", "which")
"""Those over words; numbers stand to the right."""


def number(value: float) -> str:
    """Four digits, or a dash for what is not known."""
    if not isfinite(value):
        return DASH
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def ratio(value: float) -> str:
    """Three places after the point."""
    return f"{value:.3f}" if isfinite(value) else DASH


def percent(value: float) -> str:
    """A share with its sign."""
    return f"{value:+.1%}" if isfinite(value) else DASH


COLUMNS: dict[str, tuple[Callable[[Score], float], Callable[[float], str], bool]] = {
    "RMSE": (lambda score: score.rmse, number, False),
    "MAE": (lambda score: score.mae, number, False),
    "MASE": (lambda score: score.mase, ratio, False),
    "skill over naive": (lambda score: score.skill, percent, True),
}
"""By heading: the value, how it is written, and whether more is better."""


def score_rows(judgement: Judgement) -> list[Row]:
    """One-step errors, methods in their order, cells in that of COLUMNS."""
    columns = [
        _column([value(score) for score in judgement.scores], text, most) for value, text, most in COLUMNS.values()
    ]
    return _rows([score.method for score in judgement.scores], columns)


def horizons_of(judgement: Judgement) -> list[int]:
    """Those at which any method was compared; none where the test part is too short."""
    return sorted({horizon for errors in judgement.horizons.values() for horizon in errors})


def horizon_rows(judgement: Judgement) -> list[Row]:
    """Free-running RMSE, methods in the order of the scores, cells in that of the horizons."""
    methods = [score.method for score in judgement.scores]
    columns = [
        _column([judgement.horizons.get(method, {}).get(horizon, nan) for method in methods], number, False)
        for horizon in horizons_of(judgement)
    ]
    return _rows(methods, columns)


def geometric_mean(summaries: Sequence[Summary]) -> float:
    """Of the ratios above 0 that are known; NaN without any."""
    logs = [log(summary.ratio) for summary in summaries if isfinite(summary.ratio) and summary.ratio > 0]
    return exp(sum(logs) / len(logs)) if logs else nan


def _column(values: Sequence[float], text: Callable[[float], str], most: bool) -> list[Cell]:
    known = [value for value in values if isfinite(value)]
    best = (max if most else min)(known, default=nan)
    return [Cell(text(value), value == best) for value in values]


def _rows(methods: Sequence[str], columns: Sequence[Sequence[Cell]]) -> list[Row]:
    return [Row(method, [column[place] for column in columns]) for place, method in enumerate(methods)]
