"""`make accuracy`, the live half: intervals, p-values and alarms, measured through the service's own engine."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from models.errors import ModelError
from tests.accuracy import clean, events, live, tables
from tests.accuracy.picture import draw_alarms
from tests.accuracy.tasks import Task, done
from training.accuracy import cases
from training.errors import TrainingError
from training.jobs import side_by_side
from training.report.terminal import write_json

DESCRIPTION = """\
Train the default configuration on every column of numbers of every table in FOLDER,
then feed the test part value by value to the service's own engine (no HTTP), and print
how its intervals, p-values and alarms do; then the same on made streams, of which
everything is known."""

EPILOG = """\
columns of the first table:
  cover, worst 500    share of values within their 90 % interval; in the worst 500 in a row
  width, Winkler      of the intervals, raw units; (p): of persistence, made in the same way
  ratio               Winkler score over that of persistence; less is better
  1, 8, 24 ahead      share of values within the 90 % interval of forecasts
  alarms              per 10,000 steps
  rls                 RMSE with ELMAN_ADAPT=rls over RMSE without it; below 1 it helps
of the second:
  at 0.0001, 0.001    false alarms per 10,000 steps with this ELMAN_ALARM_RATE
  p < .01, p < .1     share of p-values, per cent; bins: the worst of 20 is off by so much
  5 sd, 1 sd          median steps from a shift of so many standard deviations of the
                      noise to its alarm, and the share of streams that raise one in time
  rare 100            of the 100 p-values after a shift of 5 sd, per cent below .05
  wider               width of the intervals of these 100, over that of the 100 before
  calm                steps until less than 10 % of the next 100 are

examples:
  python -m tests.accuracy training/series --seeds 1
  python -m tests.accuracy ~/series --seeds 3 --jobs 2 --output live.json

If FOLDER holds nyc_taxi.csv, the alarms are set beside five days that are known to be
unlike the others; --picture draws them. Allow ten minutes
and two cores for 40,000 rows and a seed."""


def main(arguments: list[str] | None = None) -> int:
    """-> the exit code: 2 where there is nothing to measure"""
    options = _options(arguments)
    torch.set_num_threads(1)  # as the service does
    try:
        _measure(options)
    except (TrainingError, ModelError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.filename or options.folder}: {error.strerror or error}")
    return 0


def _measure(options: Namespace) -> None:
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=180)
    found, seeds, kinds = cases(options.folder), range(options.seeds), list(clean.KINDS)
    taxis = options.folder / events.FILE
    tasks: list[Task] = [(live.outcome, (case, seed)) for case in found for seed in seeds]
    tasks += [(clean.outcome, (kind, seed)) for kind in kinds for seed in seeds]
    tasks += [(events.outcome, (taxis, 0))] if taxis.exists() else []
    with _bar(console, len(tasks)) as advance:
        outcomes = []
        for outcome in side_by_side(done, tasks, options.jobs):
            outcomes.append(outcome)
            advance()
    by_series = [outcomes[at * options.seeds :][: options.seeds] for at in range(len(found) + len(kinds))]
    rows = tables.live_rows(found, by_series[: len(found)])
    made = tables.clean_rows(kinds, by_series[len(found) :])
    console.print(tables.live_table(rows), tables.clean_table(made))
    record = {"seeds": options.seeds, "live": rows, "clean": made}
    if taxis.exists():
        console.print(*events.lines(outcomes[-1]), sep="\n")
        record["events"] = events.record(outcomes[-1])
        if options.picture:
            draw_alarms(options.picture, outcomes[-1])
    if options.output:
        write_json(options.output, tables.plain(record))


def _options(arguments: list[str] | None) -> Namespace:
    parser = ArgumentParser(
        "python -m tests.accuracy",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="every column of numbers of every table in it is a series")
    add("--seeds", type=_count, default=5, metavar="N", help="medians are over so many (default 5)")
    add("--jobs", type=_count, default=1, metavar="N", help="so many side by side (default 1)")
    add("--picture", type=Path, metavar="FILE", help="the alarms of nyc_taxi.csv, PNG")
    add("--output", type=Path, metavar="FILE", help="write the figures as JSON, too")
    options = parser.parse_args(arguments)
    if options.picture and not (options.folder / events.FILE).exists():
        parser.error(f"--picture is of {events.FILE}, and {options.folder} has no such file")
    return options


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


@contextmanager
def _bar(console: Console, total: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


def _refuse(reason: str) -> int:
    print(f"accuracy: {' '.join(reason.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
