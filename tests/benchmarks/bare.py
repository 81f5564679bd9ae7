"""The ceiling: the same step in a bare ASGI function. No validation, no limits, no errors, sessions without end."""

import gc
import json
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import numpy as np
import torch

from models import load
from models.predictor import Context

torch.set_num_threads(1)
predictor = load(os.environ["ELMAN_CHECKPOINT"]).predictor("cpu")
contexts: defaultdict[str, Context] = defaultdict(predictor.zero_context)
gc.freeze()  # a ceiling has no pauses for what was imported


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """POST anywhere predicts; GET anywhere says that it is ready."""
    payload = b"{}"
    if scope["method"] == "POST":
        request = json.loads((await receive())["body"])
        values, session_id = np.array(request["values"], dtype=float), request["session_id"]
        observed = predictor.observe(values[None, :, None], contexts[session_id])
        contexts[session_id] = observed.context
        payload = json.dumps({"predictions": observed.predictions[0, :, 0].tolist()}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(payload))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": payload})
