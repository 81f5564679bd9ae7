"""How good the default configuration is, on every series of a folder, beside what a user gets for free."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import numpy as np
from rich.table import Table

from training.data import Dataset, Split, read
from training.data.files import load
from training.errors import DataError
from training.evaluate import free_running, origins_of
from training.loop import Options
from training.train import Trained, train

TEST_SHARE = 0.2
CHEAP = ("naive", "seasonal naive", "AR")
STEP = 84
"""The horizon at which free-running predictions of Mackey-Glass series are compared (Jaeger & Haas 2004)."""


@dataclass(frozen=True)
class Known:
    """How a public series is usually cut, and what is expected on it.

    columns: to predict together. origin: row (or share of the rows) where the test part begins; rows: how many count.
    bars: by measure, the value to reach and the one to aim at.
    """

    columns: tuple[str, ...]
    origin: float
    rows: int | None = None
    bars: Mapping[str, tuple[float, float]] | None = None


KNOWN = {
    "monthly-sunspots.csv": (Known(("Sunspots",), 0.8, bars={"RMSE": (18.3, 17.9)}),),
    "daily-min-temperatures.csv": (Known(("Temp",), 0.8, bars={"RMSE": (2.21, 2.17)}),),
    "airline-passengers.csv": (Known(("Passengers",), 0.8, bars={"skill": (0.60, 0.72)}),),
    "nyc_taxi.csv": (Known(("value",), 0.6, bars={"skill": (0.45, 0.60)}),),
    "mg17.csv": (Known(("1",), 5000, 10_000, bars={"NRMSE": (0.003, 0.0008), f"NRMSE at {STEP}": (0.3, 0.05)}),),
    "ETTh1.csv": (
        Known(("HUFL",), 11_520, 14_400, bars={"skill": (0.31, 0.36)}),
        Known(("OT",), 11_520, 14_400),
        Known(("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"), 11_520, 14_400, bars={"MSE": (0.105, 0.098)}),
    ),
}
MSE_ROWS = 8640
"""The ETTh1 columns are usually compared in standard deviations of their first 12 months."""


@dataclass(frozen=True)
class Case:
    """One thing to predict."""

    name: str
    dataset: Dataset
    split: Split
    bars: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Outcome:
    """How one seed did on a case: ratios of RMSE, geometric means over the columns, and what the bars ask for."""

    kept: str
    to_naive: float
    to_best: float
    measures: Mapping[str, float]


def cases(folder: Path) -> list[Case]:
    """Every column of numbers of every table in a folder; public series that are known are cut as usual.

    Raises:
        DataError: no tables, or one that cannot be read.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".csv", ".tsv", ".txt", ".parquet", ".pq"})
    if not paths:
        raise DataError(f"{folder}: no .csv or .parquet files")
    found = []
    for path in paths:
        for known in KNOWN.get(path.name) or [Known((name,), 1 - TEST_SHARE) for name in _numeric(path)]:
            found += _cases(path, known)
    return found


def outcome(task: tuple[Case, int]) -> Outcome:
    """Train the default configuration with a seed, and judge the test part through the serving runtime."""
    case, seed = task
    trained = train(case.dataset, [case.split], replace(Options(), seed=seed), names=CHEAP)
    network = [judged.scores[0].rmse for judged in trained.judgements]
    baselines = [[score.rmse for score in judged.scores[1:]] for judged in trained.judgements]  # naive first
    return Outcome(
        trained.record["kept"]["kept"],
        geometric_mean(mine / naive for mine, (naive, *_) in zip(network, baselines, strict=True)),
        geometric_mean(mine / min(free) for mine, free in zip(network, baselines, strict=True)),
        {measure: _measure(measure, case, trained) for measure in case.bars},
    )


