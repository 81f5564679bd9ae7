"""The first experiment: an Elman network of 6 context units learns a sine, one value and one update at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from models import ElmanConfig
from models.elman import Elman

CONTEXT_UNITS = 6
STEPS = 20
EPOCHS = 300
LEARNING_RATE = 0.1
PRINT_EVERY = 10


@dataclass(frozen=True)
class Tutorial:
    """The outcome: losses (EPOCHS,) summed over an epoch, and predictions (STEPS,) for sine[1:]."""

    network: Elman
    times: NDArray[np.float64]
    sine: NDArray[np.float64]
    losses: list[float]
    predictions: list[float]


def run(seed: int, log: Callable[[str], None]) -> Tutorial:
    """Train and predict exactly as the tutorial does.

    Sine over linspace(2, 10, 21), the target being the input one step later; weights from N(0, 0.4) and N(0, 0.3),
    no bias; loss (prediction - target)^2 / 2; after every single step the weights move by 0.1 times the gradient
    and the context is cut from its history, so that a gradient never reaches back further than one step.
    """
    times = np.linspace(2, 10, STEPS + 1)
    sine = np.sin(times)
    series = torch.tensor(sine, dtype=torch.float32)[:, None, None]  # (STEPS + 1, B = 1, F = 1)
    network = _start(seed)
    weights = list(network.parameters())
    losses = []
    for epoch in range(EPOCHS):
        total, h = 0.0, torch.zeros(1, CONTEXT_UNITS)
        for x, target in pairwise(series):
            prediction, h = network.step(x, h)
            loss = (prediction - target).pow(2).sum() / 2
            total += loss.item()
            gradients = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight.sub_(LEARNING_RATE * gradient)
            h = h.detach()
        losses.append(total)
        if epoch % PRINT_EVERY == 0:
            log(f"Epoch: {epoch} loss {total}")

    predictions, h = [], torch.zeros(1, CONTEXT_UNITS)
    with torch.no_grad():
        for x in series[:-1]:
            prediction, h = network.step(x, h)
            predictions.append(prediction.item())
    return Tutorial(network, times, sine, losses, predictions)


def _start(seed: int) -> Elman:
    generator = torch.Generator().manual_seed(seed)
    network = Elman(ElmanConfig(1, CONTEXT_UNITS, 1, bias=False))
    torch.nn.init.normal_(network.hidden_weights[0], 0.0, 0.4, generator=generator)
    torch.nn.init.normal_(network.readout_weight, 0.0, 0.3, generator=generator)
    return network
