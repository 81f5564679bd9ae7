"""After how many observations a network has forgotten where it started from."""

from math import ceil

import torch
from torch import Tensor

from models.elman import Elman

TOLERANCE = 1e-3  # scaled units
STARTS = 64
MAX_STEPS = 512


@torch.no_grad()
def forgetting_steps(network: Elman, values: Tensor) -> int | None:
    """The observations after which predictions no longer tell a context that started at zero from the true one.

    values: (T, F) scaled; a series of less than 2 MAX_STEPS is gone through again and again. From up to STARTS places
    the network goes on twice, from the context that it really has there and from zero. The answer is the least k of at
    least 1 such that after k observations and more all predictions of the two agree within TOLERANCE; None if there is
    none up to MAX_STEPS.
    """
    steps = MAX_STEPS
    values = values.repeat(ceil(2 * steps / len(values)), 1)
    places = torch.linspace(1, len(values) - steps, min(STARTS, len(values) - steps)).long()
    context, contexts = values.new_zeros(1, network.config.context_size), {}
    for place, observation in enumerate(values[: int(places[-1])]):
        _, context = network.scan(observation[None, None], context)
        contexts[place + 1] = context
    true = torch.cat([contexts[int(place)] for place in places])  # (B, C)
    windows = torch.stack([values[place : place + steps] for place in places])  # (B, steps, F)
    outputs, _ = network.scan(windows, true)
    from_zero, _ = network.scan(windows, torch.zeros_like(true))
    apart = ((outputs - from_zero).abs() > TOLERANCE).any(dim=2).any(dim=0).nonzero()  # steps at which any differs
    forgotten = int(apart[-1]) + 2 if len(apart) else 1  # outputs[:, k - 1] are the predictions after k observations
    return forgotten if forgotten <= steps else None
