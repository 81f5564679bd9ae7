"""What the commands do, from parsed options to files and a terminal."""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models import save
from training import accuracy as measuring
from training import backtest as rolling
from training import sine
from training.arguments import policy
from training.data import Dataset, Split, read
from training.errors import TrainingError
from training.fit import Tell
from training.jobs import side_by_side
from training.loop import Options
from training.report import pictures, terminal
from training.report.page import write_page
from training.team import team
from training.train import Trained, train

UNSAFE = re.compile(r"[^\w.-]+")
"""What does not belong into a file name."""


@dataclass(frozen=True)
class Order:
    """One checkpoint to make: of what, how, and where to."""

    dataset: Dataset
    units: tuple[str, ...]
    options: Options
    validation: float | None
    calibration: float | None
    test: float
    output: Path
    resume: bool

    @property
    def splits(self) -> list[Split]:
        """Of every series."""
        return [
            Split.of(len(series.values), self.validation, self.test, self.calibration) for series in self.dataset.series
        ]


def fit(options: argparse.Namespace) -> None:
    """One checkpoint for all series, or with `--separate` one for each."""
    order = _order(options)
    if options.separate:
        _fit_separately(order, options.jobs)
        return
    with team() as members:
        console = Console(highlight=False, quiet=not members.leads)
        with _progress(console, order.options.starts + order.options.epochs + 1) as tell:
            trained = train(
                order.dataset,
                order.splits,
                order.options,
                units=order.units,
                team=members,
                tell=tell,
                state=order.output.with_suffix(".resume"),
                resume=order.resume,
            )
        if members.leads:
            _write(trained, order)
            for finding in order.dataset.findings:
                console.print(f"found: {finding}", markup=False)
            terminal.print_scores(trained.judgements, console)
            terminal.print_kept(trained.record, console)
            console.print(f"written: {order.output} (and .json, .png, .html)", soft_wrap=True)


def tutorial(options: argparse.Namespace) -> None:
    """The sine: exactly as the classic experiment has it, or improved."""
    trained = sine.improved(options.seed, print) if options.improved else sine.classic(options.seed, print)
    for line in sine.lines(trained.predictions):
        print(line)
    save(trained.checkpoint, options.output)
    terminal.write_json(options.output.with_suffix(".json"), trained.checkpoint.training)
    units = trained.checkpoint.network.config.hidden_size
    pictures.draw_sine(options.output.with_suffix(".png"), units, sine.TIMES, sine.SINE, trained.predictions)
    print(f"\nwritten: {options.output} (and .json, .png)")


def backtest(options: argparse.Namespace) -> None:
    """Train and judge at several origins."""
    order, console = _order(options), Console(highlight=False)
    with _progress(console, options.folds * (order.options.starts + order.options.epochs + 1)) as tell:
        folds = rolling.backtest(
            order.dataset, (order.validation, order.calibration), options.folds, order.options, tell
        )
    found = rolling.record(folds)
    console.print(*rolling.tables(found))
    terminal.write_json(order.output, found)
    console.print(f"written: {order.output}", soft_wrap=True)


def accuracy(options: argparse.Namespace) -> None:
    """Measure the default configuration on every series of a folder."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=120)
    cases = measuring.cases(Path(options.folder))
    tasks = [(case, seed) for case in cases for seed in range(options.seeds)]
    with _bar(console) as (progress, task):
        progress.update(task, total=len(tasks))
        outcomes = []
        for outcome in side_by_side(measuring.outcome, tasks, options.jobs):
            outcomes.append(outcome)
            progress.advance(task)
    found = measuring.summary(cases, [outcomes[at : at + options.seeds] for at in range(0, len(tasks), options.seeds)])
    console.print(measuring.as_table(found))
    if options.output:
        terminal.write_json(options.output, found)


def _order(options: argparse.Namespace) -> Order:
    dataset = read(
        options.data,
        options.column or (),
        options.exogenous or (),
        options.time,
        options.series,
        policy(options),
        options.header,
    )
    units = tuple(getattr(options, "unit", None) or ())
    if units and len(units) != len(dataset.features):
        raise TrainingError(f"{len(dataset.features)} columns need as many --unit, not {len(units)}")
    chosen = Options(**{field.name: getattr(options, field.name) for field in fields(Options)})
    resume = getattr(options, "resume", False)
    return Order(dataset, units, chosen, options.validation, options.calibration, options.test, options.output, resume)


def _fit_separately(order: Order, jobs: int) -> None:
    console = Console(highlight=False)
    orders = [
        replace(
            order,
            dataset=replace(order.dataset, series=(series,)),
            output=order.output.with_stem(f"{order.output.stem}-{UNSAFE.sub('-', series.name)}"),
        )
        for series in order.dataset.series
    ]
    failures = []
    with _bar(console) as (progress, task):
        progress.update(task, total=len(orders))
        for one, (told, failed) in zip(orders, side_by_side(_fit_quietly, orders, jobs), strict=True):
            progress.advance(task)
            if failed:
                failures.append(told)
            else:
                console.print(f"{told}\nwritten: {one.output} (and .json, .png, .html)", soft_wrap=True, markup=False)
    if failures:
        raise TrainingError(f"{len(failures)} of {len(orders)} series failed: {'; '.join(failures)}")


def _fit_quietly(order: Order) -> tuple[str, bool]:
    """Returns how good it is, or why it failed; and whether it did."""
    state = order.output.with_suffix(".resume")
    name = order.dataset.series[0].name
    try:
        trained = train(order.dataset, order.splits, order.options, units=order.units, state=state, resume=order.resume)
    except TrainingError as error:
        return f"{name}: {error}", True
    _write(trained, order)
    skills = ", ".join(f"{judged.name} {judged.scores[0].skill:+.1%}" for judged in trained.judgements)
    return f"{name}: skill over naive {skills}. {trained.record['kept']['reason']}", False


def _write(trained: Trained, order: Order) -> None:
    path = order.output
    save(trained.checkpoint, path)
    terminal.write_json(path.with_suffix(".json"), trained.record)
    pictures.draw_fit(path.with_suffix(".png"), order.dataset.name, trained.judgements)
    write_page(path.with_suffix(".html"), trained.record, trained.judgements, order.dataset.findings)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Tell]:
    """A bar for starts and epochs, as a `Tell`."""
    with _bar(console) as (progress, task):
        progress.update(task, total=total)

        def tell(what: str, loss: float) -> None:
            progress.update(task, advance=1, description=what, loss=f"validation loss {loss:.5f}")

        yield tell


@contextmanager
def _bar(console: Console) -> Iterator[tuple[Progress, TaskID]]:
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(
        TextColumn("{task.description}"), *columns, console=console, disable=not console.is_terminal
    ) as progress:
        yield progress, progress.add_task("training", loss="")
