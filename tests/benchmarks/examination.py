"""Before and after it is timed, every contestant has to be right, in several sessions at once.

Axes: B sessions, T time, F features; F = 1, because the contestants know no more.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
import torch

from models import load
from models.predictor import Values
from tests.benchmarks.doors import Door, new_run
from tests.server import Server

SESSIONS = 8
LENGTH = 20
TOLERANCE = 1e-6  # scaled units


class Wrong(Exception):
    """Predictions are not those of the network."""


class Examination:
    """Series of noisy sines, and what the network says to them, one step at a time in torch."""

    def __init__(self, checkpoint_file: Path) -> None:
        checkpoint = load(checkpoint_file)
        scaler, generator = checkpoint.scaler, np.random.default_rng(0)
        sine = np.sin(np.arange(LENGTH) / 2 + generator.uniform(0, 6, (SESSIONS, 1)))  # (B, T)
        scaled = sine + generator.normal(0, 0.3, sine.shape)
        self.values = np.round(scaler.mean[0] + scaler.scale[0] * scaled, 3)  # (B, T)
        with torch.inference_mode():
            x = torch.from_numpy(scaler.scaled(self.values[..., None]))  # (B, T, F)
            y, _ = checkpoint.network.scan(x, torch.zeros(SESSIONS, checkpoint.network.config.context_size))
        self._expected = scaler.raw(y.numpy())[..., 0]  # (B, T)
        self._unit = scaler.scale[0]

    def __call__(self, server: Server, door: Door) -> None:
        """Ask for every value of every session.

        Raises:
            Wrong: a prediction is off by more than TOLERANCE.
        """
        answers = asyncio.run(_answers(server.url, door, self.values))
        deviation = np.abs(answers - self._expected).max() / self._unit
        if not deviation <= TOLERANCE:
            raise Wrong(f"predictions are off by {deviation:.2g} scaled units")


async def _answers(url: str, door: Door, values: Values) -> Values:
    """At each step all sessions are asked at the same time, or in one request if the door takes many. -> (B, T)"""
    run = new_run()
    names = [f"{run}-{number}" for number in range(SESSIONS)]
    rows = [range(SESSIONS)] if door.sessions > 1 else [range(row, row + 1) for row in range(SESSIONS)]
    columns = []
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:

        async def ask(rows: Sequence[int], step: int) -> list[float]:
            body = door.ask([names[row] for row in rows], values[rows, step].tolist(), step)
            response = await client.post(door.path, content=body, headers={"content-type": "application/json"})
            return list(door.predictions(response.raise_for_status().json()))

        for step in range(LENGTH):
            answers = await asyncio.gather(*(ask(part, step) for part in rows))
            columns.append([prediction for answer in answers for prediction in answer])
    return np.array(columns).T
