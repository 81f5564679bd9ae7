"""The report as one HTML file that needs nothing beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from training.evaluate import DETAILED, Judgement
from training.report.panels import panels
from training.report.summary import (
    COLUMNS,
    SUMMARY_HEADINGS,
    TEXT_HEADINGS,
    Row,
    Summary,
    geometric_mean,
    horizon_rows,
    horizons_of,
    number,
    ratio,
    score_rows,
)
from training.report.svg import render

NAMED = 20
"""Of so many columns the names are listed; of more their number is told."""

KINDS = {"network": "the Elman network", "linear": "its linear part alone", "persistence": "persistence"}

PAGES = Environment(
    loader=PackageLoader("training.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Figure:
    """A drawing with its title."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class Detail:
    """All that is shown of one target."""

    anchor: str
    name: str
    horizons: list[int]
    rows: list[Row]
    figures: list[Figure]


def write_page(
    path: Path, record: Mapping[str, Any], judgements: Sequence[Judgement], findings: Sequence[str] = ()
) -> None:
    """One self-contained file: no script and no request. The same input gives the same bytes.

    The first DETAILED targets have tables and drawings, all have a line in a table. What is not in the record is left
    out. findings: sentences about the data.
    """
    summaries = [Summary.of(judgement) for judgement in judgements]
    details = [_detail(place, judgement) for place, judgement in enumerate(judgements[:DETAILED], 1)]
    anchors = [detail.anchor for detail in details]
    html = PAGES.get_template("page.html").render(
        name=str(_part(record, "data").get("name") or "a series"),
        facts=_facts(record),
        kept=_kept(_part(record, "kept")),
        findings=list(findings),
        headings=list(COLUMNS),
        details=details,
        lines=list(zip_longest(anchors, (summary.cells for summary in summaries))),
        summary_headings=SUMMARY_HEADINGS,
        text_headings=TEXT_HEADINGS,
        mean_ratio=ratio(geometric_mean(summaries)),
        foot={key: _pairs(_part(record, key)) for key in ("architecture", "options", "versions")},
    )
    path.write_bytes(html.encode("utf-8", "replace"))  # a file's name may hold what is not text


def _detail(place: int, judgement: Judgement) -> Detail:
    rows = [
        Row(steps.method, steps.cells + ahead.cells)
        for steps, ahead in zip(score_rows(judgement), horizon_rows(judgement), strict=True)
    ]
    figures = [
        Figure(panel.title, render(panel.draw, panel.label, f"t{place}-{number}"))
        for number, panel in enumerate(panels(judgement), 1)
    ]
    return Detail(f"target-{place}", judgement.name, horizons_of(judgement), rows, figures)


def _facts(record: Mapping[str, Any]) -> dict[str, str]:
    """What was trained, by heading; without what the record does not tell."""
    data = _part(record, "data")
    facts = {
        "rows": _words(data.get("rows")),
        "columns": _names(data.get("columns")),
        "exogenous": _names(data.get("exogenous")),
        "split": _split(record.get("split")),
        "seed": _words(record.get("seed")),
        "network": _words(record.get("architecture")),
        "SHA-256 of the data": _words(data.get("sha256")),
    }
    return {heading: words for heading, words in facts.items() if words}


def _kept(kept: Mapping[str, Any]) -> dict[str, Any] | None:
    if not kept:
        return None
    kind = str(kept.get("kept") or "")
    losses = {name: number(float(loss)) for name, loss in _part(kept, "losses").items()}
    return {"kind": kind, "words": KINDS.get(kind, kind), "reason": str(kept.get("reason") or ""), "losses": losses}


def _split(split: object) -> str:
    if isinstance(split, Mapping) and {"train", "validation", "calibration", "rows"} <= set(split):
        train, validation, calibration, rows = (split[end] for end in ("train", "validation", "calibration", "rows"))
        return (
            f"{train} rows to train, {validation - train} for validation, {calibration - validation} for calibration, "
            f"{rows - calibration} to test"
        )
    return _words(split)


def _names(columns: object) -> str:
    if isinstance(columns, (list, tuple)) and len(columns) > NAMED:
        return f"{len(columns)}: {', '.join(map(str, columns[:NAMED]))} and more"
    return _words(columns)


def _words(value: object) -> str:
    """A mapping as `key value` pairs, a list with commas, text as it is; nothing for None."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value))
    return "" if value is None else _value(value)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _pairs(part: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): _value(value) for key, value in part.items()}


def _part(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = record.get(key)
    return part if isinstance(part, Mapping) else {}
