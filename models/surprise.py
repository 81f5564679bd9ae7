"""What `Monitor` does, compiled, for the targets of one stream: the same numbers in its scratch memory."""

from math import erfc, exp, log, pi, sqrt

import numpy as np

from models.alarm import CLIP, LATE, ROOM, SLACK, STEEP
from models.calibration import PROBABILITIES
from models.cell import ONE, ZERO, f32, inlined, outlined
from models.lanes import WIDTH, fused, larger, less, load, magnitude, ones, seldom, shifted, smaller, spread, store
from models.outlook import FIELDS, KNOTS, LEVEL_RATE, LIMIT, MEAN_RATE, MEAN_RATE_IN_ALARM, RAMP
from models.plan import (
    AGED,
    ERRORS,
    FAR,
    NEAR,
    PROBABLE,
    QUANTILES,
    RATES,
    RISES,
    SCORED,
    SETTLED,
    SHARES,
    SMALLEST,
    STATE,
    TAILS,
    TARGETS,
    THRESHOLD,
    UNIT,
    UNLIKELY,
    YOUNG,
    X,
    Y,
)

COUNT, LAST, MEAN, LEVEL, HIGH, LOW = range(len(FIELDS))
MARGIN, EDGE = 2 * WIDTH - KNOTS, 1e-12
NOTHING = f32(np.nan)


@inlined
def judge(sizes, reals, weights, scratch, numbers, at, apart):
    """One value, which is in the scratch memory. Its score, error and naive error go to numbers[at + k * apart + o]."""
    raised, calm, threshold = False, True, f32(reals[sizes[THRESHOLD]])
    for o in range(sizes[TARGETS]):
        state = sizes[ERRORS] + o * STATE
        x, y, unit = scratch[sizes[X] + o], scratch[sizes[Y] + o], scratch[sizes[UNIT] + o]
        count, missing = scratch[state + COUNT], np.isnan(x)
        score = error = naive = NOTHING
        if not missing and count > ZERO and unit > ZERO:
            error = (x - y) / unit
            naive = abs(x - scratch[state + LAST]) / unit
            score = score_of(error, o, state, sizes, weights, scratch, threshold)
            raised |= abs(score) > f32(reals[sizes[UNLIKELY]])
        scratch[state + LAST] = y if missing else x
        if not missing:
            scratch[state + COUNT] = min(count + ONE, f32(1 << sizes[SETTLED]))
        numbers[at + o], numbers[at + apart + o], numbers[at + 2 * apart + o] = score, abs(error), naive
        fuller = max(scratch[state + HIGH], scratch[state + LOW])
        raised |= fuller > threshold
        calm &= fuller <= threshold * f32(0.5)
    age(scratch, sizes[AGED], raised, calm)


@inlined
def score_of(error, o, state, sizes, weights, scratch, threshold):
    """The normal score of an error, after which the stream has learned from it."""
    mean, level = scratch[state + MEAN], scratch[state + LEVEL]
    expected = level * unsettled(sizes, weights, scratch[state + COUNT])
    z = (error - mean) / expected
    bounded = max(min(z, f32(LIMIT)), f32(-LIMIT))
    score = placed(z, o, state + QUANTILES, sizes, weights, scratch)
    clipped, room = max(min(score, f32(CLIP)), f32(-CLIP)), f32(ROOM) * threshold
    high = min(max(scratch[state + HIGH] + evidence(clipped), ZERO), room)
    low = min(max(scratch[state + LOW] + evidence(-clipped), ZERO), room)
    rate = f32(MEAN_RATE)
    if seldom(max(high, low) > threshold):
        rate = f32(MEAN_RATE_IN_ALARM)
    scratch[state + MEAN], scratch[state + HIGH], scratch[state + LOW] = mean + rate * bounded * expected, high, low
    wider = f32(1 - LEVEL_RATE) + f32(LEVEL_RATE) * abs(bounded)
    scratch[state + LEVEL] = max(level * wider, weights[sizes[SMALLEST] + o])
    move(z, state + QUANTILES, sizes, weights, scratch)
    return score


@inlined
def evidence(score):
    """What a score says for a shift upwards: a small one or a large one, whichever is likelier."""
    return max(score - f32(SLACK), f32(STEEP) * score - f32(LATE))


@inlined
def unsettled(sizes, weights, count):
    """By how much errors are larger after so many observations."""
    exponent = (np.int64(f32(count).view(np.int32)) >> 23) - 126
    return weights[sizes[YOUNG] + min(max(exponent, 0), sizes[SETTLED])]


