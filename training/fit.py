"""From scaled series to a network that has earned its place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from models import ElmanConfig
from models.elman import Elman
from training import loop
from training.choice import Kept, Readout, Rows, keep, read_with, readouts
from training.loop import Loop, Options, judge
from training.start import orthogonal
from training.streams import Streams
from training.team import Team

LAGS = (8, 30)
"""The readout may read so many of the last values, ..."""

REPEATS = (2, 1)
"""... and those around so many repetitions of the first season, and of the second."""

Tell = Callable[[str, float], None]


def silent(_what: str, _loss: float) -> None:
    """A `Tell` for nobody."""


@dataclass(frozen=True)
class Fit:
    """A network that has earned its place, and why; losses: validation loss of every kind of readout.

    network: in float32, its readout solved for on everything before the test part; before: the same in float64, its
    readout solved for without the calibration part.
    """

    network: Elman
    before: Elman
    kept: Kept
    reason: str
    losses: dict[Kept, float]
    epochs: int
    best_epoch: int


def tap_sets(rows: int, every: int, seasons: Sequence[int]) -> list[tuple[int, ...]]:
    """Sets of lags to choose from; short series may not read far, and few values may not read many.

    rows: values to learn from in one series; every: in all of them. A season of s steps adds the lags s - 1, s, s + 1.
    """
    around = {
        repeat * season + beside
        for season, repeats in zip(seasons, REPEATS, strict=False)
        for repeat in range(1, repeats + 1)
        for beside in (-1, 0, 1)
    }
    sets: list[set[int]] = []
    for most in LAGS:
        near = set(range(1, max(1, min(most, rows // 4, every // 20)) + 1))
        sets += [near, near | {lag for lag in around if 1 <= lag < rows // 3}]
    return list(dict.fromkeys(tuple(sorted(taps)) for taps in sets))


def fit(
    groups: Sequence[Streams],
    config: ElmanConfig,
    sets: Sequence[tuple[int, ...]],
    targets: int,
    options: Options,
    team: Team,
    tell: Tell,
    memory: loop.Memory | None = None,
) -> Fit:
    """Start several networks, train the best of them, and keep the simplest readout that is not clearly worse.

    groups: this member's share of the series. config: with all taps of the `sets` to choose from. targets: how many of
    the features count. `tell` is told after every start and every epoch what it was and its validation loss; `memory`
    keeps every epoch, so that an interrupted training can go on.

    Raises:
        DivergenceError: the loss became NaN or infinite.
        WorseThanNaiveError: what would be kept validates worse than persistence, and `options.force` is not set.
    """
    generator = torch.Generator().manual_seed(options.seed)
    network, taps = _start(groups, config, sets, targets, options, team, generator, tell)
    trained = Loop(network, options, taps, targets, team)
    trained.run(groups, tell, memory)
    network.load_state_dict(trained.best)
    rows = Rows.of(network, groups, team)
    found = readouts(network, rows, sets, targets, team)
    kept, reason = keep(found, network, options.keep, options.force, team)
    learned = rows.train + rows.validation
    before, final = (
        assembled(network, found[kept], *found[kept].weights(moments))
        for moments in (learned, learned + rows.calibration)
    )
    losses = {kind: readout.loss for kind, readout in found.items()}
    return Fit(final.float(), before, kept, reason, losses, trained.epoch, trained.best_epoch)


def _start(
    groups: Sequence[Streams],
    config: ElmanConfig,
    sets: Sequence[tuple[int, ...]],
    targets: int,
    options: Options,
    team: Team,
    generator: torch.Generator,
    tell: Tell,
) -> tuple[Elman, tuple[int, ...]]:
    """The best of several random networks, each with the readout that validates best, and that readout's taps."""
    tried = []
    for start in range(options.starts):
        network = orthogonal(config, generator)
        rows = Rows.of(network, groups, team)
        readout = readouts(network, rows, sets, targets, team)["network"]
        loss = judge(network, readout, rows, groups, options, targets, team)
        tried.append((loss, start, network, readout.taps))
        tell("start", loss)
    _, _, network, taps = min(tried, key=lambda attempt: attempt[:2])
    return network, taps


@torch.no_grad()
def assembled(network: Elman, readout: Readout, weight: torch.Tensor, bias: torch.Tensor) -> Elman:
    """The network with this readout, and without the taps that it does not read."""
    wide, inputs = network.config, network.config.input_size
    config = replace(wide, taps=readout.taps)
    columns = list(range(wide.hidden_size))
    for lag in config.taps:
        first = wide.hidden_size + wide.taps.index(lag) * inputs
        columns += range(first, first + inputs)
    narrow = Elman(config).double()
    for mine, theirs in zip(narrow.hidden_weights, network.hidden_weights, strict=True):
        mine.copy_(theirs)
    if config.bias:
        for mine, theirs in zip(narrow.hidden_biases, network.hidden_biases, strict=True):
            mine.copy_(theirs)
    read_with(narrow, weight[columns], bias)
    return narrow
