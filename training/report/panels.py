"""The drawings of one target on the page: what each shows, in words and in lines."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from training.baselines import Column
from training.evaluate import Judgement
from training.report.pictures import INK, PREDICTED, QUIET, draw_series, draw_test, thin
from training.report.summary import horizons_of, number

EXCERPT = 300
"""Rows at the end of a longer test part that are shown once more, so that the lines can be told apart."""

LAGS = 40
COLOURS = (PREDICTED, "#858b96", "#2a9d8f", "#b8860b", "#4f83cc", "#a66fb5", "#6f9a3a", "#c0607a")
MARKERS = "os^Dv<>P"
SPREAD = 20
"""RMSEs further apart than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Panel:
    """One drawing: its title, its numbers in words, and how it is drawn."""

    title: str
    label: str
    draw: Callable[[Axes], None]


def panels(judgement: Judgement) -> list[Panel]:
    """Fit, residuals, horizons, coverage; what there are no numbers for is left out."""
    return [*_fit(judgement), *_residuals(judgement), *_horizons(judgement), *_coverage(judgement)]


def autocorrelation(errors: Column) -> Column:
    """Of the errors around their mean at lags 1, 2, ...; NaN counts as the mean. (T,) -> (L,), L at most LAGS."""
    known = int(np.sum(~np.isnan(errors)))
    if known < 4 or not np.nanstd(errors):
        return np.empty(0)
    centred = np.nan_to_num(errors - np.nanmean(errors), nan=0.0)
    lags = range(1, min(LAGS, known // 2) + 1)
    found: Column = np.array([centred[lag:] @ centred[:-lag] for lag in lags]) / (centred @ centred)
    return found


def _fit(judgement: Judgement) -> list[Panel]:
    split, (network, *others) = judgement.split, judgement.scores
    test = split.rows - split.calibration
    missing = int(np.isnan(judgement.truth).sum())
    series = (
        f"Line of {split.rows} values, {missing} of them missing: {split.train} to train, "
        f"{split.validation - split.train} for validation, {split.calibration - split.validation} for calibration, "
        f"{test} to test."
    )
    rmses = ", ".join(f"{score.method} {number(score.rmse)}" for score in (network, *others))
    found = [
        Panel("The whole series and its split", series, lambda axis: draw_series(axis, judgement)),
        Panel(
            "Test part: real and predicted one step before",
            f"Two lines over {test} rows, real values and predictions. RMSE by method: {rmses}.",
            lambda axis: draw_test(axis, judgement),
        ),
    ]
    if test > EXCERPT:
        label = f"The same two lines over the last {EXCERPT} rows of the test part."
        found.append(
            Panel(f"The last {EXCERPT} rows of it", label, lambda axis: draw_test(axis, judgement, last=EXCERPT))
        )
    return found


def _residuals(judgement: Judgement) -> list[Panel]:
    start = judgement.split.calibration
    errors = (judgement.truth - judgement.predictions[judgement.scores[0].method])[start:]
    known = errors[np.isfinite(errors)]
    if not len(known):
        return []
    over_time = (
        f"{len(known)} residuals, real minus predicted, from {number(known.min())} to {number(known.max())}; "
        f"mean {number(known.mean())}, standard deviation {number(known.std())}."
    )
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    spread = (
        f"Histogram of the residuals: 5 % are below {number(low)}, half below {number(middle)}, "
        f"5 % above {number(high)}."
    )
    return [
        Panel("Residuals over time", over_time, lambda axis: _draw_errors(axis, errors, start)),
        Panel("Residuals: how often", spread, lambda axis: _draw_histogram(axis, known)),
        *_correlation(errors),
    ]


def _correlation(errors: Column) -> list[Panel]:
    correlations = autocorrelation(errors)
    if not len(correlations):
        return []
    band = 1.96 / np.sqrt(np.sum(~np.isnan(errors)))
    outside, peak = int(np.sum(np.abs(correlations) > band)), int(np.abs(correlations).argmax())
    label = (
        f"Autocorrelation of the residuals at lags 1 to {len(correlations)}: {outside} of them outside of plus or "
        f"minus {band:.3f}, where 95 % of white noise would be; the largest "
        f"is {correlations[peak]:.3f} at lag {peak + 1}."
    )
    return [Panel("Residuals: autocorrelation", label, lambda axis: _draw_correlations(axis, correlations, band))]


def _horizons(judgement: Judgement) -> list[Panel]:
    horizons = horizons_of(judgement)
    lines = {
        method: {horizon: rmse for horizon, rmse in errors.items() if isfinite(rmse) and rmse > 0}
        for method, errors in judgement.horizons.items()
    }
    if not horizons or not any(lines.values()):
        return []
    told = "; ".join(
        f"{method} " + ", ".join(f"{number(rmse)} at {horizon}" for horizon, rmse in errors.items())
        for method, errors in lines.items()
        if errors
    )
    label = f"RMSE of free-running forecasts by steps ahead: {told}."
    return [Panel("Free-running forecasts: RMSE by horizon", label, lambda axis: _draw_horizons(axis, lines, horizons))]


def _coverage(judgement: Judgement) -> list[Panel]:
    pairs = [(level, share) for level, share in judgement.coverage if isfinite(share)]
    if not pairs:
        return []
    told = ", ".join(f"{share:.1%} in the interval for {level:.0%}" for level, share in pairs)
    label = f"Share of the test part inside of intervals around the predictions: {told}."
    return [Panel("Coverage of intervals", label, lambda axis: _draw_coverage(axis, pairs))]


def _draw_errors(axis: Axes, errors: Column, start: int) -> None:
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.plot(*thin(errors, start), color=PREDICTED, linewidth=0.9)
    axis.margins(x=0.01)
    axis.set(xlabel="row", ylabel="real - predicted")


def _draw_histogram(axis: Axes, errors: Column) -> None:
    axis.hist(errors, bins=int(np.clip(np.sqrt(len(errors)), 5, LAGS)), color=PREDICTED, alpha=0.75)
    axis.axvline(0, color=INK, linewidth=0.6)
    axis.set(xlabel="real - predicted", ylabel="rows")


def _draw_correlations(axis: Axes, correlations: Column, band: float) -> None:
    lags = np.arange(1, len(correlations) + 1)
    axis.axhspan(-band, band, color=QUIET, alpha=0.3, linewidth=0)
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.vlines(lags, 0, correlations, color=PREDICTED, linewidth=2)
    axis.set(xlabel="lag; grey: 95 % of white noise", ylim=_around(correlations, band))


def _around(correlations: Column, band: float) -> tuple[float, float]:
    least = 1.3 * max(band, 0.1)
    return min(1.1 * correlations.min(), -least), max(1.1 * correlations.max(), least)


def _draw_horizons(axis: Axes, lines: dict[str, dict[int, float]], horizons: list[int]) -> None:
    for place, (method, errors) in enumerate(lines.items()):
        style: dict[str, Any] = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
        axis.plot(
            list(errors), list(errors.values()), label=method, markersize=4, linewidth=1 if place else 2.2, **style
        )
    rmses = [rmse for errors in lines.values() for rmse in errors.values()]
    axis.set(xscale="log", xlabel="steps ahead", ylabel="RMSE")
    if max(rmses) > SPREAD * min(rmses):
        axis.set_yscale("log")
    axis.xaxis.set_major_locator(FixedLocator(horizons))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0)


def _draw_coverage(axis: Axes, pairs: list[tuple[float, float]]) -> None:
    levels, shares = zip(*pairs, strict=True)
    least = min(*levels, *shares)
    axis.plot([least, 1], [least, 1], color=QUIET, linewidth=1)
    axis.plot(levels, shares, color=PREDICTED, marker="o", markersize=4, linewidth=1.3)
    axis.set(xlabel="nominal; grey: as it should be", ylabel="inside")
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(lambda share, _: f"{share:.0%}")
