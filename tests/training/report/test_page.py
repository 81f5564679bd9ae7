import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.report.judgements import judgement, walk, walks
from training.report.page import write_page
from training.report.summary import number

RECORD: dict[str, Any] = {
    "data": {"name": "walk.csv", "sha256": "ab" * 32, "rows": 300, "columns": ["walk"]},
    "split": {"train": 200, "validation": 230, "calibration": 250, "rows": 300},
    "seed": 4,
    "versions": {"torch": "2.13.0"},
    "options": {"hidden_size": 32},
    "architecture": {"input_size": 1},
    "kept": {"kept": "linear", "reason": "It was good enough.", "losses": {"linear": 0.2, "network": 0.19}},
}
VOID = {"meta", "link", "br", "hr", "img", "path", "use", "rect", "col"}


class Outline(HTMLParser):
    """Tags that are opened and closed in order, headings, and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def page(tmp_path: Path, *judgements: Any, record: dict[str, Any] = RECORD, findings: tuple[str, ...] = ()) -> str:
    write_page(tmp_path / "page.html", record, judgements, findings)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_it_is_one_well_formed_page_with_all_numbers(tmp_path: Path) -> None:
    judged = judgement(walk(300))
    text = page(tmp_path, judged, findings=("2 rows of missing values were put in",))
    outline = Outline(text)
    assert outline.open == []
    assert outline.headings[0] == 1
    assert all(after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(set(outline.ids)) == len(outline.ids)
    for word in ("It was good enough.", "2 rows of missing values were put in", "walk.csv", "2.13.0"):
        assert word in outline.words
    for score in judged.scores:
        assert score.method in outline.words
        assert number(score.rmse) in outline.words
    assert text.count("<svg") >= 6
    assert text.count('role="img"') == text.count("<svg")


def test_it_asks_for_nothing(tmp_path: Path) -> None:
    text = page(tmp_path, judgement(walk(300)))
    assert not re.search(r"<script|<link|<iframe|@import|src=", text)
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', text))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))


def test_the_same_training_gives_the_same_bytes(tmp_path: Path) -> None:
    judged = judgement(walk(300))
    assert page(tmp_path, judged) == page(tmp_path, judged)


def test_names_are_only_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    record = {**RECORD, "data": {"name": evil, "columns": [evil]}}
    text = page(tmp_path, judgement(walk(200), name=evil), record=record, findings=(evil,))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_it_stays_small_for_a_long_series(tmp_path: Path) -> None:
    assert len(page(tmp_path, judgement(walk(20_000)))) < 1_500_000


@pytest.mark.parametrize("rows", [40, 300])
def test_missing_values_short_test_parts_and_a_bare_record_do_not_break_it(tmp_path: Path, rows: int) -> None:
    values = walk(rows)
    values[rows // 3 : rows // 3 + 3] = np.nan
    values[-1] = np.nan
    assert Outline(page(tmp_path, judgement(values), record={})).open == []


def test_many_targets_have_a_summary_and_few_details(tmp_path: Path) -> None:
    text = page(tmp_path, *walks(12))
    assert "walk 11" in Outline(text).words
    assert "network / best" in text
    assert text.count("<svg") <= 8 * 7
