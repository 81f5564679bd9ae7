"""Free-running over many places of the series at once: how well a network forecasts, and the gradient of that."""

from collections.abc import Sequence
from math import ceil

import torch
from torch import Tensor

from models.elman import Elman
from training.streams import Part, Streams
from training.team import Team

PLACES = 256
"""Places per part of a series, at most, from which the network runs free."""


def loss(network: Elman, groups: Sequence[Streams], horizon: int, targets: int, team: Team) -> float:
    """Mean squared error of free-running predictions of the validation part, over so many steps."""
    with torch.no_grad():
        parts = [errors(network, *places(network, streams, "validation", horizon)) for streams in groups]
    found = torch.cat([part[..., :targets].flatten() for part in parts] or [torch.empty(0)])
    happened = found[found.isfinite()].double()
    total, count = team.total(
        torch.stack((happened.pow(2).sum(), torch.tensor(float(len(happened))).double()))
    ).tolist()
    return float(total / count) if count else float("inf")


def errors(network: Elman, h: Tensor, truth: Tensor) -> Tensor:
    """Of predictions that are fed back, in scaled units or the stream's own. (N, C), (N, K, F) -> (N, K, F)"""
    scale = h[:, -truth.shape[2] :, None].mT if network.config.per_stream_scale else 1.0
    found, y = [], network.peek(h)
    for happened in truth.unbind(dim=1):
        found.append(y - happened)
        y, h = network.step(y, h)
    return torch.stack(found, dim=1) / scale


@torch.no_grad()
def places(
    network: Elman, streams: Streams, part: Part, horizon: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Where to run free from: contexts (N, C), and what happened next, (N, horizon, F).

    Evenly spread over a part of every series, from a start that the generator chooses, or else from its first value on.
    """
    inputs, steps = streams.heard(network), streams.values.shape[1]
    spacing = max(horizon, ceil(steps / PLACES))
    begin, end = (streams.train // 4, streams.train) if part == "train" else (streams.train, streams.validation)
    first = int(begin.min()) + (int(torch.randint(spacing, (1,), generator=generator)) if generator else 0)
    h, before = inputs.new_zeros(len(inputs), network.config.context_size), 0
    contexts, truths = [h[:0]], [streams.values[:0, :horizon]]
    for place in range(first, steps - horizon + 1, spacing):
        if place > before:
            _, h = network(inputs[:, before:place], h)
        before = place
        here = (place >= begin) & (place + horizon <= end)
        contexts.append(h[here])
        truths.append(streams.values[here, place : place + horizon])
    return torch.cat(contexts), torch.cat(truths)
