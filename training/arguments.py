"""What the command line of training takes, and what it tells a reader of `--help`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

from training.choice import KINDS
from training.data import CALIBRATION_ROWS, VALIDATION_ROWS, Header, Policy
from training.loop import Options

CHECKPOINTS = Path("models/checkpoints")
TEST_SHARE = 0.2

EPILOG = """\
examples:
  python -m training inspect DATA.csv
      what is in a file, what is irregular in it, and the command that fits it
  python -m training tutorial --seed 7
      the sine experiment: prints the loss, then every prediction, and draws both curves; --improved learns it exactly
  python -m training fit training/series/sunspots.csv --column sunspots
      the default checkpoint, as `make train` makes it
  python -m training fit plant.parquet --column flow --column pressure --unit l/s --unit bar --output plant.safetensors
      one network for two columns; each value it is served is then a pair
  python -m training fit shops.csv --column sales --series-column shop
      one network for all shops, each in its own scale; with --separate --jobs 2 one checkpoint for each shop
  torchrun --nproc-per-node 8 -m training fit shops.parquet --column sales --series-column shop
      the same, the shops being shared among eight processes
  python -m training backtest DATA.csv --folds 5
      train on the past and predict the block that follows, five times

Beside the checkpoint NAME.safetensors lie NAME.json (the record), NAME.png (the picture) and NAME.html (the report).
Serve it with: make serve ELMAN_CHECKPOINT=NAME.safetensors
"""


def parser() -> argparse.ArgumentParser:
    """The parser; its namespace has the fields of `training.loop.Options` for `fit` and `backtest`."""
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train an Elman network to predict the next value of a series.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = "{inspect,fit,backtest,accuracy,tutorial}"
    commands = parser.add_subparsers(dest="command", required=True, metavar=names)
    _inspect(commands.add_parser("inspect", help="what is in the files, what is irregular, and how to fit it"))
    _fit(_with_examples(commands, "fit", "learn columns of CSV or Parquet files, and make a checkpoint"))
    _backtest(_with_examples(commands, "backtest", "train and judge at several origins"))
    _accuracy(commands.add_parser("accuracy", help="measure the default configuration on every series of a folder"))
    _tutorial(commands.add_parser("tutorial", help="the classic sine experiment, per-step gradient descent"))
    return parser


def _with_examples(commands: Any, name: str, meaning: str) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=meaning, description=meaning, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG
    )
    return added


def _inspect(parser: argparse.ArgumentParser) -> None:
    data_arguments(parser)
    _output(parser, "-inspect.png", "picture to write")


def _fit(parser: argparse.ArgumentParser) -> None:
    data_arguments(parser)
    parser.add_argument("--unit", action="append", metavar="UNIT", help="for people; one per column, exogenous too")
    _output(parser, ".safetensors", "checkpoint to write")
    _training(parser)
    add = parser.add_argument
    add("--resume", action="store_true", help="go on where the same command was interrupted")
    add("--separate", action="store_true", help="one checkpoint NAME-SERIES for each series, not one for all")
    add("--jobs", type=_count, default=1, metavar="N", help="so many series side by side (with --separate)")


def _backtest(parser: argparse.ArgumentParser) -> None:
    data_arguments(parser)
    parser.add_argument("--folds", type=_count, default=5, metavar="N", help="origins, in the second half (default 5)")
    _output(parser, "-backtest.json", "record to write")
    _training(parser)


def _accuracy(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="every column of numbers of every table in it is a series")
    add("--seeds", type=_count, default=5, metavar="N", help="medians are over so many (default 5)")
    add("--jobs", type=_count, default=1, metavar="N", help="so many trainings side by side")
    add("--output", type=_path(".json"), metavar="FILE", help="write the figures, too")


def _tutorial(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--improved", action="store_true", help="solve for the readout of the best of random networks")
    _seeded(parser)
    default = CHECKPOINTS / "sine.safetensors"
    parser.add_argument(
        "--output", type=_path(".safetensors"), default=default, metavar="FILE", help=f"checkpoint (default {default})"
    )


def _training(parser: argparse.ArgumentParser) -> None:
    """The split, and what becomes `training.loop.Options`."""
    _seeded(parser)
    defaults, add = vars(Options()), parser.add_argument
    add(
        "--validation",
        type=_share,
        metavar="SHARE",
        help="share of all rows, before the calibration part, that decides what is kept (default 15 %% of the rows "
        f"before the calibration part, but at least {VALIDATION_ROWS} or half)",
    )
    add(
        "--calibration",
        type=_share,
        metavar="SHARE",
        help="share of all rows, before the test part, that tells how large errors are (default 10 %% of the rows "
        f"before the test part, but at least {CALIBRATION_ROWS} or an eighth)",
    )
    add(
        "--level",
        type=_level,
        default=defaults["level"],
        metavar="SHARE",
        help="coverage of the intervals where no other is asked for (default %(default)s)",
    )
    add(
        "--test",
        type=_share,
        default=TEST_SHARE,
        metavar="SHARE",
        help="share of rows at the end that is only judged (default %(default)s)",
    )
    for name, kind, metavar, meaning in (
        ("hidden-size", _count, "H", "context units per layer"),
        ("num-layers", _count, "L", "layers"),
        ("nonlinearity", str, "{tanh,relu}", "of the hidden units"),
        ("starts", _count, "N", "random networks, of which the one that validates best is trained"),
        ("epochs", _whole, "N", "passes over the training part, at most"),
        ("patience", _count, "N", "epochs without a better validation loss before stopping"),
        ("learning-rate", _positive, "RATE", "of AdamW, at first"),
        ("weight-decay", _not_negative, "RATE", "of AdamW"),
        ("window", _count, "STEPS", "a gradient reaches back this far"),
        ("clip", _positive, "NORM", "largest gradient norm"),
        ("closed-loop", _whole, "STEPS", "train for forecasts: cross gaps that grow to so many steps; 0: not"),
    ):
        default = defaults[name.replace("-", "_")]
        add(f"--{name}", type=kind, default=default, metavar=metavar, help=f"{meaning} (default {default})")
    add("--no-bias", dest="bias", action="store_false", help="a network without bias")
    add("--no-residual", dest="residual", action="store_false", help="predict the value, not its change")
    add(
        "--taps",
        type=_taps,
        metavar="LAGS",
        help="input lags that the readout reads, such as 1,2,24, or none (default: chosen on the validation part)",
    )
    add(
        "--scale",
        dest="per_stream_scale",
        type=_scale,
        metavar="{all,stream}",
        help="one scale for all series, or every stream's own, kept while it runs (default: its own if there are many)",
    )
    add("--keep", choices=KINDS, help="what decides the predictions (default: as validation says)")
    add("--force", action="store_true", help="make the checkpoint even if it predicts worse than the last value does")


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """What says how files are read; `policy` makes a Policy of the last four."""
    add, policy = parser.add_argument, Policy()
    add(
        "data",
        nargs="+",
        metavar="DATA",
        help=".csv, .tsv, .txt (also .gz) or .parquet files; one series each, or more",
    )
    add("--column", action="append", metavar="NAME", help="column to predict; repeatable (default: the only one)")
    add("--exogenous", action="append", metavar="NAME", help="column observed besides, not predicted; repeatable")
    add("--time", metavar="NAME", help="column of times (default: recognised)")
    add("--series-column", dest="series", metavar="NAME", help="column that names the series (default: recognised)")
    add("--header", choices=get_args(Header), default="auto", help="whether the first line names the columns")
    for field, meaning in (
        ("duplicates", "rows with the same time: which one is kept, or their mean"),
        ("unsorted", "rows out of time order"),
        ("gaps", "times without a row: rows of missing values, or the rows around them become neighbours"),
        ("irregular", "no regular spacing: rows as they come, or means over the median step"),
    ):
        choices, default = get_args(get_type_hints(Policy)[field]), getattr(policy, field)
        add(f"--{field}", choices=choices, default=default, help=f"{meaning} (default {default})")


def policy(options: argparse.Namespace) -> Policy:
    """The policy that was chosen by the arguments."""
    return Policy(options.duplicates, options.unsorted, options.gaps, options.irregular)


def _seeded(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="fixes everything random (default 0)")


def _output(parser: argparse.ArgumentParser, ending: str, meaning: str) -> None:
    default = f"default {CHECKPOINTS}/DATA{ending}, DATA without its ending"
    parser.set_defaults(ending=ending)
    parser.add_argument(
        "--output", type=_path(Path(ending).suffix or ending), metavar="FILE", help=f"{meaning} ({default})"
    )


def _path(suffix: str) -> Callable[[str], Path]:
    def path(text: str) -> Path:
        if Path(text).suffix != suffix:
            raise argparse.ArgumentTypeError(f"{text!r} must end in {suffix}")
        return Path(text)

    return path


def _seed(text: str) -> int:
    if not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2^63 - 1")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def _not_negative(text: str) -> float:
    return 0.0 if float(text) == 0 else _positive(text)


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number < 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 0.5")
    return number


def _level(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return number


def _taps(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(sorted({_count(lag) for lag in text.split(",")}))


def _scale(text: str) -> bool:
    if text not in ("all", "stream"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither all nor stream")
    return text == "stream"
