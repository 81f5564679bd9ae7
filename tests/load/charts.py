"""The drawings of a load test: what each shows, in words and in lines."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tests.load.figures import PERCENTILES
from training.report.pictures import INK, PREDICTED, QUIET, bare

COLOURS = {"p50": "#2a9d8f", "p95": "#4f83cc", "p99": PREDICTED, "p999": QUIET}
PARTS = {"queue": "#4f83cc", "compute": PREDICTED, "store": "#2a9d8f"}
POINTS = 300
"""In a line at most: of a longer test some seconds become one."""

NAMES = {"p999": "p99.9"}
Rows = Sequence[Mapping[str, Any]]
Report = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """One drawing."""

    title: str
    label: str
    draw: Callable[[Axes], None]


def charts(report: Report, before: Report | None = None) -> Iterator[Chart]:
    """All that there are numbers for; with another run's beside them where lines can be told apart."""
    seconds, service = report["seconds"], report["service"]
    yield Chart(
        "Latency over time",
        "Lines of p50, p95, p99 and p99.9 in milliseconds, second by second, on a logarithmic axis.",
        lambda axis: _latency(axis, seconds),
    )
    yield Chart(
        "Latency of all requests",
        "Histogram of latencies in milliseconds, on a logarithmic axis"
        + (", with the outline of the run before." if before else "."),
        lambda axis: _histogram(axis, report, before),
    )
    yield Chart(
        "Throughput and errors",
        "Line of requests a second; bars of errors a second.",
        lambda axis: _throughput(axis, seconds),
    )
    if any(part in row for row in seconds for part in PARTS):
        yield Chart(
            "Inside of the service",
            "Areas of mean milliseconds a request: waiting for its turn, computing, storing; from server-timing.",
            lambda axis: _inside(axis, seconds),
        )
    if any("memory" in row for row in service):
        yield Chart(
            "Memory and processor",
            "Line of resident megabytes of the service; line of the cores that it uses.",
            lambda axis: _usage(axis, service),
        )
    if any("sessions" in row for row in service):
        yield Chart(
            "Sessions",
            "Lines of sessions that live, and of sessions made, expired and deleted so far.",
            lambda axis: _sessions(axis, service),
        )


def draw(report: Report, path: Path) -> None:
    """Six of them as one picture."""
    with rc_context({"font.size": 8, "axes.edgecolor": INK, "text.color": INK, "axes.labelcolor": INK}):
        figure = Figure(figsize=(11, 5.6), layout="constrained")
        drawn = list(charts(report))
        for axis, chart in zip(figure.subplots(2, 3).flat, drawn, strict=False):
            chart.draw(axis)
            bare(axis)
            axis.set_title(chart.title, loc="left", fontsize=9.5, pad=16, fontweight="bold")
        for axis in figure.axes[len(drawn) : 6]:
            axis.set_visible(False)
        figure.savefig(path, dpi=120, format="png", metadata={"Software": None})


def _latency(axis: Axes, rows: Rows) -> None:
    for name in (*PERCENTILES,)[::-1]:
        axis.plot(
            *_line(rows, name, np.nanmax if name != "p50" else np.nanmedian),
            color=COLOURS[name],
            linewidth=1.2,
            label=NAMES.get(name, name),
        )
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    _label(axis, "ms")


def _histogram(axis: Axes, report: Report, before: Report | None) -> None:
    edges = np.geomspace(*_range(report, before), 60)
    axis.hist(**_all(report, edges), color=PREDICTED, alpha=0.75, label="this run")
    if before:
        axis.hist(**_all(before, edges), color=INK, histtype="step", linewidth=1.2, label="before")
    for name in PERCENTILES:
        at = report["figures"][name]
        axis.axvline(at, color=INK, linewidth=0.7, linestyle=":")
        axis.text(
            at,
            1,
            f" {NAMES.get(name, name)}",
            rotation=90,
            va="top",
            ha="right",
            fontsize=7,
            transform=axis.get_xaxis_transform(),
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axis.set_ylabel("share of the requests")
    axis.set_xlabel("ms")
    if before:
        _legend(axis)


def _throughput(axis: Axes, rows: Rows) -> None:
    axis.plot(*_line(rows, "requests"), color=INK, linewidth=1.2, label="requests/s")
    axis.plot(*_line(rows, "predictions"), color="#2a9d8f", linewidth=1.2, label="numbers checked/s")
    x, errors = _line(rows, "errors")
    if errors.any():
        axis.bar(x, errors, color=PREDICTED, width=1.0, label="errors/s")
    axis.set_ylim(bottom=0)
    _label(axis, "a second")


def _inside(axis: Axes, rows: Rows) -> None:
    lines = {part: _line(rows, part) for part in PARTS}
    x = next(iter(lines.values()))[0]
    heights = [np.nan_to_num(y) for _, y in lines.values()]
    axis.stackplot(x, heights, labels=list(PARTS), colors=list(PARTS.values()), alpha=0.8, linewidth=0)
    axis.set_ylim(bottom=0)
    _label(axis, "ms a request, mean")


def _usage(axis: Axes, rows: Rows) -> None:
    axis.plot(*_line(rows, "memory"), color=PREDICTED, linewidth=1.4, label="MB")
    axis.set_ylim(0, 1.15 * max(axis.get_ylim()[1], 1))
    _label(axis, "MB")
    other = axis.twinx()
    other.plot(*_line(rows, "cpu"), color=QUIET, linewidth=0.9, label="cores (right)")
    other.set_ylim(bottom=0)
    other.spines[["top"]].set_visible(False)
    other.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)


def _sessions(axis: Axes, rows: Rows) -> None:
    colours = {"sessions": PREDICTED, "created": INK, "expired": "#4f83cc", "deleted": "#2a9d8f"}
    names = {"sessions": "live", "created": "made so far", "expired": "expired", "deleted": "deleted"}
    for name, colour in colours.items():
        if any(name in row for row in rows):
            axis.plot(*_line(rows, name), color=colour, linewidth=1.2, label=names[name])
    axis.set_ylim(bottom=0)
    _label(axis, "sessions")


def _line(rows: Rows, name: str, join: Callable[..., Any] = np.nanmean) -> tuple[Any, Any]:
    """Seconds and values, at most POINTS of them."""
    known = [(row["second"], row[name]) for row in rows if row.get(name) is not None and np.isfinite(row[name])]
    if not known:
        return np.empty(0), np.empty(0)
    parts = np.array_split(np.array(known, float), min(POINTS, len(known)))
    return np.array([part[0, 0] for part in parts]), np.array([join(part[:, 1]) for part in parts])


def _range(*reports: Report | None) -> tuple[float, float]:
    times = [at for one in reports if one for counts in one["histograms"].values() for at, _ in counts]
    return (min(times) * 0.95, max(times) * 1.05) if times else (0.1, 1.0)


def _all(report: Report, edges: Any) -> dict[str, Any]:
    """As `hist` takes it: each time weighs as many requests as there were."""
    pairs = [pair for counts in report["histograms"].values() for pair in counts]
    whole = sum(count for _, count in pairs) or 1
    return {"x": [at for at, _ in pairs], "bins": edges, "weights": [count / whole for _, count in pairs]}


def _label(axis: Axes, unit: str) -> None:
    axis.set_ylabel(unit)
    axis.set_xlabel("seconds")
    axis.margins(x=0.01)
    _legend(axis)


def _legend(axis: Axes) -> None:
    axis.legend(
        frameon=False,
        fontsize=8,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        borderaxespad=0,
        columnspacing=1.0,
        handlelength=1.4,
    )
