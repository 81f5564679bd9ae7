"""What was found irregular in the series, and what was done about it, in a few lines for a person."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.timeline import Faults, Policy

NAMED = 3  # so many series are named in a line

Found = tuple[str, Faults, NDArray[np.float64]]  # name, faults, values (T, F) as they stood in the file, in time order


def findings(series: Sequence[Found], features: Sequence[str], policy: Policy) -> tuple[str, ...]:
    """One line per kind of fault, over all series that have it."""
    lines = []
    for has, sentence in _sentences(policy):
        those = [(name, faults) for name, faults, _ in series if has(faults)]
        if those:
            lines.append(_of([name for name, _ in those], len(series)) + sentence([faults for _, faults in those]))
    return *lines, *_missing(series, features), *_last(series)


def _sentences(policy: Policy) -> list[tuple[Callable[[Faults], bool], Callable[[list[Faults]], str]]]:
    duplicates = {"last": "the last of them is kept", "first": "the first of them is kept", "mean": "they are averaged"}
    irregular = {"keep": "they are taken as they come", "resample": "they became means over the median step"}
    closed = "the rows around them are taken as neighbours"
    gaps = {"missing": "rows of missing values were put in", "close": closed}
    return [
        (lambda f: f.unsorted and not f.reversed, lambda _: "rows were not in time order; they were sorted"),
        (lambda f: f.reversed, lambda _: "rows came newest first; they were sorted"),
        (
            lambda f: f.duplicates > 0,
            lambda those: (
                f"{_many(sum(f.duplicates for f in those), 'row has', 'rows have')} the time of another; "
                f"{duplicates.get(policy.duplicates)}"
            ),
        ),
        (
            lambda f: f.gaps > 0 and not f.wide,
            lambda those: f"{_gaps(those)}; {gaps.get(policy.gaps)}",
        ),
        (
            lambda f: f.gaps > 0 and f.wide,
            lambda those: f"{_gaps(those)}, more than there are rows; {closed}",
        ),
        (lambda f: f.irregular, lambda _: f"rows have no regular spacing; {irregular.get(policy.irregular)}"),
        (lambda f: f.late, lambda _: "the last row is off the regular times; it is kept as the next one"),
    ]


def _gaps(those: list[Faults]) -> str:
    spacings = {str(faults.spacing) for faults in those}
    of = f" of {spacings.pop()}" if len(spacings) == 1 else ""
    skipped, longest = sum(faults.skipped for faults in those), max(faults.longest for faults in those)
    gaps = _many(sum(faults.gaps for faults in those), "gap", "gaps")
    return f"{gaps}: {_many(skipped, 'step', 'steps')}{of} without a row, at most {longest} in a row"


def _missing(series: Sequence[Found], features: Sequence[str]) -> list[str]:
    lines = []
    for column, feature in enumerate(features):
        absent = [(name, np.isnan(values[:, column])) for name, _, values in series]
        those = [(name, gone) for name, gone in absent if gone.any()]
        if those:
            count, rows = sum(int(gone.sum()) for _, gone in those), sum(len(gone) for _, gone in those)
            share = f"{max(count / rows, 0.0001):.2%}".replace(".00%", "%")
            longest = max(_longest_run(gone) for _, gone in those)
            where = _of([name for name, _ in those], len(series))
            values = _many(count, "value is", "values are")
            lines.append(f"{where}{feature}: {values} missing ({share}), at most {longest} in a row")
    return lines


def _last(series: Sequence[Found]) -> list[str]:
    """Series whose last row alone lacks a value: a line that was cut, or a period that is not over."""
    those = [
        name
        for name, _, values in series
        if len(values) > 1 and (np.isnan(values[-1]) & ~np.isnan(values[:-1]).any(axis=0)).any()
    ]
    return [_of(those, len(series)) + "only the last row lacks a value; it may be cut or not over yet"] if those else []


def _longest_run(gone: NDArray[np.bool_]) -> int:
    ends = np.flatnonzero(np.diff(np.r_[False, gone, False].astype(np.int8)))
    return int((ends[1::2] - ends[::2]).max(initial=0))


def _of(names: list[str], total: int) -> str:
    """Which series a line is about; nothing where there is only one."""
    if total == 1:
        return ""
    if len(names) <= NAMED:
        return f"{', '.join(names)}: "
    if len(names) == total:
        return f"all {total} series: "
    return f"{len(names)} of {total} series ({', '.join(names[:NAMED])}, …): "


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
