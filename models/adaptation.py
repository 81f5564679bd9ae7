"""A readout that goes on learning, stream by stream: recursive least squares with forgetting.

Every stream carries a correction of the readout's weights and its covariance (L. Ljung & T. Soderstrom, "Theory and
practice of recursive identification", 1983), learned from every value by what the checkpoint's own readout missed. It
is bounded: the covariance never grows beyond what it began with, where a stream says nothing of some direction. And it
does no harm for long: the correction counts in so far as it has been the better of the two of late, and begins anew
where it has been much the worse.

The state of a stream is flat: corrections (W, O), the covariance's lower triangle, and running means, (2, O), of the
squared error without the correction and of what the correction took from it; W is the readout's width plus one for the
bias. Pure, for a batch of streams.
"""

import torch
from torch import Tensor

from models.config import ElmanConfig
from models.elman import Reading

FORGETTING = 0.999
"""Weight of everything before, at each step: a memory of 1,000 observations."""

PENALTY = 20.0
"""The correction begins at zero, as if so many observations had said so."""

LOSS_RATE = 0.005
"""Weight of the newest squared error in the running ones."""

MARGIN = 0.02
"""By so much smaller errors the correction has earned its full weight."""

RUIN = 2.0
"""With errors so many times larger it begins anew."""

LIMIT = 5.0
"""An error counts and teaches as if it were so many root mean squared errors at most."""


class Adaptation:
    """Corrections of the readout of one architecture, for its first `targets` outputs. It holds no stream's state."""

    def __init__(self, config: ElmanConfig, targets: int, device: torch.device) -> None:
        self.targets = targets
        self.width = config.readout_size + 1
        self._triangle = torch.tril_indices(self.width, self.width, device=device)
        self._sizes = config.correction_sizes(targets)
        corrections, triangle, losses = (torch.zeros(size, device=device) for size in self._sizes)
        triangle[self._triangle[0] == self._triangle[1]] = 1 / PENALTY
        self._start = torch.cat((corrections, triangle, losses))

    def start(self, streams: int) -> Tensor:
        """Of streams that have seen nothing. (B, A)"""
        return self._start.repeat(streams, 1)

    def correct(self, said: Tensor, reading: Reading, state: Tensor) -> Tensor:
        """What the readout says, corrected. said: (B, O'), reading: features (B, P), state: (B, A) -> (B, O')"""
        corrections, _, losses = state.split_with_sizes(self._sizes, dim=1)
        plain, gained = losses.chunk(2, dim=1)
        earned = (gained / (MARGIN * plain).clamp(min=1e-30)).clamp(0, 1)
        change = self._change(_with_bias(reading.features), corrections)
        return torch.cat((said[:, : self.targets] + earned * change, said[:, self.targets :]), dim=1)

    def update(self, x: Tensor, said: Tensor, reading: Reading, state: Tensor) -> Tensor:
        """Learn from a value what the uncorrected readout missed. x: (B, F), NaN = missing, state, result: (B, A)"""
        corrections, triangle, losses = state.split_with_sizes(self._sizes, dim=1)
        plain, gained = losses.chunk(2, dim=1)
        features = _with_bias(reading.features)  # (B, W)
        missed = (reading.target(x) - said)[:, : self.targets]  # (B, O)
        told = missed.isfinite()
        missed = torch.where(told, missed, 0.0)
        left = missed - self._change(features, corrections)
        bound = torch.where(plain > 0, LIMIT * plain.sqrt(), torch.inf)
        bounded, remaining = missed.clamp(-bound, bound), left.clamp(-bound, bound)
        rate = torch.where(told, torch.where(plain > 0, LOSS_RATE, 1.0), 0.0)
        plain = torch.lerp(plain, bounded**2, rate)
        gained = torch.lerp(gained, (bounded - remaining) * (bounded + remaining), rate)
        covariance = self._covariance(triangle)
        reach = (covariance @ features[..., None])[..., 0]  # (B, W)
        gain = reach / (FORGETTING + (features * reach).sum(dim=1, keepdim=True))
        corrections = corrections + (gain[..., None] * torch.where(told, remaining, 0.0)[:, None]).flatten(1)
        covariance = (covariance - gain[..., None] * reach[:, None]) / FORGETTING
        trace = covariance.diagonal(dim1=1, dim2=2).sum(dim=1)
        covariance = covariance * (self.width / PENALTY / trace).clamp(max=1)[:, None, None]
        kept = covariance[:, self._triangle[0], self._triangle[1]]
        after = torch.cat((corrections, kept, plain, gained), dim=1)
        ruined = (gained < (1 - RUIN) * plain).any(dim=1, keepdim=True) | ~after.isfinite().all(dim=1, keepdim=True)
        after = torch.where(ruined, self.start(1), after)
        return torch.where(told.any(dim=1, keepdim=True), after, state)

    def _change(self, features: Tensor, corrections: Tensor) -> Tensor:
        """(B, W), (B, W * O) -> (B, O)"""
        weights = corrections.reshape(len(corrections), self.width, self.targets)
        return torch.einsum("bw,bwo->bo", features, weights)

    def _covariance(self, triangle: Tensor) -> Tensor:
        covariance = triangle.new_zeros(len(triangle), self.width, self.width)
        covariance[:, self._triangle[0], self._triangle[1]] = triangle
        covariance[:, self._triangle[1], self._triangle[0]] = triangle
        return covariance


def _with_bias(features: Tensor) -> Tensor:
    return torch.cat((features, torch.ones_like(features[:, :1])), dim=1)
