"""What the command line of training takes, and what it tells a reader of `--help`."""

import argparse
from pathlib import Path

from training.loop import Options

CHECKPOINTS = Path("models/checkpoints")
DEFAULT_SHARE = 0.15

EPILOG = """\
examples:
  python -m training tutorial --seed 7
      the sine experiment: prints the loss, then every prediction, and draws both curves
  python -m training fit training/series/sunspots.csv --column sunspots
      the default checkpoint, as `make train` makes it
  python -m training fit plant.parquet --column flow --column pressure --unit l/s --unit bar --output plant.safetensors
      one network for two columns; each value it is served is then a pair

Beside the checkpoint NAME.safetensors lie NAME.json (the record) and NAME.png (the picture).
Serve it with: make serve ELMAN_CHECKPOINT=NAME.safetensors
"""


def parser() -> argparse.ArgumentParser:
    """The parser; its namespace has the fields of `training.loop.Options` for `fit`."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train an Elman network to predict the next value of a series.",
        epilog=EPILOG,
        formatter_class=formatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{tutorial,fit}")

    sine = commands.add_parser("tutorial", help="the classic sine experiment, per-step gradient descent")
    _common(sine, CHECKPOINTS / "sine.safetensors", "default %(default)s")

    fit = commands.add_parser(
        "fit", help="learn one or several columns of a CSV or Parquet file", formatter_class=formatter, epilog=EPILOG
    )
    fit.add_argument("data", metavar="DATA", help="a .csv (with a header line) or .parquet file, rows in time order")
    fit.add_argument("--column", action="append", required=True, metavar="NAME", help="column to predict; repeatable")
    fit.add_argument("--unit", action="append", metavar="UNIT", help="its unit, for people; one per --column")
    _common(fit, None, f"default {CHECKPOINTS}/DATA.safetensors, DATA without its ending")
    defaults = vars(Options())
    for name, kind, metavar, meaning in (
        ("validation", _share, "SHARE", "share of rows before the test part that decides when to stop"),
        ("test", _share, "SHARE", "share of rows at the end that is only reported on"),
        ("hidden-size", _count, "H", "context units per layer"),
        ("num-layers", _count, "L", "layers"),
        ("nonlinearity", str, "{tanh,relu}", "of the hidden units"),
        ("epochs", _count, "N", "passes over the training part, at most"),
        ("patience", _count, "N", "epochs without a better validation loss before stopping"),
        ("learning-rate", _positive, "RATE", "of Adam"),
        ("window", _count, "STEPS", "a gradient reaches back this far"),
        ("clip", _positive, "NORM", "largest gradient norm"),
    ):
        default = defaults.get(name.replace("-", "_"), DEFAULT_SHARE)
        fit.add_argument(
            f"--{name}", type=kind, default=default, metavar=metavar, help=f"{meaning} (default {default})"
        )
    fit.add_argument("--no-bias", dest="bias", action="store_false", help="a network without bias")
    return parser


def _common(parser: argparse.ArgumentParser, output: Path | None, default: str) -> None:
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="the same seed gives the same network (default %(default)s)"
    )
    parser.add_argument(
        "--output", type=_checkpoint_path, default=output, metavar="FILE", help=f"checkpoint to write ({default})"
    )


def _checkpoint_path(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".safetensors":
        raise argparse.ArgumentTypeError(f"{text!r} must end in .safetensors")
    return path


def _seed(text: str) -> int:
    if not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2^63 - 1")
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


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number < 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 0.5")
    return number
