"""What advances streams: compiled for the CPU (models/kernels.py), or in PyTorch (models/reference.py)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Context = NDArray[np.float32]
Values = NDArray[np.float64]
Rows = NDArray[np.int64]
Slab: TypeAlias = "Context | Tensor"
"""Contexts of many streams, (N, C), on the device: an array on the CPU, a tensor on a GPU."""

NUMBERS = ("predictions", "lower", "upper", "anomaly", "error", "naive")
FAILED_RANGE, FAILED_NUMBER = 1, 2


@dataclass(frozen=True, slots=True)
class Advanced:
    """What was said to a batch of streams.

    numbers: (K, B, T, O), as NUMBERS names them and `Observed` and `Watch` tell them; only the predictions, K = 1, if
    the checkpoint knows nothing of its errors. NaN where nothing can be said.
    failed: (B,) of uint8, 0 for a stream that is fine, else FAILED_RANGE: one of its values overflows float32 in scaled
    units; or FAILED_NUMBER: the result is not finite. The context of such a stream was left as it was, and its numbers
    mean nothing.
    """

    numbers: Values
    failed: NDArray[np.uint8]


class Runtime(Protocol):
    """Both ways are the same step.

    at_once: so many observations of a stream take about a millisecond.
    """

    at_once: int

    def slab(self, rows: int, width: int) -> Slab:
        """As `Predictor.slab`."""

    def advance(self, values: Values, contexts: Slab, rows: Rows, after: Rows, level: float | None) -> Advanced:
        """As `Predictor.advance`."""

    def free(self, contexts: Context, steps: int) -> Advanced:
        """What the contexts (B, C) hold, and what comes of feeding it back: predictions, (1, B, T, O)."""
