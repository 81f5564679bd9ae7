"""The step of a stream on the CPU, compiled: from raw values to predictions, intervals and p-values in one pass.

`models/reference.py` says the same in PyTorch; tests/models/test_kernels.py holds the two equal.
"""

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit, types

from models.cell import ZERO, f32, inlined, listen, peek
from models.decimals import to_p, to_raw
from models.lanes import WIDTH, address, aligned, fixed, seldom, whole_numbers
from models.memory import announce, keep, recall, sound
from models.outlook import Outlook
from models.plan import CONTEXT, FEATURES, HEARD, MEANS, SCALES, SCRATCH, Plan, X, Y, plan_of, with_level
from models.runtime import FAILED_NUMBER, FAILED_RANGE, NUMBERS, Advanced, Context, Rows, Slab, Values
from models.scaler import Scaler
from models.surprise import bound, judge
from models.weights import Weights

AHEAD = 4
"""Contexts lie anywhere in memory: each is sent for so many streams before its turn."""

SOURCES = [
    "alarm",
    "calibration",
    "cell",
    "config",
    "decimals",
    "kernels",
    "lanes",
    "memory",
    "outlook",
    "plan",
    "runtime",
    "surprise",
]


@inlined
def observe(sizes, reals, scratch, values, at):
    """One scaled observation. -> whether it is within float32"""
    within = True
    for f in range(sizes[FEATURES]):
        x = f32((values[at + f] - reals[sizes[MEANS] + f]) / reals[sizes[SCALES] + f])
        within &= not np.isinf(x)
        scratch[sizes[X] + f] = x
    return within


@inlined
def hear(sizes, scratch):
    """What is missing is what was predicted."""
    for f in range(sizes[FEATURES]):
        x = scratch[sizes[X] + f]
        if seldom(np.isnan(x)):
            x = scratch[sizes[Y] + f]
        scratch[sizes[HEARD] + f] = x


@inlined
def scan(sizes, reals, weights, scratch, values, numbers, shape, b, watched, free):
    """One stream over time. -> parity and head of its context, whether its values are within float32"""
    streams, steps, targets = shape
    apart, features, within = streams * steps * targets, sizes[FEATURES], True
    parity, head = 0, 0
    for f in range(features):
        scratch[sizes[X] + f] = f32(np.nan)  # until one comes
    peek(sizes, weights, scratch, parity, head)
    for t in range(steps):
        at = (b * steps + t) * targets
        if not free:
            within &= observe(sizes, reals, scratch, values, (b * steps + t) * features)
        if t > 0 or not free:
            hear(sizes, scratch)
            parity, head = listen(sizes, weights, scratch, parity, head)
            if watched:  # after what the next step waits for, which the processor then does at the same time
                judge(sizes, reals, weights, scratch, numbers, at + 3 * apart, apart)
            peek(sizes, weights, scratch, parity, head)
        for o in range(targets):
            numbers[at + o] = scratch[sizes[Y] + o]
        if watched:
            bound(sizes, reals, weights, scratch, numbers, at + apart, apart)
    return parity, head, within


@inlined
def tell(sizes, reals, numbers, shape, b, watched):
    """One stream's numbers as people read them. -> whether the predictions are finite"""
    streams, steps, targets = shape
    begin, apart = b * steps * targets, streams * steps * targets
    fine = to_raw(sizes, reals, numbers, begin, steps)
    if watched:
        to_raw(sizes, reals, numbers, begin + apart, steps)
        to_raw(sizes, reals, numbers, begin + 2 * apart, steps)
        to_p(numbers, begin + 3 * apart, steps * targets)
    return fine


