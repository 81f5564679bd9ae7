"""Many series side by side as tensors, cut into the parts of their splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.elman import Elman
from training.data import Split

Part = Literal["train", "validation", "calibration"]

MAX_NUMBERS = 4_000_000
"""float64 numbers of features that one group may take at a time (32 MB)."""

SWEEPS = 16
"""Values of a gap that are filled in exactly."""

SETTLED = 1e-6  # scaled units


@dataclass(frozen=True)
class Streams:
    """B series of up to T values before their test parts; what is beyond the end of a series is missing.

    values: (B, T, F) scaled, float64, NaN = missing; train, validation, calibration: (B,) where the parts end.
    """

    values: Tensor
    train: Tensor
    validation: Tensor
    calibration: Tensor

    @classmethod
    def of(cls, series: Sequence[NDArray[np.float32]], splits: Sequence[Split]) -> "Streams":
        """Scaled series (T, F) with their splits; the test parts are left behind here."""
        known = [
            torch.from_numpy(values[: split.calibration]).double() for values, split in zip(series, splits, strict=True)
        ]
        padded = torch.nn.utils.rnn.pad_sequence(known, batch_first=True, padding_value=torch.nan)
        ends = ([getattr(split, part) for split in splits] for part in get_args(Part))
        return cls(padded, *map(torch.tensor, ends))

    @property
    def inputs(self) -> Tensor:
        """(B, T-1, F)"""
        return self.values[:, :-1]

    @property
    def targets(self) -> Tensor:
        """(B, T-1, F), the values after the inputs."""
        return self.values[:, 1:]

    def part(self, name: Part, skip: int = 0) -> Tensor:
        """Which targets belong to a part, without the first `skip` of a series (at most a quarter of it). (B, T-1)"""
        time = torch.arange(1, self.values.shape[1])[None]
        if name == "train":
            return (time < self.train[:, None]) & (time > (self.train // 4).clamp(max=skip)[:, None])
        begin, end = (self.train, self.validation) if name == "validation" else (self.validation, self.calibration)
        return (time >= begin[:, None]) & (time < end[:, None])

    @torch.no_grad()
    def heard(self, network: Elman, sweeps: int = SWEEPS) -> Tensor:
        """Inputs, missing values replaced by the network's predictions, as in serving. (B, T-1, F)

        Whole sequences at a time: every sweep predicts all of them from the last sweep's, so that after k sweeps the
        first k missing steps of a series are exact, and the first k of a later gap as nearly as the network has
        forgotten the gaps before. It ends when nothing changes; what `sweeps` do not settle stays as it is.
        """
        values, time = self.inputs, torch.arange(self.inputs.shape[1])
        inside = time[None, :, None] < self.calibration[:, None, None]
        missing, whole = values.isnan() & inside, _held(values)
        start = whole.new_zeros(len(whole), network.config.context_size)
        for _ in range(sweeps if bool(missing.any()) else 0):
            outputs, _ = network(whole[:, :-1], start)
            better = torch.where(missing, torch.cat((network.peek(start)[:, None], outputs), dim=1), whole)
            settled = bool(((better - whole).abs() <= SETTLED).all())
            whole = better
            if settled:
                break
        return whole


def groups_of(series: Sequence[NDArray[np.float32]], splits: Sequence[Split], width: int) -> list[Streams]:
    """Series of similar length side by side, in groups of at most MAX_NUMBERS features, `width` for every value."""
    by_length = sorted(range(len(series)), key=lambda number: -splits[number].calibration)
    groups: list[list[int]] = []
    for number in by_length:
        if groups and (len(groups[-1]) + 1) * splits[groups[-1][0]].calibration * width <= MAX_NUMBERS:
            groups[-1].append(number)
        else:
            groups.append([number])
    return [Streams.of([series[n] for n in group], [splits[n] for n in group]) for group in groups]


def _held(values: Tensor) -> Tensor:
    """Missing values replaced by the last one before, at the very start by zero, the mean. (B, T, F) -> (B, T, F)"""
    steps = torch.arange(values.shape[1])[None, :, None]
    last = torch.where(values.isnan(), -1, steps).cummax(dim=1).values
    return torch.where(last < 0, 0.0, values.nan_to_num().gather(1, last.clamp(min=0)))