def summary(cases: Sequence[Case], outcomes: Sequence[Sequence[Outcome]]) -> dict[str, Any]:
    """Medians over the seeds, as JSON holds them; outcomes: by case, then by seed."""
    rows: list[dict[str, Any]] = []
    for case, seeds in zip(cases, outcomes, strict=True):
        kept = Counter(outcome.kept for outcome in seeds)
        rows.append(
            {
                "series": case.name,
                "kept": dict(kept),
                "to_naive": median(outcome.to_naive for outcome in seeds),
                "to_best": median(outcome.to_best for outcome in seeds),
                "measures": {
                    name: {"reached": median(o.measures[name] for o in seeds), "bar": bar, "aim": aim}
                    for name, (bar, aim) in case.bars.items()
                },
            }
        )
    return {
        "series": rows,
        "geometric_mean_to_best": geometric_mean(row["to_best"] for row in rows),
        "worst_to_naive": max(row["to_naive"] for row in rows),
    }


def as_table(found: Mapping[str, Any]) -> Table:
    """What a person reads of the summary."""
    title = f"RMSE of the default configuration over that of naive, and of the best of {', '.join(CHEAP)}"
    table = Table(title=title, title_justify="left")
    for heading in ("series", "kept", "/ naive", "/ best", "measure", "reached", "bar", "aim"):
        table.add_column(heading, justify="left" if heading in ("series", "kept", "measure") else "right", no_wrap=True)
    for row in found["series"]:
        kept = ", ".join(f"{kind} {count}" for kind, count in row["kept"].items())
        cells = (row["series"], kept, f"{row['to_naive']:.3f}", f"{row['to_best']:.3f}")
        measures = [
            (name, f"{of['reached']:.4g}", f"{of['bar']:g}", f"{of['aim']:g}") for name, of in row["measures"].items()
        ]
        for number, measure in enumerate(measures or [("",) * 4]):
            table.add_row(*(cells if number == 0 else ("",) * 4), *measure)
    table.add_section()
    table.add_row("worst", "", f"{found['worst_to_naive']:.3f}", "", "", "", "1.02", "1")
    table.add_row("geometric mean", "", "", f"{found['geometric_mean_to_best']:.3f}", "", "", "1", "0.95")
    return table


def _cases(path: Path, known: Known) -> list[Case]:
    dataset = read([path], known.columns)
    found = []
    for series in dataset.series:
        values = series.values[: known.rows]
        origin = round(known.origin if known.origin > 1 else known.origin * len(values))
        name = f"{path.stem}: {', '.join(known.columns) if len(known.columns) < 4 else f'{len(known.columns)} columns'}"
        found.append(
            Case(
                name if len(dataset.series) == 1 else f"{name} of {series.name}",
                replace(dataset, series=(replace(series, values=values, times=None),)),
                Split.at(origin, len(values)),
                known.bars or {},
            )
        )
    return found


def _numeric(path: Path) -> tuple[str, ...]:
    return load([path], (), (), None, None, "auto")[0].roles.numeric


def _measure(measure: str, case: Case, trained: Trained) -> float:
    judged, values, test = trained.judgements[0], case.dataset.series[0].values, slice(case.split.calibration, None)
    if measure == "RMSE":
        return judged.scores[0].rmse
    if measure == "skill":
        return judged.scores[0].skill
    if measure == "NRMSE":
        return judged.scores[0].rmse / float(np.nanstd(judged.truth[test]))
    if measure == "MSE":
        deviations = np.nanstd(values[:MSE_ROWS], axis=0)
        errors = [
            each.scores[0].rmse / deviation for each, deviation in zip(trained.judgements, deviations, strict=True)
        ]
        return float(np.mean(np.square(errors)))
    origins = origins_of(case.split, STEP)
    paths = free_running(trained.checkpoint.predictor("cpu"), values, origins, STEP)
    errors = paths[:, -1, 0] - values[np.array(origins) + STEP - 1, 0]
    return float(np.sqrt(np.mean(errors**2)) / np.nanstd(judged.truth[test]))
