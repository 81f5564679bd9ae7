"""The network drawn out over time: the two-step network, and `unfold` for any cell over any number of steps."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Cell = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Unfolded = Callable[[Sequence[Tensor], Tensor], tuple[list[Tensor], Tensor]]


class TwoStepRNN(nn.Module):
    """A recurrent layer written out for two time instances, its outputs being its hidden states.

        Y0 = tanh(X0 Wx + b)
        Y1 = tanh(Y0 Wy + X1 Wx + b)

    Wx: (input_size, neurons), Wy: (neurons, neurons), b: (1, neurons).
    """

    def __init__(self, input_size: int, neurons: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.Wx = nn.Parameter(torch.randn(input_size, neurons, generator=generator))
        self.Wy = nn.Parameter(torch.randn(neurons, neurons, generator=generator))
        self.b = nn.Parameter(torch.zeros(1, neurons))

    def forward(self, X0: Tensor, X1: Tensor) -> tuple[Tensor, Tensor]:
        """X0, X1: (B, input_size) -> Y0, Y1: (B, neurons)"""
        Y0 = torch.tanh(torch.mm(X0, self.Wx) + self.b)
        Y1 = torch.tanh(torch.mm(Y0, self.Wy) + torch.mm(X1, self.Wx) + self.b)
        return Y0, Y1

    def cell(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The same layer folded: x: (B, input_size), y: (B, neurons) -> output and state, both (B, neurons)"""
        y = torch.tanh(torch.mm(y, self.Wy) + torch.mm(x, self.Wx) + self.b)
        return y, y


def unfold(cell: Cell, n: int) -> Unfolded:
    """Draw a folded cell `(x, h) -> (y, h)` out over `n` steps: n copies in a row that share one set of weights.

    The result takes the n inputs and the first state and gives the n outputs and the last state.
    Gradients of all copies add up in the shared weights: backpropagation through time.

    Raises:
        ValueError: n < 1, or another number of inputs than n.
    """
    if n < 1:
        raise ValueError(f"a network is unfolded over at least one step, not {n}")

    def unfolded(inputs: Sequence[Tensor], h: Tensor) -> tuple[list[Tensor], Tensor]:
        if len(inputs) != n:
            raise ValueError(f"unfolded over {n} steps, but {len(inputs)} inputs were given")
        outputs = []
        for x in inputs:
            y, h = cell(x, h)
            outputs.append(y)
        return outputs, h

    return unfolded
