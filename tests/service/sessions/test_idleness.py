from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sessions import idleness
from service.sessions.idleness import Idleness

ROWS = 7


@given(
    happening=st.lists(
        st.tuples(st.sampled_from(["watch", "watch all", "leave", "use", "wait", "sweep"]), st.integers(0, ROWS - 1))
    )
)
def test_those_are_told_that_a_look_at_every_row_would_find(happening: list[tuple[str, int]]) -> None:
    """In blocks of three rows, whatever is used, comes and goes; asked at any time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idleness, "BLOCK", 3)
        used_at, watched, now = np.zeros(ROWS), set[int](), 100.0
        watching = Idleness(used_at)
        for what, row in happening:
            if what == "watch" and row not in watched:
                used_at[row] = now
                watching.watch(row)
                watched.add(row)
            elif what == "watch all":
                new = np.array([other for other in range(row + 1) if other not in watched], np.int64)
                used_at[new] = now
                watching.watch_all(new)
                watched.update(new.tolist())
            elif what == "leave" and row in watched:
                watching.leave(row)
                watched.discard(row)
            elif what == "use" and row in watched:
                used_at[row] = now
            elif what == "wait":
                now += row
            elif what == "sweep":
                assert watching.over(now, 5) == watching.over(now, 5)
            expected = sorted((row for row in watched if now - used_at[row] > 5), key=lambda row: (used_at[row], row))
            assert watching.over(now, 5) == expected


def test_blocks_are_left_alone_until_it_may_be_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then once: uses cost nothing, and a session that goes on is looked at once in so many seconds."""
    used_at = np.zeros(2 * idleness.BLOCK)
    watching = Idleness(used_at)
    watching.watch_all(np.arange(len(used_at)))
    used_at[:] = 50.0
    looks, where = [0], np.where

    def counted(*arguments: Any) -> Any:
        looks[0] += 1
        return where(*arguments)

    monkeypatch.setattr(np, "where", counted)
    for now, expected in ((60.0, 0), (61.0, 2), (62.0, 2), (110.0, 2), (110.5, 4)):
        watching.over(now, 60)
        assert looks == [expected]
