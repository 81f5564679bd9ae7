import shlex
from pathlib import Path

import numpy as np
import pytest

from training.__main__ import main
from training.data import Series, read
from training.overview import gaps


@pytest.fixture
def panel(tmp_path: Path) -> Path:
    """Two sites, 72 hours; one with a gap of five."""
    lines = ["hour,site,flow,level,fixed"]
    for site in ("north", "east"):
        for k in range(72):
            if site == "north" or not 30 <= k < 35:
                hour = np.datetime64("2024-05-01T00") + k
                lines.append(f"{hour}:00,{site},{np.sin(k * np.pi / 6):.4f},{'' if k == 9 else k},3")
    path = tmp_path / "panel [a].csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_what_is_in_a_file_is_told(panel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "p.png"
    assert main(["inspect", str(panel), "--output", str(picture)]) == 0
    told = capsys.readouterr().out
    for part in (
        "panel [a].csv: 139 rows", "2 series of 72 steps", "1 hour", "time of a row", "name of the series", "constant",
        "2024-05-03 23:00:00", "1.4%", "column 'site' is taken as the name of the series",
        "east: 1 gap: 5 steps of 1 hour without a row, at most 5 in a row", "12 steps = 12 hours", str(picture),
    ):  # fmt: skip
        assert part in told
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_that_is_proposed_reads_the_same(
    panel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--exogenous", "flow", "--gaps", "close", "--time", "hour"]
    assert main(["inspect", str(panel), *arguments, "--output", str(tmp_path / "p.png")]) == 0
    command = shlex.split(capsys.readouterr().out.strip().splitlines()[-1])
    assert command[:4] == ["python", "-m", "training", "fit"]
    assert command[4:] == [
        str(panel), "--column", "level", "--exogenous", "flow", "--time", "hour", "--series-column", "site",
        "--gaps", "close",
    ]  # fmt: skip


def test_the_picture_lies_beside_the_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "plain.csv").write_text("1\n2\n2\n1\n")
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "data/plain.csv"]) == 0
    assert (tmp_path / "models/checkpoints/plain-inspect.png").is_file()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["plain.csv"]
    assert "none is visible" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["a,b\nu,v\n", "day,x\n2024-01-01,1\n2024-01-01,2\n", None])
def test_what_cannot_be_read_ends_with_one_line_and_exit_code_2(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "t.csv").write_text(content)
    picture = tmp_path / "p.png"
    assert main(["inspect", str(tmp_path / "t.csv"), "--duplicates", "refuse", "--output", str(picture)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not picture.exists()


@pytest.mark.parametrize(
    "content", ["x,y\n,\n,\n", "x\n1\n", "day,x\n", "time,x\n1,2\n,\n", "day,x\n2024-01-01,\n2024-01-02,5\n"]
)
def test_strange_tables_are_told_about_too(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    column = ["--column", "x"]
    assert main(["inspect", str(tmp_path / "t.csv"), *column, "--output", str(tmp_path / "p.png")]) == 0


def test_a_picture_is_a_png(panel: Path) -> None:
    with pytest.raises(SystemExit) as usage:
        main(["inspect", str(panel), "--output", "p.jpg"])
    assert usage.value.code == 2


def test_runs_of_missing_values_and_skipped_times_are_shaded(panel: Path) -> None:
    values = np.array([1, np.nan, np.nan, 4, np.nan, 6])[:, None]
    assert gaps(Series("s", values, None), 0) == [(0, 3)]
    east = read([panel], ["flow"]).series[0]
    [(_, width)] = gaps(east, 0)
    assert width == pytest.approx(6 / 24)
