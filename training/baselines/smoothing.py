"""ETS: exponential smoothing with additive errors (Hyndman et al., "Forecasting with Exponential Smoothing", 2008).

statsmodels estimates the parameters. Its smoothing knows no missing values, so the recursion is here.
"""

import warnings
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.baselines.baseline import Baseline, Column, Origins, filled, standard, validation_error
from training.data import Split
from training.season import seasons

MAX_SEASON = 60
MULTIPLICATIVE_ROWS = 2000  # a multiplicative season is tried on series up to this long
FIT_ROWS = 1500  # the last rows of the fitting part, on which the parameters are estimated
MAX_STEPS = 100  # of the optimizer
CODES = {(None, False): "N", ("add", False): "A", ("add", True): "Ad", ("mul", False): "M"}


@dataclass(frozen=True)
class Form:
    """Which components there are: trend none or "add", season none, "add" or "mul" of `period` steps."""

    trend: str | None = None
    damped: bool = False
    season: str | None = None
    period: int = 1

    @property
    def name(self) -> str:
        """Such as ETS(A,Ad,N): error, trend, season."""
        return f"ETS(A,{CODES[self.trend, self.damped]},{CODES[self.season, False]})"


@dataclass(frozen=True)
class Smoothing(Baseline):
    """Parameters alpha, beta, gamma, phi, and the states before the first row: level, slope, seasons (m,).

    seasons[i] is for row i; without a season it is the single 0.
    """

    name: str
    alpha: float
    beta: float
    gamma: float
    phi: float
    level: float
    slope: float
    seasons: tuple[float, ...]
    multiplicative: bool = False

    def forecasts(self, values: Column, origins: Origins, horizon: int) -> NDArray[np.float64]:
        """As the protocol says: the trend goes on, damped, and the last season is repeated."""
        levels, slopes, seasons = self.states(values)
        damping = np.cumsum(self.phi ** np.arange(1, horizon + 1))
        trend = levels[origins, None] + slopes[origins, None] * damping  # (N, horizon)
        season = seasons[origins[:, None] + np.arange(horizon) % len(self.seasons)]
        forecasts: NDArray[np.float64] = trend * season if self.multiplicative else trend + season
        return forecasts

    def states(self, values: Column) -> tuple[Column, Column, Column]:
        """Level and slope before every row, (T + 1) each, and seasons (m + T), of which seasons[t] is for row t.

        A missing value, and under a multiplicative season one that is not positive, counts as if it had been predicted.
        """
        levels, slopes, seasons = [self.level], [self.slope], list(self.seasons)
        slope_share, season_share = self.beta / self.alpha, self.gamma / (1 - self.alpha)
        for row, value in enumerate(values.tolist()):
            level, slope, season = levels[-1], self.phi * slopes[-1], seasons[row]
            if isnan(value) or (self.multiplicative and value <= 0):
                value = (level + slope) * season if self.multiplicative else level + slope + season
            adjusted = value / season if self.multiplicative else value - season
            levels.append(self.alpha * adjusted + (1 - self.alpha) * (level + slope))
            slopes.append(slope_share * (levels[-1] - level) + (1 - slope_share) * slope)
            detrended = value / levels[-1] if self.multiplicative else value - levels[-1]
            seasons.append(season_share * detrended + (1 - season_share) * season)
        return np.array(levels), np.array(slopes), np.array(seasons)


def fit(values: Column, split: Split) -> Baseline:
    """The form with the least validation error; without trend and season where no other can be fitted."""
    train = values[: split.train]
    fits = [(form, found) for form in _forms(values, split) if (found := _estimated(train, form))]
    if not fits:
        return _persistent(values)
    form, best = min(fits, key=lambda pair: validation_error(pair[1], values, split))
    return _estimated(values[: split.calibration], form, best) or best


def _forms(values: Column, split: Split) -> list[Form]:
    positive = bool(np.nanmin(values[: split.calibration]) > 0) and split.rows <= MULTIPLICATIVE_ROWS
    found = [season for season in seasons(filled(values[: split.train])[:, None])[:1] if season <= MAX_SEASON]
    shapes: list[tuple[str | None, int]] = [(None, 1)]
    shapes += [(kind, season) for season in found for kind in (("add", "mul") if positive else ("add",))]
    return [
        Form(trend, damped, season, period)
        for season, period in shapes
        for trend, damped in ((None, False), ("add", False), ("add", True))
    ]


def _estimated(values: Column, form: Form, near: Smoothing | None = None) -> Smoothing | None:
    """Maximum likelihood on the last rows; nothing where that fails, such as with less than two whole seasons.

    The likelihood has more than one peak; the search begins at the parameters of `near`. The states that were estimated
    for the start of those rows are taken for the first row of the series too, the seasons turned so that each keeps its
    rows.
    """
    known = np.flatnonzero(~np.isnan(values))
    start = max(int(known[0]), len(values) - FIT_ROWS)
    recent = filled(values)[start:]
    _, scale = standard(recent)  # the optimizer steps alike in all directions
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of divisions and of steps that did not converge
            model = _model(recent / scale, form)
            found = model.fit(_start(model, form, near), maxiter=MAX_STEPS, disp=False, return_params=True)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return None
    smoothing = _read(np.asarray(found, dtype=np.float64), form, scale)
    turned = np.roll(smoothing.seasons, start)
    return replace(smoothing, seasons=tuple(turned.tolist())) if np.isfinite(found).all() else None


def _model(values: Column, form: Form) -> Any:
    period = form.period if form.season else None
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel  # takes a second to load, and --help should not

    return ETSModel(values, trend=form.trend, damped_trend=form.damped, seasonal=form.season, seasonal_periods=period)


def _start(model: Any, form: Form, near: Smoothing | None) -> Column:
    start = np.asarray(model.start_params, dtype=np.float64)
    if near:
        there = [(True, near.alpha), (form.trend, near.beta), (form.season, near.gamma), (form.damped, near.phi)]
        used = [parameter for component, parameter in there if component]
        start[: len(used)] = used
    return start


def _read(parameters: Column, form: Form, scale: float) -> Smoothing:
    """The order of statsmodels is alpha, beta, gamma, phi, level, slope, seasons from the newest to the oldest."""
    rest = iter(parameters.tolist())
    multiplicative = form.season == "mul"
    alpha = next(rest)
    beta = next(rest) if form.trend else 0.0
    gamma = next(rest) if form.season else 0.0
    phi = next(rest) if form.damped else 1.0
    level = next(rest) * scale
    slope = next(rest) * scale if form.trend else 0.0
    states = [season * (1 if multiplicative else scale) for season in rest][::-1] or [0.0]
    return Smoothing(form.name, alpha, beta, gamma, phi, level, slope, tuple(states), multiplicative)


def _persistent(values: Column) -> Smoothing:
    """The simple form with hardly any smoothing."""
    first = float(values[np.flatnonzero(~np.isnan(values))[0]])
    return Smoothing(Form().name, 0.9999, 0.0, 0.0, 1.0, first, 0.0, (0.0,))
