"""When a stream is no longer what it was: charts over how surprising every value is, and the alarm that they raise.

Surprise comes as a normal score, standard normal for a stream that goes on as before. Two charts a target, one for
values that are too high and one for too low, add up what exceeds SLACK (CUSUM; E. S. Page, "Continuous inspection
schemes", Biometrika 41, 1954); a third looks for a single value that is too unlikely (the combined Shewhart-CUSUM of
J. M. Lucas, Journal of Quality Technology 14, 1982).
"""

from math import log

SLACK = 0.5
"""Half the shift, in standard deviations, that the charts find soonest."""

CLIP = 3.3
"""A score counts for so much at most, as the outermost quantile: no single value fills a chart, and no tail matters."""

SHARE = 0.1
"""Of the false alarms, single values may raise so many, the charts the rest."""

ROOM = 1.5
"""A chart holds so many thresholds at most, so that an alarm ends soon after what raised it."""

RATE_AT, AT, STEEPNESS = 1.4e-4, 7.0, 1.2
"""Of an undisturbed stream the two charts of a target cross 7 in 1.4 of 10,000 steps, and exp(1.2) times less often for
every 1 more; simulated through the whole monitor, for errors of many distributions (tests/models/test_alarm.py)."""


def threshold(rate: float, targets: int) -> float:
    """At which the charts raise an alarm, for so many false alarms a step over all targets."""
    return max(AT - log((1 - SHARE) * rate / targets / RATE_AT) / STEEPNESS, 1.0)


def unlikely(rate: float, targets: int) -> float:
    """The p-value below which a single value raises an alarm."""
    return SHARE * rate / targets