def _entry(sources: int) -> Any:
    """The compiled function, from the cache if nothing it is made of has changed.

    sources: numba looks at the file of the function alone; this number of all of them is part of the cache's key. The
    cache is beside this file, or where that cannot be written, in the user's own (~/.cache/numba); NUMBA_CACHE_DIR
    names another place.
    """

    def advance(values, contexts, rows, after, numbers, failed, plan, weights):
        assert sources
        sizes, reals, layers = whole_numbers(plan), fixed(plan), fixed(weights)
        heard, told, slab, width = address(values), address(numbers), address(contexts), contexts.shape[1]
        shape, watched, free = numbers.shape[1:], numbers.shape[0] > 1, values.shape[1] == 0
        memory = np.zeros(sizes[SCRATCH] + WIDTH, dtype=np.float32)
        scratch = aligned(address(memory))
        fit = len(values) == len(rows) == len(after) == len(failed) and width >= sizes[CONTEXT]
        if not fit or not (free or values.shape[2] == sizes[FEATURES]):
            raise ValueError("values, rows and contexts do not fit each other and this model")
        for b in range(len(rows)):
            if not (0 <= rows[b] < len(contexts) and 0 <= after[b] < len(contexts)):
                raise IndexError("there is no such row of contexts")
        for b in range(len(rows)):
            if b + AHEAD < len(rows):
                announce(slab, rows[b + AHEAD] * width, width)
            recall(sizes, slab, rows[b] * width, scratch, watched)
            parity, head, within = scan(sizes, reals, layers, scratch, heard, told, shape, b, watched, free)
            fine = tell(sizes, reals, told, shape, b, watched)
            if not within:
                failed[b] = FAILED_RANGE
            elif not (fine and sound(sizes, scratch, parity, watched)):
                failed[b] = FAILED_NUMBER
            else:
                failed[b] = 0
                if not free:
                    keep(sizes, slab, after[b] * width, scratch, parity, head, watched)
            if failed[b]:
                memory[:] = ZERO  # what pads the lanes

    try:
        return njit(error_model="numpy", nogil=True, cache=True)(advance)
    except RuntimeError:  # nowhere to write: it is compiled at every start
        return njit(error_model="numpy", nogil=True)(advance)


@cache
def compiled() -> Any:
    """Ready for the only types that it takes; from nothing in about 12 seconds, from the cache in half of one."""
    content = b"".join((Path(__file__).parent / f"{name}.py").read_bytes() for name in SOURCES)
    entry = _entry(int.from_bytes(hashlib.sha256(content).digest()[:7]) | 1)
    places = types.int64[::1]
    entry.compile(
        (
            types.float64[:, :, ::1],
            types.float32[:, ::1],
            places,
            places,
            types.float64[:, :, :, ::1],
            types.uint8[::1],
            types.float64[::1],
            types.float32[::1],
        )
    )
    entry.disable_compile()
    return entry


class Kernel:
    """The compiled step of one checkpoint. It holds no stream's state, and lets go of the interpreter while it runs.

    Raises:
        ValueError: the network has other outputs than inputs.
    """

    at_once = 4000

    def __init__(self, weights: Weights, scaler: Scaler, targets: int, outlook: Outlook | None) -> None:
        if weights.config.input_size != weights.config.output_size:
            raise ValueError("a prediction is the next observation: it needs as many outputs as inputs")
        self._plan, self._weights = plan_of(weights, scaler, targets, outlook)
        self._outlook, self._targets = outlook, targets
        self._compiled = compiled()
        self._plan_for = lru_cache(maxsize=64)(self._with_level)
        self._numbers = 1 if outlook is None else len(NUMBERS)

    def slab(self, rows: int, width: int) -> Slab:
        """As `Predictor.slab`."""
        return np.zeros((rows, width), dtype=np.float32)  # memory is taken where it is first written

    def advance(self, values: Values, contexts: Slab, rows: Rows, after: Rows, level: float | None) -> Advanced:
        """As `Predictor.advance`."""
        if not values.flags.carray:
            values = values.copy()
        streams, steps, _ = values.shape
        numbers, failed = np.empty((self._numbers, streams, steps, self._targets)), np.empty(streams, dtype=np.uint8)
        self._compiled(values, contexts, rows, after, numbers, failed, self._plan_for(level), self._weights)
        return Advanced(numbers, failed)

    def free(self, contexts: Context, steps: int) -> Advanced:
        """What the contexts hold, and what comes of feeding it back. (B, C) -> predictions, (1, B, steps, O)"""
        streams = len(contexts)
        numbers, failed = np.empty((1, streams, steps, self._targets)), np.empty(streams, dtype=np.uint8)
        nothing, rows = np.empty((streams, 0, 1)), np.arange(streams)
        self._compiled(nothing, contexts.copy(), rows, rows, numbers, failed, self._plan, self._weights)
        return Advanced(numbers, failed)

    def _with_level(self, level: float | None) -> Plan:
        outlook = self._outlook
        return self._plan if outlook is None else with_level(self._plan, outlook, level or outlook.level)
