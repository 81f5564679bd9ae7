"""The command line of training: `python -m training --help`."""

import argparse
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models import Checkpoint, ModelError, Predictor, Scaler, save
from training import data, loop, report, tutorial
from training.arguments import CHECKPOINTS, parser
from training.errors import TrainingError
from training.evaluate import evaluate
from training.warmup import forgetting_steps


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 with a checkpoint written, 2 with one line on stderr and nothing written."""
    options = parser().parse_args(arguments)
    if options.output is None:
        options.output = CHECKPOINTS / f"{Path(options.data).stem}.safetensors"
    torch.set_num_threads(1)  # small matrices: more threads are slower, and one is reproducible
    try:
        if options.command == "tutorial":
            _tutorial(options)
        else:
            _fit(options)
    except (TrainingError, ModelError, ValueError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.filename or options.output}: {error.strerror or error}")
    return 0


def _refuse(reason: str) -> int:
    print(f"training: {' '.join(reason.split())}", file=sys.stderr)
    return 2


def _tutorial(options: argparse.Namespace) -> None:
    result = tutorial.run(options.seed, log=print)
    print("\n   t     sine(t)  predicted")
    for time, truth, prediction in zip(result.times[1:], result.sine[1:], result.predictions, strict=True):
        print(f"{time:5.2f}  {truth:+9.4f}  {prediction:+9.4f}")
    record = {
        "data": {"name": "sin(linspace(2, 10, 21))", "rows": len(result.sine)},
        "seed": options.seed,
        "versions": _versions(),
        "options": {"epochs": tutorial.EPOCHS, "learning_rate": tutorial.LEARNING_RATE},
        "metrics": {"loss_epoch_290": result.losses[290], "loss_last": result.losses[-1]},
    }
    warmup = forgetting_steps(result.network, torch.tensor(result.sine[:, None], dtype=torch.float32))
    checkpoint = Checkpoint(result.network, Scaler.identity(1), ("sine",), training=record, warmup=warmup)
    _write(checkpoint, options.output, record)
    report.draw_sine(options.output.with_suffix(".png"), result.times, result.sine, result.predictions)
    print(f"\nwritten: {options.output} (and .json, .png)")


def _fit(options: argparse.Namespace) -> None:
    console = Console(highlight=False)
    units = tuple(options.unit or ())
    if units and len(units) != len(options.column):
        raise TrainingError(f"{len(options.column)} columns need as many --unit, not {len(units)}")
    table = data.read(options.data, options.column)
    split = data.Split.of(len(table.values), options.validation, options.test)
    data.check(table, split)
    scaler = Scaler.fit(table.values[: split.train])
    settings = loop.Options(**{name: getattr(options, name) for name in asdict(loop.Options())})
    scaled = torch.from_numpy(scaler.scaled(table.values))
    with _progress(console) as progress:
        task = progress.add_task("training", total=settings.epochs, loss="")
        fit = loop.fit(
            scaled,
            split,
            settings,
            lambda loss: progress.update(task, advance=1, loss=f"validation loss {loss:.5f}"),
        )
    evaluation = evaluate(Predictor(fit.network, scaler, "cpu"), table, split)
    record: dict[str, Any] = {
        "data": {"name": table.name, "sha256": table.sha256, "rows": split.rows, "columns": list(table.features)},
        "split": asdict(split),
        "seed": settings.seed,
        "versions": _versions(),
        "options": asdict(settings),
        "epochs": fit.epochs,
        "best_epoch": fit.best_epoch,
        "validation_loss": fit.validation_loss,
        "metrics": {feature: [asdict(score) for score in scores] for feature, scores in evaluation.scores.items()},
    }
    warmup = forgetting_steps(fit.network, scaled[: split.validation])
    _write(Checkpoint(fit.network, scaler, table.features, units, record, warmup), options.output, record)
    report.draw_fit(options.output.with_suffix(".png"), table, split, evaluation)
    report.print_scores(evaluation, console)
    console.print(f"best epoch {fit.best_epoch} of {fit.epochs}; written: {options.output} (and .json, .png)")


def _write(checkpoint: Checkpoint, path: Path, record: dict[str, Any]) -> None:
    save(checkpoint, path)
    report.write_json(path.with_suffix(".json"), record)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
        console=console,
        disable=not console.is_terminal,
    )


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


if __name__ == "__main__":
    sys.exit(main())
