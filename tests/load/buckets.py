"""Times in buckets that are each 2 % wider than the one before: they add up over seconds, doors and processes."""

from collections.abc import Mapping
from math import log

LEAST = 0.01
"""Milliseconds below which nothing is told apart."""

RATIO = 1.02


def bucket_of(milliseconds: float) -> int:
    """Which bucket a time is in."""
    return int(log(milliseconds / LEAST) / log(RATIO)) if milliseconds > LEAST else 0


def middle(bucket: int) -> float:
    """The time that stands for all in a bucket, in milliseconds: within 1 % of each."""
    return float(LEAST * RATIO ** (bucket + 0.5))


def quantile(counts: Mapping[int, int], share: float) -> float:
    """The time that such a share of all does not exceed, in milliseconds; NaN if there are none."""
    wanted, seen = share * sum(counts.values()), 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return middle(bucket)
    return float("nan")
