"""What the rows of a request for many sessions are answered, as it comes together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.predictor import NUMBERS, Advanced, Values, failure
from service import observations
from service.errors import ServiceError
from service.sessions.rows import Indices, Shape
from service.stepping import refusal

UNSAID = -1


@dataclass(slots=True)
class Sheet:
    """numbers: (K, B, O), NaN at failed rows; steps: (B,), UNSAID there; alarms: start steps of those that run."""

    numbers: Values
    steps: Indices
    alarms: dict[int, int] = field(default_factory=dict)
    errors: dict[int, ServiceError] = field(default_factory=dict)

    @classmethod
    def empty(cls, rows: int, shape: Shape) -> Self:
        """Nothing is known yet."""
        return cls(np.full((shape.kinds, rows, shape.targets), np.nan), np.full(rows, UNSAID))

    def note_stepped(self, chosen: Indices, advanced: Advanced, began: Indices, steps: Indices) -> NDArray[np.bool_]:
        """Some rows were computed together. Tells which did not fail. steps: behind each, (B',)"""
        places = chosen if len(chosen) < len(self.steps) else slice(None)
        self.numbers[:, places] = advanced.numbers[: len(self.numbers), :, 0]
        self.steps[places] = steps
        if began.any():
            self.alarms.update((i, step) for i, step in zip(chosen.tolist(), began.tolist(), strict=True) if step)
        fine: NDArray[np.bool_] = advanced.failed == 0
        for place in np.flatnonzero(~fine).tolist():
            self.errors[int(chosen[place])] = refusal(failure(advanced.failed[place]))
        return fine

    def note_answer(self, index: int, answer: Mapping[str, Any]) -> None:
        """A row was answered by itself."""
        for kind, name in enumerate(NUMBERS[: len(self.numbers)]):
            self.numbers[kind, index] = np.array(answer[name][0], dtype=float)
        self.steps[index] = answer["step"]
        self.alarms.pop(index, None)
        if "alarm" in answer:
            self.alarms[index] = answer["alarm"]["start_step"]

    def answer(self, index: int, session_id: str, model: str) -> dict[str, Any]:
        """What a row that did not fail would be answered by itself."""
        numbers = [observations.to_bounds(kind[index][None]) for kind in self.numbers]
        answer: dict[str, Any] = dict(zip(NUMBERS, numbers, strict=False))
        if start_step := self.alarms.get(index):
            answer["alarm"] = {"start_step": start_step}
        return answer | {"session_id": session_id, "step": int(self.steps[index]), "model": model}

    def json(self) -> dict[str, Any]:
        """As JSON has it; arrays are left as they are."""
        narrow = self.numbers.shape[2] == 1
        columns = self.numbers.reshape(len(self.numbers), -1) if narrow else self.numbers
        answer: dict[str, Any] = dict(zip(NUMBERS, columns, strict=False)) | {"steps": self.steps, "errors": []}
        alarms = [{"index": i, "start_step": step} for i, step in sorted(self.alarms.items()) if i not in self.errors]
        if alarms:
            answer["alarms"] = alarms
        for index, error in sorted(self.errors.items()):
            answer["errors"].append({"index": index, "error": error.code, "message": str(error), **error.details})
        if self.errors:
            for name in (*NUMBERS[: len(columns)], "steps"):
                answer[name] = [None if i in self.errors else x for i, x in enumerate(answer[name].tolist())]
        return answer
