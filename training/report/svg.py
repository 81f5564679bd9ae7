"""A matplotlib drawing as SVG inside an HTML page: no request, no date, ids of its own, ink in the page's colour."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.report.pictures import INK, bare

SIZE = (5.6, 3.0)
"""Inches; small, so that its letters can be read where the page is narrow."""

STYLE: dict[Any, object] = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "figure.facecolor": "none",
    "font.size": 9,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "elman",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
NOTHING = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def render(draw: Callable[[Axes], None], label: str, prefix: str) -> Markup:
    """One drawing. label: what it shows, in words; prefix: not used for another drawing of the page."""
    file = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        axis = figure.subplots()
        draw(axis)
        bare(axis)
        figure.savefig(file, format="svg", metadata=NOTHING)
    return _inline(file.getvalue(), label, prefix)


def _inline(document: str, label: str, prefix: str) -> Markup:
    head, body = document[document.index("<svg") :].split(">", 1)
    view = re.search(r'viewBox="[-\d. ]+"', head)
    assert view, "matplotlib tells the size"
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)  # meant for all the page
    body = re.sub(r'<g id="[\w.]+">', "<g>", body)  # groups that nothing refers to
    body = body.replace(' id="', f' id="{prefix}-').replace("url(#", f"url(#{prefix}-")
    body = body.replace('xlink:href="#', f'href="#{prefix}-').replace(INK, "currentColor")
    body = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), body)
    return Markup('<svg {} role="img" aria-label="{}">').format(Markup(view[0]), escape(label)) + Markup(body.strip())  # noqa: S704 - drawn here
