"""The step by itself: the serving runtime beside `torch.nn.RNN` and `nn.Linear` with the same weights.

Both are asserted equal to `Elman.scan`, the step taken once per value, before either is timed.
"""

from collections.abc import Callable, Iterator
from timeit import Timer

import numpy as np
import torch
from torch import Tensor, nn

from models import Elman, ElmanConfig, Predictor, Scaler

TOLERANCE = 1e-6
REPEATS = 10
REPEAT_SECONDS = 0.05
SHAPES = {"one value": (1, 1), "chunk of 1000 values": (1, 1000), "256 streams, one value each": (256, 1)}  # (B, T)
HEADER = f"{'microseconds a value':28} {'Predictor':>12} {'torch.nn.RNN':>12} {'times as fast':>14}"

Contestant = Callable[[], Tensor]  # -> outputs (B, T, O)


def rows(config: ElmanConfig) -> Iterator[str]:
    """A line per shape, for networks of these sizes with random weights."""
    torch.manual_seed(0)
    rnn, linear = _torch_pair(config)
    network = Elman.from_torch(rnn, linear)
    predictor = Predictor(network, Scaler.identity(config.input_size), "cpu")
    for name, (streams, length) in SHAPES.items():
        x = torch.randn(streams, length, config.input_size)  # (B, T, F)
        h = torch.rand(streams, config.context_size) - 0.5  # (B, L*H)
        contestants = _ours(predictor, x, h), _theirs(rnn, linear, x, h)
        expected, _ = network.scan(x, h)
        for contestant in contestants:
            np.testing.assert_allclose(contestant().numpy(), expected.detach().numpy(), rtol=0, atol=TOLERANCE)
        ours, theirs = (_microseconds(contestant) / (streams * length) for contestant in contestants)
        yield f"{name:28} {ours:12.2f} {theirs:12.2f} {theirs / ours:14.2f}"


def _ours(predictor: Predictor, x: Tensor, h: Tensor) -> Contestant:
    values, context = x.double().numpy(), h.numpy()
    return lambda: torch.from_numpy(predictor.observe(values, context).predictions)


def _theirs(rnn: nn.RNN, linear: nn.Linear, x: Tensor, h: Tensor) -> Contestant:
    start = h.view(len(x), rnn.num_layers, rnn.hidden_size).transpose(0, 1).contiguous()  # (L, B, H)

    @torch.inference_mode()
    def contestant() -> Tensor:
        outputs: Tensor = linear(rnn(x, start)[0])
        return outputs

    return contestant


def _torch_pair(config: ElmanConfig) -> tuple[nn.RNN, nn.Linear]:
    rnn = nn.RNN(
        config.input_size,
        config.hidden_size,
        config.num_layers,
        nonlinearity=config.nonlinearity,
        bias=config.bias,
        batch_first=True,
    )
    return rnn.eval(), nn.Linear(config.hidden_size, config.output_size, config.bias).eval()


def _microseconds(call: Callable[[], object]) -> float:
    """The best of some repeats: what the machine can do when nothing else disturbs it."""
    timer = Timer(call)
    number = max(1, round(REPEAT_SECONDS / timer.timeit(1)))
    return min(timer.repeat(REPEATS, number)) / number * 1e6
