"""Which seasons a series has, seen in the autocorrelation of its changes."""

import numpy as np
from numpy.typing import NDArray

CLEAR = 0.3  # least autocorrelation of a season
NEARLY_AS_CLEAR = 0.6  # a shorter season is the season, if its peak is this share of the highest
CLEARER = 1.05  # than the first season a second one must be, or it is the first one again
MOST = 1500  # longest season that is looked for


def seasons(values: NDArray[np.float64]) -> list[int]:
    """Up to two seasons in steps, the shorter first; none where nothing repeats.

    values: (T, F), NaN = missing; features vote together. A season is a peak of the autocorrelation of the changes from
    one value to the next (changes, because a trend or a slow wave would correlate with itself at every lag). The first
    is the shortest clear one; the second is a multiple of it at which the correlation is higher still, such as the
    week over the day. The largest changes are drawn in first, lest one outlier hides everything; but where that leaves
    no season, they may be what repeats.
    """
    changes = np.diff(values, axis=0)
    drawn_in = np.clip(changes, *np.nanquantile(changes, [0.01, 0.99], axis=0))
    return _peaks(_autocorrelation(drawn_in)) or _peaks(_autocorrelation(changes))


def _peaks(correlation: NDArray[np.float64]) -> list[int]:
    lags = np.arange(2, len(correlation) - 1)
    here, left, right = correlation[lags], correlation[lags - 1], correlation[lags + 1]
    peaks = lags[(here > left) & (here >= right) & (here >= CLEAR)]
    if not len(peaks):
        return []
    first = int(peaks[correlation[peaks] >= NEARLY_AS_CLEAR * correlation[peaks].max()][0])
    multiples = np.array([peak for peak in peaks if peak > first and abs(peak / first - round(peak / first)) < 0.05])
    if len(multiples):
        second = int(multiples[np.argmax(correlation[multiples])])
        if correlation[second] > CLEARER * correlation[first]:
            return [first, second]
    return [first]


def _autocorrelation(changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over features, at lags from 0 to a third of the length, over pairs that are known. (T, F) -> (lags,)"""
    known = np.isfinite(changes)
    centred = np.where(known, changes - np.nanmean(changes, axis=0), 0.0)
    lags = slice(0, min(MOST, (len(changes) + 1) // 3) + 2)
    products, pairs = _lagged_products(centred)[lags], np.rint(_lagged_products(known.astype(np.float64))[lags])
    correlation = products / np.maximum(pairs, 1)
    power = correlation[0]
    if not (power > 0).any():
        return np.zeros(1)  # every change is the same
    scaled: NDArray[np.float64] = (correlation[:, power > 0] / power[power > 0]).mean(axis=1)
    return scaled


def _lagged_products(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of products of values so many steps apart. (T, F) -> (2T, F), by lag"""
    spectrum = np.fft.rfft(values, 2 * len(values), axis=0)
    products: NDArray[np.float64] = np.fft.irfft(np.abs(spectrum) ** 2, 2 * len(values), axis=0)
    return products
