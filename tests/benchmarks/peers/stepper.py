"""What every peer does with a request: the same step with the same checkpoint, contexts in a dict."""

import os
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from models import load
from models.predictor import Context


class Stepper:
    """Sessions in memory, without end."""

    def __init__(self) -> None:
        torch.set_num_threads(1)  # for all contestants alike
        self._predictor = load(os.environ["ELMAN_CHECKPOINT"]).predictor("cpu")
        self._contexts: defaultdict[str, Context] = defaultdict(self._predictor.zero_context)

    def step(self, session_id: str, values: Sequence[float]) -> list[float]:
        """Observe values of a session, and predict the next one after each."""
        observed = self._predictor.observe(np.array(values)[None, :, None], self._contexts[session_id])
        self._contexts[session_id] = observed.context
        predictions: list[float] = observed.predictions[0, :, 0].tolist()
        return predictions

    def batch(self, session_ids: Sequence[str], values: Sequence[float]) -> list[float]:
        """One value each of sessions that differ."""
        contexts = np.concatenate([self._contexts[session_id] for session_id in session_ids])  # (B, C)
        observed = self._predictor.observe(np.array(values)[:, None, None], contexts)
        for row, session_id in enumerate(session_ids):
            self._contexts[session_id] = observed.context[row : row + 1]
        predictions: list[float] = observed.predictions[:, 0, 0].tolist()
        return predictions
