"""`make bench`, `make bench-peers`: the service and its step beside others.

Compare the ratios; the rest is this machine's.
"""

import gc
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from service.settings import DEFAULT_CHECKPOINT
from tests.benchmarks import machine, page, ready, replicas, services, sessions, step, watching
from tests.benchmarks.peers import report as peers
from tests.benchmarks.services import Effort
from tests.benchmarks.tables import Table, replaced

Section = Callable[[Namespace], Iterator[Table]]

SECTIONS: dict[str, Section] = {
    "services": lambda options: services.report(options.checkpoint, Effort(options.rounds, options.seconds)),
    "step": lambda options: step.report(options.checkpoint),
    "ready": lambda options: ready.report(options.checkpoint),
    "sessions": lambda options: sessions.report(options.checkpoint),
    "replicas": lambda options: replicas.report(options.checkpoint, Effort(options.rounds, options.seconds)),
    "watch": lambda options: watching.report(options.checkpoint, Effort(options.rounds, options.seconds)),
    "page": lambda options: page.report(options.checkpoint),
    "peers": lambda options: peers.report(
        options.checkpoint, Effort(options.rounds, options.seconds), options.peers, options.picture
    ),
}
USUAL = ("services", "step", "ready", "sessions", "replicas", "watch", "page")  # the peers have to be installed first


def main() -> None:
    """Print the sections asked for, each with where and when; into a document too, if there is one."""
    options = _options()
    torch.set_num_threads(1)  # as the service does
    gc.freeze()  # no collection of ours shall look like a slow answer of theirs
    for name in options.sections or USUAL:
        lines = [machine.description()]
        print(f"\n{name}: {lines[0]}", flush=True)
        for table in SECTIONS[name](options):
            lines.append(str(table))
            print(f"\n{table}", flush=True)
        if options.output:
            document = options.output.read_text()
            options.output.write_text(replaced(document, name, "\n\n".join(lines)))


def _options() -> Namespace:
    parser = ArgumentParser(prog="make bench", description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=(*SECTIONS, []), help=f"if none is named: {USUAL}")
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT, help="what all contestants predict with")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every contestant")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn")
    parser.add_argument("--output", type=Path, help="a document with marked sections, to replace them")
    parser.add_argument(
        "--peers", type=Path, default=Path(".peers"), help="where the peers' environments are or will be"
    )
    parser.add_argument("--picture", type=Path, help="where to draw the ratios to the peers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
