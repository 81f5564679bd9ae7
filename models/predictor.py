"""The one runtime: raw units in, predictions out, for one stream or a batch of contexts, on CPU or GPU.

Axes: B streams, T time, F features, O targets (the first features), C context size.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.adaptation import Adaptation
from models.calibration import Calibration
from models.elman import Elman, Reading
from models.errors import DeviceError, NumericalError
from models.monitor import AGES, Monitor, Seen, state_size
from models.scaler import Scaler

Device = Literal["auto", "cpu", "cuda"]
Context = NDArray[np.float32]
Values = NDArray[np.float64]

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
    how a stream is cut into requests.

    Raises:
        DeviceError: cuda was asked for and there is none.
    """

    def __init__(
        self,
        network: Elman,
        scaler: Scaler,
        device: Device = "auto",
        targets: int | None = None,
        calibration: Calibration | None = None,
        *,
        alarm_rate: float = ALARM_RATE,
        adapt: bool = False,
    ) -> None:
        self.device = _resolve(device)
        self.network = deepcopy(network).to(self.device).eval()
        self.scaler = scaler
        self.features = network.config.input_size
        self.targets = self.features if targets is None else targets
        self.calibration = calibration
        self._targets_scaler = Scaler(scaler.mean[: self.targets], scaler.scale[: self.targets])
        self._monitor = None if calibration is None else Monitor(calibration, self.device, alarm_rate)
        self._adaptation = Adaptation(network.config, self.targets, self.device) if adapt else None
        learned = sum(Adaptation.sizes(network.config, self.targets))
        self._sizes = (
            network.config.context_size,
            0 if self._monitor is None else state_size(self.targets),
            learned if adapt else 0,
        )
        self.context_size = sum(self._sizes)
        self._other_size = self.context_size + (-learned if adapt else learned)
        self._start = self._of_start(1)

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

    @torch.inference_mode()
    def observe(self, values: Values, context: Context, level: float | None = None) -> Observed:
        """Feed observations and predict the next one after each.

        values: (B, T, F) raw units, NaN = missing (replaced by the prediction for it); context: (B, C); level: coverage
        of the intervals, None: the checkpoint's.

        Raises:
            ValueRangeError: an observation overflows float32 in scaled units.
            NumericalError: the result is not finite.
        """
        scaled = torch.from_numpy(self.scaler.scaled(values)).to(self.device)  # (B, T, F)
        network, monitor, adaptation = self.network, self._monitor, self._adaptation
        if monitor is None and adaptation is None:
            outputs, h = network.scan(scaled, torch.from_numpy(context).to(self.device))
            return Observed(self._raw(outputs), self._finite_context(h), None)
        h, errors, learned = self._divided(context)
        level = level if level is not None or monitor is None else monitor.level
        reading, said, y = self._peek(h, learned)
        predictions, bounds, told = [], [], []
        for x in scaled.unbind(dim=1):  # (B, F)
            if adaptation is not None:
                learned = adaptation.update(x, said, reading, learned)
            if monitor is not None:
                seen, errors = monitor.update(x[:, : self.targets], y[:, : self.targets], self._unit(h), errors)
                told.append(seen)
            h = network.advance(torch.where(x.isnan(), y, x), h)
            reading, said, y = self._peek(h, learned)
            predictions.append(y)
            if monitor is not None and level is not None:
                bounds.append(monitor.interval(y[:, : self.targets], self._unit(h), errors, level))
        watch = None if monitor is None else self._watch(bounds, told)
        after = self._finite_context(torch.cat((h, errors, learned), dim=1))
        return Observed(self._raw(torch.stack(predictions, dim=1)), after, watch)

    @torch.inference_mode()
    def forecast(self, context: Context, horizon: int, level: float | None = None) -> Forecast:
        """Run free: each prediction is fed back as the next observation. The context given is not changed.

        context: (B, C) -> path: (B, horizon, O), the first being the prediction the context already holds.

        Raises:
            NumericalError: the result is not finite.
        """
        h, errors, learned = self._divided(context)
        unit = self._unit(h)
        _, _, y = self._peek(h, learned)
        steps = [y]
        for _ in range(horizon - 1):
            h = self.network.advance(y, h)
            _, _, y = self._peek(h, learned)
            steps.append(y)
        path = torch.stack(steps, dim=1)[..., : self.targets]
        if self._monitor is None:
            return Forecast(self._raw(path), None, None)
        bounds = self._monitor.intervals(path, unit, errors, self._monitor.level if level is None else level)
        lower, upper = self._bounds(bounds)
        return Forecast(self._raw(path), lower, upper)

    @torch.inference_mode()
    def condition(self, context: Context) -> Condition | None:
        """How one stream is doing; NaN where nothing can be said, None if nothing is known of errors. (1, C)"""
        if self._monitor is None:
            return None
        h, errors, _ = self._divided(context)
        sizes = self._monitor.condition(self._unit(h), errors)
        error, width = (self._targets_scaler.raw_size(size.cpu().numpy())[0] for size in sizes)
        return Condition(error, width)

    def alarm(self, context: Context) -> tuple[int, int]:
        """Steps since a stream's last alarm began, itself included, 0: never, and since it ended, 0: it runs. (1, C)"""
        if self._monitor is None:
            return 0, 0
        since, over = context[0, sum(self._sizes[:2]) - AGES :][:AGES].astype(int).tolist()
        return since, over

    @torch.inference_mode()
    def _of_start(self, streams: int) -> Context:
        parts = [torch.zeros(streams, self._sizes[0], device=self.device)]
        parts += [part.start(streams) for part in (self._monitor, self._adaptation) if part is not None]
        start: Context = torch.cat(parts, dim=1).cpu().numpy()
        return start

    def _divided(self, context: Context) -> tuple[Tensor, Tensor, Tensor]:
        """The network's part of a context, the monitor's and the adaptation's."""
        h, errors, learned = torch.from_numpy(context).to(self.device).split_with_sizes(self._sizes, dim=1)
        return h, errors, learned

    def _peek(self, h: Tensor, learned: Tensor) -> tuple[Reading, Tensor, Tensor]:
        """What is read in a context, what the readout says to it, and the prediction that follows, (B, F)."""
        reading = self.network.read(h)
        said = self.network.say(reading.features)
        corrected = said if self._adaptation is None else self._adaptation.correct(said, reading, learned)
        return reading, said, reading.prediction(corrected)

    def _unit(self, h: Tensor) -> Tensor:
        return self.network.unit(h)[:, : self.targets]

    def _watch(self, bounds: list[Tensor], told: list[Seen]) -> Watch:
        lower, upper = self._bounds(torch.stack(bounds, dim=2))
        p, error, naive = (
            torch.stack(part, dim=1).cpu().numpy().astype(np.float64)
            for part in zip(*((seen.p, seen.error, seen.naive) for seen in told), strict=True)
        )
        return Watch(lower, upper, _significant(p), error, naive)

    def _raw(self, outputs: Tensor) -> Values:
        raw = self._targets_scaler.raw(outputs[..., : self.targets].cpu().numpy())
        if not np.isfinite(raw).all():
            raise NumericalError("the network produced a number that is not finite; the context was left as it was")
        return raw

    def _bounds(self, bounds: Tensor) -> Values:
        """NaN where nothing can be said."""
        return self._targets_scaler.raw(bounds.cpu().numpy())

    def _finite_context(self, h: Tensor) -> Context:
        context: Context = h.cpu().numpy()
        if not np.isfinite(context).all():
            raise NumericalError("the context would not stay finite; it was left as it was")
        return context


def _significant(p: Values) -> Values:
    """In six digits: what is beyond is noise of float32, and hard to read."""
    tenths = 10.0 ** (5 - np.floor(np.log10(np.where(p > 0, p, 1.0))))
    rounded: Values = np.rint(p * tenths) / tenths
    return rounded


def _resolve(device: Device) -> torch.device:
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise DeviceError("device cuda was asked for, but torch finds no usable GPU here; use cpu or auto")
    return torch.device("cuda" if device != "cpu" and available else "cpu")
