"""The ratios as a picture."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

OURS, OTHERS = "#1f77b4", "#b0b7bf"


def draw(ratios: Mapping[str, float], ours: str, path: Path) -> None:
    """Requests per second as bars, in those of `ours`; the fastest on top."""
    names = list(ratios)[::-1]
    figure = Figure(figsize=(8, 0.6 + 0.38 * len(names)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(
        names, [ratios[name] for name in names], color=[OURS if name == ours else OTHERS for name in names]
    )
    axes.bar_label(bars, [f"{ratios[name]:.2f}" for name in names], padding=4)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    axes.margins(x=0.1)
    axes.set_title(f"Requests per second, {ours} = 1", loc="left")
    figure.savefig(path, dpi=120, metadata={"Software": None})
