"""The step of streams in PyTorch, on any device: what the compiled one (models/kernels.py) is held equal to.

It also serves GPUs, and readouts that adapt to every stream.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.adaptation import Adaptation
from models.elman import Reading
from models.launches import Launches
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
        self._launches: Launches | None = None

    @torch.inference_mode()
    def slab(self, rows: int, width: int) -> Slab:
        """As `Predictor.slab`. What happens in the latest of a GPU is launched at once."""
        if self.device == "cpu":
            return np.zeros((rows, width), dtype=np.float32)
        slab = torch.zeros(rows, width, device=self.device)
        self._launches = Launches(self.step, slab, self.network.config.input_size)
        return slab

    @torch.inference_mode()
    def advance(self, values: Values, contexts: Slab, rows: Rows, after: Rows, level: float | None) -> Advanced:
        """As `Predictor.advance`."""
        scaled = self.scaler.scaled_or_infinite(values)
        x, before, behind = (torch.from_numpy(part) for part in (scaled, rows, after))
        launches = self._launches
        if launches is not None and contexts is launches.slab and launches.has(len(rows), values.shape[1], level):
            told, fine = launches(x, before, behind)
        else:
            slab = torch.as_tensor(contexts)
            told, fine = self.step(slab, x.to(slab.device), before.to(slab.device), behind.to(slab.device), level)
        failed = np.where(fine.cpu().numpy(), 0, FAILED_NUMBER).astype(np.uint8)
        failed[np.isinf(scaled).any(axis=(1, 2))] = FAILED_RANGE
        return Advanced(self._told(told), failed)

    def step(
        self, slab: Tensor, x: Tensor, rows: Tensor, after: Tensor, level: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """The same without a look at any number, so that a GPU can be told all of it at once.

        slab: (N, C), x: (B, T, F) scaled, rows, after: (B,) -> numbers, scaled, (K, B, T, O), who is fine (B,)
        """
        context = slab[rows]
        told, h = self._observe(x, context, level)
        fine = ~x.isinf().flatten(1).any(dim=1) & told[0].isfinite().flatten(1).all(dim=1) & h.isfinite().all(dim=1)
        slab.index_copy_(0, after, torch.where(fine[:, None], h, slab[after]))
        return told, fine

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
        numbers = self._told(torch.stack(path, dim=1)[None, ..., : self.targets])
        return Advanced(numbers, np.where(np.isfinite(numbers[0]).all(axis=(1, 2)), 0, FAILED_NUMBER).astype(np.uint8))

    def divided(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The network's part of a context, the monitor's and the adaptation's."""
        h, errors, learned = context.split_with_sizes(self.sizes, dim=1)
        return h, errors, learned

    def unit(self, h: Tensor) -> Tensor:
        """In which errors are counted, (B, O)."""
        return self.network.unit(h)[:, : self.targets]

    def _observe(self, scaled: Tensor, context: Tensor, level: float | None) -> tuple[Tensor, Tensor]:
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
        numbers = torch.stack(predictions, dim=1)[None, ..., : self.targets]
        if monitor is not None:
            numbers = torch.cat((numbers, torch.stack(bounds, dim=2), torch.stack(told, dim=2)))
        return numbers, torch.cat((h, errors, learned), dim=1)

    def _peek(self, h: Tensor, learned: Tensor) -> tuple[Reading, Tensor, Tensor]:
        """What is read in a context, what the readout says to it, and the prediction that follows, (B, F)."""
        reading = self.network.read(h)
        said = self.network.say(reading.features)
        corrected = said if self.adaptation is None else self.adaptation.correct(said, reading, learned)
        return reading, said, reading.prediction(corrected)

    def _told(self, numbers: Tensor) -> Values:
        """(K, ...) scaled -> (K, ...) as people read them"""
        array = numbers.cpu().numpy()
        told = array.astype(np.float64)
        told[:3] = self._targets_scaler.raw(array[:3])
        told[3:4] = _significant(told[3:4])
        return told


def _significant(p: Values) -> Values:
    """In six digits: what is beyond is noise of float32, and hard to read."""
    tenths: NDArray[np.float64] = 10.0 ** (5 - np.floor(np.log10(np.where(p > 0, p, 1.0))))
    rounded: Values = np.rint(p * tenths) / tenths
    return rounded
