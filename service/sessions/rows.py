"""The sessions of one model as rows of two arrays: no object per session, and many of them are one gather.

Axes: N rows, B rows at once, T time, F features, O targets, C context; K kinds of numbers in an answer: predictions, or
these with lower, upper and anomaly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.predictor import Predictor, Slab, Values
from service.sessions.record import DIGEST_BYTES, VERSION, Answer, Record, layout

START = 0
"""The row of a stream that has seen nothing: every session that begins reads it, none writes it."""

ELSEWHERE = -1
"""In place of a row: what is known of a session is not in a row."""

NOBODY = -1
"""The step of a row that is free."""

UNSEEN = np.inf
"""In a history, in place of observations from before it began."""

UNANSWERED = np.nan
"""In place of predictions, which are finite: no request has been answered, or not one that is remembered."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a session of one model is made of. history: observations that are kept to rebuild a context."""

    model: bytes
    context: int
    features: int
    targets: int
    bounded: bool
    history: int

    @classmethod
    def of(cls, model: bytes, predictor: Predictor, history: int) -> "Shape":
        """As a predictor needs it."""
        bounded = predictor.calibration is not None
        return cls(model, predictor.context_size, predictor.features, predictor.targets, bounded, history)

    @property
    def kinds(self) -> int:
        """K"""
        return 4 if self.bounded else 1

    @property
    def row(self) -> np.dtype[np.void]:
        """What a row is besides its context: one place in memory, to be found once."""
        return np.dtype(
            [
                *(("step", np.int64), ("used_at", np.float64), ("created_at", np.float64)),
                ("digest", np.uint64, (DIGEST_BYTES // 8,)),
                ("answer", np.float64, (self.kinds, self.targets)),
                ("history", np.float64, (self.history, self.features)),
            ]
        )

    @property
    def row_bytes(self) -> int:
        """Memory that a row takes."""
        return 4 * self.context + self.row.itemsize


def began(ages: Indices, steps: Indices) -> Indices:
    """The steps at which running alarms began, 0 where none runs. ages: (B, 2), as `Predictor.alarms`; steps: (B,)"""
    since, over = ages.T
    return np.where((since > 0) & (over == 0), steps - since + 1, 0)


class Rows:
    """The two arrays, and which of their rows are free; `contexts` is on the device of the model.

    All memory is asked for at once and taken by the system as rows are used: nothing grows, so nobody waits for that.
    """

    def __init__(self, shape: Shape, predictor: Predictor, rows: int) -> None:
        self.shape, self.row_bytes = shape, shape.row_bytes
        self.contexts: Slab = predictor.slab(rows)
        self._rows = np.zeros(rows, f"V{shape.row.itemsize}")  # as plain bytes they are copied several times faster
        fields = self._rows.view(shape.row)
        self.step, self.used_at, self.created_at = fields["step"], fields["used_at"], fields["created_at"]
        self.long_bytes = 0
        self._predictor = predictor
        self._digests, self._answers, self._history = fields["digest"], fields["answer"], fields["history"]
        self._long: dict[int, Values] = {}  # answers (K, T, O) to several observations
        self._rebuilt: dict[int, int] = {}  # where the context had been rebuilt for the answer: from how many
        self._free: list[int] = []
        self._used = START + 1
        self._packed = self._as_packed()
        predictor.write(self.contexts, START, predictor.zero_context())
        self._history[START] = UNSEEN
        self._answers[START] = UNANSWERED

    def take(self, count: int = 1) -> list[int]:
        """So many free rows, whose content means nothing; none if there are fewer."""
        again = min(count, len(self._free))
        end = self._used + count - again
        if end > len(self.step):
            return []
        taken = self._free[len(self._free) - again :]
        del self._free[len(self._free) - again :]
        taken.extend(range(self._used, end))
        self._used = end
        return taken

    def give(self, row: int) -> None:
        """The row is free again."""
        self._forget_unusual(row)
        self.step[row] = NOBODY
        self._free.append(row)

    def fits(self, record: Record) -> bool:
        """Whether a record can be a row: it belongs to this model, as this model is served now."""
        shape, last = self.shape, record.last
        if (record.model, record.context.shape[1]) != (shape.model, shape.context):
            return False
        if shape.history and record.history.shape[1] != shape.features:
            return False
        return last is None or ((last.bounds is not None), last.predictions.shape[1]) == (shape.bounded, shape.targets)

    def write(self, row: int, record: Record) -> None:
        """Make a record that fits the content of a row."""
        length = self.shape.history
        kept = record.history[-length:] if length else record.history[:0]
        self._predictor.write(self.contexts, row, record.context)
        self.step[row], self.created_at[row], self.used_at[row] = record.step, record.created_at, record.used_at
        self._history[row, : length - len(kept)] = UNSEEN
        if len(kept):
            self._history[row, length - len(kept) :] = kept
        self._forget_unusual(row)
        self._answers[row] = UNANSWERED
        if (last := record.last) is not None:
            bounds = () if last.bounds is None else last.bounds
            self._keep_answer(row, np.stack((last.predictions, *bounds)), last.digest, last.rebuilt)

    def record(self, row: int) -> Record:
        """The content of a row."""
        history = self._history[row][self._history[row, :, 0] != UNSEEN]
        created_at, used_at = float(self.created_at[row]), float(self.used_at[row])
        context = self._predictor.read(self.contexts, row)
        return Record(self.shape.model, context, int(self.step[row]), created_at, used_at, history, self.last(row))

    def packed(self, rows: Indices) -> list[bytes]:
        """`record(row).pack()` of many; of those that are alike, as most are, at once."""
        alike = ~np.isnan(self._answers[rows, 0, 0]) & (self._history[rows, :1, 0] != UNSEEN).all(axis=1)
        if self._long or self._rebuilt:
            unusual = self._long.keys() | self._rebuilt.keys()
            alike &= np.array([row not in unusual for row in rows.tolist()], bool)
        if not alike.all():
            made = iter(self.packed(rows[alike]))
            each = zip(rows.tolist(), alike.tolist(), strict=True)
            return [next(made) if usual else self.record(row).pack() for row, usual in each]
        records = np.full(len(rows), self._packed, self._packed.dtype)
        contexts = self.contexts[rows]
        records["context"] = contexts if isinstance(contexts, np.ndarray) else contexts.cpu().numpy()
        own = self._rows[rows].view(self.shape.row)
        for name in ("used_at", "created_at", "step", "history", "digest", "answer"):
            records[name] = own[name]
        records["base"] = records["step"] - 1
        records["alarm"] = self.alarms(rows)
        packed, size = records.tobytes(), records.itemsize
        return [packed[start : start + size] for start in range(0, len(packed), size)]

    def _as_packed(self) -> np.void:
        """A packed record with what is the same in all that are alike."""
        shape = self.shape
        record = np.zeros(1, layout(shape.context, (shape.history, shape.features), (shape.kinds, shape.targets)))
        record["version"], record["model"] = VERSION, np.void(shape.model)
        record["size"], record["features"], record["rows"] = shape.context, shape.features, shape.history
        record["answered"], record["bounded"] = 1, shape.bounded
        packed: np.void = record[0]
        return packed

    def last(self, row: int) -> Answer | None:
        """What the last request that was applied to a row was answered."""
        numbers = self._long.get(row)
        if numbers is None:
            numbers = self._answers[row][:, None].copy()
            if np.isnan(numbers[0, 0, 0]):
                return None
        base, rebuilt = int(self.step[row]) - numbers.shape[1], self._rebuilt.get(row, 0)
        bounds = numbers[1:] if self.shape.bounded else None
        return Answer(base, self._digests[row].tobytes(), numbers[0], bounds, rebuilt, self.alarm(row))

    def alarm(self, row: int) -> int:
        """The step at which the running alarm of a row began, 0 if there is none."""
        return int(self.alarms(np.array([row]))[0])

    def alarms(self, rows: Indices) -> Indices:
        """The same of many rows, (B,)."""
        return began(self._predictor.alarms(self.contexts, rows), self.step[rows])

    def in_alarm(self) -> int:
        """Sessions whose alarm is running."""
        steps = self.step[: self._used]
        running = began(self._predictor.alarms(self.contexts, slice(self._used)), steps) > 0
        return int((running & (steps > 0)).sum())

    def follow(self, before: Indices, after: Indices, now: float) -> None:
        """What is to be advanced goes along to other rows; a session that begins is created now."""
        self._rows[after] = self._rows[before]
        self.created_at[after[before == START]] = now

    def advanced(self, rows: Indices, values: Values, numbers: Values, digests: NDArray[np.uint64], now: float) -> None:
        """One observation was applied to each of these rows. values: (B, F), numbers: (B, K, O), digests: (B, 2)"""
        self.step[rows] += 1
        self.used_at[rows] = now
        self._digests[rows] = digests
        self._answers[rows] = numbers
        if self._long or self._rebuilt:
            for row in rows.tolist():
                self._forget_unusual(row)
        if self.shape.history:
            self._history[rows] = np.concatenate((self._history[rows][:, 1:], values[:, None]), axis=1)

    def advanced_long(self, row: int, values: Values, numbers: Values, digest: bytes, now: float) -> None:
        """Several observations were applied to a row. values: (T, F), numbers: (K, T, O)"""
        self.step[row] += len(values)
        self.used_at[row] = now
        self._keep_answer(row, numbers, digest)
        if self.shape.history:
            self._history[row] = np.concatenate((self._history[row], values))[-self.shape.history :]

    def rebuilt(self, row: int, observations: int) -> None:
        """The context that the last request was applied to had been rebuilt from so many."""
        self._rebuilt[row] = observations

    def _keep_answer(self, row: int, numbers: Values, digest: bytes, rebuilt: int = 0) -> None:
        """numbers: (K, T, O)"""
        self._forget_unusual(row)
        if rebuilt:
            self._rebuilt[row] = rebuilt
        self._digests[row] = np.frombuffer(digest, np.uint64)
        if numbers.shape[1] == 1:
            self._answers[row] = numbers[:, 0]
        else:
            self._long[row] = numbers
            self.long_bytes += numbers.nbytes

    def _forget_unusual(self, row: int) -> None:
        """What is not in the row itself."""
        self._rebuilt.pop(row, None)
        if (numbers := self._long.pop(row, None)) is not None:
            self.long_bytes -= numbers.nbytes
