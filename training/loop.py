"""Truncated backpropagation through time over whole series, with a context carried from window to window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, cos, pi
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from models.calibration import LEVEL
from models.config import Nonlinearity
from models.elman import Elman
from training import closed_loop
from training.choice import SKIP, Kept, Readout, Rows, best_strength, read_with
from training.errors import DivergenceError
from training.streams import Streams
from training.team import Team

LANES = 16
"""Pieces of series that are learned from side by side, at least."""


@dataclass(frozen=True)
class Options:
    """How to train; the defaults are meant for any series.

    taps: lags that the readout reads, none being a pure network; None: chosen on the validation part. keep: the kind of
    readout to keep; None: as validation decides. closed_loop: if over 1, the hidden weights are trained and chosen for
    forecasts of so many steps, which feed on themselves, and not for the next step. level: coverage of the intervals
    where no other is asked for.
    """

    hidden_size: int = 32
    num_layers: int = 1
    nonlinearity: Nonlinearity = "tanh"
    bias: bool = True
    taps: tuple[int, ...] | None = None
    residual: bool = True
    per_stream_scale: bool | None = None
    starts: int = 4
    epochs: int = 30
    patience: int = 5
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    window: int = 64
    clip: float = 1.0
    closed_loop: int = 0
    keep: Kept | None = None
    force: bool = False
    level: float = LEVEL
    seed: int = 0


class Memory(Protocol):
    """Where the state of a loop survives the process."""

    def recall(self, loop: "Loop") -> None:
        """Bring the loop to where it was kept last, if ever."""

    def keep(self, loop: "Loop") -> None:
        """Keep the loop as it is."""


class Loop:
    """Moves the hidden weights by gradient descent; the readout is solved for anew at the start of every epoch.

    So the gradient works on what the readout cannot do by itself (variable projection; Golub & Pereyra, SIAM Journal on
    Numerical Analysis 10, 1973). Its state is everything that an uninterrupted run would know at this epoch.
    """

    def __init__(
        self,
        network: Elman,
        options: Options,
        taps: tuple[int, ...],
        targets: int,
        team: Team,
    ) -> None:
        self.network = network
        self._options, self._taps, self._targets, self._team = options, taps, targets, team
        self.parameters = [*network.hidden_weights, *(network.hidden_biases if network.config.bias else ())]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
        self.epoch, self.best_epoch, self.best_loss = 0, 0, float("inf")
        self.best: dict[str, Tensor] = {}
        self._series = 1

    def run(self, groups: Sequence[Streams], tell: Callable[[str, float], None], memory: Memory | None) -> None:
        """Train until the validation loss has not fallen for `patience` epochs; the best weights are in `best`.

        Every series is cut into lanes. Every lane is run through in windows of so many steps, from the context that the
        network really has there, and the gradient reaches back to the start of the window (TBPTT; Williams & Peng
        1990). AdamW, its rate falling along a cosine. `tell` is told the validation loss of every epoch.

        Raises:
            DivergenceError: the loss became NaN or infinite.
        """
        if memory is not None:
            memory.recall(self)
        self._series = int(self._team.total(torch.tensor(sum(len(streams.values) for streams in groups))))
        while True:
            loss = self._solve(groups)
            if loss < self.best_loss or not self.best:
                self.best_loss, self.best_epoch = loss, self.epoch
                self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
            if memory is not None:
                memory.keep(self)
            tell("epoch", loss)
            if self.epoch == self._options.epochs or self.epoch - self.best_epoch >= self._options.patience:
                return
            self._descend(groups)
            self.epoch += 1

    def _solve(self, groups: Sequence[Streams]) -> float:
        """Give the network its readout; returns the validation loss."""
        rows = Rows.of(self.network, groups, self._team)
        if not rows.finite:
            raise DivergenceError(f"training diverged in epoch {self.epoch}; try a smaller --learning-rate or --clip")
        readout = best_strength(self.network, rows, "network", self._taps, self._targets, self._team)
        return judge(self.network, readout, rows, groups, self._options, self._targets, self._team)

    def _descend(self, groups: Sequence[Streams]) -> None:
        """One epoch."""
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = self._options.learning_rate * (1 + cos(pi * self.epoch / self._options.epochs)) / 2
        for number in range(self._team.most(len(groups))):
            mine = groups[number : number + 1]
            if self._options.closed_loop > 1:
                self._descend_freely(mine)
            else:
                self._descend_lanes(mine)

    def _descend_lanes(self, streams: Sequence[Streams]) -> None:
        """Through one group, or none, window by window under teacher forcing."""
        lanes = self._lanes(streams[0]) if streams else None
        for window in range(self._team.most(lanes.windows if lanes else 0)):
            mine = lanes if lanes and window < lanes.windows else None
            self._update(mine.errors(self.network, window) if mine else None)

    def _descend_freely(self, streams: Sequence[Streams]) -> None:
        """From many places of one group, or none, as many steps as the curriculum has come to."""
        horizon = 2 + (self._options.closed_loop - 2) * self.epoch // self._options.epochs
        chance = torch.Generator().manual_seed(hash((self._options.seed, self.epoch, self._team.rank)) % 2**63)
        contexts = truths = torch.empty(0, 0)
        if streams:
            contexts, truths = closed_loop.places(self.network, streams[0], "train", horizon, chance)
        order = torch.randperm(len(contexts), generator=chance)
        for batch in range(self._team.most(ceil(len(order) / LANES))):
            here = order[batch * LANES : (batch + 1) * LANES]
            self._update(closed_loop.errors(self.network, contexts[here], truths[here]) if len(here) else None)

    def _update(self, errors: Tensor | None) -> None:
        """One step down the mean squared error of all members together."""
        self.optimizer.zero_grad()
        errors = torch.empty(0) if errors is None else errors[..., : self._targets]
        happened = errors[errors.isfinite()]
        count = float(self._team.total(torch.tensor(float(len(happened)))))
        if len(happened):
            (happened.pow(2).sum() / count).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        for parameter in self.parameters:
            parameter.grad = self._team.total(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
        if count:
            torch.nn.utils.clip_grad_norm_(self.parameters, self._options.clip)
            self.optimizer.step()

    @torch.no_grad()
    def _lanes(self, streams: Streams) -> "_Lanes":
        options, config = self._options, self.network.config
        steps = int(streams.train.max()) - 1
        learned = streams.part("train", max(SKIP, config.delay))[:, :steps, None]
        inputs = streams.heard(self.network)[:, :steps]
        targets = torch.where(learned, streams.targets[:, :steps], torch.nan)
        lanes = max(1, min(ceil(LANES / self._series), steps // options.window))
        length = ceil(steps / lanes / options.window) * options.window
        context, contexts = inputs.new_zeros(len(inputs), config.context_size), []
        for piece in torch.split(inputs, length, dim=1):
            contexts.append(context)
            _, context = self.network(piece, context)
        return _Lanes(
            options.window, _stacked(inputs, length, 0.0), _stacked(targets, length, torch.nan), torch.cat(contexts)
        )


def judge(
    network: Elman,
    readout: Readout,
    rows: Rows,
    groups: Sequence[Streams],
    options: Options,
    targets: int,
    team: Team,
) -> float:
    """Give the network this readout, learned from the training part; returns what it is chosen by."""
    read_with(network, *readout.weights(rows.train))
    if options.closed_loop > 1:
        return closed_loop.loss(network, groups, options.closed_loop, targets, team)
    return readout.loss


@dataclass
class _Lanes:
    """Pieces of series of equal length, side by side.

    window: steps; inputs, targets: (N, length, F), length being whole windows; contexts: (N, C) where the next begins.
    """

    window: int
    inputs: Tensor
    targets: Tensor
    contexts: Tensor

    @property
    def windows(self) -> int:
        return self.inputs.shape[1] // self.window

    def errors(self, network: Elman, window: int) -> Tensor:
        """(N, window, F) in what the readout ought to say, not finite where the target is missing; and go on."""
        here = slice(window * self.window, (window + 1) * self.window)
        reading, context = network.reading(self.inputs[:, here], self.contexts)
        self.contexts = context.detach()
        says = reading.features @ network.readout_weight + (network.readout_bias if network.config.bias else 0.0)
        return says - reading.target(self.targets[:, here])


def _stacked(values: Tensor, length: int, padding: float) -> Tensor:
    """Cut into pieces of this length, one below the other. (B, T, F) -> (B * pieces, length, F)"""
    pieces = torch.split(values, length, dim=1)
    return torch.cat([functional.pad(piece, (0, 0, 0, length - piece.shape[1]), value=padding) for piece in pieces])
