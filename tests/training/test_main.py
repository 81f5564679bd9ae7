"""The command line as a person uses it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models import Checkpoint, load
from training.__main__ import main

ROOT = Path(__file__).parents[2]


def training(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)


@pytest.fixture
def wave(tmp_path: Path) -> Path:
    """Two columns, 120 rows."""
    t = np.arange(120)
    rows = np.column_stack([t, 50 + 9 * np.sin(t / 3), 1e-3 * np.cos(t / 3)])
    path = tmp_path / "wave.csv"
    np.savetxt(path, rows, delimiter=",", header="t,a,b", comments="")
    return path


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("tutorial") / "sine.safetensors"
    result = training("tutorial", "--seed", "5", "--output", path)
    assert result.returncode == 0, result.stderr
    return path, result.stdout


def test_help_teaches() -> None:
    assert "python -m training fit training/series/sunspots.csv --column sunspots" in training("--help").stdout
    assert "--learning-rate" in training("fit", "--help").stdout


def test_tutorial_prints_draws_and_writes_a_servable_checkpoint(tutorial: tuple[Path, str]) -> None:
    path, output = tutorial
    checkpoint = load(path)
    record = json.loads(path.with_suffix(".json").read_text())
    assert f"Epoch: 290 loss {record['metrics']['loss_epoch_290']}" in output
    assert checkpoint.training == record
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    predictor = checkpoint.predictor("cpu")
    sine = np.sin(np.linspace(2, 10, 21))
    predictions, _ = predictor.observe(sine[None, :-1, None], predictor.zero_context())
    for truth, prediction in zip(sine[1:], predictions[0, :, 0], strict=True):
        assert f"{truth:+9.4f}  {prediction:+9.4f}" in output


def test_tutorial_is_reproduced_by_its_seed(tutorial: tuple[Path, str], tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    training("tutorial", "--seed", "5", "--output", again)
    assert load(again).fingerprint == load(tutorial[0]).fingerprint


def test_fit_reports_beside_the_baselines_and_writes_everything(wave: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "wave.safetensors"
    arguments = ("fit", wave, "--column", "a", "--column", "b", "--unit", "K", "--unit", "m", "--epochs", "3")
    result = training(*arguments, "--seed", "3", "--output", output)
    assert result.returncode == 0, result.stderr
    for method in ("Elman network", "naive", "seasonal-naive(", "AR("):
        assert method in result.stdout
    assert "━╸" not in result.stdout + result.stderr, "no progress bar where there is no terminal"
    checkpoint: Checkpoint = load(output)
    assert checkpoint.features == ("a", "b")
    assert checkpoint.units == ("K", "m")
    record = json.loads(output.with_suffix(".json").read_text())
    assert checkpoint.training == record
    assert record["split"] == {"train": 84, "validation": 102, "rows": 120}
    assert record["seed"] == 3
    assert {score["method"].split("(")[0] for score in record["metrics"]["b"]} == {
        "Elman network", "naive", "seasonal-naive", "AR",
    }  # fmt: skip
    assert output.with_suffix(".png").stat().st_size > 10_000
    again = tmp_path / "again.safetensors"
    assert training(*arguments, "--seed", "3", "--output", again).returncode == 0
    assert load(again).fingerprint == checkpoint.fingerprint


@pytest.mark.parametrize(
    ("content", "column"),
    [
        (None, "x"),
        ("y\n1\n", "x"),
        ("x\n" + "warm\n" * 60, "x"),
        ("x\n" + "3\n" * 60, "x"),
        ("x\n1\n2\n3\n", "x"),
        ("x,y\n" + ",1\n" * 60, "x"),
    ],
    ids=["missing file", "missing column", "text", "constant", "too short", "all missing"],
)
def test_bad_data_ends_with_one_line_and_exit_code_2(
    tmp_path: Path, content: str | None, column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = tmp_path / "data.csv", tmp_path / "out" / "model.safetensors"
    if content is not None:
        data.write_text(content)
    assert main(["fit", str(data), "--column", column, "--output", str(output)]) == 2
    stderr = capsys.readouterr().err
    assert stderr.startswith("training: ")
    assert stderr.count("\n") == 1
    assert not output.parent.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--output", "model.bin"),
        ("--epochs", "0"),
        ("--learning-rate", "nan"),
        ("--test", "0.9"),
        ("--seed", "-1"),
        ("--nonlinearity", "gelu"),
        ("--unit", "K", "--unit", "m"),
        ("--output", "/proc/none/model.safetensors", "--epochs", "1"),
    ],
)
def test_bad_options_end_with_exit_code_2(wave: Path, arguments: tuple[str, ...]) -> None:
    try:
        code: object = main(["fit", str(wave), "--column", "a", *arguments])
    except SystemExit as usage:
        code = usage.code
    assert code == 2


def test_a_refusal_is_the_exit_code_of_the_process(tmp_path: Path) -> None:
    result = training("fit", tmp_path / "none.csv", "--column", "x")
    assert result.returncode == 2
    assert result.stderr == f"training: {tmp_path / 'none.csv'}: no such file\n"
