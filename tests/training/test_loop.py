from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from models import ElmanConfig
from tests.training.examples import QUICK, Values, grouped, logistic, same, sine
from training.choice import Rows
from training.errors import DivergenceError
from training.loop import Loop, Options
from training.start import orthogonal
from training.streams import Streams
from training.team import Team

TAPS = (1, 2)
SERIES = 2 * logistic(400)


def start(options: Options, features: int = 1, targets: int | None = None) -> Loop:
    generator = torch.Generator().manual_seed(options.seed)
    config = ElmanConfig(features, options.hidden_size, features, taps=TAPS, residual=True)
    if options.nonlinearity != config.nonlinearity:
        config = replace(config, nonlinearity=options.nonlinearity)
    return Loop(orthogonal(config, generator), options, TAPS, targets or features, Team())


def run(groups: Sequence[Streams], options: Options = QUICK) -> tuple[Loop, list[float]]:
    losses: list[float] = []
    loop = start(options, groups[0].values.shape[2])
    loop.run(groups, lambda _what, loss: losses.append(loss), None)
    return loop, losses


def moved(options: Options) -> float:
    """How far the hidden weights move in one epoch."""
    before = start(options).network.hidden_weights[0].detach().clone()
    loop, _ = run(grouped(SERIES), replace(options, epochs=1))
    return float((loop.network.hidden_weights[0].detach() - before).norm())


def test_the_same_seed_gives_the_same_weights() -> None:
    one, again, other = (run(grouped(SERIES), replace(QUICK, seed=seed))[0].network for seed in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)


def test_the_best_epoch_is_kept_and_never_worse_than_the_start() -> None:
    loop, losses = run(grouped(SERIES), replace(QUICK, epochs=8, learning_rate=0.005))
    assert len(losses) == loop.epoch + 1
    assert loop.best_loss == min(losses) == losses[loop.best_epoch] < losses[0]


def test_it_stops_when_validation_no_longer_improves() -> None:
    loop, losses = run(grouped(SERIES), replace(QUICK, epochs=500, patience=2, learning_rate=1.0))
    assert loop.epoch == loop.best_epoch + 2 < 500
    assert loop.best_loss <= losses[0]


def test_divergence_is_reported() -> None:
    with pytest.raises(DivergenceError, match="in epoch 1; try a smaller --learning-rate"):
        run(grouped(SERIES), replace(QUICK, nonlinearity="relu", learning_rate=1e30, clip=1e30))


def test_missing_values_do_not_poison() -> None:
    gappy = sine(400)
    gappy[5::7] = gappy[200:210] = gappy[:2] = np.nan
    loop, losses = run(grouped(gappy))
    assert np.isfinite(losses).all()
    assert all(parameter.isfinite().all() for parameter in loop.network.parameters())
    assert loop.best_loss < 1e-3


def test_missing_targets_are_not_learned_from() -> None:
    gappy = sine(500)
    gappy[150:160] = np.nan
    (streams,) = grouped(gappy)
    rows = Rows.of(start(QUICK).network, [streams], Team())
    assert rows.train.count == streams.part("train", 100).sum() - 10
    assert rows.finite


def test_what_is_beyond_the_end_of_a_series_has_no_influence() -> None:
    (streams,) = grouped(SERIES)
    padding = torch.full((1, 70, 1), torch.nan, dtype=torch.float64)
    padded = replace(streams, values=torch.cat((streams.values, padding), dim=1))
    one, other = run([streams])[0].network, run([padded])[0].network
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9)


def test_the_gradient_reaches_back_through_the_window() -> None:
    one, other = (run(grouped(SERIES), replace(QUICK, window=window))[0].network for window in (4, 64))
    assert not same(one, other)


def test_the_gradient_is_clipped() -> None:
    """Adam forgives a gradient its size, but not one below its epsilon of 1e-8."""
    assert moved(replace(QUICK, clip=1e-10, weight_decay=0)) < 0.1 * moved(replace(QUICK, weight_decay=0))


def test_in_a_closed_loop_the_network_learns_something_else_and_the_same_twice() -> None:
    closed = replace(QUICK, closed_loop=6)
    one, again, opened = (run(grouped(SERIES), options)[0].network for options in (closed, closed, QUICK))
    assert same(one, again)
    assert not same(one, opened)
    assert all(parameter.isfinite().all() for parameter in one.parameters())


def test_series_of_different_length_are_learned_from_together() -> None:
    values: list[Values] = [SERIES, SERIES[:150], SERIES[:90]]
    loop, losses = run(grouped(*values))
    assert np.isfinite(losses).all()
    assert not same(loop.network, run(grouped(SERIES))[0].network)
