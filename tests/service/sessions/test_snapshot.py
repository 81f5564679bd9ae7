from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.errors import StoreUnavailable
from service.sessions import Gone, MemoryStore, snapshot
from tests.service.sessions.test_sqlite import NOT_OURS
from tests.service.sessions.test_stores import LIMITS, Clock, Shelf, closing, packed, record


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "sessions.snapshot"


def started(path: Path, clock: Clock) -> Shelf:
    return Shelf(MemoryStore(LIMITS, snapshot_file=path, clock=clock), clock)


@contextmanager
def opened(path: Path, clock: Clock) -> Iterator[Shelf]:
    """A store that starts from the snapshot and stops gracefully."""
    shelf = started(path, clock)
    with closing(shelf.store):
        yield shelf


def test_sessions_survive_a_graceful_stop_and_start(path: Path, clock: Clock) -> None:
    with opened(path, clock) as shelf:
        shelf.put("a", "b", "deleted")
        shelf.delete("deleted")
        clock.now = 1030
        shelf.put("a", step=2)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with opened(path, clock) as shelf:
        assert packed(shelf.get("a")) == record(clock, 2).pack()
        assert (shelf.page(), shelf.store.live()) == (["a", "b"], 2)
        assert shelf.get("deleted") == Gone("deleted", 1000)
        clock.now = 1061
        assert (shelf.get("b"), shelf.step("a")) == (Gone("expired", 1060), 2)
    with opened(path, clock) as shelf:
        assert (shelf.get("b"), shelf.page()) == (Gone("expired", 1060), ["a"])


def test_time_goes_on_while_it_is_stopped(path: Path, clock: Clock) -> None:
    with opened(path, clock) as shelf:
        shelf.put("a")
    clock.now = 1061
    with opened(path, clock) as shelf:
        assert shelf.get("a") == Gone("expired", 1060)


def test_a_crash_loses_the_sessions_and_does_not_rewind_them(path: Path, clock: Clock) -> None:
    with opened(path, clock) as shelf:
        shelf.put("a")
    started(path, clock).put("a", step=2)
    assert not path.exists()
    assert started(path, clock).get("a") is None


def test_without_a_file_it_starts_empty(path: Path, clock: Clock) -> None:
    snapshot.check(path)
    assert started(path, clock).store.live() == 0


@pytest.mark.parametrize("spoil", NOT_OURS)
def test_a_file_that_is_not_ours_or_damaged_is_refused_and_left_as_it_is(
    path: Path, clock: Clock, spoil: Callable[[Path], None]
) -> None:
    path.parent.mkdir()
    spoil(path)
    before = path.read_bytes()
    for look in (snapshot.check, lambda path: started(path, clock)):
        with pytest.raises(StoreUnavailable, match=r"snapshot .*sessions\.snapshot: "):
            look(path)
    assert path.read_bytes() == before


def test_a_check_leaves_the_file_as_it_is(path: Path, clock: Clock) -> None:
    with opened(path, clock) as shelf:
        shelf.put("a")
    before = path.read_bytes()
    snapshot.check(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before
    assert started(path, clock).step("a") == 1


@pytest.mark.parametrize("place", ["folder", "file/sessions.snapshot"])
def test_a_place_where_no_file_can_be_is_refused_at_the_start_and_not_at_the_stop(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match=f"snapshot .*{place}: "):
        snapshot.check(tmp_path / place)
