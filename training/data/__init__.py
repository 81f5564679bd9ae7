"""Series from files: read, choose columns, mend the times, check, and split in time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.files import File, load, notes, only, parts
from training.data.findings import findings
from training.data.reading import Header
from training.data.spacing import moments
from training.data.timeline import Policy, mend
from training.errors import DataError

__all__ = ["Dataset", "Header", "Policy", "Series", "Split", "check", "read"]

MIN_ROWS = 30
VALIDATION_SHARE = 0.15
VALIDATION_ROWS = 100
CALIBRATION_SHARE = 0.1
CALIBRATION_ROWS = 100


@dataclass(frozen=True)
class Split:
    """Chronological, where each part ends: training, validation, calibration, and with the last row the test."""

    train: int
    validation: int
    calibration: int
    rows: int

    @classmethod
    def of(
        cls, rows: int, validation_share: float | None, test_share: float, calibration_share: float | None = None
    ) -> "Split":
        """Cut `rows` values; shares are of all rows, and every part has at least two."""
        return cls.at(rows - max(2, round(rows * test_share)), rows, validation_share, calibration_share)

    @classmethod
    def at(
        cls, origin: int, rows: int, validation_share: float | None = None, calibration_share: float | None = None
    ) -> "Split":
        """The test part begins at `origin`; what is before it is cut without shares as the constants say.

        Both the calibration part and the validation part before it have at least so many rows, or else an eighth and
        half of what there is: of fewer, chance decides.
        """
        if calibration_share is None:
            calibration = max(round(origin * CALIBRATION_SHARE), min(CALIBRATION_ROWS, origin // 8))
        else:
            calibration = max(2, round(rows * calibration_share))
        begin = origin - calibration
        if validation_share is None:
            validation = max(round(begin * VALIDATION_SHARE), min(VALIDATION_ROWS, begin // 2))
        else:
            validation = max(2, round(rows * validation_share))
        return cls(begin - validation, begin, origin, rows)


@dataclass(frozen=True)
class Series:
    """One series: values (T, F) in raw units and time order, NaN = missing, targets first.

    name: the value of the series column, or the file's name without its ending. times: (T,), None where the file has
    none.
    """

    name: str
    values: NDArray[np.float64]
    times: NDArray[np.datetime64] | None


@dataclass(frozen=True)
class Dataset:
    """Chosen columns of one or several files.

    name: file names. sha256: over the bytes of all files in the order given. features: the first `targets` of them are
    to be predicted, the others are exogenous. series: at least one, sorted by name. findings: one line each for a
    person, on what was irregular and what was done about it.
    """

    name: str
    sha256: str
    features: tuple[str, ...]
    targets: int
    series: tuple[Series, ...]
    findings: tuple[str, ...]


def read(
    paths: Sequence[str | Path],
    columns: Sequence[str] = (),
    exogenous: Sequence[str] = (),
    time: str | None = None,
    series: str | None = None,
    policy: Policy = Policy(),  # noqa: B008  # frozen
    header: Header = "auto",
) -> Dataset:
    """Read CSV or Parquet files, one series each or several told apart by a column, at regular times.

    columns: what is to be predicted, in this order; where none is named, the only column of numbers. exogenous:
    columns that are known besides. time, series: columns of times and of names of series; recognised if not given.

    Raises:
        DataError: no such file; a column that is missing, chosen twice, or holds text or infinity; no telling which
            column to predict; times that cannot be read; something that the policy refuses.
    """
    files = load(paths, columns, exogenous, time, series, header)
    targets = tuple(columns) or only(files[0], exogenous)
    return dataset(files, targets, tuple(exogenous), policy)


def dataset(files: Sequence[File], targets: tuple[str, ...], exogenous: tuple[str, ...], policy: Policy) -> Dataset:
    """The chosen columns of loaded files, as `read` gives them.

    Raises:
        DataError: as `read`, as far as it is about values.
    """
    features = targets + exogenous
    series, found = [], []
    for part in parts(files, features):
        ticks = part.ticks if part.ticks is not None else np.arange(float(len(part.values)))
        order = np.argsort(ticks, kind="stable")
        ticks, values, faults = mend(part.name, ticks, part.dated, part.values, policy)
        series.append(Series(part.name, values, moments(ticks) if part.dated else None))
        found.append((part.name, faults, part.values[order]))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.path.read_bytes())
    return Dataset(
        ", ".join(file.path.name for file in files),
        digest.hexdigest(),
        features,
        len(targets),
        tuple(series),
        (*(note for file in files for note in notes(file)), *findings(found, features, policy)),
    )


def check(series_name: str, features: tuple[str, ...], values: NDArray[np.float64], split: Split) -> None:
    """Refuse what cannot be learned from; values: (T, F).

    Raises:
        DataError: too few rows, or a column that is empty or constant in the training part, or empty in another.
    """
    if split.rows < MIN_ROWS or split.train < MIN_ROWS // 3:
        raise DataError(f"{series_name}: {split.rows} rows are too few; at least {MIN_ROWS} are needed")
    pieces = {
        "training": values[: split.train],
        "validation": values[split.train : split.validation],
        "calibration": values[split.validation : split.calibration],
        "test": values[split.calibration :],
    }
    for column, feature in enumerate(features):
        for part, rows in pieces.items():
            if np.isnan(rows[:, column]).all():
                raise DataError(f"{series_name}: column {feature!r} has no value at all in its {part} part")
        train = pieces["training"][:, column]
        if np.nanstd(train) <= 1e-12 * max(1.0, np.nanmax(np.abs(train))):
            raise DataError(f"{series_name}: column {feature!r} is constant in its training part; nothing to learn")
