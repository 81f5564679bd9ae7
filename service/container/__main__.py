"""The image's entry point: `bentoml serve` for the Bento in the image, with whatever options follow."""

import os
import signal
import sys

from service.container.compiled import provide

GRACE_SECONDS = 7  # for what is in flight; docker kills 10 s after it asked for the stop
KEEP_ALIVE_SECONDS = 75  # more than clients and load balancers keep an idle connection, so that they close it, not we


def stop(*_: object) -> None:
    """End at once, there is nothing to finish yet. The first process of a container ignores what it does not handle."""
    sys.exit(0)


def main() -> None:
    """Serve until SIGTERM. BentoML's supervisor takes the signal over when it is there."""
    signal.signal(signal.SIGTERM, stop)
    provide()
    from bentoml_cli.cli import cli  # after `provide`: numba reads its environment once

    limits = ["--timeout-graceful-shutdown", str(GRACE_SECONDS), "--timeout-keep-alive", str(KEEP_ALIVE_SECONDS)]
    cli(["serve", *limits, *sys.argv[1:], os.environ["BENTO_PATH"]], prog_name="bentoml")


if __name__ == "__main__":
    main()
