"""Which readout a network gets, and whether it deserves to be kept: decided on the validation part, in closed form."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from models.elman import Elman
from training.errors import TrainingError, WorseThanNaiveError
from training.readout import STRENGTHS, Moments, Ridge
from training.streams import Streams
from training.team import Team

Kept = Literal["persistence", "linear", "network"]
KINDS: tuple[Kept, ...] = get_args(Kept)
"""From the simplest to the richest."""

NAMES: dict[Kept, str] = {"persistence": "Persistence", "linear": "The linear part alone", "network": "The network"}

SKIP = 100
"""Rows at the start of a series that no readout learns from: the context is not what it will be."""

BLOCKS = 10
"""Pieces of the validation part whose means are compared: errors that follow each other are not independent."""

MARGIN = 0.02
ROWS_OF_LUCK = 1.0
"""A richer readout has to be better by this share of its loss, plus so many rows' share of the validation part.

What is best of many is so by luck, too, and the more the fewer values it was judged on.
"""


@dataclass(frozen=True)
class Rows:
    """All regressors of all series: sums over the three parts, and the rows of the validation part.

    features: (N, P), targets: (N, F), in what the readout ought to say; naive: (N, F), what is said for persistence.
    """

    train: Moments
    validation: Moments
    calibration: Moments
    features: Tensor
    targets: Tensor
    naive: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, network: Elman, groups: Sequence[Streams], team: Team) -> "Rows":
        """From running through all series from their start; a member of the team runs through its own."""
        config = network.config
        width, outputs = config.readout_size, config.output_size
        train = validation = calibration = Moments.none(width, outputs)
        judged_rows = [torch.empty(0, size, dtype=torch.float64) for size in (width, outputs, outputs)]
        for streams in groups:
            inputs = streams.heard(network)
            reading, _ = network.reading(inputs, inputs.new_zeros(len(inputs), config.context_size))
            ought = reading.target(streams.targets)
            ought = torch.where(ought.isfinite(), ought, torch.nan)  # a stream that has not varied yet has no scale
            learned, judged = streams.part("train", max(SKIP, config.delay)), streams.part("validation")
            train += Moments.of(reading.features[learned], ought[learned])
            validation += Moments.of(reading.features[judged], ought[judged])
            later = streams.part("calibration")
            calibration += Moments.of(reading.features[later], ought[later])
            new = reading.features[judged], ought[judged], reading.target(inputs)[judged]
            judged_rows = [torch.cat(parts) for parts in zip(judged_rows, new, strict=True)]
        sums = [Moments(*map(team.total, part.parts())) for part in (train, validation, calibration)]
        train, validation, calibration = sums if config.bias else [part.uncentred() for part in sums]
        return cls(train, validation, calibration, *judged_rows)

    @property
    def finite(self) -> bool:
        """Whether the network stayed finite on all of them; members of a team get the same answer."""
        return all(bool(part.isfinite().all()) for part in (*self.train.parts(), *self.validation.parts()))


@dataclass(frozen=True)
class Readout:
    """One way to read: which columns of the features (none: persistence), how strongly penalised, how good it is.

    penalty: the strength times the number of rows that it was chosen for; of more rows each is penalised less.
    loss: mean squared error on the validation part, in what the readout ought to say; errors: this member's own,
    (N,), NaN where the target is missing.
    """

    kept: Kept
    taps: tuple[int, ...]
    columns: Tensor
    penalty: float
    loss: float
    errors: Tensor

    def weights(self, moments: Moments) -> tuple[Tensor, Tensor]:
        """Solved for these rows: weight (P, O), zero outside the columns, and bias (O)."""
        size, outputs = moments.products.shape
        weight = torch.zeros(size, outputs, dtype=torch.float64)
        if self.kept == "persistence":
            weight[self.columns] = torch.eye(outputs, dtype=torch.float64)[: len(self.columns)]
            return weight, weight.new_zeros(outputs)
        weight[self.columns], bias = Ridge(moments.only(self.columns)).solve(self.penalty / float(moments.count))
        return weight, bias


def readouts(
    network: Elman, rows: Rows, choices: Collection[tuple[int, ...]], targets: int, team: Team
) -> dict[Kept, Readout]:
    """The best of each kind. choices: sets of taps, all of which the network has; targets: features that count."""
    found = [persistence(network, rows, targets, team)]
    for kind in KINDS[1:]:
        sets = [taps for taps in choices if taps or kind == "network"]
        candidates = [best_strength(network, rows, kind, taps, targets, team) for taps in sets]
        found += sorted(candidates, key=lambda readout: readout.loss)[:1]
    return {readout.kept: readout for readout in found}


def persistence(network: Elman, rows: Rows, targets: int, team: Team) -> Readout:
    """The last value again: no change, or the tap at lag 1."""
    errors = _squared(rows.naive - rows.targets, targets)
    taps = () if network.config.residual else (1,)
    return Readout("persistence", taps, _columns(network, taps, hidden=False), 0.0, _mean(errors, team), errors)


def best_strength(network: Elman, rows: Rows, kind: Kept, taps: tuple[int, ...], targets: int, team: Team) -> Readout:
    """The readout of a kind and of these taps, under the strongest penalty that is not clearly worse than the best.

    Clearly is by more than the standard error of their difference (the one-standard-error rule of Breiman, Friedman,
    Olshen & Stone, "Classification and Regression Trees", 1984).
    """
    columns = _columns(network, taps, hidden=kind == "network")
    ridge, features = Ridge(rows.train.only(columns)), rows.features[:, columns]
    tried = []
    for strength in STRENGTHS:
        weight, bias = ridge.solve(strength)
        errors = _squared(features @ weight + bias - rows.targets, targets)
        penalty = strength * float(rows.train.count)
        tried.append(Readout(kind, taps, columns, penalty, _mean(errors, team), errors))
    best = min(tried, key=lambda readout: readout.loss)
    return next(readout for readout in reversed(tried) if not clearly_worse(readout, best, 0.0, team))


def margin(readout: Readout, team: Team) -> float:
    """The share by which something richer has to be better than this."""
    rows = team.total((~readout.errors.isnan()).sum().double())
    return MARGIN + ROWS_OF_LUCK / max(float(rows), 1.0)


def clearly_worse(readout: Readout, best: Readout, margin: float, team: Team) -> bool:
    """Whether its loss is higher by more than the standard error of the difference and by more than a share of it."""
    difference = torch.tensor_split(readout.errors - best.errors, BLOCKS)
    blocks = torch.stack([block.nanmean() for block in difference])
    blocks = blocks[~blocks.isnan()]
    sums = torch.stack((torch.tensor(float(len(blocks))).double(), blocks.sum(), blocks.pow(2).sum()))
    count, total, squares = team.total(sums).tolist()
    mean = total / max(count, 1)
    error = (max(squares / max(count, 1) - mean**2, 0.0) / max(count, 1)) ** 0.5
    return mean > error and readout.loss - best.loss > margin * best.loss


def keep(found: dict[Kept, Readout], network: Elman, wanted: Kept | None, force: bool, team: Team) -> tuple[Kept, str]:
    """The simplest kind that is not clearly worse than the best, and a sentence that says why.

    Raises:
        TrainingError: the kind that is wanted needs taps that the network does not have.
        WorseThanNaiveError: it validates worse than persistence, and nobody forces it.
    """
    best = min(found.values(), key=lambda readout: readout.loss)
    share = margin(best, team)
    naive = found["persistence"].loss
    can = [kind for kind in KINDS if kind in found and (kind != "persistence" or says_persistence(network))]
    if wanted is not None and wanted not in can:
        raise TrainingError(f"{NAMES[wanted].lower()} cannot be kept without the --taps that it reads")
    if wanted is not None:
        kept, reason = wanted, f"{NAMES[wanted]} was kept because it was asked for."
    else:
        harmless = [kind for kind in can if found[kind].loss <= naive] or can[-1:]
        kept = next(
            (kind for kind in harmless if not clearly_worse(found[kind], best, share, team)),
            harmless[-1],
        )
        reason = _reason(kept, best.kept, share)
    if found[kept].loss <= naive:
        return kept, reason
    if not force:
        raise WorseThanNaiveError(
            f"{NAMES[kept].lower()} predicts the validation part worse than its last value does (mean squared error "
            f"{found[kept].loss:.4g} against {naive:.4g}); there may be nothing to learn here, --force keeps it anyway"
        )
    return kept, f"{NAMES[kept]} was kept by force: it predicts the validation part worse than its last value does."


def _reason(kept: Kept, best: Kept, share: float) -> str:
    if kept == best == KINDS[0]:
        return f"{NAMES[kept]} was kept: on the validation part nothing is better."
    if kept == best:
        return f"{NAMES[kept]} was kept: on the validation part it is clearly better than anything simpler."
    return (
        f"{NAMES[kept]} was kept: on the validation part {NAMES[best].lower()} is not better than it by more than a "
        f"standard error and {share:.1%} of the loss."
    )


def says_persistence(network: Elman) -> bool:
    """Whether a readout of this network can give back the last value."""
    return network.config.residual or 1 in network.config.taps


@torch.no_grad()
def read_with(network: Elman, weight: Tensor, bias: Tensor) -> None:
    """Give a network its readout."""
    network.readout_weight.copy_(weight)
    if network.config.bias:
        network.readout_bias.copy_(bias)


def _columns(network: Elman, taps: tuple[int, ...], hidden: bool) -> Tensor:
    """Columns of the features that are hidden units (if wanted) or inputs at these lags."""
    config = network.config
    places = [list(range(config.hidden_size))] if hidden else []
    for place, lag in enumerate(config.taps):
        if lag in taps:
            first = config.hidden_size + place * config.input_size
            places.append(list(range(first, first + config.input_size)))
    return torch.tensor([column for part in places for column in part], dtype=torch.long)


def _squared(errors: Tensor, targets: int) -> Tensor:
    """Mean over the features that count, NaN where none happened. (N, F) -> (N,)"""
    return errors[:, :targets].pow(2).nanmean(dim=1)


def _mean(errors: Tensor, team: Team) -> float:
    happened = errors[~errors.isnan()]
    total, count = team.total(torch.stack((happened.sum(), torch.tensor(float(len(happened))).double()))).tolist()
    return float(total / count) if count else float("inf")
