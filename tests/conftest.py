"""Shared by all tests: small random checkpoints, so that no test waits for training."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from models import Checkpoint, ElmanConfig, Scaler, save
from models.elman import Elman
from tests.models.examples import calibration

for variable in [name for name in os.environ if name.startswith("ELMAN_")]:
    del os.environ[variable]  # no test depends on the user's own settings
os.environ["BENTOML_HOME"] = tempfile.mkdtemp(prefix="bentoml-")  # no test touches the user's own store
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for scipy, which is not loaded yet; matrices are small
os.environ["BENTOML_DO_NOT_TRACK"] = "True"

settings.register_profile("default", deadline=None, derandomize=True)  # shared machines are slow at times
settings.load_profile("default")

torch.set_num_threads(1)

MakeCheckpoint = Callable[..., Path]


def random_checkpoint(
    features: int = 1, hidden_size: int = 6, seed: int = 0, calibrated: bool = False, **options: object
) -> Checkpoint:
    """An untrained network over features f0, f1, … with means 10, 20, … and scales 4, 5, …."""
    config = ElmanConfig(features, hidden_size, features, **options)  # type: ignore[arg-type]
    scaler = Scaler(tuple(10.0 * (i + 1) for i in range(features)), tuple(4.0 + i for i in range(features)))
    network = Elman(config, torch.Generator().manual_seed(seed))
    names = tuple(f"f{i}" for i in range(features))
    known = calibration(features, error=1.0, settling=(2.0, 1.5, 1.0)) if calibrated else None
    return Checkpoint(network.weights(), scaler, names, training={"seed": seed}, calibration=known)


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> MakeCheckpoint:
    """Write a random checkpoint and give its path."""

    def make(name: str = "model.safetensors", **options: object) -> Path:
        return save(random_checkpoint(**options), tmp_path / name)  # type: ignore[arg-type]

    return make
