"""`bentoml serve tests.load.broken:service`: the service with a mistake in it, which the file TEST_BROKEN names.

A load test that lets one of them pass is worth nothing. The file is read at every request, so one service can be broken
in all ways, one after the other; while nothing is in it, the service is right.
"""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.predictor import Advanced, Predictor, Slab
from service.api import service
from service.engine import Engine, Prediction
from service.sessions import MemoryStore
from service.stepping import Stepping

__all__ = ["service"]

EVERY = 47
"""One in so many calls is spoilt: a prime, so that it hits all kinds in turn."""

LEFT_BEHIND = 100_000
"""Bytes that a request leaves behind in a service that leaks."""

FILE = Path(os.environ["TEST_BROKEN"])


def way() -> str:
    """What is wrong now."""
    return FILE.read_text()


def twice(predictor: Predictor, advanced: Advanced, values: Any, contexts: Slab, after: Any, _: Any) -> Advanced:
    """A step is applied twice, and counted once."""
    predictor.advance(values, contexts, after, after)
    return advanced


def mixed(_: Predictor, advanced: Advanced, __: Any, contexts: Slab, after: Any, other: Any) -> Advanced:
    """A session goes on with the context of another."""
    contexts[after[0]] = contexts[other[0]]
    return advanced


def reset(predictor: Predictor, advanced: Advanced, _: Any, contexts: Slab, after: Any, __: Any) -> Advanced:
    """A session is lost, and nobody says so."""
    contexts[after[0]] = predictor.zero_context()[0]
    return advanced


def narrow(_: Predictor, advanced: Advanced, *__: Any) -> Advanced:
    """Bounds that are a little too narrow."""
    numbers = advanced.numbers.copy()
    numbers[1] += 1e-3 * np.abs(numbers[1])
    return replace(advanced, numbers=numbers)


SPOILS: Mapping[str, Callable[..., Advanced]] = {"twice": twice, "mixed": mixed, "reset": reset, "narrow": narrow}
OTHERS = ("lost", "repeated", "leaking", "opening")
"""A session is lost, and its next request is told so; what comes again is applied again; every request leaves memory
behind; some leave a file open.
"""


class Spoilt:
    """A predictor whose calls go wrong sometimes. Everything else is the real one's."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, self._calls = predictor, 0
        self._other = np.array([0])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def advance(self, values: Any, contexts: Slab, rows: Any, after: Any, level: float | None = None) -> Advanced:
        """As the real one does, mostly."""
        advanced = self._predictor.advance(values, contexts, rows, after, level)
        self._calls += 1
        spoil = SPOILS.get(way())
        if spoil is not None and self._calls % EVERY == 0:
            advanced = spoil(self._predictor, advanced, values, contexts, after, self._other)
        self._other = after
        return advanced


def _made(make: Any) -> Any:
    def init(self: Stepping, predictor: Predictor, *arguments: Any) -> None:
        make(self, Spoilt(predictor), *arguments)

    return init


def _kept(keep: Any) -> Any:
    calls = [0]

    async def kept(self: MemoryStore, key: str, *arguments: Any) -> None:
        await keep(self, key, *arguments)
        calls[0] += 1
        if way() == "lost" and calls[0] % EVERY == 0:
            self._live.pop(key, None)

    return kept


def _predicted(predict: Any) -> Any:
    heap: list[object] = []

    async def predicted(self: Engine, request: Any, *arguments: Any) -> Prediction:
        if way() == "leaking":
            heap.append(os.urandom(LEFT_BEHIND))
        if way() == "opening" and random.random() < 1 / EVERY:
            heap.append(open(os.devnull))  # noqa: SIM115
        if way() == "repeated":
            request = request.model_copy(update={"step": None})
        prediction: Prediction = await predict(self, request, *arguments)
        return prediction

    return predicted


setattr(Stepping, "__init__", _made(Stepping.__init__))  # noqa: B010 (mypy does not see what is spoilt here on purpose)
setattr(MemoryStore, "keep", _kept(MemoryStore.keep))  # noqa: B010
setattr(Engine, "predict", _predicted(Engine.predict))  # noqa: B010
