"""`python -m tests.load.run`: start the service, let Locust loose on it, stop it; exit non-zero when that failed.

Locust runs in a process of its own, because it patches Python's sockets.
"""

import signal
import subprocess
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from contextlib import nullcontext
from pathlib import Path

from service.settings import DEFAULT_CHECKPOINT
from tests.server import ROOT, NotReady, serving

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
REPORT = Path(__file__).with_name("report.html")


def main() -> int:
    """-> the exit code"""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # on the way out the service is stopped
    try:
        with nullcontext() if options.host else serving(options.checkpoint) as server:
            code = _locust(options, server.url if server else options.host)
            if code and server:
                print(f"the service's log:\n{server.log()}", file=sys.stderr)
            return code
    except NotReady as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> Namespace:
    parser = ArgumentParser("python -m tests.load.run", formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--users", type=int, default=50, help="streams at once")
    parser.add_argument("--duration", default="20s", help="how long, as Locust writes it")
    parser.add_argument("--p99", type=float, default=250, help="milliseconds above which the test fails")
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT, help="what to serve")
    parser.add_argument("--oracle", type=Path, help="what to compare with, if not the checkpoint")
    parser.add_argument("--host", help="the URL of a service that runs already, instead of starting one")
    parser.add_argument("--report", type=Path, default=REPORT, help="where Locust writes its page")
    return parser.parse_args()


def _locust(options: Namespace, url: str) -> int:
    arguments = {
        "--locustfile": LOCUSTFILE,
        "--host": url,
        "--users": options.users,
        "--spawn-rate": min(options.users, 100),
        "--run-time": options.duration,
        "--html": options.report.absolute(),
        "--checkpoint": (options.oracle or options.checkpoint).absolute(),
        "--p99-limit": options.p99,
    }
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--skip-log-setup"]
    return subprocess.run([*command, *(str(word) for pair in arguments.items() for word in pair)], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
