"""One-step predictions through the serving runtime, and their errors beside the baselines' on the test part."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import Predictor
from training.baselines import Column, all_baselines
from training.data import Split, Table


@dataclass(frozen=True)
class Score:
    """Errors of one method on the test part of one feature.

    rmse, mae: raw units. mase: MAE over the naive method's MAE in the training part (Hyndman & Koehler 2006).
    skill: 1 - RMSE / RMSE of naive; above 0 is better than naive.
    """

    method: str
    rmse: float
    mae: float
    mase: float
    skill: float


@dataclass(frozen=True)
class Evaluation:
    """Predictions (T, F) of the network in raw units, predictions[t] being for values[t], and scores by feature."""

    predictions: NDArray[np.float64]
    scores: dict[str, list[Score]]


def evaluate(predictor: Predictor, table: Table, split: Split) -> Evaluation:
    """Run the whole series from the zero context as the service would, and score the test part."""
    outputs, _ = predictor.observe(table.values[None, :-1], predictor.zero_context())
    predictions = np.concatenate([np.full((1, len(table.features)), np.nan), outputs[0]])  # (T, F)
    scores = {}
    for column, feature in enumerate(table.features):
        truth = table.values[:, column]
        methods = [("Elman network", predictions[:, column])]
        methods += [(baseline.name, baseline.predictions) for baseline in all_baselines(truth, split)]
        scores[feature] = _scores(truth, methods, split)
    return Evaluation(predictions, scores)


def _scores(truth: Column, methods: list[tuple[str, Column]], split: Split) -> list[Score]:
    naive_train = float(np.nanmean(np.abs(np.diff(truth[: split.train]))))
    errors = {name: (predictions - truth)[split.validation :] for name, predictions in methods}
    rmse = {name: float(np.sqrt(np.nanmean(error**2))) for name, error in errors.items()}
    mae = {name: float(np.nanmean(np.abs(error))) for name, error in errors.items()}
    return [
        Score(name, rmse[name], mae[name], mae[name] / naive_train, 1 - rmse[name] / max(rmse["naive"], 1e-300))
        for name in errors
    ]
