"""The image's entry point: `bentoml serve` for the Bento in the image, with whatever options follow."""

import os
import signal
import sys

from service.container.compiled import provide

GRACE_SECONDS = 7  # for what is in flight; docker kills 10 s after it asked for the stop


def stop(*_: object) -> None:
    """End at once, there is nothing to finish yet. The first process of a container ignores what it does not handle."""
    sys.exit(0)


def main() -> None:
    """Serve until SIGTERM. BentoML's supervisor takes the signal over when it is there."""
    signal.signal(signal.SIGTERM, stop)
    provide()
    from bentoml_cli.cli import cli  # after `provide`: numba reads its environment once

    grace = str(GRACE_SECONDS)
    cli(["serve", "--timeout-graceful-shutdown", grace, *sys.argv[1:], os.environ["BENTO_PATH"]], prog_name="bentoml")


if __name__ == "__main__":
    main()
