"""Objectives are read as they are written, and a figure that is not there meets none."""

from pathlib import Path

import pytest

from tests.load.objectives import ObjectiveError, read


def told(*texts: str) -> list[str]:
    return [str(objective) for objective in read(texts)]


def test_right_answers_and_no_errors_go_without_saying() -> None:
    assert told("p99 <= 250") == ["requests >= 1", "wrong = 0", "errors = 0", "p99 <= 250"]


def test_who_allows_some_errors_still_allows_no_wrong_answer() -> None:
    assert told("error_share <= 0.1%") == ["requests >= 1", "wrong = 0", "error_share <= 0.001"]
    assert told("errors[503 store_unavailable] <= 10")[:2] == ["requests >= 1", "wrong = 0"]


def test_a_file_has_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "objectives"
    file.write_text("# what we promise\np99 <= 250\n\nthroughput>=100  # requests a second\n")
    assert told(str(file))[3:] == ["p99 <= 250", "throughput >= 100"]


@pytest.mark.parametrize("text", ["p99", "p99 < 250", "p99 <= fast", "<= 5", "p99 <= 1 ms", "p99 <= 1-2"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ObjectiveError, match="is no objective"):
        read([text])


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("p99 <= 10", True),
        ("p99 <= 9", False),
        ("p99[predict] >= 4", True),
        ("wrong = 0", True),
        ("errors[503 overloaded] <= 3", True),
        ("errors[503 overloaded] <= 1", False),
        ("errors[never seen] <= 0", True),
        ("memory_slope <= 100", False),
        ("p50 <= 100", False),
    ],
)
def test_a_figure_is_held_against_its_limit(text: str, met: bool) -> None:
    figures = {"p99": 10.0, "p99[predict]": 4.0, "wrong": 0.0, "errors[503 overloaded]": 2.0, "p50": float("nan")}
    assert read([text])[-1].met(figures) is met
