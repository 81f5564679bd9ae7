import pytest
import torch

from models import ElmanConfig
from tests.training.examples import same
from training.start import LONG, SHORT, Blocks, orthogonal


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("blocks", [LONG, SHORT])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_third_of_the_units_remembers_by_an_orthogonal_matrix(blocks: Blocks, layers: int) -> None:
    network = orthogonal(ElmanConfig(2, 11, 2, num_layers=layers), generator(), blocks)
    parts = (slice(0, 4), slice(4, 8), slice(8, 11))
    for layer, below in enumerate([2, 11][:layers]):
        recurrent = network.hidden_weights[layer].detach()[below:]
        expected = torch.zeros(11, 11).double()
        for units, (keep, gain) in zip(parts, blocks, strict=True):
            expected[units, units] = keep**2 * torch.eye(units.stop - units.start).double()
            assert network.hidden_weights[layer][:below, units].abs().max() <= gain / below**0.5
        torch.testing.assert_close(recurrent.T @ recurrent, expected, rtol=0, atol=1e-12)


def test_a_seed_fixes_it() -> None:
    config = ElmanConfig(1, 7, 1, num_layers=2)
    assert same(orthogonal(config, generator(3)), orthogonal(config, generator(3)))
    assert not same(orthogonal(config, generator(3)), orthogonal(config, generator(4)))


@pytest.mark.parametrize("units", [1, 2, 3, 4, 33])
@pytest.mark.parametrize("bias", [True, False])
def test_any_hidden_size_starts_with_a_silent_readout(units: int, bias: bool) -> None:
    network = orthogonal(ElmanConfig(1, units, 1, bias=bias), generator())
    outputs, h = network(torch.ones(1, 50, 1).double(), torch.zeros(1, units).double())
    assert not outputs.any()
    assert h.isfinite().all()
    assert h.any()
