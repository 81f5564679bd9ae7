import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models import ElmanConfig
from models.config import Nonlinearity
from models.elman import Elman

EXACT: Any = {"rtol": 0, "atol": 1e-6}


@st.composite
def configs(draw: st.DrawFn) -> ElmanConfig:
    """Every option of the network, in every combination."""
    inputs, residual, scale = draw(st.integers(1, 4)), draw(st.booleans()), draw(st.booleans())
    return ElmanConfig(
        input_size=inputs,
        hidden_size=draw(st.integers(1, 9)),
        output_size=inputs if residual or scale else draw(st.integers(1, 3)),
        num_layers=draw(st.integers(1, 3)),
        nonlinearity=draw(st.sampled_from(["tanh", "relu"])),
        bias=draw(st.booleans()),
        taps=tuple(sorted(draw(st.sets(st.integers(1, 7), max_size=4)))),
        residual=residual,
        per_stream_scale=scale,
    )


def context_of(config: ElmanConfig, streams: int) -> torch.Tensor:
    """A context as a stream has it that has run for a while, and in the first row one that has seen nothing."""
    network, h = network_of(config, seed=3), torch.zeros(streams, config.context_size)
    with torch.no_grad():
        _, h[1:] = network.scan(random(streams - 1, 15, config.input_size, seed=2), h[1:])
    return h


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


@given(config=configs(), streams=st.integers(1, 4), steps=st.integers(1, 12))
@torch.no_grad()
def test_step_scan_and_forward_agree(config: ElmanConfig, streams: int, steps: int) -> None:
    network = network_of(config)
    x, h = random(streams, steps, config.input_size), context_of(config, streams)
    context, outputs = h, []
    for t in range(steps):
        y, context = network.step(x[:, t], context)
        outputs.append(y)
    for run in (network.scan, network.forward):
        y, last = run(x, h)
        torch.testing.assert_close(y, torch.stack(outputs, dim=1), **EXACT)
        torch.testing.assert_close(last, context, **EXACT)


@given(config=configs(), cuts=st.sets(st.integers(1, 11), max_size=4))
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


@given(config=configs(), streams=st.integers(2, 5))
@torch.no_grad()
def test_streams_of_a_batch_do_not_touch_each_other(config: ElmanConfig, streams: int) -> None:
    network = network_of(config)
    x, h = random(streams, 6, config.input_size), context_of(config, streams)
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


@torch.no_grad()
def test_taps_and_the_last_value_worked_by_hand() -> None:
    """The readout says 0.5 h + 2 x_t - x_{t-2}, which is added to x_t; the hidden state is tanh(x_t)."""
    network = Elman(ElmanConfig(1, 1, 1, bias=False, taps=(1, 3), residual=True))
    network.hidden_weights[0].copy_(torch.tensor([[1.0], [0.0]]))
    network.readout_weight.copy_(torch.tensor([[0.5], [2.0], [-1.0]]))
    h = torch.zeros(1, 4)
    outputs = []
    for x in (0.1, 0.2, 0.3, 0.4):
        y, h = network.step(torch.tensor([[x]]), h)
        outputs.append(y.item())
    torch.testing.assert_close(h, torch.tensor([[math.tanh(0.4), 0.4, 0.3, 0.2]]), **EXACT)
    assert outputs[0] == pytest.approx(0.1 + 0.5 * math.tanh(0.1) + 2 * 0.1, abs=1e-6)
    assert outputs[3] == pytest.approx(0.4 + 0.5 * math.tanh(0.4) + 2 * 0.4 - 0.2, abs=1e-6)


@given(st.floats(1e-3, 1e3), st.floats(-10, 10), st.booleans(), st.integers(1, 3))
@torch.no_grad()
def test_with_a_scale_per_stream_another_unit_changes_only_the_unit(
    unit: float, zero: float, residual: bool, features: int
) -> None:
    config = ElmanConfig(features, 5, features, taps=(1, 2, 6), residual=residual, per_stream_scale=True)
    network, x = network_of(config).double(), random(2, 30, features).double().cumsum(dim=1)
    start = x.new_zeros(2, config.context_size)
    y, _ = network(x, start)
    other, _ = network(zero + unit * x, start)
    torch.testing.assert_close(other, zero + unit * y, rtol=1e-6, atol=1e-6 * unit)


@torch.no_grad()
def test_what_the_readout_ought_to_say_is_the_inverse_of_the_prediction() -> None:
    for config in (ElmanConfig(2, 3, 2), ElmanConfig(2, 3, 2, taps=(1,), residual=True, per_stream_scale=True)):
        x = random(2, 9, 2)
        reading, _ = network_of(config).reading(x, torch.zeros(2, config.context_size))
        says = random(2, 9, 2, seed=5)
        torch.testing.assert_close(reading.target(reading.prediction(says))[:, 1:], says[:, 1:], rtol=0, atol=1e-4)
