from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Predictor
from service import observations
from service.sessions import START, Answer, Record, Rows, Shape
from service.sessions.record import DIGEST_BYTES
from tests.conftest import random_checkpoint

MODEL = bytes(range(16))


def rows_of(predictor: Predictor, places: int = 5, history: int = 3) -> Rows:
    return Rows(Shape.of(MODEL, predictor, history), predictor, places)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return random_checkpoint(features=2, calibrated=True).predictor("cpu")


def record(predictor: Predictor, answered: int = 1, remembered: int = 3, seed: int = 0) -> Record:
    generator = np.random.default_rng(seed)
    context = generator.random((1, predictor.context_size), np.float32)
    context[0, -2:] = 0  # there was no alarm
    numbers = generator.random((4, answered, 2))
    last = Answer(9 - answered, generator.bytes(16), numbers[0], numbers[1:], rebuilt=2) if answered else None
    return Record(MODEL, context, 9, 1000.5, 2000.5, generator.random((remembered, 2)), last)


@pytest.mark.parametrize("answered", [0, 1, 4])
@pytest.mark.parametrize("remembered", [0, 2, 3])
def test_a_record_in_a_row_is_the_same_record(predictor: Predictor, answered: int, remembered: int) -> None:
    rows = rows_of(predictor)
    row, other = rows.take(2)
    for seed, place in enumerate((other, row, other)):
        rows.write(place, record(predictor, answered=3 - seed, seed=seed))
    given = record(predictor, answered, remembered)
    rows.write(row, given)
    assert rows.fits(given)
    assert rows.record(row).pack() == given.pack()


def test_records_packed_together_are_those_packed_alone(predictor: Predictor) -> None:
    """Of all lengths of answers and histories, with alarms that run, end or never were; in any order."""
    rows = rows_of(predictor, places=40)
    for seed, (answered, remembered) in enumerate(product((1, 1, 0, 4), (3, 3, 0, 2))):
        given = record(predictor, answered, remembered, seed)
        given.context[0, -2:] = ((0, 0), (4, 0), (4, 2))[seed % 3]
        rows.write(rows.take()[0], given)
    every = np.random.default_rng(0).permutation(np.arange(1, 17))
    assert rows.packed(every) == [rows.record(row).pack() for row in every.tolist()]
    assert rows.packed(every[:0]) == []


def test_rows_are_taken_until_there_are_none_and_again_when_they_are_given(predictor: Predictor) -> None:
    rows = rows_of(predictor, places=6)
    assert (rows.take(), rows.take(2), rows.take(3)) == ([1], [2, 3], [])
    rows.give(2)
    rows.give(1)
    assert sorted(rows.take(3)) == [1, 2, 4]
    assert (rows.take(), rows.take()) == ([5], [])


def test_long_answers_are_counted_as_memory_and_forgotten_with_their_row(predictor: Predictor) -> None:
    rows = rows_of(predictor)
    rows.write(1, record(predictor, answered=50))
    assert rows.long_bytes == 50 * 4 * 2 * 8
    rows.write(1, record(predictor, answered=7))
    assert rows.long_bytes == 7 * 4 * 2 * 8
    rows.give(1)
    assert rows.long_bytes == 0


@pytest.mark.parametrize(
    "other",
    [
        {"model": bytes(16)},
        {"context": np.zeros((1, 3), np.float32)},
        {"history": np.zeros((2, 1))},
        {"last": Answer(8, bytes(16), np.zeros((1, 2)))},
        {"last": Answer(8, bytes(16), np.zeros((1, 1)), np.zeros((3, 1, 1)))},
    ],
)
def test_what_belongs_to_another_model_does_not_fit(predictor: Predictor, other: dict[str, Any]) -> None:
    rows = rows_of(predictor)
    assert rows.fits(record(predictor))
    assert not rows.fits(replace(record(predictor), **other))


def test_the_memory_of_a_row_is_what_the_arrays_take(predictor: Predictor) -> None:
    rows = rows_of(predictor, places=1000)
    arrays = [array for array in vars(rows).values() if isinstance(array, np.ndarray)]
    taken = sum(array.nbytes for array in arrays if array.base is None)  # the others are parts of these
    assert taken == 1000 * rows.shape.row_bytes


def test_what_is_advanced_together_is_what_is_advanced_alone(predictor: Predictor) -> None:
    """With what goes along to another row, what begins, and the history."""
    generator = np.random.default_rng(1)
    together, alone = rows_of(predictor, 9), rows_of(predictor, 9)
    for rows in (together, alone):
        rows.write(1, record(predictor, answered=4))
        rows.write(2, record(predictor, remembered=1))
    before, after = np.array([1, 2, START]), np.array([1, 5, 6])
    values, numbers = generator.random((3, 2)), generator.random((3, 4, 2))
    digests = observations.digests(values[:, None])
    together.follow(before, after, 50.0)
    together.advanced(after, values, numbers, digests, 60.0)
    for index in range(3):
        one = slice(index, index + 1)
        alone.follow(before[one], after[one], 50.0)
        alone.advanced(after[one], values[one], numbers[one], digests[one], 60.0)
    for row in after.tolist():
        assert together.record(row).pack() == alone.record(row).pack()
    kept = together.record(5)
    assert (kept.step, kept.created_at, kept.used_at, kept.history.tolist()[-1]) == (
        10,
        1000.5,
        60.0,
        values[1].tolist(),
    )
    assert (together.record(6).step, together.record(6).created_at) == (1, 50.0)
    assert together.record(1).last.digest == observations.digest(values[:1, None].reshape(1, 1, 2))  # type: ignore[union-attr]


def test_sessions_in_alarm_are_counted(predictor: Predictor) -> None:
    rows = rows_of(predictor)
    ages = {1: (0, 0), 2: (4, 0), 3: (4, 2)}
    for row, (since, over) in ages.items():
        rows.take()
        given = record(predictor)
        given.context[0, -2:] = since, over
        rows.write(row, given)
    assert (rows.in_alarm(), rows.alarm(1), rows.alarm(2), rows.alarm(3)) == (1, 0, 6, 0)
    rows.give(2)
    assert rows.in_alarm() == 0


@given(st.integers(1, 5), st.integers(1, 4), st.data())
def test_digests_of_a_batch_are_those_of_its_rows(streams: int, features: int, data: st.DataObject) -> None:
    numbers = st.floats(allow_infinity=False, allow_nan=False) | st.just(float("nan"))
    rows = st.lists(numbers, min_size=features, max_size=features)
    values = np.array(data.draw(st.lists(rows, min_size=streams, max_size=streams)))[:, None]
    found = [row.tobytes() for row in observations.digests(values)]
    assert found == [observations.digest(row[None]) for row in values]
    assert all(len(digest) == DIGEST_BYTES for digest in found)
