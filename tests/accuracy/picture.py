"""The taxis' alarms as a picture: the whole test part, and below it every event from near."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tests.accuracy.events import CUT, DAY, HOUR, Outcome, Times
from training.report.pictures import INK, PREDICTED, QUIET, bare, thin

AROUND = 2 * DAY
"""An event is shown with so much before it and after it."""

SHORTEST = 6 * HOUR
"""An alarm is drawn so wide at least in the panel of the whole test part."""

THOUSAND = 1000


def draw_alarms(path: Path, one: Outcome) -> None:
    """Observations, the 90 % band of every value one step before, the alarms and the events. PNG."""
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    rows = figure.add_gridspec(2, len(one.found), height_ratios=(1, 1.2))
    whole = figure.add_subplot(rows[0, :])
    _draw_whole(whole, one)
    panels: list[Axes] = []
    for number, found in enumerate(one.found):
        axis = figure.add_subplot(rows[1, number], sharey=panels[0] if panels else None)
        shown = (one.times >= found.event.midnight - AROUND) & (one.times < found.event.end + AROUND)
        _draw_near(axis, one, shown)
        axis.set_title(found.event.name, loc="left", fontsize=9)
        axis.tick_params(labelleft=number == 0)
        panels.append(axis)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    for axis in (whole, *panels):
        bare(axis)
        axis.tick_params(labelsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format="png", metadata={"Software": None})


def _draw_whole(axis: Axes, one: Outcome) -> None:
    rows, values = thin(one.values, pixels=1100)
    axis.plot(_days(one.times[rows]), values / THOUSAND, color=INK, linewidth=0.5)
    _mark(axis, one, SHORTEST)
    for found in one.found:
        middle = float(_days(np.array([found.event.midnight, found.event.end])).mean())
        axis.text(
            middle, 1, found.event.name, ha="center", va="bottom", fontsize=8, transform=axis.get_xaxis_transform()
        )
    axis.set_title("New York taxis: passengers in 30 minutes (thousands)", loc="left", fontsize=10, pad=16)
    axis.set_xlim(0, float(_days(one.times[-1:])[0]))
    _label(axis, one.times, weeks=1)


def _draw_near(axis: Axes, one: Outcome, shown: NDArray[np.bool_]) -> None:
    times = one.times[shown]
    lower, upper = (side[shown, 0] / THOUSAND for side in (one.heard.lower, one.heard.upper))
    axis.fill_between(_days(times), lower, upper, color=INK, alpha=0.3, linewidth=0, label="interval of 90 %")
    axis.plot(_days(times), one.values[shown] / THOUSAND, color=INK, linewidth=0.9, label="observed")
    _mark(axis, one, HOUR)
    axis.set_xlim(*_days(times[[0, -1]]))
    _label(axis, times)


def _mark(axis: Axes, one: Outcome, shortest: np.timedelta64) -> None:
    """Events as grey areas, alarms as red ones."""
    for number, found in enumerate(one.found):
        start, end = _days(np.array([found.event.midnight, found.event.end]))
        axis.axvspan(start, end, color=QUIET, alpha=0.3, linewidth=0, label=None if number else "day of an event")
    for number, (first, last) in enumerate(one.spans):
        start, end = _days(np.array([first, max(last, first + shortest)]))
        axis.axvspan(start, end, color=PREDICTED, alpha=0.5, linewidth=0, label=None if number else "alarm")


def _label(axis: Axes, times: Times, weeks: int = 0) -> None:
    """Days, every second one or once in so many weeks."""
    days = np.arange(times[0].astype("datetime64[D]"), times[-1], 7 * weeks * DAY if weeks else 2 * DAY)
    axis.set_xticks(_days(days), [f"{day.item():%b} {day.item().day}" for day in days])


def _days(times: Times) -> NDArray[np.float64]:
    """Since CUT."""
    days: NDArray[np.float64] = (times - CUT) / DAY
    return days
