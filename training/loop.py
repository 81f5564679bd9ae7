"""Truncated backpropagation through time over one long series, with a context carried from window to window."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models import Elman, ElmanConfig
from models.config import Nonlinearity
from training.data import Split
from training.errors import DivergenceError


@dataclass(frozen=True)
class Options:
    """How to train; the defaults are meant for any series."""

    hidden_size: int = 16
    num_layers: int = 1
    nonlinearity: Nonlinearity = "tanh"
    bias: bool = True
    epochs: int = 400
    patience: int = 60
    learning_rate: float = 5e-3
    window: int = 32
    clip: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Fit:
    """A trained network (float32, with the weights of the best epoch) and how it got there."""

    network: Elman
    epochs: int
    best_epoch: int
    validation_loss: float


def fit(values: Tensor, split: Split, options: Options, progress: Callable[[float], None]) -> Fit:
    """Teach a network to predict the next value of a series; the test part is never looked at.

    values: (T, F) scaled, NaN = missing: an input is replaced as in serving, a target is left out of the loss.
    Every epoch starts from the zero context and runs through the training part in windows of `options.window` steps
    (TBPTT; Williams & Peng 1990), one Adam update each; the loss is the mean squared one-step error under teacher
    forcing. Training stops when the validation loss has not improved for `options.patience` epochs.
    `progress` is called after every epoch with its validation loss.

    The arithmetic is float64, so that the same seed gives the same network on different processors.

    Raises:
        DivergenceError: the loss became NaN or infinite.
    """
    features = values.shape[1]
    config = ElmanConfig(
        features, options.hidden_size, features, options.num_layers, options.nonlinearity, options.bias
    )
    generator = torch.Generator().manual_seed(options.seed)
    network = Elman(config, generator).double()
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    inputs, targets = values[None, :-1].double(), values[None, 1:].double()  # (1, T-1, F)
    run = network.scan if bool(values.isnan().any()) else network
    last_train, last_validation = split.train - 1, split.validation - 1

    best_loss, best_epoch, best_weights = float("inf"), 0, network.state_dict()
    epoch = 0
    for epoch in range(1, options.epochs + 1):
        h = inputs.new_zeros(1, config.context_size)
        for start in range(0, last_train, options.window):
            window = slice(start, min(start + options.window, last_train))
            outputs, h = run(inputs[:, window], h.detach())
            loss = _squared_error(outputs, targets[:, window])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            torch.nn.utils.clip_grad_norm_(network.parameters(), options.clip)
            optimizer.step()
        with torch.no_grad():
            _, h = run(inputs[:, :last_train], inputs.new_zeros(1, config.context_size))
            outputs, _ = run(inputs[:, last_train:last_validation], h)
            validation = float(_squared_error(outputs, targets[:, last_train:last_validation]))
        if not torch.isfinite(torch.tensor(validation)):
            raise DivergenceError(f"training diverged in epoch {epoch}; try a smaller --learning-rate or --clip")
        progress(validation)
        if validation < best_loss:
            best_loss, best_epoch = validation, epoch
            best_weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        elif epoch - best_epoch >= options.patience:
            break
    network.load_state_dict(best_weights)
    return Fit(network.float(), epoch, best_epoch, best_loss)


def _squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over the targets that happened."""
    happened = ~targets.isnan()
    return (outputs - targets)[happened].pow(2).sum() / happened.sum().clamp(min=1)
