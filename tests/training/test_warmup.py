import torch

from models import Elman, ElmanConfig
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
