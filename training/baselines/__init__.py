"""What a user gets for free: classical forecasts of one column, fitted to everything before its test part."""

from collections.abc import Collection

from training.baselines import autoregression, echo_state, naive, smoothing
from training.baselines.baseline import Baseline, Column
from training.data import Split

METHODS = {
    "naive": naive.persistence,
    "seasonal naive": naive.seasonal,
    "drift": naive.drift,
    "AR": autoregression.fit,
    "ETS": smoothing.fit,
    "ESN": echo_state.fit,
}
ALL = tuple(METHODS)

__all__ = ["ALL", "Baseline", "Column", "fit_baselines"]


def fit_baselines(values: Column, split: Split, names: Collection[str] = ALL) -> list[Baseline]:
    """Fit the named methods on values[:split.calibration]; naive first, the others are measured against it.

    values: (T,), NaN = missing. Orders and settings are those with the least one-step error on the validation part
    after a fit on the training part; what was chosen is then fitted on both.

    Raises:
        ValueError: a name that is not in ALL.
    """
    if unknown := set(names) - set(ALL):
        raise ValueError(f"no baseline {min(unknown)!r}; there are {', '.join(ALL)}")
    return [fit(values[: split.calibration], split) for name, fit in METHODS.items() if name in names]
