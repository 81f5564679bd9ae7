"""POST /v2/models/elman/infer: the same by the Open Inference Protocol, where a session is a sequence."""

import random
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import numpy as np

from tests.load.doors.conversation import Request
from tests.load.doors.native import INVALID, SingleValues
from tests.load.oracle import Wrong
from tests.load.wire import JSON, Reply

NAMES = {"prediction": "predictions", "lower": "lower", "upper": "upper", "anomaly": "anomaly"}
LENGTH = "inference-header-content-length"
LONGEST_CHUNK = 4
BINARY = 0.5
"""Share of the clients that ask for binary tensors."""


class Protocol(SingleValues):
    """A client of Triton's or KServe's kind: short chunks, tensors, a sequence that it starts."""

    door, weight = "v2", 3
    path = "/v2/models/elman/infer"
    sequence: int | str
    binary: bool

    def __str__(self) -> str:
        return f"{self.door}: sequence {self.sequence} at step {self.mine.step}"

    @property
    def most(self) -> int:
        """Observations of one request at most."""
        return LONGEST_CHUNK

    @property
    def forgives_stragglers(self) -> bool:
        """A start that comes late begins the sequence anew: that is what it says."""
        return self.mine.step > 0

    def begin(self) -> None:
        """A sequence under a number of 64 bits, or a name."""
        super().begin()
        self.sequence = random.choice((uuid4().int >> 64 or 1, self.mine.session_id))
        self.binary = random.random() < BINARY

    def body(self, step: int, values: list[Any]) -> dict[str, Any]:
        """For the wire. Only the start says that it is one."""
        features = self.oracle.predictor.features
        flat = values if features == 1 else [number for row in values for number in row]
        parameters: dict[str, Any] = {"sequence_id": self.sequence, "step": step, "binary_data_output": self.binary}
        if self.mine.step == step == 0:
            parameters["sequence_start"] = True
        tensor = {"name": "values", "datatype": "FP64", "shape": [len(values), features], "data": flat}
        return {"inputs": [tensor], "parameters": parameters}

    def verify(self, reply: Reply, request: Request) -> int:
        """Tensors and parameters."""
        reply.expect(HTTPStatus.OK)
        ((stream, start),) = request.rows
        head, outputs = _outputs(reply)
        parameters = head.get("parameters", {})
        answer = {name: outputs[tensor] for tensor, name in NAMES.items() if tensor in outputs}
        if alarm := parameters.get("alarm_start_step"):
            answer["alarm"] = {"start_step": alarm}
        answer |= {"step": parameters.get("step"), "model": head.get("model_version")}
        stream.check(answer, start, request.count)
        request.answer, request.replayed = answer, bool(parameters.get("replayed", False))
        return request.count

    def malformed(self) -> tuple[dict[str, Any] | bytes, Mapping[str, str], int, str]:
        """Tensors that are none."""
        right = self.body(self.mine.step, self.mine.values(1))
        (tensor,) = right["inputs"]
        choices: list[dict[str, Any] | bytes] = [
            b'{"inputs": [',
            {**right, "inputs": []},
            {**right, "inputs": [{**tensor, "name": "other"}]},
            {**right, "inputs": [{**tensor, "datatype": "INT64"}]},
            {**right, "inputs": [{**tensor, "shape": [2, self.oracle.predictor.features]}]},
            {**right, "inputs": [{**tensor, "data": ["1"]}]},
        ]
        return random.choice(choices), {"Content-Type": JSON}, HTTPStatus.BAD_REQUEST, INVALID

    def finish(self) -> None:
        """With its last value every other sequence ends, and is gone."""
        if random.random() < 0.5:
            return
        request = self.compose()
        request.body["parameters"]["sequence_end"] = True
        self.send(request)
        self.ask(
            "faults", self.path, request.body, judge=lambda reply: reply.expect(HTTPStatus.GONE, "session_deleted")
        )


def _outputs(reply: Reply) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON object, and its tensors by name: T numbers, or lists of O."""
    length = int(reply.headers.get(LENGTH, len(reply.content)))
    head = Reply(reply.status, reply.headers, reply.content[:length]).answer
    behind, outputs = reply.content[length:], {}
    for tensor in head.get("outputs", []):
        steps, width = tensor["shape"]
        if (size := tensor.get("parameters", {}).get("binary_data_size")) is not None:
            numbers = np.frombuffer(behind[:size], "<f8")
            behind = behind[size:]
            data: list[Any] = np.where(np.isnan(numbers), None, numbers).tolist()  # type: ignore[call-overload]  # as JSON
        else:
            data = tensor["data"]
        if len(data) != steps * width:
            raise Wrong("shape", len(data), tensor["shape"])
        outputs[tensor["name"]] = data if width == 1 else [data[at : at + width] for at in range(0, len(data), width)]
    if behind:
        raise Wrong("binary tensors", f"{len(behind)} bytes more", "none")
    return head, outputs
