import torch

from models import ElmanConfig
from models.elman import Elman
from training.warmup import TOLERANCE, forgetting_steps

SERIES = torch.sin(torch.arange(200.0) * 0.3)[:, None]


class Leaky(Elman):
    """One unit that keeps a share of its context and adds 1: from zero it nears 1 / (1 - share)."""

    def __init__(self, share: float) -> None:
        super().__init__(ElmanConfig(1, 1, 1, nonlinearity="relu", bias=False))
        with torch.no_grad():
            self.hidden_weights[0].copy_(torch.tensor([[0.0], [share]]))
            self.readout_weight.fill_(1.0)

    def step(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, h = super().step(x, h)
        return y + 1, h + 1


def test_a_network_that_halves_its_context_forgets_in_as_many_halvings() -> None:
    """The true context is 2 at the most, and 2 * 0.5 ** 11 is the first below 1e-3."""
    assert 2 * 0.5**11 < TOLERANCE < 2 * 0.5**10
    assert forgetting_steps(Leaky(0.5), SERIES) == 11


def test_a_network_without_memory_forgets_at_once() -> None:
    assert forgetting_steps(Leaky(0.0), SERIES) == 1


def test_a_network_that_keeps_everything_never_forgets() -> None:
    assert forgetting_steps(Leaky(1.0), SERIES) is None


def test_a_readout_of_taps_has_forgotten_when_the_last_of_them_is_full() -> None:
    """From zero, what is at lag 5 is right only after five observations."""
    network = Elman(ElmanConfig(1, 1, 1, taps=(1, 5), residual=True))
    with torch.no_grad():
        network.readout_weight[0] = 0  # the hidden state is not read
        network.readout_weight[1:] = 0.5
    assert forgetting_steps(network, SERIES) == 5


def test_missing_values_do_not_keep_it_from_forgetting() -> None:
    gappy = SERIES.clone()
    gappy[::9] = torch.nan
    forgotten = forgetting_steps(Elman(ElmanConfig(1, 4, 1), torch.Generator().manual_seed(0)), gappy)
    assert forgotten is not None
    assert forgotten < 30
