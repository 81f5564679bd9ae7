"""What Triton's python backend runs: a copy of this file is version 1 of the model."""

import os
import sys
from typing import Any

sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)  # the program that runs this does not read it

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402

from tests.benchmarks.peers.stepper import Stepper  # noqa: E402


class TritonPythonModel:
    """Triton makes batches of requests of different sequences; a sequence is never in a batch twice."""

    def initialize(self, args: dict[str, str]) -> None:
        self.stepper = Stepper()

    def execute(self, requests: list[Any]) -> list[Any]:
        values = [triton.get_input_tensor_by_name(request, "values").as_numpy()[0, 0] for request in requests]
        predictions = self.stepper.batch([str(request.correlation_id()) for request in requests], values)
        return [
            triton.InferenceResponse([triton.Tensor("predictions", np.array([[prediction]]))])
            for prediction in predictions
        ]
