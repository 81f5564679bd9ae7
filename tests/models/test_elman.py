import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models import Elman, ElmanConfig
from models.config import Nonlinearity

EXACT: Any = {"rtol": 0, "atol": 1e-6}

configs = st.builds(
    ElmanConfig,
    input_size=st.integers(1, 4),
    hidden_size=st.integers(1, 9),
    output_size=st.integers(1, 3),
    num_layers=st.integers(1, 3),
    nonlinearity=st.sampled_from(["tanh", "relu"]),
    bias=st.booleans(),
)


def network_of(config: ElmanConfig, seed: int = 0) -> Elman:
    return Elman(config, torch.Generator().manual_seed(seed))


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_a_step_worked_by_hand() -> None:
    """x = 1, h = (0.5, -1); W joins the input row with two context rows; every number is written out."""
    network = Elman(ElmanConfig(1, 2, 1))
    network.hidden_weights[0].copy_(torch.tensor([[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6]]))
    network.hidden_biases[0].copy_(torch.tensor([0.05, -0.05]))
    network.readout_weight.copy_(torch.tensor([[2.0], [-3.0]]))
    network.readout_bias.copy_(torch.tensor([0.25]))
    h0 = math.tanh(1 * 0.1 + 0.5 * 0.3 + -1 * -0.5 + 0.05)  # tanh(0.8)
    h1 = math.tanh(1 * -0.2 + 0.5 * 0.4 + -1 * 0.6 - 0.05)  # tanh(-0.65)
    y, h = network.step(torch.tensor([[1.0]]), torch.tensor([[0.5, -1.0]]))
    torch.testing.assert_close(h, torch.tensor([[h0, h1]]), **EXACT)
    torch.testing.assert_close(y, torch.tensor([[2 * h0 - 3 * h1 + 0.25]]), **EXACT)


@torch.no_grad()
def test_a_step_without_bias_through_relu_worked_by_hand() -> None:
    network = Elman(ElmanConfig(1, 2, 1, nonlinearity="relu", bias=False))
    network.hidden_weights[0].copy_(torch.tensor([[1.0, -1.0], [0.5, 0.0], [0.0, 0.5]]))
    network.readout_weight.copy_(torch.tensor([[1.0], [10.0]]))
    y, h = network.step(torch.tensor([[2.0]]), torch.tensor([[4.0, 2.0]]))
    torch.testing.assert_close(h, torch.tensor([[4.0, 0.0]]))  # relu(2 + 2), relu(-2 + 1)
    torch.testing.assert_close(y, torch.tensor([[4.0]]))


def test_a_step_is_pure() -> None:
    network, x, h = network_of(ElmanConfig(1, 3, 1)), random(2, 1), random(2, 3)
    before = x.clone(), h.clone()
    first, second = network.step(x, h), network.step(x, h)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert torch.equal(x, before[0])
    assert torch.equal(h, before[1])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@torch.no_grad()
def test_it_equals_torch_rnn(nonlinearity: Nonlinearity, layers: int, bias: bool) -> None:
    torch.manual_seed(0)
    rnn = nn.RNN(3, 5, num_layers=layers, nonlinearity=nonlinearity, bias=bias, batch_first=True)
    linear = nn.Linear(5, 2, bias=bias)
    network = Elman.from_torch(rnn, linear)
    x, h = random(4, 20, 3), random(layers, 4, 5, seed=2)
    hidden, last = rnn(x, h)
    y, context = network.scan(x, h.transpose(0, 1).reshape(4, -1))
    torch.testing.assert_close(y, linear(hidden), **EXACT)
    torch.testing.assert_close(context, last.transpose(0, 1).reshape(4, -1), **EXACT)


@pytest.mark.parametrize(
    ("rnn", "linear"),
    [
        (nn.RNN(1, 4, bidirectional=True), nn.Linear(8, 1)),
        (nn.RNN(1, 4), nn.Linear(5, 1)),
        (nn.RNN(1, 4, bias=False), nn.Linear(4, 1)),
    ],
)
def test_weights_that_are_no_elman_network_are_refused(rnn: nn.RNN, linear: nn.Linear) -> None:
    with pytest.raises(ValueError, match=r"nn\.RNN"):
        Elman.from_torch(rnn, linear)


@given(config=configs, streams=st.integers(1, 4), steps=st.integers(1, 12))
@torch.no_grad()
def test_step_scan_and_forward_agree(config: ElmanConfig, streams: int, steps: int) -> None:
    network = network_of(config)
    x, h = random(streams, steps, config.input_size), random(streams, config.context_size, seed=2)
    context, outputs = h, []
    for t in range(steps):
        y, context = network.step(x[:, t], context)
        outputs.append(y)
    for run in (network.scan, network.forward):
        y, last = run(x, h)
        torch.testing.assert_close(y, torch.stack(outputs, dim=1), **EXACT)
        torch.testing.assert_close(last, context, **EXACT)


@given(config=configs, cuts=st.sets(st.integers(1, 11), max_size=4))
@torch.no_grad()
def test_any_split_of_a_sequence_gives_the_whole(config: ElmanConfig, cuts: set[int]) -> None:
    network, x = network_of(config), random(2, 12, config.input_size)
    zero = torch.zeros(2, config.context_size)
    whole, last = network(x, zero)
    h, parts = zero, []
    for start, end in pairwise([0, *sorted(cuts), 12]):
        y, h = network(x[:, start:end], h)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, **EXACT)
    torch.testing.assert_close(h, last, **EXACT)


@given(config=configs, streams=st.integers(2, 5))
@torch.no_grad()
def test_streams_of_a_batch_do_not_touch_each_other(config: ElmanConfig, streams: int) -> None:
    network = network_of(config)
    x, h = random(streams, 6, config.input_size), random(streams, config.context_size, seed=2)
    together, contexts = network.scan(x, h)
    for stream in range(streams):
        one = slice(stream, stream + 1)
        alone, context = network.scan(x[one], h[one])
        torch.testing.assert_close(together[one], alone, **EXACT)
        torch.testing.assert_close(contexts[one], context, **EXACT)


@torch.no_grad()
def test_a_missing_input_is_replaced_by_the_prediction_for_it() -> None:
    network, x = network_of(ElmanConfig(2, 4, 2)), random(1, 5, 2)
    zero = torch.zeros(1, 4)
    before, _ = network.scan(x[:, :2], zero)
    gap, filled = x.clone(), x.clone()
    gap[0, 2, 1] = torch.nan
    filled[0, 2, 1] = before[0, 1, 1]
    assert torch.equal(network.scan(gap, zero)[0], network.scan(filled, zero)[0])


@torch.no_grad()
def test_peek_is_the_prediction_that_the_context_holds() -> None:
    network = network_of(ElmanConfig(1, 4, 1, num_layers=2))
    y, h = network.step(random(3, 1), random(3, 8, seed=2))
    assert torch.equal(network.peek(h), y)


def test_gradients_of_scan_and_forward_agree() -> None:
    """Training may use either."""
    network, x = network_of(ElmanConfig(2, 5, 2, num_layers=2)).double(), random(3, 7, 2).double()
    gradients = []
    for run in (network.scan, network.forward):
        y, _ = run(x, x.new_zeros(3, 10))
        gradients.append(torch.autograd.grad(y.square().sum(), list(network.parameters())))
    for scanned, forwarded in zip(*gradients, strict=True):
        torch.testing.assert_close(scanned, forwarded)


def test_a_seed_fixes_the_weights() -> None:
    config = ElmanConfig(1, 4, 1)
    one, same, other = (network_of(config, seed).readout_weight for seed in (7, 7, 8))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
