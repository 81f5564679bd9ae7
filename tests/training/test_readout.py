import numpy as np
import pytest
import torch

from training.readout import Moments, Ridge

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(80, 5, generator=GENERATOR, dtype=torch.float64) + 3
Y = torch.randn(80, 2, generator=GENERATOR, dtype=torch.float64) - 7


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


def test_without_penalty_it_is_least_squares() -> None:
    weight, bias = Ridge(Moments.of(X, Y)).solve(0.0)
    expected = np.linalg.lstsq(np.c_[X.numpy(), np.ones(80)], Y.numpy(), rcond=None)[0]
    close(weight, torch.from_numpy(expected[:-1]))
    close(bias, torch.from_numpy(expected[-1]))


@pytest.mark.parametrize("strength", [1e-6, 0.1, 10.0])
def test_it_is_ridge_regression_in_closed_form(strength: float) -> None:
    """The penalty is in units of the mean variance of the features, and not on the bias."""
    centred, targets = X - X.mean(0), Y - Y.mean(0)
    penalty = strength * centred.pow(2).mean() * len(X)
    expected = torch.linalg.solve(centred.T @ centred + penalty * torch.eye(5).double(), centred.T @ targets)
    weight, bias = Ridge(Moments.of(X, Y)).solve(strength)
    close(weight, expected)
    close(bias, Y.mean(0) - X.mean(0) @ expected)


def test_the_moments_of_parts_add_up_to_those_of_the_whole() -> None:
    parts = Moments.of(X[:30], Y[:30]) + Moments.none(5, 2) + Moments.of(X[30:], Y[30:])
    for mine, whole in zip(parts.parts(), Moments.of(X, Y).parts(), strict=True):
        close(mine, whole)


def test_a_strength_means_the_same_for_few_rows_and_many() -> None:
    once = Moments.of(X, Y)
    close(Ridge(once).solve(0.1)[0], Ridge(once + once + once).solve(0.1)[0])


def test_only_some_of_the_features_can_be_read() -> None:
    columns = torch.tensor([4, 1])
    some, expected = Moments.of(X, Y).only(columns), Moments.of(X[:, columns], Y)
    for mine, theirs in zip(some.parts(), expected.parts(), strict=True):
        close(mine, theirs)


def test_uncentred_it_is_the_regression_without_bias() -> None:
    weight, bias = Ridge(Moments.of(X, Y).uncentred()).solve(0.0)
    close(weight, torch.linalg.lstsq(X, Y).solution)
    close(bias, torch.zeros(2).double())


def test_the_stronger_the_penalty_the_smaller_the_weights() -> None:
    ridge = Ridge(Moments.of(X, Y))
    sizes = [float(ridge.solve(strength)[0].norm()) for strength in (0.0, 0.01, 0.1, 1.0, 10.0, 1e6)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1e-5
    close(ridge.solve(1e12)[1], Y.mean(0))  # what remains is the mean


@pytest.mark.parametrize("missing", [float("nan"), float("inf")])
def test_rows_without_all_their_targets_are_left_out(missing: float) -> None:
    gappy = Y.clone()
    gappy[::4, 0] = missing
    there = torch.arange(80) % 4 != 0
    moments = Moments.of(X, gappy)
    assert moments.count == 60
    for mine, theirs in zip(moments.parts(), Moments.of(X[there], Y[there]).parts(), strict=True):
        close(mine, theirs)


def test_features_that_never_vary_get_no_weight() -> None:
    still = torch.cat((X, torch.full((80, 1), 4.0).double()), dim=1)
    weight, _ = Ridge(Moments.of(still, Y)).solve(1e-8)
    assert weight.isfinite().all()
    assert weight[-1].abs().max() < 1e-4
