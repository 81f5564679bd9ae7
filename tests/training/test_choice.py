from dataclasses import replace

import numpy as np
import pytest
import torch

from models import ElmanConfig
from models.elman import Elman
from tests.training.examples import QUICK, autoregression, fitted, logistic, random_walk
from training.choice import Kept, Readout, keep
from training.errors import TrainingError, WorseThanNaiveError
from training.team import Team

NETWORK = Elman(ElmanConfig(1, 2, 1, taps=(1,), residual=True))
STEADY = torch.ones(100, dtype=torch.float64)
NOISY = torch.rand(100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def found(persistence: torch.Tensor, linear: torch.Tensor, network: torch.Tensor) -> dict[Kept, Readout]:
    """Readouts with these squared errors."""
    errors: dict[Kept, torch.Tensor] = {"persistence": persistence, "linear": linear, "network": network}
    columns = torch.tensor([0])
    return {kind: Readout(kind, (), columns, 0.0, float(each.nanmean()), each) for kind, each in errors.items()}


def kept(readouts: dict[Kept, Readout], network: Elman = NETWORK) -> tuple[Kept, str]:
    return keep(readouts, network, None, False, Team())


def test_what_is_clearly_better_is_kept() -> None:
    kind, reason = kept(found(STEADY, 0.9 * STEADY, 0.8 * STEADY))
    assert kind == "network"
    assert reason == "The network was kept: on the validation part it is clearly better than anything simpler."


def test_a_share_that_is_too_small_does_not_count() -> None:
    kind, reason = kept(found(STEADY, 0.8 * STEADY, 0.79 * STEADY))
    assert kind == "linear"
    assert "the network is not better than it by more than a standard error and 3.0% of the loss" in reason


def test_a_difference_within_its_standard_error_does_not_count() -> None:
    """One tenth of the rows makes all the difference: that may be chance."""
    lucky = torch.where(torch.arange(100) < 10, 0.1, 1.02) * STEADY
    assert kept(found(2 * STEADY, STEADY, lucky))[0] == "linear"


def test_missing_errors_count_nothing() -> None:
    gappy = torch.where(torch.arange(100) < 30, torch.nan, 0.5) * STEADY
    assert kept(found(STEADY, STEADY, gappy))[0] == "network"


def test_persistence_is_kept_where_nothing_is_better() -> None:
    kind, reason = kept(found(NOISY, NOISY + 0.1, NOISY + 0.2))
    assert (kind, reason) == ("persistence", "Persistence was kept: on the validation part nothing is better.")


def test_what_is_asked_for_is_kept() -> None:
    kind, reason = keep(found(3 * STEADY, STEADY, 2 * STEADY), NETWORK, "network", False, Team())
    assert (kind, reason) == ("network", "The network was kept because it was asked for.")


def test_what_the_network_cannot_read_cannot_be_kept() -> None:
    pure = Elman(ElmanConfig(1, 2, 1))
    readouts = found(STEADY, STEADY, STEADY)
    del readouts["linear"]
    for wanted in ("persistence", "linear"):
        with pytest.raises(TrainingError, match="cannot be kept without the --taps"):
            keep(readouts, pure, wanted, False, Team())


def test_worse_than_the_last_value_is_kept_only_by_force() -> None:
    readouts, pure = found(STEADY, 2 * STEADY, 3 * STEADY), Elman(ElmanConfig(1, 2, 1))
    del readouts["linear"]
    with pytest.raises(WorseThanNaiveError, match=r"worse than its last value does \(mean squared error 3 against 1\)"):
        kept(readouts, pure)
    kind, reason = keep(readouts, pure, None, True, Team())
    assert (kind, reason) == (
        "network",
        "The network was kept by force: it predicts the validation part worse than its last value does.",
    )


def test_on_a_parabola_the_network_is_kept() -> None:
    result = fitted(logistic(600) * 4)
    assert result.kept == "network"
    assert result.losses["network"] < 0.9 * result.losses["linear"] < result.losses["persistence"]


def test_on_an_autoregression_the_linear_part_is_kept() -> None:
    result = fitted(autoregression(600))
    assert result.kept == "linear"
    assert not result.network.readout_weight[: QUICK.hidden_size].any()
    assert result.losses["linear"] < 0.7 * result.losses["persistence"]


@pytest.mark.parametrize(("residual", "taps"), [(True, ()), (False, (1,))])
def test_on_a_random_walk_persistence_is_kept_and_exact(residual: bool, taps: tuple[int, ...]) -> None:
    values = random_walk(600) / 20
    result = fitted(values, options=replace(QUICK, residual=residual))
    assert result.kept == "persistence"
    assert result.network.config.taps == taps
    x = torch.from_numpy(values[None].astype(np.float32))
    with torch.no_grad():
        y, _ = result.network.scan(x, torch.zeros(1, result.network.config.context_size))
    assert torch.equal(y, x)


def test_a_tiny_pure_network_on_a_random_walk_is_refused_or_forced() -> None:
    tiny = replace(QUICK, hidden_size=1, residual=False)
    with pytest.raises(WorseThanNaiveError, match="--force keeps it anyway"):
        fitted(random_walk(600) / 20, options=tiny, taps=[()])
    result = fitted(random_walk(600) / 20, options=replace(tiny, force=True), taps=[()])
    assert result.kept == "network"
    assert "by force" in result.reason
