"""Every stream's own mean and scale, kept while it runs, so that one network serves streams of any size.

Welford's update of mean and variance ("Note on a method for calculating corrected sums of squares and products",
Technometrics 4, 1962), with two changes: after MEMORY observations it forgets exponentially, and a deviation counts at
most LIMIT scales, so that an outlier does not blind the network for long. All is relative to the stream:
another unit or another zero of it changes nothing but the unit and the zero of the prediction.
"""

import torch
from torch import Tensor

from models.config import LIMIT, MEMORY, TRUSTED


def update(x: Tensor, running: Tensor) -> Tensor:
    """One observation. x: (B, F), running: (B, 1 + 2F) count, means, scales -> (B, 1 + 2F)"""
    features = x.shape[1]
    count, mean, scale = running.split_with_sizes((1, features, features), dim=1)
    bound = torch.where((count >= TRUSTED) & (scale > 0), LIMIT * scale, torch.inf)
    deviation = (x - mean).clamp(-bound, bound)
    weight = 1 / (count + 1)
    mean = mean + weight * deviation
    scale = ((1 - weight) * (scale**2 + weight * deviation**2)).sqrt()
    return torch.cat(((count + 1).clamp(max=MEMORY - 1), mean, scale), dim=1)


def updates(x: Tensor, running: Tensor) -> Tensor:
    """The update over time. x: (B, T, F), running: (B, 1 + 2F) -> (B, T, 1 + 2F)"""
    states = []
    for observation in x.unbind(dim=1):
        running = update(observation, running)
        states.append(running)
    return torch.stack(states, dim=1)


def seen(x: Tensor, running: Tensor) -> Tensor:
    """Values in the stream's own units; 0 where it has no scale yet. x: (..., F), running: (..., 1 + 2F)"""
    features = x.shape[-1]
    mean, scale = running[..., 1 : 1 + features], running[..., 1 + features :]
    return torch.where(scale > 0, (x - mean) / scale, 0.0)
