"""What a load test leaves behind: JSON for programs and comparisons, lines for a terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from tests.benchmarks import machine
from tests.benchmarks.tables import Table
from tests.load.ceiling import NEAR
from tests.load.figures import LATE_MS, PERCENTILES, by_second, errors_of, histograms
from tests.load.objectives import Objective
from tests.load.trial import Trial

FELL_BEHIND = 0.01
"""Share of the requests that the generator may send late."""

COMPARED = ("throughput", "predictions_rate", *PERCENTILES, "slowest", "errors", "wrong", "memory_most", "cpu_most")

Report = dict[str, Any]


def report_of(
    trial: Trial, objectives: Sequence[Objective], ceiling: float | None = None, name: str = "load test"
) -> Report:
    """All that there is to know."""
    figures = trial.figures
    judged = [
        {"objective": str(objective), "value": objective.value(figures), "met": objective.met(figures)}
        for objective in objectives
    ]
    return {
        "name": name,
        "where": machine.description(),
        "load": trial.load,
        "passed": all(one["met"] for one in judged),
        "objectives": judged,
        "figures": figures,
        "ceiling": ceiling,
        "notes": list(_notes(trial, figures, ceiling)),
        "errors": errors_of(trial.tally),
        "samples": trial.tally.samples,
        "seconds": by_second(trial.tally, trial.began),
        "histograms": histograms(trial.tally),
        "service": trial.service,
    }


def write(report: Report, path: Path) -> None:
    """As JSON; what was not measured is null."""
    path.write_text(json.dumps(_finite(report), indent=1))


def text(report: Report) -> str:
    """For a terminal."""
    return "\n\n".join(part for part in _parts(report) if part)


def load_text(load: Mapping[str, Any]) -> str:
    """What was sent, in a line."""
    faults = ", ".join(f"{name} {rate:g}" for name, rate in load["faults"].items() if rate)
    kind = f"open loop, {load['rate']:g} turns/s" if load["rate"] else f"closed loop, {load['num_users']} users"
    return (
        f"{kind}, {load['shape']}, {load['seconds']:g} s, {load['processes']} process(es); "
        f"{', '.join(load['doors'])}; faults: {faults or 'none'}"
    )


def doors_table(figures: Mapping[str, float]) -> Table:
    """Requests and latencies, door by door."""
    table = Table(["door", "requests", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "slowest ms"])
    doors = [name.removeprefix("requests")[1:-1] for name in figures if name.startswith("requests[")]
    for door in ["", *sorted(doors, key=lambda door: -figures[f"requests[{door}]"])]:
        suffix = f"[{door}]" if door else ""
        times = [figure(figures[f"{name}{suffix}"]) for name in (*PERCENTILES, "slowest")]
        table.add(door or "all", f"{figures[f'requests{suffix}']:,.0f}", *times)
    return table


def comparison(report: Report, before: Report) -> Table:
    """The figures of two runs."""
    table = Table(["", "before", "now", "now / before"])
    for name in COMPARED:
        old, new = (one["figures"].get(name) for one in (before, report))
        if old is None or new is None:
            continue
        table.add(name, figure(old), figure(new), f"{new / old:.2f}" if old else "")
    return table


def figure(value: float | None) -> str:
    """As people write it."""
    if value is None or not isfinite(value):
        return "-"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _parts(report: Report) -> Iterator[str]:
    figures = report["figures"]
    yield f"{report['name']}: {load_text(report['load'])}\n{report['where']}"
    yield str(doors_table(figures))
    yield (
        f"{figures['requests']:,.0f} requests ({figures['throughput']:,.0f}/s); "
        f"{figures['predictions']:,.0f} numbers checked ({figures['predictions_rate']:,.0f}/s), "
        f"{figures['wrong']:,.0f} wrong; {figures['errors']:,.0f} errors; {figures['streams']:,.0f} streams"
    )
    faults = {name: n for name, n in figures.items() if name.startswith("faults[")}
    yield "faults made: " + (", ".join(f"{name[7:-1]} {n:,.0f}" for name, n in faults.items()) or "none")
    yield "\n".join(f"{count:>8,} x {name}" for name, count in report["errors"].items())
    yield "\n".join(report["samples"])
    if report["ceiling"]:
        yield f"the generator alone, with a server that does nothing: {report['ceiling']:,.0f} requests/s"
    if "memory_most" in figures:
        growth = f", {figures['memory_slope']:+.1f} MB/h" if "memory_slope" in figures else ""
        yield (
            f"the service: at most {figures['memory_most']:.0f} MB{growth}, {figures['cpu_most']:.2f} cores, "
            f"{figures['descriptors_most']:.0f} descriptors, {figures.get('sessions_most', 0):,.0f} sessions"
        )
    yield "\n".join(f"note: {note}" for note in report["notes"])
    yield "\n".join(
        f"{'met   ' if one['met'] else 'FAILED'}  {one['objective']}   ({figure(one['value'])})"
        for one in report["objectives"]
    )
    yield f"verdict: {'passed' if report['passed'] else 'FAILED'}"


def _notes(trial: Trial, figures: Mapping[str, float], ceiling: float | None) -> Iterator[str]:
    if figures.get("late_share", 0) > FELL_BEHIND:
        yield (
            f"the generator fell behind: {figures['late_share']:.1%} of the requests were sent more than {LATE_MS:g} "
            "ms after they were due; latencies count from then on, so they are the generator's, too"
        )
    if ceiling and figures["throughput"] > NEAR * ceiling:
        yield (
            f"{figures['throughput'] / ceiling:.0%} of what the generator can do at all: this may be its limit, not "
            "the service's; give it more processes, or more machines"
        )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
