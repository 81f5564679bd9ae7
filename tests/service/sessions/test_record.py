import struct
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.sessions import Answer, Record
from service.sessions.record import MODEL_BYTES, READABLE, VERSION, times

STEPS = st.integers(0, 2**64 - 1)
SECONDS = st.floats(0, 1e10)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Any record that a model of up to 3 features can leave behind."""
    features = draw(st.integers(1, 3))
    history = draw(arrays("<f8", (draw(st.integers(0, 4)), features)))
    predictions = draw(arrays("<f8", (draw(st.integers(1, 4)), features)))
    digest = st.binary(min_size=16, max_size=16)
    bounds = draw(st.none() | arrays("<f8", (3, *predictions.shape)))
    answer = st.builds(Answer, STEPS, digest, st.just(predictions), st.just(bounds), st.integers(0, 2**32 - 1), STEPS)
    return Record(
        model=draw(st.binary(min_size=MODEL_BYTES, max_size=MODEL_BYTES)),
        context=draw(arrays("<f4", (1, draw(st.integers(0, 20))))),
        step=draw(STEPS),
        created_at=draw(SECONDS),
        used_at=draw(SECONDS),
        history=history,
        last=draw(st.none() | answer),
    )


@given(records())
def test_what_is_packed_is_unpacked_bit_by_bit(record: Record) -> None:
    again = Record.unpack(record.pack())
    assert again.pack() == record.pack()
    np.testing.assert_equal(astuple(again), astuple(record))
    assert (again.context.shape, again.history.shape) == (record.context.shape, record.history.shape)


@given(records())
def test_when_it_was_used_is_read_without_unpacking(record: Record) -> None:
    assert times(record.pack()) == (record.used_at, record.created_at)


def test_a_record_of_version_1_is_still_read() -> None:
    history, context, predictions = np.ones((2, 1)), np.full((1, 3), 2, "<f4"), np.array([[7.0], [8.0]])
    head = struct.pack("<BddQ16sIHII", 1, 5.0, 4.0, 42, bytes(range(16)), 3, 1, 2, 2)
    last = struct.pack("<Q16sI", 40, b"d" * 16, 9)
    record = Record.unpack(head + context.tobytes() + history.tobytes() + last + predictions.tobytes())
    assert record.last is not None
    assert (record.step, record.created_at, record.used_at) == (42, 4.0, 5.0)
    assert (record.last.base, record.last.digest, record.last.rebuilt) == (40, b"d" * 16, 9)
    assert record.last.bounds is None
    np.testing.assert_array_equal(record.last.predictions, predictions)
    np.testing.assert_array_equal(record.context, context)


@given(records(), st.integers(0, 255).filter(lambda version: version not in READABLE))
def test_a_record_of_another_version_is_refused(record: Record, version: int) -> None:
    with pytest.raises(ValueError, match=f"of version {version}; this program reads version {VERSION}"):
        Record.unpack(bytes([version]) + record.pack()[1:])


def test_a_stream_of_a_network_with_16_units_takes_164_bytes() -> None:
    context = np.zeros((1, 16), dtype=np.float32)
    answer = Answer(41, bytes(16), np.zeros((1, 1)))
    assert len(Record(bytes(16), context, 42, 1e9, 1e9, np.empty((0, 1)), answer).pack()) == 164
