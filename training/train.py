"""From a dataset to a checkpoint, its judgements beside the baselines, and the record of how it came to be."""

import platform
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models import Checkpoint, ElmanConfig, Scaler
from training.baselines import ALL
from training.calibrate import calibrate
from training.data import Dataset, Split, check
from training.errors import DivergenceError, WorseThanNaiveError
from training.evaluate import DETAILED, Judgement, evaluate
from training.fit import Tell, fit, silent, tap_sets
from training.loop import Options
from training.resume import StateFile
from training.season import seasons
from training.streams import groups_of
from training.team import Team
from training.warmup import forgetting_steps

PARTS = tuple(field.name for field in fields(Split))
SEASONED = 8
"""So many series, the longest, are asked for their season; the answer given most often counts."""


@dataclass(frozen=True)
class Trained:
    """What a training gives."""

    checkpoint: Checkpoint
    judgements: list[Judgement]
    record: Mapping[str, Any]


def train(
    dataset: Dataset,
    splits: Sequence[Split],
    options: Options,
    *,
    units: tuple[str, ...] = (),
    team: Team = Team(),  # noqa: B008  # frozen
    tell: Tell = silent,
    names: Collection[str] = ALL,
    state: Path | None = None,
    resume: bool = False,
) -> Trained:
    """Fit one network to all series of a dataset; the test parts of their splits are left for the judgement alone.

    names: of the baselines that the test part is judged beside. state: file in which every epoch is kept until the
    end, to be taken up with `resume`.

    Raises:
        DataError: a series cannot be learned from.
        DivergenceError, WorseThanNaiveError: as `fit`.
        TrainingError: the kept state is of another training.
    """
    for series, split in zip(dataset.series, splits, strict=True):
        check(series.name, dataset.features, series.values, split)
    per_stream = len(dataset.series) > 1 if options.per_stream_scale is None else options.per_stream_scale
    scaler = _scaler(dataset, splits, per_stream)
    sets = _sets(dataset, splits, options)
    config = ElmanConfig(
        len(dataset.features),
        options.hidden_size,
        len(dataset.features),
        options.num_layers,
        options.nonlinearity,
        options.bias,
        taps=tuple(sorted(set().union(*sets))),
        residual=options.residual,
        per_stream_scale=per_stream,
    )
    scaled = [scaler.scaled(series.values) for series in dataset.series]
    groups = groups_of(team.share(scaled), team.share(splits), config.readout_size)
    record = _record(dataset, splits, options)
    memory = StateFile(state, record | {"team": team.size}, resume, team.leads) if state else None
    try:
        found = fit(groups, config, sets, dataset.targets, options, team, tell, memory)
    except (DivergenceError, WorseThanNaiveError):
        if memory:
            memory.discard()  # there is nothing to go on with
        raise
    if memory:
        memory.discard()
    longest = max(range(len(splits)), key=lambda number: splits[number].calibration)
    known = torch.from_numpy(scaled[longest][: splits[longest].calibration])
    unfinished = Checkpoint(
        found.network.weights(),
        scaler,
        dataset.features,
        units,
        warmup=forgetting_steps(found.network, known),
        targets=None if dataset.targets == len(dataset.features) else dataset.targets,
        calibration=calibrate(found.before, scaled, splits, dataset.targets, options.level),
    )
    judgements = evaluate(unfinished.predictor("cpu"), dataset, splits, names) if team.leads else []
    record |= {
        "architecture": found.network.config.description(),
        "kept": {"kept": found.kept, "reason": found.reason, "losses": found.losses},
        "epochs": found.epochs,
        "best_epoch": found.best_epoch,
        "warmup": unfinished.warmup,
        "metrics": {judged.name: judged.record()["scores"] for judged in judgements[:DETAILED]},
        "horizons": {judged.name: judged.record()["horizons"] for judged in judgements[:DETAILED]},
        "coverage": {judged.name: judged.record()["coverage"] for judged in judgements[:DETAILED]},
    }
    return Trained(replace(unfinished, training=record), judgements, record)


def versions() -> dict[str, str]:
    """Of what the numbers depend on."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def _scaler(dataset: Dataset, splits: Sequence[Split], per_stream: bool) -> Scaler:
    """For one size of stream: mean and scale of all training parts. For many: the size of a typical stream."""
    parts = [series.values[: split.train] for series, split in zip(dataset.series, splits, strict=True)]
    if not per_stream:
        return Scaler.fit(np.concatenate(parts))
    sizes = [np.abs(fitted.mean) + np.array(fitted.scale) for fitted in map(Scaler.fit, parts)]
    return Scaler(mean=(0.0,) * len(dataset.features), scale=tuple(np.median(sizes, axis=0).tolist()))


def _sets(dataset: Dataset, splits: Sequence[Split], options: Options) -> list[tuple[int, ...]]:
    if options.taps is not None:
        return [options.taps]
    lengths = [split.validation for split in splits]
    longest = sorted(range(len(lengths)), key=lambda number: -lengths[number])[:SEASONED]
    known: list[NDArray[np.float64]] = [dataset.series[number].values[: lengths[number]] for number in longest]
    votes = Counter(tuple(seasons(values[:, : dataset.targets])) for values in known)
    season = max(votes, key=lambda answer: (votes[answer], answer))
    return tap_sets(int(np.median(lengths)), sum(lengths), season)


def _record(dataset: Dataset, splits: Sequence[Split], options: Options) -> dict[str, Any]:
    """What is known before the training, and makes it the same if it is done again."""
    return {
        "data": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "rows": sum(split.rows for split in splits),
            "series": len(dataset.series),
            "names": [series.name for series in dataset.series[:DETAILED]],
            "columns": list(dataset.features[: dataset.targets]),
            "exogenous": list(dataset.features[dataset.targets :]),
            "findings": list(dataset.findings),
        },
        "split": _total(splits),
        "seed": options.seed,
        "versions": versions(),
        "options": asdict(options),
    }


def _total(splits: Sequence[Split]) -> dict[str, int]:
    """Where the parts end; of several series, the sums."""
    return {name: sum(getattr(split, name) for split in splits) for name in PARTS}
