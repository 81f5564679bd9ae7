"""The command line as a person uses it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from models import Checkpoint, load
from training.__main__ import main

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]


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


def test_help_teaches(capsys: Capture) -> None:
    for command, words in (((), "fit training/series/sunspots.csv --column sunspots"), (("fit",), "--learning-rate")):
        with pytest.raises(SystemExit) as end:
            main([*command, "--help"])
        assert end.value.code == 0
        assert words in capsys.readouterr().out


def test_tutorial_prints_draws_and_writes_a_servable_checkpoint(tutorial: tuple[Path, str]) -> None:
    path, output = tutorial
    checkpoint = load(path)
    record = json.loads(path.with_suffix(".json").read_text())
    assert f"Epoch: 290 loss {record['metrics']['loss_epoch_290']}" in output
    assert checkpoint.training == record
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    predictor = checkpoint.predictor("cpu")
    sine = np.sin(np.linspace(2, 10, 21))
    predictions = predictor.observe(sine[None, :-1, None], predictor.zero_context()).predictions
    for truth, prediction in zip(sine[1:], predictions[0, :, 0], strict=True):
        assert f"{truth:+9.4f}  {prediction:+9.4f}" in output


def test_tutorial_is_reproduced_by_its_seed(tutorial: tuple[Path, str], tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    assert main(["tutorial", "--seed", "5", "--output", str(again)]) == 0
    assert again.read_bytes() == tutorial[0].read_bytes()


def test_fit_reports_beside_the_baselines_and_writes_everything(wave: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "wave.safetensors"
    arguments = ("fit", wave, "--column", "a", "--column", "b", "--unit", "K", "--unit", "m", "--epochs", "3")
    result = training(*arguments, "--seed", "3", "--output", output)
    assert result.returncode == 0, result.stderr
    for method in ("Elman network", "naive", "seasonal naive (", "drift", "AR(", "ETS(", "ESN("):
        assert method in result.stdout
    assert "━╸" not in result.stdout + result.stderr, "no progress bar where there is no terminal"
    checkpoint: Checkpoint = load(output)
    assert checkpoint.features == ("a", "b")
    assert checkpoint.units == ("K", "m")
    record = json.loads(output.with_suffix(".json").read_text())
    assert checkpoint.training == record
    assert record["split"] == {"train": 42, "validation": 84, "calibration": 96, "rows": 120}
    assert record["seed"] == 3
    assert {score["method"].split("(")[0].strip() for score in record["metrics"]["b"]} == {
        "Elman network", "naive", "seasonal naive", "drift", "AR", "ETS", "ESN",
    }  # fmt: skip
    assert record["kept"]["kept"] in ("network", "linear")
    assert record["kept"]["reason"] in " ".join(result.stdout.split())
    assert record["horizons"]["a"]["naive"].keys() == {"1", "8", "24"}
    assert output.with_suffix(".png").stat().st_size > 10_000
    assert "<!doctype html>" in output.with_suffix(".html").read_text().lower()
    assert not output.with_suffix(".resume").exists()
    again = tmp_path / "again.safetensors"
    assert main([*map(str, arguments), "--seed", "3", "--output", str(again)]) == 0
    assert again.read_bytes() == output.read_bytes()


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """Three shops of very different size, 150 days, in one long table with their advertising."""
    rng, lines = np.random.default_rng(0), ["day,shop,sales,ads"]
    for size in (1, 100, 10_000):
        sales = size * (5 + np.sin(np.arange(150) / 3) + 0.1 * rng.normal(size=150))
        lines += [f"{day},shop {size},{value},{rng.normal()}" for day, value in enumerate(sales)]
    path = tmp_path / "shops.csv"
    path.write_text("\n".join(lines))
    return path


def test_one_network_learns_many_series(shops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "shops.safetensors"
    common = ("--column", "sales", "--exogenous", "ads", "--series-column", "shop", "--epochs", "2")
    assert main(["fit", str(shops), *common, "--output", str(output)]) == 0
    checkpoint = load(output)
    assert checkpoint.network.config.per_stream_scale
    assert checkpoint.features == ("sales", "ads")
    assert checkpoint.targets == 1
    assert set(checkpoint.training["metrics"]) == {"shop 1: sales", "shop 100: sales", "shop 10000: sales"}
    assert "shop 10000: sales" in capsys.readouterr().out
    assert all(scores[0]["skill"] > 0.2 for scores in checkpoint.training["metrics"].values())


def test_each_series_gets_a_network_of_its_own(shops: Path, tmp_path: Path) -> None:
    output = tmp_path / "shops.safetensors"
    common = ("--column", "sales", "--series-column", "shop", "--epochs", "0", "--separate", "--jobs", "2")
    result = training("fit", shops, *common, "--output", output)
    assert result.returncode == 0, result.stderr
    names = [f"shops-shop-{size}" for size in (1, 100, 10_000)]
    checkpoints = [load(tmp_path / f"{name}.safetensors") for name in names]
    assert not any(checkpoint.network.config.per_stream_scale for checkpoint in checkpoints)
    assert len({checkpoint.fingerprint for checkpoint in checkpoints}) == 3
    assert all((tmp_path / f"{name}.html").exists() for name in names)


def test_of_separate_series_those_that_fail_are_named(shops: Path, tmp_path: Path, capsys: Capture) -> None:
    shops.write_text(shops.read_text() + "".join(f"\n{day},closed,0,0" for day in range(150)))
    common = ("--column", "sales", "--series-column", "shop", "--epochs", "0", "--separate")
    assert main(["fit", str(shops), *common, "--output", str(tmp_path / "s.safetensors")]) == 2
    assert "1 of 4 series failed: closed" in capsys.readouterr().err
    assert (tmp_path / "s-shop-100.safetensors").exists()


def test_an_interrupted_training_is_resumed_to_the_same_bytes(wave: Path, tmp_path: Path) -> None:
    """Ctrl-C as soon as the first epoch is kept; what comes out in the end is what would have come without."""
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    arguments = ("fit", wave, "--column", "a", "--epochs", "150", "--patience", "150")
    assert main([*map(str, arguments), "--output", str(whole)]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *map(str, arguments), "--output", str(cut)], cwd=ROOT, stderr=subprocess.PIPE
    )
    state = cut.with_suffix(".resume")
    while not state.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, cut.exists()) == (130, False)
    assert b"--resume" in stderr
    assert main([*map(str, arguments), "--output", str(cut), "--resume"]) == 0
    assert cut.read_bytes() == whole.read_bytes()
    assert not state.exists()


def test_what_is_worse_than_the_last_value_is_refused_unless_forced(tmp_path: Path, capsys: Capture) -> None:
    path, output = tmp_path / "walk.csv", tmp_path / "walk.safetensors"
    walk = np.random.default_rng(0).normal(size=300).cumsum()
    path.write_text("x\n" + "\n".join(map(str, walk)))
    pure = ("fit", str(path), "--taps", "none", "--no-residual", "--epochs", "0", "--output", str(output))
    assert main(list(pure)) == 2
    assert "--force" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]
    assert main([*pure, "--force"]) == 0
    assert load(output).training["kept"]["reason"].startswith("The network was kept by force")
    assert main(["fit", str(path), "--epochs", "0", "--output", str(output)]) == 0
    assert load(output).training["kept"]["kept"] == "persistence"


def test_backtest_judges_every_fold(wave: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "wave-backtest.json"
    command = ["backtest", str(wave), "--column", "a", "--folds", "2", "--epochs", "0", "--output", str(output)]
    assert main(command) == 0
    found = json.loads(output.read_text())
    assert found["origins"] == [60, 90]
    assert len(found["targets"]["a"]["Elman network"]["rmse"]) == 2
    printed = capsys.readouterr().out
    for word in ("from 60", "from 90", "naive", "ESN"):
        assert word in printed


def test_accuracy_measures_a_folder(wave: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "accuracy.json"
    assert main(["accuracy", str(tmp_path), "--seeds", "1", "--output", str(output)]) == 0
    assert [row["series"] for row in json.loads(output.read_text())["series"]] == ["wave: a", "wave: b"]
    assert "geometric mean" in capsys.readouterr().out


def test_the_improved_tutorial_is_exact(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "sine.safetensors"
    assert main(["tutorial", "--improved", "--seed", "1", "--output", str(output)]) == 0
    assert load(output).training["metrics"]["mean_squared_error"] < 1e-5
    assert "+0.2229    +0.2229" in capsys.readouterr().out


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
        ("--epochs", "-1"),
        ("--starts", "0"),
        ("--taps", "1,x"),
        ("--scale", "mine"),
        ("--keep", "best"),
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
