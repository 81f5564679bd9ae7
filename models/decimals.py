"""Numbers as people read them, compiled: raw units as `Scaler.raw` rounds them, p-values in six significant digits."""

import numpy as np
from numba import njit

from models.cell import inlined
from models.plan import MEANS, SCALES, TARGETS, TENTHS

LEAST = -100
POWERS = 10.0 ** np.arange(LEAST, 110)

contracted = njit(
    error_model="numpy", forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, fastmath={"contract"}
)


@inlined
def power(exponent):
    """10^exponent, by a table, from -100 on."""
    return POWERS[np.uint64(exponent - LEAST)]


@inlined
def decade(x):
    """floor(log10(x)), at least -100 and at most 8, which is also that of NaN."""
    x = max(1e-100, min(1e8, x))  # in this order, of which a comparison with NaN leaves the first
    below = (((np.float64(x).view(np.int64) >> 52) - 1023) * 315653) >> 20  # by its exponent: 315653 / 2^20 is log10(2)
    return below + (x >= power(below + 1))


@contracted
def exp(x):
    """For x from -40 to 0: 2^k e^r by Taylor's series, of which 1e-8 is left."""
    k = np.rint(x * 1.4426950408889634)
    r = x - k * 0.6931471805599453
    s = r * r
    low = (1.0 + r) + s * (1 / 2 + r * (1 / 6))
    high = (1 / 24 + r * (1 / 120)) + s * (1 / 720 + r * (1 / 5040))
    return (low + s * s * high) * np.int64((np.int64(k) + 1023) << 52).view(np.float64)


@contracted
def rareness(score):
    """Two-sided p-value of a normal score: exp(-s^2 / 2) P(s) / Q(s), fitted from 0 to 7.2 as tanh is, within 1e-9."""
    s = min(abs(score), 7.2)
    p = 0.006570211735733862 * s + 0.06964851974276548
    q = 0.008234023381502585 * s + 0.087311187387569
    p = (p * s + 0.33121761398409905) * s + 0.827535663447163
    q = ((q * s + 0.42301010729919586) * s + 1.1281143785404877) * s + 1.6254202996928455
    return exp(-0.5 * s * s) * (p * s + 1.0000000009193608) / (q * s + 1.0)


@inlined
def to_raw(sizes, reals, numbers, begin, steps):
    """Scaled numbers (T, O) to raw units. -> whether all are finite"""
    targets, finite = sizes[TARGETS], True
    for o in range(targets):
        mean, scale, tenths = reals[sizes[MEANS] + o], reals[sizes[SCALES] + o], reals[sizes[TENTHS] + o]
        if mean == 0:
            for at in range(begin + o, begin + steps * targets, targets):
                raw = numbers[at] * scale
                tenths = power(max(7 - decade(abs(raw)), 0))
                raw = np.rint(raw * tenths) / tenths
                finite &= np.isfinite(raw)
                numbers[at] = raw
        else:
            for at in range(begin + o, begin + steps * targets, targets):
                raw = np.rint((numbers[at] * scale + mean) * tenths) / tenths
                finite &= np.isfinite(raw)
                numbers[at] = raw
    return finite


@inlined
def to_p(numbers, begin, count):
    """Normal scores to p-values."""
    for at in range(begin, begin + count):
        p = rareness(numbers[at])
        tenths = power(5 - decade(p))
        numbers[at] = np.rint(p * tenths) / tenths
