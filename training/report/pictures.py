"""Pictures of a training as PNG files, and the lines that they share with the page."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.baselines import Column
from training.evaluate import Judgement
from training.report.summary import number, percent

INK, PREDICTED, QUIET = "#1f2937", "#e4572e", "#9ca3af"
DRAWN = 6
"""So many targets, the first ones, have a place in the picture."""

PIXELS = 400
"""Columns that a long line is thinned out to."""

FEW = 120
"""Up to so many values are marked one by one."""


def draw_fit(path: Path, title: str, judgements: Sequence[Judgement]) -> None:
    """Per target: the whole series with its split, and below it real against predicted on the test part. PNG."""
    drawn = judgements[:DRAWN]
    rows = max(1, len(drawn))
    figure = Figure(figsize=(10, 5.2 * rows), layout="constrained")
    axes = figure.subplots(2 * rows, 1, squeeze=False)[:, 0]
    for place, judgement in enumerate(drawn):
        whole, detail = axes[2 * place], axes[2 * place + 1]
        draw_series(whole, judgement, 1000)
        whole.set_title(f"{title}: {judgement.name}", loc="left", fontsize=10, pad=16, parse_math=False)
        draw_test(detail, judgement, pixels=1000)
        score = judgement.scores[0]
        heading = f"{score.method} on the test part: RMSE {number(score.rmse)}, skill over naive {percent(score.skill)}"
        detail.set_title(heading, loc="left", fontsize=10, pad=18)
    _save(figure, path)


def draw_sine(
    path: Path, units: int, times: NDArray[np.float64], sine: NDArray[np.float64], predictions: list[float]
) -> None:
    """The tutorial's picture: predictions against the sine. times, sine: (21,); predictions: 20, for sine[1:]. PNG."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.plot(times, sine, color=INK, marker=".", linewidth=1, label="sine")
    axis.plot(times[1:], predictions, color=PREDICTED, marker=".", linewidth=1.4, label="predicted one step before")
    axis.legend(frameon=False, fontsize=8)
    axis.set_title(
        f"Elman network, {units} context units, predicting the next value of a sine", loc="left", fontsize=10
    )
    _save(figure, path)


def draw_series(axis: Axes, judgement: Judgement, pixels: int = PIXELS) -> None:
    """All values, and the three parts behind them."""
    axis.plot(*thin(judgement.truth, pixels=pixels), color=INK, linewidth=0.8)
    split = judgement.split
    for name, start, end, alpha in (
        ("train", 0, split.train, 0.08),
        ("validation", split.train, split.validation, 0.24),
        ("calibration", split.validation, split.calibration, 0.12),
        ("test", split.calibration, split.rows, 0.16),
    ):
        axis.axvspan(start, end, color=PREDICTED if name == "test" else QUIET, alpha=alpha, linewidth=0)
        x, side = (end, "right") if name == "test" else (start, "left")
        if name in ("train", "test") or end - start > 0.12 * split.rows:
            axis.text(x, 1, f" {name} ", ha=side, va="bottom", fontsize=8, transform=axis.get_xaxis_transform())
    axis.margins(x=0.01)


def draw_test(axis: Axes, judgement: Judgement, last: int | None = None, pixels: int = PIXELS) -> None:
    """Real and predicted values of the test part, or of its last rows."""
    begin = judgement.split.calibration
    start = begin if last is None else max(begin, judgement.split.rows - last)
    method = judgement.scores[0].method
    marker = "." if judgement.split.rows - start <= FEW else ""
    real, predicted = judgement.truth[start:], judgement.predictions[method][start:]
    if judgement.interval is not None:
        band = thin_band(judgement.interval.lower[start:], judgement.interval.upper[start:], start, pixels)
        label = f"{judgement.interval.level:.0%} interval"
        axis.fill_between(*band, color=PREDICTED, alpha=0.18, linewidth=0, label=label)
    axis.plot(*thin(real, start, pixels), color=INK, label="real", marker=marker, markersize=4, linewidth=1)
    axis.plot(*thin(predicted, start, pixels), color=PREDICTED, label="predicted one step before", linewidth=1.3)
    axis.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0)
    axis.margins(x=0.01)


def thin(values: Column, start: int = 0, pixels: int = PIXELS) -> tuple[NDArray[np.int64], Column]:
    """The least and the greatest known value of every pixel column, in the order in which they came; short lines whole.

    values: (T,), NaN = missing, the first standing at row `start` -> rows and values, both (min(T, 2 * pixels),).
    """
    if len(values) <= 2 * pixels:
        return np.arange(start, start + len(values)), values
    kept = []
    for rows in np.array_split(np.arange(len(values)), pixels):
        column = values[rows]
        least = rows[np.where(np.isnan(column), np.inf, column).argmin()]
        greatest = rows[np.where(np.isnan(column), -np.inf, column).argmax()]
        kept += sorted((least, greatest))
    chosen = np.array(kept)
    return chosen + start, values[chosen]


def thin_band(
    lower: Column, upper: Column, start: int = 0, pixels: int = PIXELS
) -> tuple[NDArray[np.int64], Column, Column]:
    """The widest of every pixel column: rows, lower and upper bounds, all (min(T, pixels),). lower, upper: (T,)"""
    parts = [rows for rows in np.array_split(np.arange(len(lower)), pixels) if len(rows)]
    rows = np.array([part[0] for part in parts], dtype=np.int64) + start
    return rows, np.array([np.min(lower[part]) for part in parts]), np.array([np.max(upper[part]) for part in parts])


def bare(axis: Axes) -> None:
    """No frame at the top and at the right."""
    axis.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: Path) -> None:
    for axis in figure.axes:
        bare(axis)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)  # names in any script
        figure.savefig(path, dpi=120, format="png", metadata={"Software": None})
