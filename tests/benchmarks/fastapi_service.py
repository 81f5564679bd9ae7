"""The same step in a FastAPI service as one writes it in an afternoon: validated, typed, a dict of sessions.

It knows nothing of retries, expiry, limits, crashes or other models.
"""

import os
from typing import Annotated

import numpy as np
import torch
from fastapi import FastAPI
from pydantic import BaseModel, Field

from models import load
from models.predictor import Context

torch.set_num_threads(1)
predictor = load(os.environ["ELMAN_CHECKPOINT"]).predictor("cpu")
contexts: dict[str, Context] = {}

app = FastAPI(title="Next value")


class PredictRequest(BaseModel):
    """Values that happened in a session, in time order."""

    session_id: Annotated[str, Field(min_length=1, max_length=128)]
    values: Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1, max_length=1000)]


class PredictResponse(BaseModel):
    """predictions[i] is for the value after values[i]."""

    session_id: str
    predictions: list[float]


@app.post("/predict")
async def predict(request: PredictRequest) -> PredictResponse:
    """Observe, and predict the next value. Nothing is awaited, so no two requests of a session meet."""
    context = contexts.get(request.session_id)
    values = np.array(request.values)[None, :, None]  # (B, T, F)
    observed = predictor.observe(values, predictor.zero_context() if context is None else context)
    contexts[request.session_id] = observed.context
    return PredictResponse(session_id=request.session_id, predictions=observed.predictions[0, :, 0].tolist())


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Whether it answers."""
    return {"status": "ready"}
