"""The one runtime: raw units in, predictions out, for one stream or a batch of contexts, on CPU or GPU.

Axes: B streams, T time, F features, O targets (the first features), C context size.
"""

from copy import deepcopy
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.elman import Elman
from models.errors import DeviceError, NumericalError
from models.scaler import Scaler

Device = Literal["auto", "cpu", "cuda"]
Context = NDArray[np.float32]
Values = NDArray[np.float64]


class Predictor:
    """A network on a device, with its scaler. It holds no stream's state: contexts come in and go out.

    Training's evaluation and the service both predict through this class, so what is reported is what is served.
    A chunk is the same step, taken once per value: the numbers do not depend on how a stream is cut into requests.

    Raises:
        DeviceError: cuda was asked for and there is none.
    """

    def __init__(self, network: Elman, scaler: Scaler, device: Device = "auto", targets: int | None = None) -> None:
        self.device = _resolve(device)
        self.network = deepcopy(network).to(self.device).eval()
        self.scaler = scaler
        self.features = network.config.input_size
        self.targets = self.features if targets is None else targets
        self.context_size = network.config.context_size

    def zero_context(self, streams: int = 1) -> Context:
        """The context of streams that have seen nothing: zeros, (B, C)."""
        return np.zeros((streams, self.context_size), dtype=np.float32)

    @torch.inference_mode()
    def observe(self, values: Values, context: Context) -> tuple[Values, Context]:
        """Feed observations and predict the next one after each.

        values: (B, T, F) raw units, NaN = missing (replaced by the prediction for it); context: (B, C)
        -> predictions: (B, T, O) raw units, predictions[:, t] being for the value after values[:, t];
           context: (B, C), a new array.

        Raises:
            ValueRangeError: an observation overflows float32 in scaled units.
            NumericalError: the result is not finite.
        """
        scaled = torch.from_numpy(self.scaler.scaled(values)).to(self.device)  # (B, T, F)
        outputs, after = self.network.scan(scaled, torch.from_numpy(context).to(self.device))
        return self._finite(outputs), self._finite_context(after)

    @torch.inference_mode()
    def forecast(self, context: Context, horizon: int) -> Values:
        """Run free: each prediction is fed back as the next observation. The context given is not changed.

        context: (B, C) -> (B, horizon, O) raw units; the first is the prediction the context already holds.

        Raises:
            NumericalError: the result is not finite.
        """
        h = torch.from_numpy(context).to(self.device)
        y = self.network.peek(h)
        path = [y]
        for _ in range(horizon - 1):
            y, h = self.network.step(y, h)
            path.append(y)
        return self._finite(torch.stack(path, dim=1))

    def _finite(self, outputs: Tensor) -> Values:
        raw: Values = self.scaler.raw(outputs.cpu().numpy())[..., : self.targets]
        if not np.isfinite(raw).all():
            raise NumericalError("the network produced a number that is not finite; the context was left as it was")
        return raw

    def _finite_context(self, h: Tensor) -> Context:
        context: Context = h.cpu().numpy()
        if not np.isfinite(context).all():
            raise NumericalError("the context would not stay finite; it was left as it was")
        return context


def _resolve(device: Device) -> torch.device:
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise DeviceError("device cuda was asked for, but torch finds no usable GPU here; use cpu or auto")
    return torch.device("cuda" if device != "cpu" and available else "cpu")
