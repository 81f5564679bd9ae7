"""Where training starts: a recurrent layer that already remembers, so that its readout alone can be solved for."""

import torch
from torch import Tensor, nn

from models import ElmanConfig
from models.elman import Elman

Blocks = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

LONG: Blocks = ((0.9, 0.5), (0.9, 0.1), (0.99, 0.1))
SHORT: Blocks = ((0.3, 0.5), (0.3, 0.2), (0.3, 0.1))
"""(keep, input): every third of the units is an orthogonal matrix times `keep`, its inputs weigh `input`.

Small inputs keep tanh nearly linear, a memory of the past; larger ones bend it, a memory of products.
"""


@torch.no_grad()
def orthogonal(config: ElmanConfig, generator: torch.Generator, blocks: Blocks = LONG) -> Elman:
    """A network in float64 whose recurrence is block-orthogonal, and whose readout is zero.

    Orthogonal recurrences neither blow up nor fade (Saxe, McClelland & Ganguli 2014; Henaff, Szlam & LeCun 2016).
    """
    network = Elman(config, generator).double()
    for layer, weight in enumerate(network.hidden_weights):
        below = config.input_size if layer == 0 else config.hidden_size
        weight.zero_()
        start = 0
        for part, (keep, gain) in zip(_thirds(config.hidden_size), blocks, strict=True):
            units = slice(start, start := start + part)
            if part:
                weight[:below, units] = gain * _uniform(below, part, generator) / below**0.5
                weight[below:][units, units] = keep * _orthogonal(part, generator)
        if config.bias:
            network.hidden_biases[layer].copy_(0.1 * _uniform(1, config.hidden_size, generator)[0])
    network.readout_weight.zero_()
    if config.bias:
        network.readout_bias.zero_()
    return network


def _thirds(units: int) -> list[int]:
    return [(units + 2 - third) // 3 for third in range(3)]


def _orthogonal(size: int, generator: torch.Generator) -> Tensor:
    matrix = torch.empty(size, size, dtype=torch.float64)
    return nn.init.orthogonal_(matrix, generator=generator)


def _uniform(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(rows, columns, generator=generator, dtype=torch.float64) - 1
