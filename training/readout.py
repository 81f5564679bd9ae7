"""The readout by ridge regression: the best linear reading of given features, in closed form."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

STRENGTHS = tuple(10.0**power for power in range(-10, 2))


@dataclass(frozen=True)
class Moments:
    """What a linear regression needs to know of its rows: sums, so that parts of the data can be added up.

    features: (N, P), targets: (N, O) -> count, sums (P), (O), second moments (P, P), (P, O); float64.
    """

    count: Tensor
    features: Tensor
    targets: Tensor
    squares: Tensor
    products: Tensor

    @classmethod
    def none(cls, features: int, targets: int) -> "Moments":
        """Of no rows at all."""
        return cls.of(torch.empty(0, features), torch.empty(0, targets))

    @classmethod
    def of(cls, features: Tensor, targets: Tensor) -> "Moments":
        """Rows with a target that is missing or not finite are left out."""
        happened = targets.isfinite().all(dim=1)
        x, y = features[happened].double(), targets[happened].double()
        return cls(torch.tensor(float(len(x)), dtype=torch.float64), x.sum(0), y.sum(0), x.T @ x, x.T @ y)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(*(mine + theirs for mine, theirs in zip(self.parts(), other.parts(), strict=True)))

    def uncentred(self) -> "Moments":
        """For a regression without bias: the same rows and their mirror images."""
        return replace(self, features=torch.zeros_like(self.features), targets=torch.zeros_like(self.targets))

    def only(self, columns: Tensor) -> "Moments":
        """Of some of the features."""
        squares = self.squares[columns][:, columns]
        return Moments(self.count, self.features[columns], self.targets, squares, self.products[columns])

    def parts(self) -> tuple[Tensor, ...]:
        """All sums, in order."""
        return self.count, self.features, self.targets, self.squares, self.products


class Ridge:
    """All ridge regressions of one set of rows, one for every strength, from a single eigendecomposition.

    The penalty is on the weights, not on the bias; a strength counts in units of the mean variance of the features,
    so that it means the same for few rows and many (Hoerl & Kennard, "Ridge regression", Technometrics 12, 1970).
    """

    def __init__(self, moments: Moments) -> None:
        self._x, self._y = moments.features / moments.count, moments.targets / moments.count
        covariance = moments.squares / moments.count - torch.outer(self._x, self._x)
        values, self._vectors = torch.linalg.eigh(covariance)
        self._values = values.clamp(min=0)
        self._products = self._vectors.T @ (moments.products / moments.count - torch.outer(self._x, self._y))

    def solve(self, strength: float) -> tuple[Tensor, Tensor]:
        """Weight (P, O) and bias (O)."""
        penalty = strength * self._values.mean() + torch.finfo(torch.float64).tiny
        weight = self._vectors @ (self._products / (self._values + penalty)[:, None])
        return weight, self._y - self._x @ weight
