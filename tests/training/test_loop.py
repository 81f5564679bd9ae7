from dataclasses import replace

import numpy as np
import pytest
import torch

from models import Elman, ElmanConfig
from training.data import Split
from training.errors import DivergenceError
from training.loop import Options, fit

SINE = torch.from_numpy(np.sin(np.arange(160) * 0.4)[:, None].astype(np.float32))
SPLIT = Split.of(160, 0.15, 0.15)
QUICK = Options(hidden_size=6, epochs=30, learning_rate=0.02, window=16)


def ignore(loss: float) -> None:
    pass


def test_it_learns() -> None:
    losses: list[float] = []
    result = fit(SINE, SPLIT, QUICK, losses.append)
    assert len(losses) == result.epochs
    assert result.validation_loss == min(losses) == losses[result.best_epoch - 1]
    assert result.validation_loss < 0.1 * losses[0]


def test_the_weights_are_those_of_the_best_epoch() -> None:
    result = fit(SINE, SPLIT, replace(QUICK, learning_rate=0.1, epochs=500, patience=3), ignore)
    assert result.best_epoch < result.epochs
    outputs, _ = result.network(SINE[None, :-1], torch.zeros(1, 6))
    part = slice(SPLIT.train - 1, SPLIT.validation - 1)
    loss = (outputs[0, part] - SINE[1:][part]).square().mean().item()
    assert loss == pytest.approx(result.validation_loss, rel=1e-3)


def test_the_same_seed_gives_the_same_network() -> None:
    one, same, other = (fit(SINE, SPLIT, replace(QUICK, epochs=3, seed=seed), ignore).network for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.readout_weight, other.readout_weight)


def test_the_test_part_is_never_looked_at() -> None:
    changed = SINE.clone()
    changed[SPLIT.validation :] = 1e3
    one, other = (fit(series, SPLIT, replace(QUICK, epochs=3), ignore).network for series in (SINE, changed))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_it_stops_when_validation_no_longer_improves() -> None:
    result = fit(SINE, SPLIT, replace(QUICK, epochs=500, patience=3, learning_rate=0.1), ignore)
    assert result.epochs == result.best_epoch + 3


def test_gaps_are_filled_as_in_serving_and_left_out_of_the_loss() -> None:
    gappy = SINE.clone()
    gappy[::7] = torch.nan
    result = fit(gappy, SPLIT, QUICK, ignore)
    assert np.isfinite(result.validation_loss)
    assert result.validation_loss < 0.1


def test_the_gradient_reaches_back_through_the_window() -> None:
    """With windows of one step the context is cut every time, and another network comes out."""
    one, other = (fit(SINE, SPLIT, replace(QUICK, epochs=2, window=window), ignore).network for window in (1, 16))
    assert not torch.allclose(one.readout_weight, other.readout_weight)


def test_divergence_is_reported() -> None:
    with pytest.raises(DivergenceError, match="smaller --learning-rate"):
        fit(SINE * 1e20, SPLIT, replace(QUICK, nonlinearity="relu", learning_rate=1e30, clip=1e30), ignore)


def test_the_result_is_a_float32_network() -> None:
    network = fit(SINE, SPLIT, replace(QUICK, epochs=1, num_layers=2, bias=False), ignore).network
    assert network.config == ElmanConfig(1, 6, 1, num_layers=2, bias=False)
    assert isinstance(network, Elman)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
