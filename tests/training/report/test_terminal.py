import io
import json
from pathlib import Path

from rich.console import Console

from tests.training.report.judgements import judgement, walk, walks
from training.report.terminal import print_kept, print_scores, write_json


def printed(*judgements: object, colour: bool = False) -> str:
    file = io.StringIO()
    print_scores(list(judgements), Console(file=file, width=120, force_terminal=colour))  # type: ignore[arg-type]
    return file.getvalue()


def test_every_method_and_horizon_is_printed_for_few_targets() -> None:
    text = printed(judgement(walk(300)))
    for word in ("Elman network", "naive", "drift", "MASE", "skill over naive", "8 ahead", "24 ahead"):
        assert word in text


def test_the_best_of_a_column_is_bold() -> None:
    judged = judgement(walk(300))
    best = min(judged.scores, key=lambda score: score.rmse)
    assert f"\x1b[1m{best.rmse:.4g}\x1b[0m" in printed(judged, colour=True)


def test_many_targets_share_one_table_that_ends_with_the_geometric_mean() -> None:
    text = printed(*walks(6))
    assert "walk 5" in text
    assert "network / best" in text
    assert "geometric mean" in text
    assert "8 ahead" not in text


def test_what_was_kept_is_told_with_its_reason_and_losses() -> None:
    file = io.StringIO()
    kept = {"kept": "linear", "reason": "The linear part was kept because.", "losses": {"linear": 0.25, "network": 0.5}}
    print_kept({"kept": kept}, Console(file=file, width=100))
    assert "The linear part was kept because." in file.getvalue()
    assert "0.25" in file.getvalue()
    print_kept({}, Console(file=file))


def test_the_record_is_written_as_json(tmp_path: Path) -> None:
    write_json(tmp_path / "record.json", {"seed": 3})
    assert json.loads((tmp_path / "record.json").read_text()) == {"seed": 3}
