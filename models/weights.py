"""What training found: a network as plain arrays, for whoever computes with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.config import ElmanConfig

if TYPE_CHECKING:
    from models.elman import Elman


@dataclass(frozen=True)
class Weights:
    """A configuration, and its arrays by name, float32 of the shapes that it says."""

    config: ElmanConfig
    arrays: Mapping[str, NDArray[np.float32]]

    def network(self) -> "Elman":
        """The same in PyTorch, which is only imported here: a service on the CPU starts without it."""
        from models.elman import Elman

        return Elman.of(self)
