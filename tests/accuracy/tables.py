"""What was measured, as JSON holds it and as a person reads it, the bars beside it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf, isfinite, isnan, nan
from statistics import median
from typing import Any

from rich.table import Table

from models.calibration import LEVEL
from tests.accuracy import clean, live
from tests.accuracy.scores import WINDOW
from training.accuracy import Case

COVERAGE, WORST = (0.885, 0.915), 0.85
"""Of the intervals over a test part of at least WINDOW values, and in every window of it."""

FALSE_ALARMS = (0.5, 2.0)
"""Per 10,000 steps at the rate of 1e-4."""

DELAYS = {5.0: 3, 1.0: 50}
"""Steps until the median stream's shift of this size has raised an alarm."""


def live_rows(cases: Sequence[Case], outcomes: Sequence[Sequence[live.Outcome]]) -> list[dict[str, Any]]:
    """Medians over the seeds, a row for every target. outcomes: by case, then by seed"""
    rows = []
    for case, seeds in zip(cases, outcomes, strict=True):
        for number in range(case.dataset.targets):
            figures = [outcome.figures[number] for outcome in seeds]
            several = case.dataset.targets > 1
            rows.append(
                {
                    "series": f"{case.name}, {figures[0].target}" if several else case.name,
                    "kept": dict(Counter(outcome.kept for outcome in seeds)),
                    "rows": figures[0].rows,
                    **{
                        name: median(getattr(one, name) for one in figures)
                        for name in ("coverage", "worst", "width", "naive_width", "winkler", "naive_winkler")
                    },
                    "to_naive": median(one.to_naive for one in figures),
                    "ahead": {str(h): median(one.ahead[h] for one in figures) for h in figures[0].ahead},
                    "alarms": median(outcome.alarms for outcome in seeds) if number == 0 else None,
                    "adapted": median(one.adapted for one in figures),
                }
            )
    return rows


def clean_rows(kinds: Sequence[str], outcomes: Sequence[Sequence[clean.Outcome]]) -> list[dict[str, Any]]:
    """Medians over the seeds. outcomes: by kind, then by seed"""
    rows = []
    for kind, seeds in zip(kinds, outcomes, strict=True):
        records = [clean.record(outcome) for outcome in seeds]
        kept = Counter(found.pop("kept") for found in records)
        rows.append({"stream": kind, "kept": dict(kept)} | _medians(records))
    return rows


def live_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What a person reads of `live_rows`."""
    title = f"Test parts, value by value through the service; intervals of {LEVEL:.0%}, (p) those of persistence"
    headings = ("series", "kept", "rows", "cover", f"worst {WINDOW}", "width", "(p)", "Winkler", "(p)", "ratio")
    ahead = [f"{h} ahead" for h in live.HORIZONS]
    table = _table(title, *headings, *ahead, "alarms", "rls", left=2)
    for row in rows:
        table.add_row(*live_cells(row))
    long = [row for row in rows if row["rows"] >= WINDOW]
    ratios = [row["to_naive"] for row in rows if set(row["kept"]) != {"persistence"}]
    covers = [row["coverage"] for row in long] or [nan]
    worst = [row["worst"] for row in long] or [nan]
    table.add_section()
    reached = (f"{_percent(min(covers))} to {_percent(max(covers))}" if long else "", _percent(min(worst)))
    table.add_row("reached", "", f">= {WINDOW}", *reached, "", "", "", "", f"{max(ratios, default=nan):.3f}")
    bars = (" to ".join(map(_percent, COVERAGE)), f">= {_percent(WORST)}", "", "", "", "", "< 1")
    table.add_row("bar", "", f">= {WINDOW}", *bars)
    return table


def live_cells(row: Mapping[str, Any]) -> list[str]:
    """One line of it."""
    return [
        row["series"],
        _kept(row),
        str(row["rows"]),
        _percent(row["coverage"]),
        _percent(row["worst"]),
        *(f"{row[name]:.4g}" for name in ("width", "naive_width", "winkler", "naive_winkler")),
        f"{row['to_naive']:.3f}",
        *(_percent(row["ahead"].get(str(h), nan)) for h in live.HORIZONS),
        "" if row["alarms"] is None else f"{row['alarms']:.1f}",
        f"{row['adapted']:.3f}",
    ]


def clean_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What a person reads of `clean_rows`."""
    steps = clean.STREAMS * clean.STEPS
    title = f"Made streams, {clean.STREAMS} of each kind, {steps:,} steps; false alarms per 10,000 steps"
    rates = [f"at {rate:g}" for rate in clean.RATES]
    found = [heading for size in clean.SIZES for heading in (f"{size:g} sd: steps", "found")]
    p = ("p < .01", "p < .1", "bins")
    table = _table(title, "stream", "kept", *rates, *p, *found, f"rare {clean.CALM_STEPS}", "wider", "calm", left=2)
    for row in rows:
        table.add_row(*clean_cells(row))
    bars = [str(DELAYS[size]) for size in clean.SIZES]
    table.add_section()
    table.add_row("bar", "", " to ".join(map(str, FALSE_ALARMS)), "", "1", "10", "", bars[0], "", bars[1])
    return table


def clean_cells(row: Mapping[str, Any]) -> list[str]:
    """One line of it."""
    shifted = [row["shifted"][f"{size:g}"] for size in clean.SIZES]
    return [
        row["stream"],
        _kept(row),
        *(f"{row['alarms'][f'{rate:g}']:.2f}" for rate in clean.RATES),
        *(f"{100 * share:.2f}" for share in row["below"].values()),
        f"{100 * row['uneven']:.0f} %",
        *(cell for found in shifted for cell in (_steps(found["delay"]), f"{found['found']:.0%}")),
        _percent(shifted[0]["rare"]),
        f"{shifted[0]['wider']:.1f}",
        _steps(shifted[0]["calm"]),
    ]


def plain(found: Any) -> Any:
    """As JSON can hold it: what is not finite is null."""
    if isinstance(found, Mapping):
        return {name: plain(part) for name, part in found.items()}
    if isinstance(found, list):
        return [plain(part) for part in found]
    return None if isinstance(found, float) and not isfinite(found) else found


def _medians(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of every number in records of one shape."""
    return {
        name: _medians([record[name] for record in records])
        if isinstance(part, Mapping)
        else median(record[name] for record in records)
        for name, part in records[0].items()
    }


def _table(title: str, *headings: str, left: int) -> Table:
    table = Table(title=title, title_justify="left", padding=(0, 0, 0, 1))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < left else "right", no_wrap=True)
    return table


def _kept(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in row["kept"].items())


def _percent(share: float) -> str:
    return "" if isnan(share) else f"{100 * share:.1f}"


def _steps(steps: float) -> str:
    return "never" if steps == inf else f"{steps:g}"
