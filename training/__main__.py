"""The command line of training: `python -m training --help`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from models import ModelError
from training import commands
from training.arguments import CHECKPOINTS, parser
from training.data.reading import stem
from training.errors import TrainingError
from training.inspect import inspect


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 with what it promises written, 2 with one line on stderr and no checkpoint."""
    options = parser().parse_args(arguments)
    if options.output is None and options.command != "accuracy":
        options.output = CHECKPOINTS / f"{stem(Path(options.data[0]))}{options.ending}"
    torch.set_num_threads(1)  # small matrices: more threads are slower, and one is reproducible
    try:
        if options.command == "inspect":
            inspect(options, Console(highlight=False))
        else:
            getattr(commands, options.command)(options)
    except (TrainingError, ModelError, ValueError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.filename or options.output}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("training: interrupted; the same command with --resume goes on where it stopped", file=sys.stderr)
        return 130
    return 0


def _refuse(reason: str) -> int:
    print(f"training: {' '.join(reason.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
