"""The one runtime: raw units in, predictions out, for one stream or a batch of contexts, on CPU or GPU.

Axes: B streams, T time, F features, O targets (the first features), C context size.
"""

import ctypes
import os
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.errors import DeviceError, NumericalError, ValueRangeError
from models.outlook import AGES, Outlook, state_size
from models.runtime import FAILED_NUMBER, FAILED_RANGE, NUMBERS, Advanced, Context, Rows, Runtime, Slab, Values
from models.scaler import Scaler
from models.weights import Weights

__all__ = [
    "ALARM_RATE",
    "FAILED_NUMBER",
    "FAILED_RANGE",
    "NUMBERS",
    "Advanced",
    "Condition",
    "Context",
    "Device",
    "Forecast",
    "Observed",
    "Predictor",
    "Rows",
    "Slab",
    "Values",
    "Watch",
    "failure",
]

Device = Literal["auto", "cpu", "cuda"]
ALARM_RATE = 1e-4


@dataclass(frozen=True, slots=True)
class Watch:
    """What a stream's errors say, (B, T, O) each; NaN where nothing can be said.

    lower, upper: raw units, of the interval around the prediction made after each value. anomaly: two-sided p-value of
    each value, given the prediction made before it. error, naive: how far the value was from that prediction, and from
    the value before, in the stream's unit (models/calibration.py).
    """

    lower: Values
    upper: Values
    anomaly: Values
    error: Values
    naive: Values


@dataclass(frozen=True, slots=True)
class Observed:
    """predictions: (B, T, O) raw units, predictions[:, t] being for the value after values[:, t]; context: (B, C), new.

    watch: None if the checkpoint knows nothing of its errors.
    """

    predictions: Values
    context: Context
    watch: Watch | None

    @property
    def numbers(self) -> Values:
        """All of it as `Advanced` has it, (K, B, T, O)."""
        watch = self.watch
        if watch is None:
            return self.predictions[None]
        return np.stack((self.predictions, watch.lower, watch.upper, watch.anomaly, watch.error, watch.naive))


@dataclass(frozen=True, slots=True)
class Forecast:
    """path: (B, K, O) raw units; lower, upper: of the interval around it, None if nothing is known of errors."""

    path: Values
    lower: Values | None
    upper: Values | None


@dataclass(frozen=True, slots=True)
class Condition:
    """How a stream is doing, (O,) each, raw units: typical |value - prediction| now, and width of the interval."""

    error: Values
    width: Values


