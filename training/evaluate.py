"""What the network predicts through the serving runtime, and its errors beside the baselines' on the test part."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import Predictor
from training.baselines import ALL, Column, fit_baselines
from training.data import Dataset, Series, Split

NETWORK = "Elman network"
HORIZONS = (1, 8, 24, 48)
ORIGINS = 100
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
DETAILED = 8
"""So many series, the first ones, are judged beside every baseline; further ones beside those that are fast."""

FAST = ("naive", "seasonal naive", "drift", "AR")


@dataclass(frozen=True)
class Score:
    """One-step errors of one method on the test part of one target.

    rmse, mae: raw units. mase: MAE over the naive method's MAE in the training part (Hyndman & Koehler 2006).
    skill: 1 - RMSE / RMSE of naive; above 0 is better than naive.
    """

    method: str
    rmse: float
    mae: float
    mase: float
    skill: float


@dataclass(frozen=True)
class Interval:
    """What was served with the predictions of one target, (T,) each, NaN where there is none.

    lower, upper: raw units, [t] being for truth[t], one step before; level: their coverage; anomaly: p-values of truth.
    """

    level: float
    lower: Column
    upper: Column
    anomaly: Column


@dataclass(frozen=True)
class Judgement:
    """How the network and the baselines do on one target of one series.

    truth: (T,) raw units, NaN = missing. predictions: by method, the network first, (T,), predictions[t] being for
    truth[t], one step before. horizons: by method, RMSE of free-running forecasts at HORIZONS, from up to ORIGINS
    places of the test part. interval: None if the checkpoint has no calibration. coverage: pairs of a nominal level and
    the share of the test part inside of the intervals served at this level.
    """

    name: str
    truth: Column
    split: Split
    predictions: dict[str, Column]
    scores: list[Score]
    horizons: dict[str, dict[int, float]]
    interval: Interval | None
    coverage: list[tuple[float, float]]

    def record(self) -> dict[str, Any]:
        """What the training record keeps of it."""
        return {
            "scores": [asdict(score) for score in self.scores],
            "horizons": {name: {str(h): rmse for h, rmse in errors.items()} for name, errors in self.horizons.items()},
            "coverage": self.coverage,
        }


def evaluate(
    predictor: Predictor, dataset: Dataset, splits: Sequence[Split], names: Collection[str] = ALL
) -> list[Judgement]:
    """Run every series from the zero context as the service would, and judge its test part, target by target."""
    judged = []
    for number, (series, split) in enumerate(zip(dataset.series, splits, strict=True)):
        among = names if number < DETAILED else [name for name in names if name in FAST]
        judged += _judge(predictor, dataset, series, split, among)
    return judged


def one_step(predictor: Predictor, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[Interval]]:
    """Predictions (T, O) for values (T, F), the first being what is predicted of a stream that has seen nothing.

    And by target the intervals around them; none if the predictor knows nothing of its errors.
    """
    start = predictor.zero_context()
    first = predictor.forecast(start, 1)
    observed = predictor.observe(values[None], start)
    predictions: NDArray[np.float64] = np.concatenate((first.path[0], observed.predictions[0, :-1]))
    watch, calibration = observed.watch, predictor.calibration
    if watch is None or calibration is None or first.lower is None or first.upper is None:
        return predictions, []
    lower, upper = np.concatenate((first.lower[0], watch.lower[0])), np.concatenate((first.upper[0], watch.upper[0]))
    return predictions, [
        Interval(calibration.level, lower[:-1, column], upper[:-1, column], watch.anomaly[0, :, column])
        for column in range(predictor.targets)
    ]


def free_running(
    predictor: Predictor, values: NDArray[np.float64], origins: Sequence[int], horizon: int
) -> NDArray[np.float64]:
    """Forecasts (N, horizon, O), row i from values[:origins[i]]; origins rise."""
    contexts, context, before = [], predictor.zero_context(), 0
    for origin in origins:
        context = predictor.observe(values[None, before:origin], context).context
        contexts.append(context)
        before = origin
    return predictor.forecast(np.concatenate(contexts), horizon).path


def origins_of(split: Split, horizon: int) -> list[int]:
    """Up to ORIGINS places of the test part from which so many steps are known, evenly spread."""
    last = split.rows - horizon
    count = min(ORIGINS, last - split.calibration + 1)
    return [int(origin) for origin in np.linspace(split.calibration, last, count)] if count > 0 else []


def _judge(
    predictor: Predictor, dataset: Dataset, series: Series, split: Split, names: Collection[str]
) -> list[Judgement]:
    horizon = max((h for h in HORIZONS if h <= split.rows - split.calibration), default=1)
    origins = origins_of(split, horizon)
    steps, intervals = one_step(predictor, series.values)
    alone = Predictor(predictor.weights, predictor.scaler, "cpu", predictor.targets)  # forecasts need no more, and fast
    paths = free_running(alone, series.values, origins, horizon)
    judged = []
    for column, feature in enumerate(dataset.features[: dataset.targets]):
        truth = series.values[:, column]
        predictions, forecasts = {NETWORK: steps[:, column]}, {NETWORK: paths[:, :, column]}
        for baseline in fit_baselines(truth, split, names):
            predictions[baseline.name] = baseline.predictions(truth)
            forecasts[baseline.name] = baseline.forecasts(truth, np.array(origins), horizon)
        judged.append(
            Judgement(
                feature if len(dataset.series) == 1 else f"{series.name}: {feature}",
                truth,
                split,
                predictions,
                _scores(truth, predictions, split),
                {name: _by_horizon(truth, path, origins) for name, path in forecasts.items()},
                intervals[column] if intervals else None,
                _coverage(intervals[column], split) if intervals else [],
            )
        )
    return judged


def _scores(truth: Column, predictions: dict[str, Column], split: Split) -> list[Score]:
    naive_train = float(np.nanmean(np.abs(np.diff(truth[: split.train]))))
    errors = {name: (predicted - truth)[split.calibration :] for name, predicted in predictions.items()}
    rmse = {name: _rmse(error) for name, error in errors.items()}
    mae = {name: float(np.nanmean(np.abs(error))) for name, error in errors.items()}
    return [
        Score(name, rmse[name], mae[name], mae[name] / naive_train, 1 - rmse[name] / max(rmse["naive"], 1e-300))
        for name in errors
    ]


def _by_horizon(truth: Column, paths: NDArray[np.float64], origins: Sequence[int]) -> dict[int, float]:
    """RMSE at each horizon; one at which nothing could be compared is left out."""
    errors = {h: paths[:, h - 1] - truth[np.array(origins) + h - 1] for h in HORIZONS if h <= paths.shape[1]}
    return {h: _rmse(error) for h, error in errors.items() if not np.isnan(error).all()}


def _coverage(interval: Interval, split: Split) -> list[tuple[float, float]]:
    """A value is inside of the interval at a level if its p-value is at least the rest."""
    p = interval.anomaly[split.calibration :]
    p = p[~np.isnan(p)]
    return [(level, float(np.mean(p >= 1 - level))) for level in LEVELS] if len(p) else []


def _rmse(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.nanmean(errors**2)))
