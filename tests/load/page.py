"""The report as one HTML file that needs nothing beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tests.benchmarks.tables import Table
from tests.load.charts import charts
from tests.load.report import comparison, doors_table, figure, load_text
from training.report.svg import render

PAGES = Environment(
    loader=PackageLoader("tests.load"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def write(report: Mapping[str, Any], path: Path, before: Mapping[str, Any] | None = None) -> None:
    """No script and no request. before: the report of another run, to compare with."""
    figures = report["figures"]
    drawn = [
        (chart.title, render(chart.draw, chart.label, f"c{number}"))
        for number, chart in enumerate(charts(report, before))
    ]
    tables: list[tuple[str, Table]] = [("Door by door", doors_table(figures))]
    if before:
        tables.insert(0, (f"Beside {before['name']}", comparison(dict(report), dict(before))))
    faults = {name[7:-1]: f"{count:,.0f}" for name, count in figures.items() if name.startswith("faults[")}
    html = PAGES.get_template("report.html").render(
        report=report,
        load=load_text(report["load"]),
        tiles=_tiles(report),
        objectives=[(one["objective"], figure(one["value"]), one["met"]) for one in report["objectives"]],
        charts=drawn,
        tables=tables,
        faults=faults,
        service=_service(figures),
    )
    path.write_text(html)


def _tiles(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    figures = report["figures"]
    tiles = [
        ("numbers checked", f"{figures['predictions']:,.0f}"),
        ("wrong", f"{figures['wrong']:,.0f}"),
        ("errors", f"{figures['errors']:,.0f}"),
        ("requests a second", f"{figures['throughput']:,.0f}"),
        ("p50", f"{figure(figures['p50'])} ms"),
        ("p99", f"{figure(figures['p99'])} ms"),
        ("p99.9", f"{figure(figures['p999'])} ms"),
    ]
    if report["ceiling"]:
        tiles.append(("the generator's own limit", f"{report['ceiling']:,.0f}/s"))
    return tiles


def _service(figures: Mapping[str, float]) -> Table:
    """What it told of itself, and what was seen of it."""
    table = Table(["of the service", ""])
    for part in ("queue", "compute", "store"):
        name = f"[service: {part}]"
        if f"p50{name}" in figures:
            table.add(f"{part}: p50, p99, ms", f"{figure(figures['p50' + name])}, {figure(figures['p99' + name])}")
    for name, described in (
        ("memory_most", "memory, MB at most"),
        ("memory_slope", "memory, MB more an hour"),
        ("cpu_most", "cores at most"),
        ("descriptors_most", "file descriptors at most"),
        ("descriptors_left", "more of them than before, when all clients had gone"),
        ("sessions_most", "sessions at most"),
    ):
        if name in figures:
            table.add(described, figure(figures[name]))
    return table
