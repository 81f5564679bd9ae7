"""The first experiment's sine as a checkpoint: learned as the tutorial does it, or with what the trainer is made of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from models import Checkpoint, ElmanConfig, NumericalError, Scaler
from models.elman import Elman
from training import tutorial
from training.readout import Moments, Ridge
from training.start import SHORT, orthogonal
from training.train import versions
from training.warmup import forgetting_steps

TIMES = np.linspace(2, 10, tutorial.STEPS + 1)
SINE = np.sin(TIMES)

UNITS = 32
STARTS = 32
STRENGTH = 1e-12
ALONE = 3
"""Values that a network hears before it has to go on by itself."""


@dataclass(frozen=True)
class Learned:
    """A checkpoint, and its predictions (20,) for sine[1:]."""

    checkpoint: Checkpoint
    predictions: list[float]


def classic(seed: int, log: Callable[[str], None]) -> Learned:
    """Per-step gradient descent, as `tutorial.run` describes it."""
    result = tutorial.run(seed, log)
    record = {
        "options": {"epochs": tutorial.EPOCHS, "learning_rate": tutorial.LEARNING_RATE},
        "metrics": {"loss_epoch_290": result.losses[290], "loss_last": result.losses[-1]},
    }
    return _learned(result.network, seed, record)


def improved(seed: int, log: Callable[[str], None]) -> Learned:
    """The same 21 values, without gradient descent: random orthogonal networks with two input lags, solved for.

    Each gets its readout by ridge regression. Kept is the one that, after hearing ALONE of the values, draws the rest
    of the 21 best by itself: small errors of one step do not tell yet whether a network stays on its course.
    """
    generator = torch.Generator().manual_seed(seed)
    config = ElmanConfig(1, UNITS, 1, taps=(1, 2))
    best, best_error = Elman(config), float("inf")
    for start in range(STARTS):
        network = _solved(orthogonal(config, generator, SHORT))
        error = float(np.mean((_alone(network) - SINE[ALONE:]) ** 2))
        if error < best_error:
            best, best_error = network, error
            log(f"Start: {start} free-running error {error:.3g}")
    learned = _learned(best, seed, {"options": {"starts": STARTS, "hidden_size": UNITS, "strength": STRENGTH}})
    loss = float(np.mean((np.array(learned.predictions) - SINE[1:]) ** 2))
    metrics = {"mean_squared_error": loss, "free_running_error": best_error}
    log(f"mean squared error {loss:.3g}")
    record = {**learned.checkpoint.training, "metrics": metrics}
    return replace(learned, checkpoint=replace(learned.checkpoint, training=record))


def lines(predictions: list[float]) -> list[str]:
    """A table of what was to be predicted and what was."""
    rows = zip(TIMES[1:], SINE[1:], predictions, strict=True)
    return ["", "   t     sine(t)  predicted"] + [f"{t:5.2f}  {truth:+9.4f}  {said:+9.4f}" for t, truth, said in rows]


@torch.no_grad()
def _solved(network: Elman) -> Elman:
    """With the readout for all 20 steps, the first included. The network in float32."""
    series = torch.from_numpy(SINE)[None, :, None]
    reading, _ = network.reading(series[:, :-1], series.new_zeros(1, network.config.context_size))
    weight, bias = Ridge(Moments.of(reading.features[0], reading.target(series[:, 1:])[0])).solve(STRENGTH)
    network.readout_weight.copy_(weight)
    network.readout_bias.copy_(bias)
    return network.float()


def _alone(network: Elman) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What it predicts for SINE[ALONE:] when it has heard nothing but what is before."""
    predictor = Checkpoint(network.weights(), Scaler.identity(1), ("sine",)).predictor("cpu")
    context = predictor.observe(SINE[None, :ALONE, None], predictor.zero_context()).context
    try:
        return predictor.forecast(context, len(SINE) - ALONE).path[0, :, 0]
    except NumericalError:
        return np.full(len(SINE) - ALONE, np.inf)


def _learned(network: Elman, seed: int, how: dict[str, Any]) -> Learned:
    record = {
        "data": {"name": "sin(linspace(2, 10, 21))", "rows": len(SINE)},
        "seed": seed,
        "versions": versions(),
    } | how
    warmup = forgetting_steps(network, torch.tensor(SINE[:, None], dtype=torch.float32))
    checkpoint = Checkpoint(network.weights(), Scaler.identity(1), ("sine",), training=record, warmup=warmup)
    predictor = checkpoint.predictor("cpu")
    predictions = predictor.observe(SINE[None, :-1, None], predictor.zero_context()).predictions
    return Learned(checkpoint, predictions[0, :, 0].tolist())
