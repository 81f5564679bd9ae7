"""How contestants are asked for one step of a session: the same facts in the words of each."""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

SERIES = (11.0, 16.0, 23.0, 36.0, 58.0, 29.0, 20.0, 10.0)
"""What every session observes under load, again and again."""

BATCH = 1000
TURNS_AT_MOST = 65_536


@dataclass(frozen=True)
class Door:
    """POST `path` takes this body, in which words in capitals are replaced (load.lua does the same under load).

    SESSION: the session's id, RUN-TURN. NUMBER: the same as a whole number, for who can have no other. VALUE: its next
    value. STEP: how many came before. START: whether it is the first. SESSIONS, VALUES: those of `sessions` sessions at
    once, with commas between.
    """

    path: str
    body: str
    predictions: Callable[[Any], Any]
    """From the decoded answer, one prediction for each session asked for."""
    sessions: int = 1

    def ask(self, sessions: Sequence[str], values: Sequence[float], step: int) -> str:
        """The body for one value each of some sessions; of one session, unless the door takes many."""
        body = self.body.replace("SESSIONS", ",".join(map(json.dumps, sessions)))
        body = body.replace("VALUES", ",".join(map(json.dumps, values)))
        body = body.replace("SESSION", sessions[0]).replace("VALUE", json.dumps(values[0]))
        run, turn = sessions[0].split("-")
        body = body.replace("NUMBER", str(int(run, 16) * TURNS_AT_MOST + int(turn)))
        return body.replace("STEP", str(step)).replace("START", json.dumps(step == 0))


def new_run() -> str:
    """What begins the names of sessions that nobody else has."""
    return secrets.token_hex(4)


def _native(answer: Any) -> Any:
    return answer["predictions"]


def _inference_protocol(answer: Any) -> Any:
    return next(output["data"] for output in answer["outputs"] if output["name"] in ("predictions", "prediction"))


PREDICT = Door("/predict", '{"values": [VALUE], "session_id": "SESSION"}', _native)
COUNTED = Door("/predict", '{"values": [VALUE], "session_id": "SESSION", "step": STEP}', _native)
PREDICT_BATCH = Door("/predict_batch", '{"session_ids": [SESSIONS], "values": [VALUES]}', _native, BATCH)
MLSERVER = Door(
    "/v2/models/elman/infer",
    '{"parameters": {"session_id": "SESSION"},'
    ' "inputs": [{"name": "values", "shape": [1], "datatype": "FP64", "data": [VALUE]}]}',
    _inference_protocol,
)
TRITON = Door(
    "/v2/models/elman/infer",
    '{"parameters": {"sequence_id": NUMBER, "sequence_start": START, "sequence_end": false},'
    ' "inputs": [{"name": "values", "shape": [1, 1], "datatype": "FP64", "data": [VALUE]}]}',
    _inference_protocol,
)
