"""Which rows have been idle for too long, though nobody notes when a row is used.

A use writes its time into the row and nothing else. Of every block of rows a moment is known before which none of them
was last used; uses only make that truer, so a block need not be looked at before that moment is too long ago. Then all
of its rows are, at once, and the moment is known anew.
"""

from math import inf

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024


class Idleness:
    """Of rows that are watched; used_at: when each was last used, (N,), written by others."""

    def __init__(self, used_at: NDArray[np.float64]) -> None:
        self._used_at = used_at
        self._watched = np.zeros(len(used_at), np.bool_)
        self._moments = np.full(-(-len(used_at) // BLOCK), inf)
        self._earliest = inf

    def watch(self, row: int) -> None:
        """One more, which was used when its time says."""
        used_at, block = float(self._used_at[row]), row // BLOCK
        self._watched[row] = True
        if used_at < self._moments[block]:
            self._moments[block] = used_at
            self._earliest = min(self._earliest, used_at)

    def watch_all(self, rows: NDArray[np.int64]) -> None:
        """As `watch`, for many."""
        self._watched[rows] = True
        np.minimum.at(self._moments, rows // BLOCK, self._used_at[rows])
        self._earliest = float(self._moments.min())

    def leave(self, row: int) -> None:
        """One less."""
        self._watched[row] = False

    def over(self, now: float, seconds: float) -> list[int]:
        """Those that have been idle for longer, the longest first."""
        if now - self._earliest <= seconds:
            return []
        found = []
        for block in np.flatnonzero(now - self._moments > seconds).tolist():
            begin, end = block * BLOCK, (block + 1) * BLOCK
            used_at = np.where(self._watched[begin:end], self._used_at[begin:end], inf)
            found += (np.flatnonzero(now - used_at > seconds) + begin).tolist()
            self._moments[block] = used_at.min()
        self._earliest = float(self._moments.min())
        return sorted(found, key=self._used_at.__getitem__)
