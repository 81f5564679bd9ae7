"""What the server holds for one stream: one record, committed as a whole, packed into as few bytes as it needs."""

import struct
from dataclasses import dataclass, field

import numpy as np

from models.predictor import Context, Values

VERSION = 2
READABLE = (1, 2)  # version 1 kept no bounds
MODEL_BYTES = 16
DIGEST_BYTES = 16

_HEAD = struct.Struct("<BddQ16sIHII")  # version, used, created, step, model, context, features, history, answered
_LAST = struct.Struct("<Q16sIQB")  # base, digest, rebuilt, alarm, whether bounds follow
_LAST_1 = struct.Struct("<Q16sI")
_TIMES = struct.Struct("<dd")


def layout(context: int, history: tuple[int, int], answer: tuple[int, int]) -> np.dtype[np.void]:
    """What `Record.pack` makes of a record whose last request was one observation, as the fields of an array's items.

    context: C; history: (n, F); answer: (K, O), predictions and bounds.
    """
    return np.dtype(
        [
            *(("version", "u1"), ("used_at", "<f8"), ("created_at", "<f8"), ("step", "<u8")),
            *(("model", f"V{MODEL_BYTES}"), ("size", "<u4"), ("features", "<u2"), ("rows", "<u4"), ("answered", "<u4")),
            *(("context", "<f4", (context,)), ("history", "<f8", history)),
            *(("base", "<u8"), ("digest", "<u8", (DIGEST_BYTES // 8,)), ("rebuilt", "<u4"), ("alarm", "<u8")),
            *(("bounded", "u1"), ("answer", "<f8", answer)),
        ]
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """The last applied request and what it was answered, for a client that asks again.

    base: the step before it; digest: of its values; predictions: (T, O) raw units; bounds: (3, T, O) lower, upper and
    anomaly, NaN where there is none, or None for a checkpoint that knows nothing of its errors;
    rebuilt: observations that the context was rebuilt from, 0 if it was not; alarm: the step at which the running alarm
    began, 0 if there is none.
    """

    base: int
    digest: bytes
    predictions: Values
    bounds: Values | None = None
    rebuilt: int = 0
    alarm: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A context after a step, the model it belongs to, and what must survive together with it.

    model: the first MODEL_BYTES of the fingerprint; context: (1, C); created_at, used_at: seconds since 1970;
    history: (n, F) the last observations in raw units, NaN = missing, oldest first; revision: where several processes
    write, which writing this is; it is not packed.
    """

    model: bytes
    context: Context
    step: int
    created_at: float
    used_at: float
    history: Values
    last: Answer | None = None
    revision: bytes = field(default=b"", compare=False)

    def pack(self) -> bytes:
        """One version byte, a fixed head, then the arrays: little-endian, context float32, the others float64."""
        last = self.last
        rows, features = self.history.shape
        answered = 0 if last is None else len(last.predictions)
        context_size = self.context.shape[1]
        head = _HEAD.pack(
            VERSION, self.used_at, self.created_at, self.step, self.model, context_size, features, rows, answered
        )
        if last is None:
            return b"".join((head, self.context.tobytes(), self.history.tobytes()))
        answer = _LAST.pack(last.base, last.digest, last.rebuilt, last.alarm, last.bounds is not None)
        parts = (head, self.context.tobytes(), self.history.tobytes(), answer, last.predictions.tobytes())
        return b"".join(parts if last.bounds is None else (*parts, last.bounds.tobytes()))

    @classmethod
    def unpack(cls, packed: bytes) -> "Record":
        """The record that was packed.

        Raises:
            ValueError: it is damaged, or another version of this program wrote it.
        """
        if packed[0] not in READABLE:
            raise ValueError(f"a session record of version {packed[0]}; this program reads version {VERSION}")
        _, used_at, created_at, step, model, size, features, rows, answered = _HEAD.unpack_from(packed)
        at = _HEAD.size
        context = np.frombuffer(packed, "<f4", size, at).reshape(1, size).copy()
        at += 4 * size
        history = np.frombuffer(packed, "<f8", rows * features, at).reshape(rows, features)
        at += 8 * rows * features
        last = None
        if answered:
            last = _unpack_last(packed, at, answered)
        return cls(model, context, step, created_at, used_at, history, last)


def _unpack_last(packed: bytes, at: int, answered: int) -> Answer:
    if packed[0] == 1:
        (base, digest, rebuilt), alarm, bounded, size = _LAST_1.unpack_from(packed, at), 0, 0, _LAST_1.size
    else:
        base, digest, rebuilt, alarm, bounded = _LAST.unpack_from(packed, at)
        size = _LAST.size
    arrays = np.frombuffer(packed, "<f8", offset=at + size).reshape(4 if bounded else 1, answered, -1)
    return Answer(base, digest, arrays[0], arrays[1:] if bounded else None, rebuilt, alarm)


def times(packed: bytes) -> tuple[float, float]:
    """When a packed record was last used and when it was created, without unpacking it."""
    used_at, created_at = _TIMES.unpack_from(packed, 1)
    return used_at, created_at
