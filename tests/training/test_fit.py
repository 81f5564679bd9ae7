from dataclasses import replace

import numpy as np
import pytest
import torch

from models import ElmanConfig
from models.elman import Elman
from tests.training.examples import QUICK, Values, fitted, logistic
from training.choice import Readout
from training.fit import assembled, tap_sets


def series(features: int = 1) -> Values:
    return np.concatenate([2 * logistic(400, 0.3 + 0.1 * number) for number in range(features)], axis=1)


@pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 2},
        {"bias": False},
        {"nonlinearity": "relu"},
        {"per_stream_scale": True},
        {"residual": False},
        {"num_layers": 2, "bias": False, "nonlinearity": "relu", "per_stream_scale": True, "closed_loop": 3},
    ],
    ids=str,
)
def test_every_option_gives_a_float32_network_that_is_better_than_the_last_value(options: dict[str, object]) -> None:
    result = fitted(series(2), options=replace(QUICK, keep="network", epochs=2, **options))  # type: ignore[arg-type]
    config = result.network.config
    assert {name: getattr(config, name) for name in options if name != "closed_loop"} == {
        name: value for name, value in options.items() if name != "closed_loop"
    }
    assert {parameter.dtype for parameter in result.network.parameters()} == {torch.float32}
    assert all(parameter.isfinite().all() for parameter in result.network.parameters())
    assert result.losses["network"] < result.losses["persistence"]
    x = torch.from_numpy(series(2)[None].astype(np.float32))
    with torch.no_grad():
        y, _ = result.network.scan(x, torch.zeros(1, config.context_size))
    errors, naive = (y[:, 50:-1] - x[:, 51:]).square().mean(), (x[:, 50:-1] - x[:, 51:]).square().mean()
    assert errors < naive


def test_it_tells_its_losses_and_epochs() -> None:
    result = fitted(series(), options=replace(QUICK, starts=2))
    assert set(result.losses) == {"persistence", "linear", "network"}
    assert result.best_epoch <= result.epochs <= QUICK.epochs


def test_without_epochs_the_start_is_what_is_kept() -> None:
    result = fitted(series(), options=replace(QUICK, epochs=0))
    assert (result.epochs, result.best_epoch) == (0, 0)
    assert result.losses["network"] < result.losses["persistence"]


def test_a_network_drops_the_taps_that_its_readout_does_not_read() -> None:
    wide = Elman(ElmanConfig(2, 3, 2, taps=(1, 4, 7), residual=True), torch.Generator().manual_seed(0)).double()
    weight = torch.randn(9, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight[3:5] = weight[7:] = 0  # what is at lags 1 and 7
    bias = torch.tensor([0.5, -0.5], dtype=torch.float64)
    narrow = assembled(wide, Readout("network", (4,), torch.tensor([]), 0.0, 0.0, torch.tensor([])), weight, bias)
    assert narrow.config == replace(wide.config, taps=(4,))
    with torch.no_grad():
        wide.readout_weight.copy_(weight)
        wide.readout_bias.copy_(bias)
        x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 40, 2)))
        expected, _ = wide(x, x.new_zeros(1, wide.config.context_size))
        found, _ = narrow(x, x.new_zeros(1, narrow.config.context_size))
    torch.testing.assert_close(found, expected)


def test_taps_reach_back_over_a_season() -> None:
    near, seasonal, far, both = tap_sets(2000, 2000, [24, 168])
    assert near == tuple(range(1, 9))
    assert far == tuple(range(1, 31))
    assert seasonal == (*near, 23, 24, 25, 47, 48, 49, 167, 168, 169)
    assert set(both) == set(far) | set(seasonal)


def test_a_short_series_has_few_taps_none_of_them_far() -> None:
    assert tap_sets(40, 40, [12]) == [(1, 2), (1, 2, 11, 12)]
    assert tap_sets(3, 3, []) == [(1,)]


def test_one_series_among_many_may_read_more() -> None:
    assert tap_sets(40, 4000, [])[-1] == tuple(range(1, 11))


def test_a_set_that_validates_better_is_chosen() -> None:
    """What is now is what was 7 steps ago, and a little chance."""
    values = np.random.default_rng(0).normal(size=(700, 1))
    for step in range(7, 700):
        values[step] = 0.95 * values[step - 7] + 0.3 * values[step]
    assert fitted(values, taps=((1, 2), (1, 2, 7))).network.config.taps == (1, 2, 7)
