"""The step of `Elman` for one stream, compiled: the same numbers in its scratch memory (models/plan.py).

Every layer has a room for its joined input: its own hidden state, then what is below it. There are two sets of rooms,
and each step reads from the one and writes to the other. The delay line is a ring.
"""

from math import sqrt

import numpy as np
from numba import njit

from models.config import LIMIT, MEMORY, TRUSTED
from models.lanes import WIDTH, fused, larger, load, repeat, smaller, spread, store, total
from models.plan import (
    BIASES,
    DELAY,
    FEATURES,
    HEARD,
    HIDDEN,
    LAGS,
    LAYERS,
    LINE,
    OWN,
    READOUT,
    RELATIVE,
    RELU,
    RESIDUAL,
    ROOM,
    STATISTICS,
    TAPPED,
    TAPPED_SIZE,
    TAPS,
    UNIT,
    UNITS,
    UPPER,
    Y,
)

inlined = njit(error_model="numpy", forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
outlined = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
f32 = np.float32
ZERO, ONE = f32(0), f32(1)


@inlined
def tanh(x):
    """X P(x^2) / Q(x^2), within 6 units in the last place of float32.

    P and Q were fitted to tanh(x) / x from 0 to 9, from where on tanh is 1 in float32: linear least squares of P - Q
    tanh(x) / x at 4,000 Chebyshev nodes, weighted again and again by the relative error that was left (C. L. Lawson,
    1961), until it was 2e-8 everywhere. That they have no coefficient below 0 keeps rounding errors small.
    """
    x = larger(spread(f32(-9)), smaller(spread(f32(9)), x))
    u = x * x
    p = fused(u, spread(f32(1.3354315291561121e-08)), spread(f32(2.0608824418255715e-05)))
    q = fused(u, spread(f32(7.776413959551593e-07)), spread(f32(3.2856089897326387e-04)))
    p = fused(u, p, spread(f32(0.0034955722862400275)))
    q = fused(u, q, spread(f32(0.025876921932578744)))
    p = fused(u, p, spread(f32(0.13381012315027105)))
    q = fused(u, q, spread(f32(0.46714327917761134)))
    return x * fused(u, p, spread(f32(0.999999979487838))) / fused(u, q, spread(ONE))


@inlined
def affine(weights, at, units, scratch, x, inputs):
    """Sixteen units: biases and rows of weights from `at` on, a row every `units`. Four sums, lest one waits."""
    a, b = load(weights, at), spread(ZERO)
    c, d = b, b
    at += units
    for i in range(x, x + inputs, 4):
        a = fused(repeat(scratch, i), load(weights, at), a)
        b = fused(repeat(scratch, i + 1), load(weights, at + units), b)
        c = fused(repeat(scratch, i + 2), load(weights, at + 2 * units), c)
        d = fused(repeat(scratch, i + 3), load(weights, at + 3 * units), d)
        at += 4 * units
    return (a + b) + (c + d)


@inlined
def listen(sizes, weights, scratch, parity, head):
    """One observation, which is in the scratch memory. -> parity and head of the ring after it"""
    features, hidden, units = sizes[FEATURES], sizes[HIDDEN], sizes[UNITS]
    layers, delay, room = sizes[LAYERS], sizes[DELAY], sizes[ROOM]
    x = sizes[HEARD]
    here, there = parity * layers * room, (1 - parity) * layers * room
    if sizes[RELATIVE]:
        if scratch[sizes[STATISTICS]] == ZERO:  # before its start a stream stood still
            for i in range(delay * features):
                scratch[sizes[LINE] + i] = scratch[x + i % features]
        learn(sizes, scratch, here + hidden)
    else:
        for f in range(features):
            scratch[here + hidden + f] = scratch[x + f]
    at, inputs, relu = 0, sizes[OWN], sizes[RELU]
    for layer in range(layers):
        for u in range(0, units, WIDTH):
            h = affine(weights, at + u, units, scratch, here, inputs)
            h = larger(spread(ZERO), h) if relu else tanh(h)
            store(scratch, there + u, h)
            if layer + 1 < layers:
                store(scratch, here + room + hidden + u, h)
        at += (1 + inputs) * units
        here, there = here + room, there + room
        inputs = sizes[UPPER]
    if delay:
        head = (head if head else delay) - 1
        for f in range(features):
            scratch[sizes[LINE] + head * features + f] = scratch[x + f]
    return 1 - parity, head


@inlined
def learn(sizes, scratch, seen):
    """Update the running count, mean and scale (models/running.py), and write what the network sees to `seen`."""
    features, x, count = sizes[FEATURES], sizes[HEARD], scratch[sizes[STATISTICS]]
    means = sizes[STATISTICS] + 1
    weight = ONE / (count + ONE)
    for f in range(features):
        mean, scale = scratch[means + f], scratch[means + features + f]
        deviation = scratch[x + f] - mean
        if count >= f32(TRUSTED) and scale > ZERO:
            bound = f32(LIMIT) * scale
            deviation = max(min(deviation, bound), -bound)
        mean += weight * deviation
        scale = sqrt((ONE - weight) * (scale * scale + weight * deviation * deviation))
        scratch[means + f], scratch[means + features + f] = mean, scale
        scratch[seen + f] = (scratch[x + f] - mean) / scale if scale > ZERO else ZERO
    scratch[sizes[STATISTICS]] = min(count + ONE, f32(MEMORY - 1))


@inlined
def peek(sizes, weights, scratch, parity, head):
    """The prediction that the context holds."""
    features, units, tapped, width = sizes[FEATURES], sizes[UNITS], sizes[TAPPED], sizes[TAPPED_SIZE]
    layers, y, means = sizes[LAYERS], sizes[Y], sizes[STATISTICS] + 1
    newest = sizes[LINE] + head * features
    if sizes[RELATIVE]:
        for f in range(features):
            scratch[sizes[UNIT] + f] = scratch[means + features + f]
    tap(sizes, scratch, head)
    top = (parity * layers + layers - 1) * sizes[ROOM]
    at = sizes[READOUT]
    for f in range(features):
        read = spread(ZERO)
        for u in range(0, units, WIDTH):
            read = fused(load(scratch, top + u), load(weights, at + u), read)
        at += units
        for u in range(0, width, WIDTH):
            read = fused(load(scratch, tapped + u), load(weights, at + u), read)
        at += width
        said = total(read) + weights[sizes[BIASES] + f]
        if sizes[RELATIVE]:
            said *= scratch[sizes[UNIT] + f]
        if sizes[RESIDUAL]:
            said += scratch[newest + f]
        elif sizes[RELATIVE]:
            said += scratch[means + f]
        scratch[y + f] = said


@inlined
def tap(sizes, scratch, head):
    """Bring together what the readout reads of the delay line, in the stream's units."""
    features, delay, means = sizes[FEATURES], sizes[DELAY], sizes[STATISTICS] + 1
    for k in range(sizes[TAPS]):
        place = head + sizes[sizes[LAGS] + k] - 1
        place = sizes[LINE] + (place - delay if place >= delay else place) * features
        for f in range(features):
            x = scratch[place + f]
            if sizes[RELATIVE]:
                scale = scratch[sizes[UNIT] + f]
                x = (x - scratch[means + f]) / scale if scale > ZERO else ZERO
            scratch[sizes[TAPPED] + k * features + f] = x
