"""The step of streams in PyTorch, on any device: what the compiled one (models/kernels.py) is held equal to.

It also serves GPUs, and readouts that adapt to every stream.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.adaptation import Adaptation
from models.elman import Reading
from models.monitor import Monitor
from models.outlook import Outlook
from models.runtime import FAILED_NUMBER, FAILED_RANGE, Advanced, Context, Rows, Slab, Values
from models.scaler import Scaler
from models.weights import Weights


class Reference:
    """A network, and what watches its errors and adapts its readout where there is such; a context has a part of each.

    sizes: of these parts, network, monitor, adaptation, which is 0 where there is none.
    """

    at_once = 4

    def __init__(
        self,
        weights: Weights,
        scaler: Scaler,
        targets: int,
        outlook: Outlook | None,
        sizes: tuple[int, int, int],
        device: str,
    ) -> None:
        self.device, place = device, torch.device(device)
        self.network = weights.network().to(place).eval()
        self.monitor = None if outlook is None else Monitor(outlook, place)
        self.adaptation = Adaptation(weights.config, targets, place) if sizes[-1] else None
        self.scaler, self.targets, self.sizes = scaler, targets, sizes
        self._targets_scaler = Scaler(scaler.mean[:targets], scaler.scale[:targets])

    @torch.inference_mode()
    def advance(self, values: Values, contexts: Slab, rows: Rows, after: Rows, level: float | None) -> Advanced:
        """As `Predictor.advance`."""
        slab = torch.as_tensor(contexts)
        scaled = self.scaler.scaled_or_infinite(values)
        failed = np.where(np.isinf(scaled).any(axis=(1, 2)), FAILED_RANGE, 0).astype(np.uint8)
        numbers, h = self._observe(torch.from_numpy(scaled).to(self.device), slab[torch.from_numpy(rows)], level)
        fine = np.isfinite(numbers[0]).all(axis=(1, 2)) & h.isfinite().all(dim=1).cpu().numpy()
        failed[(failed == 0) & ~fine] = FAILED_NUMBER
        kept = failed == 0
        slab[torch.from_numpy(after[kept])] = h[torch.from_numpy(kept)]
        return Advanced(numbers, failed)

    @torch.inference_mode()
    def free(self, contexts: Context, steps: int) -> Advanced:
        """What the contexts hold, and what comes of feeding it back. (B, C) -> predictions, (1, B, steps, O)"""
        h, _, learned = self.divided(torch.from_numpy(contexts).to(self.device))
        _, _, y = self._peek(h, learned)
        path = [y]
        for _ in range(steps - 1):
            h = self.network.advance(y, h)
            _, _, y = self._peek(h, learned)
            path.append(y)
        numbers = self._raw(torch.stack(path, dim=1))[None]
        return Advanced(numbers, np.where(np.isfinite(numbers[0]).all(axis=(1, 2)), 0, FAILED_NUMBER).astype(np.uint8))

    def divided(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The network's part of a context, the monitor's and the adaptation's."""
        h, errors, learned = context.split_with_sizes(self.sizes, dim=1)
        return h, errors, learned

    def unit(self, h: Tensor) -> Tensor:
        """In which errors are counted, (B, O)."""
        return self.network.unit(h)[:, : self.targets]

    def _observe(self, scaled: Tensor, context: Tensor, level: float | None) -> tuple[Values, Tensor]:
        """(B, T, F), (B, C) -> numbers (K, B, T, O), contexts (B, C)"""
        network, monitor, adaptation = self.network, self.monitor, self.adaptation
        h, errors, learned = self.divided(context)
        level = monitor.level if monitor is not None and level is None else level
        reading, said, y = self._peek(h, learned)
        predictions, bounds, told = [], [], []
        for x in scaled.unbind(dim=1):  # (B, F)
            if adaptation is not None:
                learned = adaptation.update(x, said, reading, learned)
            if monitor is not None:
                seen, errors = monitor.update(x[:, : self.targets], y[:, : self.targets], self.unit(h), errors)
                told.append(torch.stack((seen.p, seen.error, seen.naive)))
            h = network.advance(torch.where(x.isnan(), y, x), h)
            reading, said, y = self._peek(h, learned)
            predictions.append(y)
            if monitor is not None and level is not None:
                bounds.append(monitor.interval(y[:, : self.targets], self.unit(h), errors, level))
        after = torch.cat((h, errors, learned), dim=1)
        numbers = [self._raw(torch.stack(predictions, dim=1))[None]]
        if monitor is not None:
            p, error, naive = torch.stack(told, dim=2).cpu().numpy().astype(np.float64)
            numbers += [self._raw(torch.stack(bounds, dim=2)), np.stack((_significant(p), error, naive))]
        return np.concatenate(numbers), after

    def _peek(self, h: Tensor, learned: Tensor) -> tuple[Reading, Tensor, Tensor]:
        """What is read in a context, what the readout says to it, and the prediction that follows, (B, F)."""
        reading = self.network.read(h)
        said = self.network.say(reading.features)
        corrected = said if self.adaptation is None else self.adaptation.correct(said, reading, learned)
        return reading, said, reading.prediction(corrected)

    def _raw(self, outputs: Tensor) -> Values:
        return self._targets_scaler.raw(outputs[..., : self.targets].cpu().numpy())


def _significant(p: Values) -> Values:
    """In six digits: what is beyond is noise of float32, and hard to read."""
    tenths: NDArray[np.float64] = 10.0 ** (5 - np.floor(np.log10(np.where(p > 0, p, 1.0))))
    rounded: Values = np.rint(p * tenths) / tenths
    return rounded
