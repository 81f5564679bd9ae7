"""The architecture of a network, as one frozen description that is also what the checkpoint stores."""

from dataclasses import dataclass
from typing import Literal, get_args

Nonlinearity = Literal["tanh", "relu"]

MAX_SIZE = 65_536
MAX_LAYERS = 64


@dataclass(frozen=True)
class ElmanConfig:
    """Sizes and options of an Elman network.

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
        if type(self.bias) is not bool:
            raise ValueError(f"bias must be true or false, not {self.bias!r}")

    @property
    def context_size(self) -> int:
        """Numbers that one stream carries between observations."""
        return self.num_layers * self.hidden_size

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of the network, exactly as in the checkpoint file."""
        shapes: dict[str, tuple[int, ...]] = {}
        below = self.input_size
        for layer in range(self.num_layers):
            shapes[f"hidden_weights.{layer}"] = (below + self.hidden_size, self.hidden_size)
            if self.bias:
                shapes[f"hidden_biases.{layer}"] = (self.hidden_size,)
            below = self.hidden_size
        shapes["readout_weight"] = (self.hidden_size, self.output_size)
        if self.bias:
            shapes["readout_bias"] = (self.output_size,)
        return shapes
