"""The step by itself: the serving runtime beside torch, with the same weights, asserted equal before it is timed.

Every contestant is a function of a `Case` that gives a call without arguments -> outputs (B, T, O). `Elman.scan`, the
step taken once per value in torch, is one of them, and what all others are held against.

Axes: B streams, T time, F features, H hidden units.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from time import perf_counter
from timeit import Timer

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import Calibration, Predictor, Scaler, load
from models.elman import Elman
from tests.benchmarks.tables import Table

SIZES = (6, 16, 64)
LENGTH = 100_000
EAGER_LENGTH = 2_000
BATCH = 1_000
TOLERANCE, GPU_TOLERANCE = 1e-6, 1e-5
PATIENCE_SECONDS = 5  # what would take longer is timed on fewer values
REPEATS = 5
REPEAT_SECONDS = 0.1
NOTHING = "—"

Outputs = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    """A network with one input, H hidden units and random weights, and values for it."""

    hidden_size: int
    streams: int
    length: int
    calibration: Calibration

    @cached_property
    def pair(self) -> tuple[nn.RNN, nn.Linear]:
        """The network in torch's words."""
        torch.manual_seed(0)
        return nn.RNN(1, self.hidden_size, batch_first=True).eval(), nn.Linear(self.hidden_size, 1).eval()

    @cached_property
    def network(self) -> Elman:
        """The same in ours."""
        return Elman.from_torch(*self.pair).eval()

    @cached_property
    def x(self) -> Tensor:
        """(B, T, F)"""
        return torch.randn(self.streams, self.length, 1, generator=torch.Generator().manual_seed(1))


def ours(case: Case) -> Outputs:
    """The runtime that serves: raw units in, checked for what is not finite, predictions out."""
    return _predictor(case, None)


def with_intervals(case: Case) -> Outputs:
    """The same, following every stream's errors: intervals and p-values too."""
    return _predictor(case, case.calibration)


def eager(case: Case) -> Outputs:
    """The reference: `Elman.scan`, an operation of torch after the other."""
    h = torch.zeros(case.streams, case.network.config.context_size)
    return lambda: case.network.scan(case.x, h)[0]


def torch_rnn(case: Case, device: str = "cpu") -> Outputs:
    """`torch.nn.RNN` and `nn.Linear`: the whole sequence in one call, and nothing missing in it."""
    rnn, linear = (part.to(device) for part in case.pair)
    x = case.x.to(device)
    return lambda: linear(rnn(x)[0])


def cudnn(case: Case) -> Outputs:
    """The same on the GPU: there and back."""
    call = torch_rnn(case, "cuda")
    return lambda: call().cpu()


def report(checkpoint: Path) -> Iterator[Table]:
    """Nanoseconds of a step, one row per network and shape. Random weights; intervals as of this checkpoint."""
    calibration = load(checkpoint).calibration
    assert calibration, "a checkpoint from before there were intervals"
    table = Table(
        ("ns a step", "runtime", "with intervals", "ratio", "torch eager", "torch.nn.RNN", "cuDNN", "times nn.RNN")
    )
    table.notes.append(
        "runtime: `Predictor.observe`. torch eager: the reference. cuDNN: `torch.nn.RNN` on a GPU, answers copied back"
        f"{'' if torch.cuda.is_available() else '; no GPU here'}. What is slow is timed on {EAGER_LENGTH:,} values."
    )
    for hidden_size in SIZES:
        for name, streams, length in (("a stream", 1, LENGTH), (f"{BATCH:,} streams", BATCH, 1)):
            case = Case(hidden_size, streams, length, calibration)
            table.add(f"H = {hidden_size}, {name}, {length:,} value{'s' * (length > 1)}", *_cells(case))
    yield table


@torch.inference_mode()
def _cells(case: Case) -> Iterator[str]:
    short = replace(case, length=min(case.length, EAGER_LENGTH))
    step, careful = _timed(ours, case, short), _timed(with_intervals, case, short)
    reference, rnn = _timed(eager, short, short), _timed(torch_rnn, case, short)
    yield from (f"{step:,.0f}", f"{careful:,.0f}", f"{careful / step:.1f}", f"{reference:,.0f}", f"{rnn:,.0f}")
    yield f"{_timed(cudnn, case, short):,.0f}" if torch.cuda.is_available() else NOTHING
    yield f"{rnn / step:.1f}"


def _predictor(case: Case, calibration: Calibration | None) -> Outputs:
    predictor = Predictor(case.network.weights(), Scaler.identity(1), "cpu", calibration=calibration)
    values, context = case.x.double().numpy(), predictor.zero_context(case.streams)
    return lambda: torch.from_numpy(predictor.observe(values, context).predictions)


def _timed(contestant: Callable[[Case], Outputs], case: Case, short: Case) -> float:
    """Nanoseconds a step, after it was found equal to the reference; of the short case if the other takes too long."""
    if _examined(contestant, short) * case.length / short.length > PATIENCE_SECONDS:
        case = short
    seconds = _examined(contestant, case)
    return _best(contestant(case), seconds) / (case.streams * case.length) * 1e9


def _examined(contestant: Callable[[Case], Outputs], case: Case) -> float:
    """Seconds of a call that was right."""
    call = contestant(case)
    call()  # whatever has to be compiled or allocated is, now
    started = perf_counter()
    outputs = call()
    seconds = perf_counter() - started
    tolerance = TOLERANCE if contestant is not cudnn else GPU_TOLERANCE
    np.testing.assert_allclose(outputs.numpy(), _reference(case), rtol=0, atol=tolerance)
    return seconds


@cache
def _reference(case: Case) -> NDArray[np.float32]:
    """Of all values of a case, computed once: it is slow."""
    return eager(case)().numpy()


def _best(call: Outputs, seconds: float) -> float:
    """The best of some repeats: what the machine can do when nothing else disturbs it. Long calls are not repeated."""
    if seconds > REPEATS * REPEAT_SECONDS:
        return seconds
    return min(Timer(call).repeat(REPEATS, number := max(1, round(REPEAT_SECONDS / seconds)))) / number
