from itertools import pairwise

import numpy as np
import pytest
import torch

from models import ElmanConfig
from training import tutorial


def reference(seed: int) -> list[float]:
    """The experiment in bare numpy, its gradient by hand: the truth that the torch version is held against."""
    generator = torch.Generator().manual_seed(seed)
    w1 = torch.empty(7, 6).normal_(0, 0.4, generator=generator).double().numpy()
    w2 = torch.empty(6, 1).normal_(0, 0.3, generator=generator).double().numpy()
    sine = np.sin(np.linspace(2, 10, 21))
    losses = []
    for _ in range(tutorial.EPOCHS):
        total, context = 0.0, np.zeros(6)
        for x, target in pairwise(sine):
            joined = np.concatenate([[x], context])
            context = np.tanh(joined @ w1)
            error = float(context @ w2[:, 0]) - target
            total += error**2 / 2
            back = error * w2[:, 0] * (1 - context**2)  # through the readout as it was, then through tanh
            w2 = w2 - 0.1 * error * context[:, None]
            w1 = w1 - 0.1 * np.outer(joined, back)
        losses.append(total)
    return losses


@pytest.mark.parametrize("seed", [0, 3])
def test_it_is_the_experiment_exactly(seed: int) -> None:
    losses = tutorial.run(seed, log=lambda line: None).losses
    np.testing.assert_allclose(losses, reference(seed), rtol=0.02)


def test_it_prints_the_loss_every_ten_epochs() -> None:
    lines: list[str] = []
    result = tutorial.run(0, lines.append)
    assert len(lines) == 30
    assert lines[29] == f"Epoch: 290 loss {result.losses[290]}"


def test_a_network_of_six_context_units_without_bias_predicts_twenty_values() -> None:
    result = tutorial.run(0, log=lambda line: None)
    assert result.network.config == ElmanConfig(1, 6, 1, bias=False)
    assert result.network.hidden_weights[0].shape == (7, 6)
    assert len(result.predictions) == 20
    assert result.predictions[0] == pytest.approx(
        result.network.step(torch.tensor([[np.sin(2.0)]], dtype=torch.float32), torch.zeros(1, 6))[0].item()
    )
