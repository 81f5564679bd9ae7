"""The same step in a BentoML service as tutorials write it: `@bentoml.api`, no switches, a dict of contexts."""

import os
from collections import defaultdict

import bentoml
import numpy as np
import torch

from models import load
from models.predictor import Context


@bentoml.service
class Stock:
    """Stateful next-value prediction."""

    def __init__(self) -> None:
        torch.set_num_threads(1)  # for all contestants alike
        self.predictor = load(os.environ["ELMAN_CHECKPOINT"]).predictor("cpu")
        self.contexts: defaultdict[str, Context] = defaultdict(self.predictor.zero_context)

    @bentoml.api  # type: ignore[untyped-decorator]  # BentoML leaves its decorators unannotated
    async def predict(self, values: list[float], session_id: str) -> dict[str, list[float]]:
        """Observe, and predict the next value."""
        observed = self.predictor.observe(np.array(values)[None, :, None], self.contexts[session_id])
        self.contexts[session_id] = observed.context
        return {"predictions": observed.predictions[0, :, 0].tolist()}
