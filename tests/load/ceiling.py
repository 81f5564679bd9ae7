"""The limit of the generator itself: the same client, the same requests, a server that does nothing.

Nobody should take it for a limit of the service.
"""

from argparse import Namespace
from copy import copy

from tests.load.trial import Target, run
from tests.server import running

SECONDS = 2.0
USERS = 32
NEAR = 0.7
"""A load of such a share of the ceiling, or more, may be limited by the generator."""


def measure(options: Namespace) -> float:
    """Requests a second that the generator sends and checks at most, in as many processes as the options say."""
    with running(("tests.load.trivial",), {}) as server:
        alone = copy(options)
        alone.rate, alone.users, alone.pace, alone.seconds = None, USERS, 0, SECONDS
        alone.shape, alone.doors, alone.faults = "steady", ["ceiling"], {"retry": 0.0}
        return run(Target(server.url), alone).figures["throughput"]