class Predictor:
    """A network on a device, with its scaler and what is known of its errors. It holds no stream's state.

    Contexts come in and go out: the network's part, then the monitor's if there is a calibration, then the adaptation's
    if the readout is to adapt to every stream. Training's evaluation and the service both predict through this class,
    so what is reported is what is served. A chunk is the same step, taken once per value: the numbers do not depend on
    how a stream is cut into requests. On the CPU the step is compiled (models/kernels.py), on a GPU, for a readout that
    adapts, and without `kernel`, it is PyTorch's (models/reference.py): the same numbers.

    Raises:
        DeviceError: cuda was asked for and there is none.
    """

    def __init__(
        self,
        weights: Weights,
        scaler: Scaler,
        device: Device = "auto",
        targets: int | None = None,
        calibration: Calibration | None = None,
        *,
        alarm_rate: float = ALARM_RATE,
        adapt: bool = False,
        kernel: bool = True,
    ) -> None:
        config = weights.config
        self.weights, self.scaler, self.calibration = weights, scaler, calibration
        self.features = config.input_size
        self.targets = self.features if targets is None else targets
        self._targets_scaler = Scaler(scaler.mean[: self.targets], scaler.scale[: self.targets])
        self._outlook = None if calibration is None else Outlook(calibration, alarm_rate)
        watching = 0 if self._outlook is None else state_size(self.targets)
        learned = sum(config.correction_sizes(self.targets))
        self._sizes = config.context_size, watching, learned if adapt else 0
        self.context_size = sum(self._sizes)
        self._other_size = self.context_size + (-learned if adapt else learned)
        self._runtime: Runtime
        parts = weights, scaler, self.targets, self._outlook
        self.device = _resolved(device)
        if kernel and not adapt and self.device == "cpu":
            from models.kernels import Kernel

            self._runtime = Kernel(*parts)
        else:
            from models.reference import Reference

            self._runtime = Reference(*parts, self._sizes, self.device)
        self.at_once = self._runtime.at_once
        self._start = self._of_start(adapt)

    def zero_context(self, streams: int = 1) -> Context:
        """The context of streams that have seen nothing: the network's is zero, (B, C)."""
        return np.repeat(self._start, streams, axis=0)

    def fitted(self, context: Context) -> Context:
        """A context of the same checkpoint with adaptation or without, made to fit this predictor: it begins at zero.

        Raises:
            ValueError: it is no such context.
        """
        if context.shape[1] == self.context_size:
            return context
        if context.shape[1] != self._other_size:
            raise ValueError(f"a context of {context.shape[1]} numbers; this model's have {self.context_size}")
        lasting = sum(self._sizes[:2])
        start = np.repeat(self._start[:, lasting:], len(context), axis=0)
        return np.concatenate((context[:, :lasting], start), axis=1)

    def slab(self, rows: int) -> Slab:
        """Room for the contexts of so many streams, (rows, C), zeros that are no contexts yet."""
        return self._runtime.slab(rows, self.context_size)

    def advance(self, values: Values, contexts: Slab, rows: Rows, after: Rows, level: float | None = None) -> Advanced:
        """Feed observations of many streams, each of which succeeds or fails by itself.

        values: (B, T, F) raw units, NaN = missing (replaced by the prediction for it); contexts: (N, C), from `slab`.
        Stream b reads its context from contexts[rows[b]] and writes the new one to contexts[after[b]], which may be the
        same row; many may read one row, if it is in `after` for nobody but one that reads it alone. rows, after: (B,).
        level: coverage of the intervals, None: the checkpoint's.

        Raises:
            IndexError: there is no such row.
        """
        return self._runtime.advance(values, contexts, rows, after, level)

    def read(self, contexts: Slab, row: int) -> Context:
        """The context of a row, a copy, (1, C)."""
        part = contexts[row : row + 1]
        return part.copy() if isinstance(part, np.ndarray) else part.cpu().numpy()

    def write(self, contexts: Slab, row: int, context: Context) -> None:
        """A context, (1, C), into a row."""
        contexts[row] = context[0] if isinstance(contexts, np.ndarray) else contexts.new_tensor(context[0])

    def observe(self, values: Values, context: Context, level: float | None = None) -> Observed:
        """Feed observations and predict the next one after each.

        values, level: as above; context: (B, C).

        Raises:
            ValueRangeError: an observation overflows float32 in scaled units.
            NumericalError: the result is not finite.
        """
        slab = self._placed(context)
        rows = np.arange(len(context))
        advanced = self.advance(values, slab, rows, rows, level)
        _check(advanced)
        after = slab if isinstance(slab, np.ndarray) else slab.cpu().numpy()
        predictions, *watch = advanced.numbers
        return Observed(predictions, after, Watch(*watch) if watch else None)

    def forecast(self, context: Context, horizon: int, level: float | None = None) -> Forecast:
        """Run free: each prediction is fed back as the next observation. The context given is not changed.

        context: (B, C) -> path: (B, horizon, O), the first being the prediction the context already holds.

        Raises:
            NumericalError: the result is not finite.
        """
        advanced = self._runtime.free(context, horizon)
        _check(advanced)
        path = advanced.numbers[0]
        if self._outlook is None:
            return Forecast(path, None, None)
        scaled = self._targets_scaler.scaled_or_infinite(path)
        level = self._outlook.level if level is None else level
        lower, upper = self._outlook.intervals(scaled, *self._watched(context), level)
        return Forecast(path, self._targets_scaler.raw(lower), self._targets_scaler.raw(upper))

    def condition(self, context: Context) -> Condition | None:
        """How one stream is doing; NaN where nothing can be said, None if nothing is known of errors. (1, C)"""
        if self._outlook is None:
            return None
        sizes = self._outlook.condition(*self._watched(context))
        error, width = (self._targets_scaler.raw_size(size)[0] for size in sizes)
        return Condition(error, width)

    def alarm(self, context: Context) -> tuple[int, int]:
        """Steps since a stream's last alarm began, itself included, 0: never, and since it ended, 0: it runs. (1, C)"""
        if self._outlook is None:
            return 0, 0
        since, over = context[0, sum(self._sizes[:2]) - AGES :][:AGES].astype(int).tolist()
        return since, over

    def alarms(self, contexts: Slab, rows: slice | Rows) -> NDArray[np.int64]:
        """The same of rows of a slab, (B, 2)."""
        if self._outlook is None:
            return np.zeros((len(contexts[rows]), AGES), np.int64)
        end = sum(self._sizes[:2])
        ages = contexts[rows, end - AGES : end]
        return (ages if isinstance(ages, np.ndarray) else ages.cpu().numpy()).astype(np.int64)

    def _of_start(self, adapt: bool) -> Context:
        """The network's part is zero. (1, C)"""
        parts = [np.zeros((1, self._sizes[0]), dtype=np.float32)]
        if self._outlook is not None:
            parts.append(self._outlook.start(1))
        if adapt:
            import torch

            from models.adaptation import Adaptation

            parts.append(Adaptation(self.weights.config, self.targets, torch.device("cpu")).start(1).numpy())
        return np.concatenate(parts, axis=1)

    def _placed(self, context: Context) -> Slab:
        """A copy on the device."""
        if self.device == "cpu":
            return context.copy()
        import torch

        return torch.tensor(context, device=self.device)

    def _watched(self, context: Context) -> tuple[Context, Context]:
        """In which unit streams' errors are counted, (B, O), and the monitor's part of their contexts, (B, S)."""
        network, watching, _ = self._sizes
        scale = context[:, network - self.features : network]
        unit = scale if self.weights.config.per_stream_scale else np.ones_like(scale)
        return unit[:, : self.targets], context[:, network : network + watching]


def _check(advanced: Advanced) -> None:
    """That no stream failed."""
    why = advanced.failed.tolist()
    for failed in (FAILED_RANGE, FAILED_NUMBER):
        if failed in why:
            raise failure(failed)


def failure(failed: int) -> ValueRangeError | NumericalError:
    """Why a stream failed, as `Advanced` tells it."""
    if failed == FAILED_RANGE:
        return ValueRangeError("an observation is too far from the training data to be represented in float32")
    return NumericalError("the network produced a number that is not finite; the context was left as it was")


def _resolved(device: Device) -> str:
    if device == "cpu" or (device == "auto" and not _has_driver()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise DeviceError("device cuda was asked for, but torch finds no usable GPU here; use cpu or auto")
    return "cpu"


def _has_driver() -> bool:
    """Whether it is worth to ask torch for a GPU, which takes seconds to import: it cannot find one without this."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True
