import pytest
import torch

from models import ElmanConfig
from models.elman import Elman
from models.unrolled import TwoStepRNN, unfold


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_two_steps_worked_by_hand() -> None:
    network = TwoStepRNN(input_size=2, neurons=1)
    with torch.no_grad():
        network.Wx.copy_(torch.tensor([[0.5], [-1.0]]))
        network.Wy.copy_(torch.tensor([[2.0]]))
        network.b.copy_(torch.tensor([[0.1]]))
    Y0, Y1 = network(torch.tensor([[1.0, 0.2]]), torch.tensor([[0.0, 1.0]]))
    y0 = torch.tanh(torch.tensor(1 * 0.5 + 0.2 * -1 + 0.1))
    torch.testing.assert_close(Y0, y0.reshape(1, 1))
    torch.testing.assert_close(Y1, torch.tanh(y0 * 2 + 0 * 0.5 + 1 * -1 + 0.1).reshape(1, 1))


@pytest.mark.parametrize(("input_size", "neurons"), [(2, 1), (4, 5), (1, 6)])
def test_it_has_any_size(input_size: int, neurons: int) -> None:
    network = TwoStepRNN(input_size, neurons)
    Y0, Y1 = network(random(4, input_size, seed=1), random(4, input_size, seed=2))
    assert Y0.shape == Y1.shape == (4, neurons)
    assert network.b.shape == (1, neurons)


def test_the_two_step_network_is_its_cell_unfolded_twice() -> None:
    network = TwoStepRNN(3, 5, torch.Generator().manual_seed(0))
    X0, X1 = random(4, 3, seed=1), random(4, 3, seed=2)
    (Y0, Y1), last = unfold(network.cell, 2)([X0, X1], torch.zeros(4, 5))
    expected = network(X0, X1)
    torch.testing.assert_close(Y0, expected[0])
    torch.testing.assert_close(Y1, expected[1])
    assert torch.equal(last, Y1)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_unfolding_an_elman_network_equals_its_recurrent_form(n: int) -> None:
    network = Elman(ElmanConfig(2, 4, 1, num_layers=2), torch.Generator().manual_seed(0))
    x, h = random(3, n, 2, seed=1), random(3, 8, seed=2)
    outputs, last = unfold(network.step, n)(list(x.unbind(dim=1)), h)
    recurrent, context = network(x, h)
    torch.testing.assert_close(torch.stack(outputs, dim=1), recurrent, rtol=0, atol=1e-6)
    torch.testing.assert_close(last, context, rtol=0, atol=1e-6)


def test_the_copies_share_their_weights() -> None:
    """The gradient of an unfolded network reaches the one set of weights through every copy."""
    network = TwoStepRNN(1, 1)
    X0, X1 = torch.tensor([[1.0]]), torch.tensor([[0.0]])
    (_, Y1), _ = unfold(network.cell, 2)([X0, X1], torch.zeros(1, 1))
    (gradient,) = torch.autograd.grad(Y1.sum(), [network.Wx])
    assert gradient.item() != 0  # X1 is 0: all of it comes through the first copy


def test_an_unfolded_network_takes_exactly_its_steps() -> None:
    cell = TwoStepRNN(1, 1).cell
    with pytest.raises(ValueError, match="3 inputs"):
        unfold(cell, 2)([torch.zeros(1, 1)] * 3, torch.zeros(1, 1))
    with pytest.raises(ValueError, match="at least one"):
        unfold(cell, 0)
