"""The ids of requests for many sessions, and what was found for them. A fleet comes with the same ids every time.

So their JSON is recognised instead of being read, and their rows need not be looked up again as long as no session of
the store has come, gone or moved.
"""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ROOM_BYTES = 4_000_000
"""Of JSON that is remembered; the ids themselves take about three times as much."""

NEVER = -1


class Roster(list[str]):
    """Session ids, in the order of the request.

    distinct: whether none comes twice. rows: where a store had them when it had changed `as_of` times.
    """

    def __init__(self, ids: Sequence[str], owner: str = "") -> None:
        super().__init__(ids)
        self._keys = [owner + session_id for session_id in ids] if owner else None
        self.distinct = len(set(ids)) == len(ids)
        self.rows: NDArray[np.int64] = np.empty(0, np.int64)
        self.as_of = NEVER

    @property
    def keys(self) -> Sequence[str]:
        """The same as a store has them: their owner's."""
        return self if self._keys is None else self._keys


class Rosters:
    """Those that came of late, by owner and JSON."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room = self._free = room_bytes
        self._known: OrderedDict[tuple[str, bytes], Roster] = OrderedDict()

    def get(self, owner: str, text: bytes) -> Roster | None:
        """The roster that this is the JSON of, if it is known."""
        found = self._known.get((owner, text))
        if found is not None:
            self._known.move_to_end((owner, text))
        return found

    def add(self, owner: str, text: bytes, ids: Sequence[str]) -> Roster:
        """A new one; those that have not come for longest make room for it."""
        roster = Roster(ids, owner)
        if len(text) <= self._room:
            self._known[owner, text] = roster
            self._free -= len(text)
        while self._free < 0:
            (_, forgotten), _ = self._known.popitem(last=False)
            self._free += len(forgotten)
        return roster
