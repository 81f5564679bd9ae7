"""How the load goes over the time of a test, as a share of its highest: 0 to 1."""

from collections.abc import Callable, Mapping

CALM = 0.3
"""Share of the load before and after a spike."""

SPIKE = (0.4, 0.6)
"""When it is, in shares of the time."""


def steady(_: float) -> float:
    """All the time the same."""
    return 1.0


def ramp(elapsed: float) -> float:
    """From nothing to the highest: where latency leaves the ground is saturation."""
    return elapsed


def spike(elapsed: float) -> float:
    """Calm, then suddenly the highest, then calm again."""
    return 1.0 if SPIKE[0] <= elapsed < SPIKE[1] else CALM


SHAPES: Mapping[str, Callable[[float], float]] = {"steady": steady, "ramp": ramp, "spike": spike}
