"""The picture of `inspect`: what the series look like, where values are missing, how they are distributed."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draws into files; no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from numpy.typing import NDArray

from training.data import Dataset, Series
from training.data.spacing import spacing
from training.report.pictures import INK, PREDICTED, QUIET

ROWS = 8
GAP = 2  # so many values missing in a row are shaded; every one is marked


def draw(path: Path, data: Dataset) -> None:
    """Per series and column, at most ROWS of them: values over time, and their histogram beside it."""
    pairs = [(one, column) for one in data.series for column in range(len(data.features))]
    rows = min(len(pairs), ROWS)
    figure, axes = plt.subplots(
        rows, 2, figsize=(11, 1.9 * rows + 0.9), squeeze=False, width_ratios=(5, 1), layout="constrained"
    )
    for (one, column), (line, histogram) in zip(pairs, axes, strict=False):
        feature = data.features[column]
        line.set_title(f"{one.name}: {feature}" if len(data.series) > 1 else feature, loc="left", fontsize=10)
        _line(line, one, column)
        _histogram(histogram, one.values[:, column])
        histogram.set_ylim(line.get_ylim())
    figure.suptitle(_title(data, len(pairs)), x=0.01, ha="left", fontsize=11)
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def gaps(series: Series, column: int) -> list[tuple[float, float]]:
    """Where values are missing in a row or times are skipped: (start, width) on the axis of `positions`."""
    x, gone = positions(series), np.isnan(series.values[:, column])
    ends = np.flatnonzero(np.diff(np.r_[False, gone, False].astype(np.int8)))
    runs = [(max(0, start - 1), min(end, len(x) - 1)) for start, end in zip(ends[::2], ends[1::2], strict=True)]
    shaded = [(float(x[a]), float(x[b] - x[a])) for a, b in runs if b - a > GAP]
    steps = None if series.times is None else spacing(series.times.astype(np.int64), True)
    if steps is None:
        return shaded
    return shaded + [(float(x[row]), float(x[row + 1] - x[row])) for row in np.flatnonzero(steps.counts > 1)]


def positions(series: Series) -> NDArray[np.float64]:
    """Places (T,) of the values on the horizontal axis: days as matplotlib counts them, or steps."""
    if series.times is None:
        return np.arange(float(len(series.values)))
    return np.asarray(date2num(series.times), dtype=np.float64)  # type: ignore[no-untyped-call]


def _title(data: Dataset, pairs: int) -> str:
    name = data.name if len(data.name) <= 80 else f"{data.name[:79]}…"
    return f"{name}, the first {ROWS} of {pairs}" if pairs > ROWS else name


def _line(axis: Axes, series: Series, column: int) -> None:
    x, y = positions(series), series.values[:, column]
    width, marker = (0.8, ".") if len(y) <= 200 else (0.8, "") if len(y) <= 4000 else (0.4, "")
    axis.plot(x, y, color=INK, linewidth=width, marker=marker, markersize=3)
    axis.broken_barh(
        gaps(series, column), (0, 1), transform=axis.get_xaxis_transform(), color=PREDICTED, alpha=0.18, linewidth=0
    )
    gone = x[np.isnan(y)]
    axis.plot(gone, np.full(len(gone), 0.02), "|", color=PREDICTED, markersize=5, transform=axis.get_xaxis_transform())
    axis.margins(x=0.01)
    if series.times is not None:
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _histogram(axis: Axes, values: NDArray[np.float64]) -> None:
    """Lying, so that its values are those of the line beside it."""
    present = values[~np.isnan(values)]
    if len(present):
        axis.hist(present, bins=min(40, max(5, len(present) // 10)), orientation="horizontal", color=QUIET)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines["bottom"].set_visible(False)
