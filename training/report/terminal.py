"""Tables in the terminal, and the record as a JSON file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.evaluate import Judgement
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

FEW = 4
"""Up to so many targets have tables of their own; more share one."""


def print_scores(judgements: Sequence[Judgement], console: Console) -> None:
    """Errors on the test part, the network beside the baselines, the best of each column bold.

    Up to FEW targets: one-step errors and free-running RMSE by horizon of each; more: one table with a line for each.
    """
    if len(judgements) > FEW:
        console.print(_summary([Summary.of(judgement) for judgement in judgements]))
        return
    for judgement in judgements:
        console.print(
            _methods(f"{judgement.name}: one-step errors on the test part", list(COLUMNS), score_rows(judgement))
        )
        if horizons := horizons_of(judgement):
            headings = [f"{horizon} ahead" for horizon in horizons]
            title = f"{judgement.name}: RMSE of free-running forecasts in the test part"
            console.print(_methods(title, headings, horizon_rows(judgement)))


def print_kept(record: Mapping[str, Any], console: Console) -> None:
    """Which of network, linear part and persistence the checkpoint holds, why, and their validation losses."""
    kept = record.get("kept")
    if not kept:
        return
    console.print(str(kept.get("reason") or kept["kept"]), markup=False)
    if losses := kept.get("losses"):
        table = _table("")
        table.add_column("")
        table.add_column("validation loss", justify="right")
        for name, loss in losses.items():
            table.add_row(name, number(loss), style="bold" if name == kept["kept"] else "")
        console.print(table)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """The training record, as it also stands in the checkpoint."""
    path.write_text(json.dumps(dict(record), indent=2) + "\n", encoding="utf-8")


def _methods(title: str, headings: Sequence[str], rows: Sequence[Row]) -> Table:
    table = _table(title)
    table.add_column("method")
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(Text(row.method), *(Text(cell.text, "bold" if cell.best else "") for cell in row.cells))
    return table


def _summary(summaries: Sequence[Summary]) -> Table:
    table = _table(f"{len(summaries)} targets: one-step RMSE on the test part")
    for heading in SUMMARY_HEADINGS:
        table.add_column(heading, justify="left" if heading in TEXT_HEADINGS else "right")
    for summary in summaries:
        target, *cells = map(Text, summary.cells)
        best = min(summary.network, summary.best)
        for cell, rmse in zip(cells, (summary.network, summary.naive, summary.best), strict=False):
            cell.stylize("bold" if rmse == best else "")
        table.add_row(target, *cells)
    table.add_section()
    mean = Text(ratio(geometric_mean(summaries)), "bold")
    table.add_row("geometric mean", *[""] * (len(SUMMARY_HEADINGS) - 2), mean)
    return table


def _table(title: str) -> Table:
    return Table(title=Text(title, "italic") if title else None, title_justify="left")
