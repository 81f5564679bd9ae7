"""The context of one stream, compiled: from a row of the slab to scratch memory (models/plan.py), and back."""

import numpy as np

from models.cell import ZERO, f32, inlined
from models.lanes import WIDTH, fetch, less, load_some, magnitude, spread, store, store_some
from models.outlook import FIELDS, KNOTS
from models.plan import (
    AGED,
    DELAY,
    ERRORS,
    FEATURES,
    HIDDEN,
    LAYERS,
    LINE,
    QUANTILES,
    RELATIVE,
    ROOM,
    STATE,
    STATISTICS,
    TARGETS,
    UNIT,
)

BIGGEST = f32(np.finfo(np.float32).max)
INFINITE = f32(np.inf)


@inlined
def announce(contexts, at, width):
    """A context that will be recalled soon."""
    for i in range(at, at + width, WIDTH):
        fetch(contexts, i)


@inlined
def recall(sizes, contexts, at, scratch, watched):
    """A context from the slab to the scratch memory."""
    features, hidden, line = sizes[FEATURES], sizes[HIDDEN], sizes[DELAY] * sizes[FEATURES]
    for layer in range(sizes[LAYERS]):
        copy(contexts, at, scratch, layer * sizes[ROOM], hidden)
        at += hidden
    copy(contexts, at, scratch, sizes[LINE], line)
    at += line
    if sizes[RELATIVE]:
        copy(contexts, at, scratch, sizes[STATISTICS], 1 + 2 * features)
        at += 1 + 2 * features
    else:
        for f in range(features):
            scratch[sizes[UNIT] + f] = f32(1)
    if watched:
        for o in range(sizes[TARGETS]):
            state = sizes[ERRORS] + o * STATE
            store(scratch, state, load_some(contexts, at, len(FIELDS), spread(ZERO)))
            at += len(FIELDS)
            store(scratch, state + QUANTILES, load_some(contexts, at, WIDTH, spread(ZERO)))
            far = load_some(contexts, at + WIDTH, KNOTS - WIDTH, spread(BIGGEST))
            store(scratch, state + QUANTILES + WIDTH, far)
            at += KNOTS
        scratch[sizes[AGED]], scratch[sizes[AGED] + 1] = contexts[at], contexts[at + 1]


@inlined
def copy(source, begin, scratch, place, count):
    """In whole lanes, with zeros behind."""
    for i in range(0, count, WIDTH):
        store(scratch, place + i, load_some(source, begin + i, count - i, spread(ZERO)))


@inlined
def finite(scratch, begin, count):
    """Whether so many numbers are."""
    for i in range(begin, begin + count, WIDTH):
        lanes = load_some(scratch, i, begin + count - i, spread(ZERO))
        if less(magnitude(lanes), spread(INFINITE)) != (1 << WIDTH) - 1:
            return False
    return True


@inlined
def sound(sizes, scratch, parity, watched):
    """Whether the context is finite."""
    for layer in range(sizes[LAYERS]):
        if not finite(scratch, (parity * sizes[LAYERS] + layer) * sizes[ROOM], sizes[HIDDEN]):
            return False
    if not finite(scratch, sizes[LINE], sizes[DELAY] * sizes[FEATURES]):
        return False
    if sizes[RELATIVE] and not finite(scratch, sizes[STATISTICS], 1 + 2 * sizes[FEATURES]):
        return False
    if watched:
        for o in range(sizes[TARGETS]):
            state = sizes[ERRORS] + o * STATE
            if not (finite(scratch, state, len(FIELDS)) and finite(scratch, state + QUANTILES, KNOTS)):
                return False
    return True


@inlined
def keep(sizes, contexts, at, scratch, parity, head, watched):
    """A context from the scratch memory to the slab."""
    features, hidden, delay = sizes[FEATURES], sizes[HIDDEN], sizes[DELAY]
    for layer in range(sizes[LAYERS]):
        put(scratch, (parity * sizes[LAYERS] + layer) * sizes[ROOM], contexts, at, hidden)
        at += hidden
    put(scratch, sizes[LINE] + head * features, contexts, at, (delay - head) * features)
    put(scratch, sizes[LINE], contexts, at + (delay - head) * features, head * features)
    at += delay * features
    if sizes[RELATIVE]:
        put(scratch, sizes[STATISTICS], contexts, at, 1 + 2 * features)
        at += 1 + 2 * features
    if watched:
        for o in range(sizes[TARGETS]):
            state = sizes[ERRORS] + o * STATE
            for i in range(len(FIELDS)):
                contexts[at + i] = scratch[state + i]
            put(scratch, state + QUANTILES, contexts, at + len(FIELDS), KNOTS)
            at += len(FIELDS) + KNOTS
        contexts[at], contexts[at + 1] = scratch[sizes[AGED]], scratch[sizes[AGED] + 1]


@inlined
def put(scratch, place, target, begin, count):
    """The way back."""
    for i in range(0, count, WIDTH):
        store_some(target, begin + i, count - i, load_some(scratch, place + i, count - i, spread(ZERO)))
