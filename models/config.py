"""The architecture of a network, as one frozen description that is also what the checkpoint stores."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

Nonlinearity = Literal["tanh", "relu"]

MAX_SIZE = 65_536
MAX_LAYERS = 64
MAX_LAG = 4096

MEMORY, LIMIT, TRUSTED = 1000, 10.0, 10
"""Of `per_stream_scale` (models/running.py): observations that are remembered; scales that a deviation counts at most;
observations before the scale is known well enough to call a deviation an outlier."""


@dataclass(frozen=True)
class ElmanConfig:
    """Sizes and options of an Elman network.

    taps: lags of the input, rising from 1 (the newest), that the readout reads beside the hidden state: an
        autoregression in parallel to the network.
    residual: the readout predicts the change from the last input instead of the value.
    per_stream_scale: the network sees every stream in units of its own running mean and scale (models/running.py).

    A file that claims absurd sizes is refused here, before anything is allocated for it.

    Raises:
        ValueError: a size is not a positive whole number within bounds, or an option is unknown.
    """

    input_size: int
    hidden_size: int
    output_size: int
    num_layers: int = 1
    nonlinearity: Nonlinearity = "tanh"
    bias: bool = True
    taps: tuple[int, ...] = ()
    residual: bool = False
    per_stream_scale: bool = False

    def __post_init__(self) -> None:
        for name, limit in (
            ("input_size", MAX_SIZE),
            ("hidden_size", MAX_SIZE),
            ("output_size", MAX_SIZE),
            ("num_layers", MAX_LAYERS),
        ):
            size = getattr(self, name)
            if type(size) is not int or not 1 <= size <= limit:
                raise ValueError(f"{name} must be a whole number from 1 to {limit}, not {size!r}")
        if self.nonlinearity not in get_args(Nonlinearity):
            raise ValueError(f"nonlinearity must be tanh or relu, not {self.nonlinearity!r}")
        for name in ("bias", "residual", "per_stream_scale"):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f"{name} must be true or false, not {getattr(self, name)!r}")
        lags = (0, *self.taps, MAX_LAG + 1)
        if any(type(lag) is not int for lag in lags) or any(a >= b for a, b in pairwise(lags)):
            raise ValueError(f"taps must be whole numbers rising from 1 to at most {MAX_LAG}, not {self.taps!r}")
        if (self.residual or self.per_stream_scale) and self.input_size != self.output_size:
            raise ValueError("residual and per_stream_scale need as many outputs as inputs")

    @property
    def delay(self) -> int:
        """Past observations that a stream carries, D."""
        return max((*self.taps, int(self.residual)))

    @property
    def context_sizes(self) -> tuple[int, int, int]:
        """How the context is divided: hidden states L*H, delay line D*F, running count, mean and scale (1 + 2*F)."""
        running = 1 + 2 * self.input_size if self.per_stream_scale else 0
        return self.num_layers * self.hidden_size, self.delay * self.input_size, running

    @property
    def context_size(self) -> int:
        """Numbers that one stream carries between observations, C."""
        return sum(self.context_sizes)

    @property
    def readout_size(self) -> int:
        """Numbers that the readout reads: the uppermost hidden state and the taps, P = H + taps * F."""
        return self.hidden_size + len(self.taps) * self.input_size

    def correction_sizes(self, targets: int) -> tuple[int, int, int]:
        """How the state of a readout that adapts is divided (models/adaptation.py): corrections, triangle, errors."""
        width = self.readout_size + 1
        return width * targets, width * (width + 1) // 2, 2 * targets

    def description(self) -> dict[str, Any]:
        """All sizes and options as JSON holds them; what is off and came later is left out.

        So a checkpoint from before an option existed keeps its fingerprint, and the contexts made with it stay valid.
        """
        later = {"taps": (), "residual": False, "per_stream_scale": False}
        return {name: value for name, value in asdict(self).items() if name not in later or value != later[name]}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of the network, exactly as in the checkpoint file."""
        shapes: dict[str, tuple[int, ...]] = {}
        below = self.input_size
        for layer in range(self.num_layers):
            shapes[f"hidden_weights.{layer}"] = (below + self.hidden_size, self.hidden_size)
            if self.bias:
                shapes[f"hidden_biases.{layer}"] = (self.hidden_size,)
            below = self.hidden_size
        shapes["readout_weight"] = (self.readout_size, self.output_size)
        if self.bias:
            shapes["readout_bias"] = (self.output_size,)
        return shapes
