"""What can be seen of launches without a GPU, and with one that they compute the same."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from models import Calibration, Checkpoint
from models.predictor import Predictor, Values
from models.reference import Reference
from tests.conftest import random_checkpoint
from tests.models.examples import calibration

OPTIONS: list[dict[str, Any]] = [{}, {"taps": (1, 3), "residual": True}, {"taps": (2,), "per_stream_scale": True}]
TOLERANCE = 1e-5 * np.array([4.0, 5.0])

every_network = pytest.mark.parametrize("options", OPTIONS)
watched_or_not = pytest.mark.parametrize("known", [None, calibration(2)], ids=["plain", "watching"])
adapting_or_not = pytest.mark.parametrize("adapt", [False, True])
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def checkpoint(options: dict[str, Any], known: Calibration | None) -> Checkpoint:
    return replace(random_checkpoint(2, 5, num_layers=2, **options), calibration=known)


class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is asked of torch."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count[str(call).split(".")[1]] += 1
        return call(*args, **(kwargs or {}))


@contextmanager
def calls() -> Iterator[Counter[str]]:
    with torch.inference_mode(), Calls() as counting:
        yield counting.count


@every_network
@watched_or_not
@adapting_or_not
def test_a_step_needs_nothing_of_the_host(options: dict[str, Any], known: Calibration | None, adapt: bool) -> None:
    """What reads a number, makes a tensor of one or has a size that depends on one cannot be recorded."""
    predictor = checkpoint(options, known).predictor("cpu", adapt=adapt, kernel=False)
    runtime = predictor._runtime
    assert isinstance(runtime, Reference)
    slab, x, rows = torch.from_numpy(predictor.zero_context(4)), torch.zeros(2, 1, 2), torch.arange(2)
    with torch.inference_mode():
        runtime.step(slab, x, rows, rows)
    with calls() as found:
        runtime.step(slab, x, rows, rows)
    assert found["index_copy_"] == 1
    assert not found.keys() & {"item", "_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select"}
    assert not found.keys() & {"lift_fresh", "scalar_tensor", "_to_copy", "arange", "zeros", "ones", "tril_indices"}


@pytest.mark.parametrize(
    ("name", "need"),
    [
        ("item", torch.Tensor.item),
        ("nonzero", torch.Tensor.nonzero),
        ("lift_fresh", lambda number: number + torch.tensor([1.0])),
    ],
)
def test_such_a_need_would_be_seen(name: str, need: Callable[[torch.Tensor], object]) -> None:
    with calls() as found:
        need(torch.ones(1))
    assert found[name]


def together(predictor: Predictor, values: Values) -> tuple[Values, Values]:
    """Numbers and contexts of streams, (B, T, F), that go on in rows 1, 2, ... of a slab; step by step."""
    streams, steps, _ = values.shape
    slab = predictor.slab(2 * streams)
    rows, spare, told = np.arange(streams), np.arange(streams) + streams, []
    for row in rows.tolist():
        predictor.write(slab, row, predictor.zero_context())
    for step in range(steps):
        after = spare if step % 2 else rows  # to another row, and in place
        told.append(predictor.advance(values[:, step : step + 1], slab, rows, after).numbers)
        rows, spare = after, rows if after is spare else spare
    return np.concatenate(told, axis=2), np.concatenate([predictor.read(slab, row) for row in rows.tolist()])


@on_a_gpu
@every_network
@watched_or_not
@adapting_or_not
@pytest.mark.parametrize("streams", [1, 3, 1025])
def test_a_batch_that_is_launched_at_once_is_the_step(
    options: dict[str, Any], known: Calibration | None, adapt: bool, streams: int
) -> None:
    values = np.random.default_rng(0).normal(15, 4, size=(streams, 6, 2))
    values[0, 3] = np.nan
    cpu, gpu = (checkpoint(options, known).predictor(device, adapt=adapt) for device in ("cpu", "cuda"))
    (found, after), (wanted, expected) = (together(predictor, values) for predictor in (gpu, cpu))
    np.testing.assert_allclose(found[:3], wanted[:3], rtol=1e-5, atol=TOLERANCE.max())
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-4)


@on_a_gpu
def test_a_stream_that_fails_in_a_launch_leaves_its_row_as_it_was() -> None:
    predictor = checkpoint({}, calibration(2)).predictor("cuda")
    slab = predictor.slab(4)
    for row in range(4):
        predictor.write(slab, row, predictor.zero_context())
    values = np.array([[[10.0, 20.0]], [[1e300, 20.0]], [[11.0, 21.0]]])
    rows = np.array([1, 2, 3])
    assert predictor.advance(values, slab, rows, rows).failed.tolist() == [0, 1, 0]
    assert (predictor.read(slab, 2) == predictor.zero_context()).all()
    assert not (predictor.read(slab, 3) == predictor.zero_context()).all()
