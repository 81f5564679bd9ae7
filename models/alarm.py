"""When a stream is no longer what it was: charts over how surprising every value is, and the alarm that they raise.

Surprise comes as a normal score, standard normal for a stream that goes on as before. Two charts a target, one for
values that are too high and one for too low, add up what speaks for a shift (CUSUM; E. S. Page, "Continuous inspection
schemes", Biometrika 41, 1954): the logarithm of how much likelier a score is after a shift than without one. Of a small
shift and a large one the likelier counts (after G. Lorden, "Procedures for reacting to a change in distribution",
Annals of Mathematical Statistics 42, 1971). A third chart looks for a single value that is too unlikely (the combined
Shewhart-CUSUM of J. M. Lucas, Journal of Quality Technology 14, 1982).
"""

from math import log

SLACK = 0.5
"""A score s says s - SLACK for a shift by 1 standard deviation."""

STEEP, LATE = 2.5, 4.3
"""It says STEEP s - LATE for a shift by 2.5, which is given odds of 3 in 10: LATE is STEEP^2 / 2 - log 0.3, about."""

CLIP = 4.0
"""A score counts for so much at most: no single value fills a chart, and of the tail only what can be known matters."""

SHARE = 0.1
"""Of the false alarms, single values may raise so many, the charts the rest."""

ROOM = 1.5
"""A chart holds so many thresholds at most, so that an alarm ends soon after what raised it."""

RATE_AT, AT, STEEPNESS = 9.3e-5, 8.0, 1.15
"""Of an undisturbed stream the two charts of a target cross 8 in 0.93 of 10,000 steps, exp(1.15) times less often for
every 1 more; simulated through the whole monitor, for errors of many distributions (tests/models/test_alarm.py)."""


def threshold(rate: float, targets: int) -> float:
    """At which the charts raise an alarm, for so many false alarms a step over all targets."""
    return max(AT - log((1 - SHARE) * rate / targets / RATE_AT) / STEEPNESS, 1.0)


def unlikely(rate: float, targets: int) -> float:
    """The p-value below which a single value raises an alarm."""
    return SHARE * rate / targets