@inlined
def placed(z, o, quantiles, sizes, weights, scratch):
    """The score of an error in levels, between the quantiles on its two sides."""
    near, all_z = load(scratch, quantiles), spread(z)
    above = ones(less(all_z, near)) + ones(less(all_z, load(scratch, quantiles + WIDTH)))
    passed = 2 * WIDTH - above  # the lanes beyond the last quantile are above all
    if seldom(passed == 0 or passed >= KNOTS):
        first, final = scratch[quantiles], scratch[quantiles + KNOTS - 1]
        return beyond(z, first, final, weights[sizes[TAILS] + 2 * o], weights[sizes[TAILS] + 2 * o + 1])
    lower, upper = scratch[quantiles + passed - 1], scratch[quantiles + passed]
    share = min((z - lower) / max(upper - lower, f32(1e-9)), ONE)
    return weights[sizes[SCORED] + passed - 1] + share * weights[sizes[RISES] + passed - 1]


@outlined
def beyond(z, first, final, scale, shape):
    """The score of an error beyond the outermost quantiles: Newton's method on log of the normal distribution."""
    far = float(max(first - z, z - final)) / float(max(final - first, f32(1e-6)))
    rarer = max(1.0 + float(shape) * far / float(scale), 0.02) ** (-1.0 / float(shape))
    p = max(PROBABILITIES[0] * rarer, EDGE)
    score = -sqrt(-2.0 * log(p))
    for _ in range(6):
        below = 0.5 * erfc(-score * sqrt(0.5))
        score -= log(below / p) * below * sqrt(2.0 * pi) * exp(0.5 * score * score)
    return f32(score) if z < first else f32(-score)


@inlined
def move(z, quantiles, sizes, weights, scratch):
    """All quantiles towards where they would have been right, and sort them where they crossed, which is rare."""
    for i in range(0, 2 * WIDTH, WIDTH):
        quantile = load(scratch, quantiles + i)
        below = fused(quantile - spread(z), spread(f32(1 / RAMP)), spread(f32(0.5)))
        below = smaller(larger(below, spread(ZERO)), spread(ONE))
        pace = load(weights, sizes[RATES] + i) * larger(magnitude(quantile), spread(f32(RAMP)))
        store(scratch, quantiles + i, fused(pace, load(weights, sizes[PROBABLE] + i) - below, quantile))
    near, far = load(scratch, quantiles), load(scratch, quantiles + WIDTH)
    if less(shifted(near, far), near) | (less(shifted(far, far), far) & ((1 << (KNOTS - WIDTH - 1)) - 1)):
        sort(scratch, quantiles)


@outlined
def sort(scratch, quantiles):
    """By insertion: they are nearly sorted."""
    for i in range(quantiles + 1, quantiles + KNOTS):
        quantile, place = scratch[i], i
        while place > quantiles and scratch[place - 1] > quantile:
            scratch[place] = scratch[place - 1]
            place -= 1
        scratch[place] = quantile


@inlined
def age(scratch, aged, raised, calm):
    """As `monitor.aged`."""
    since, over = scratch[aged], scratch[aged + 1]
    was = since > ZERO and over == ZERO
    runs = raised or (was and not calm)
    scratch[aged] = ONE if runs and not was else since + (ONE if since > ZERO else ZERO)
    scratch[aged + 1] = ZERO if runs else over + (ONE if over > ZERO or was else ZERO)


@inlined
def bound(sizes, reals, weights, scratch, numbers, at, apart):
    """The interval around the prediction, scaled, to numbers[at + k * apart + o]."""
    for o in range(sizes[TARGETS]):
        state, unit, y = sizes[ERRORS] + o * STATE, scratch[sizes[UNIT] + o], scratch[sizes[Y] + o]
        size = unit * scratch[state + LEVEL] * unsettled(sizes, weights, scratch[state + COUNT])
        if not unit > ZERO:
            size = NOTHING
        middle = y + unit * scratch[state + MEAN]
        near, far = f32(reals[sizes[SHARES] + 2 * o]), f32(reals[sizes[SHARES] + 2 * o + 1])
        first, final = state + QUANTILES, state + QUANTILES + KNOTS - 1
        lower = near * scratch[first + sizes[NEAR]] + far * scratch[first + sizes[FAR]]
        upper = near * scratch[final - sizes[NEAR]] + far * scratch[final - sizes[FAR]]
        numbers[at + o], numbers[at + apart + o] = middle + size * lower, middle + size * upper
