"""What training tells a person: a table in the terminal, a JSON file and a picture."""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # draws into files; no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as RichTable

from training.data import Split, Table
from training.evaluate import Evaluation

REAL, PREDICTED, QUIET = "#1f2937", "#e4572e", "#9ca3af"


def print_scores(evaluation: Evaluation, console: Console) -> None:
    """One table per feature: the network beside the baselines, errors on the test part."""
    for feature, scores in evaluation.scores.items():
        table = RichTable(title=f"{feature}: one-step errors on the test part", title_justify="left")
        table.add_column("method")
        for heading in ("RMSE", "MAE", "MASE", "skill over naive"):
            table.add_column(heading, justify="right")
        for score in scores:
            table.add_row(
                score.method, f"{score.rmse:.4g}", f"{score.mae:.4g}", f"{score.mase:.3f}", f"{score.skill:+.1%}"
            )
        console.print(table)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """The training record, as it also stands in the checkpoint."""
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def draw_fit(path: Path, table: Table, split: Split, evaluation: Evaluation) -> None:
    """Per feature: the whole series with its split, and below it real against predicted on the test part."""
    rows = len(table.features)
    figure, axes = plt.subplots(2 * rows, 1, figsize=(10, 5.2 * rows), squeeze=False, layout="constrained")
    test = np.arange(split.validation, split.rows)
    for column, feature in enumerate(table.features):
        whole, detail = axes[2 * column, 0], axes[2 * column + 1, 0]
        real, predicted = table.values[:, column], evaluation.predictions[:, column]
        whole.plot(real, color=REAL, linewidth=0.8)
        for name, start, end in (
            ("train", 0, split.train),
            ("validation", split.train, split.validation),
            ("test", split.validation, split.rows),
        ):
            whole.axvspan(
                start,
                end,
                color=PREDICTED if name == "test" else QUIET,
                alpha=0.06 if name == "train" else 0.16,
                linewidth=0,
            )
            whole.annotate(f" {name}", (start, 1), xycoords=("data", "axes fraction"), va="top", fontsize=8)
        whole.set_title(f"{table.name}: {feature}", loc="left", fontsize=10)
        score = evaluation.scores[feature][0]
        detail.plot(test, real[test], color=REAL, label="real", marker=".", markersize=4, linewidth=1)
        detail.plot(test, predicted[test], color=PREDICTED, label="predicted one step before", linewidth=1.4)
        detail.set_title(
            f"{score.method} on the test part: RMSE {score.rmse:.4g}, skill over naive {score.skill:+.1%}",
            loc="left",
            fontsize=10,
        )
        detail.legend(frameon=False, fontsize=8)
    _finish(figure, path)


def draw_sine(path: Path, times: NDArray[np.float64], sine: NDArray[np.float64], predictions: list[float]) -> None:
    """The tutorial's picture: predictions against the sine. times, sine: (21,); predictions: 20, for sine[1:]."""
    figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
    axis.plot(times, sine, color=REAL, marker=".", linewidth=1, label="sine")
    axis.plot(times[1:], predictions, color=PREDICTED, marker=".", linewidth=1.4, label="predicted one step before")
    axis.legend(frameon=False, fontsize=8)
    axis.set_title("Elman network, 6 context units, predicting the next value of a sine", loc="left", fontsize=10)
    _finish(figure, path)


def _finish(figure: Any, path: Path) -> None:
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.01)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)
