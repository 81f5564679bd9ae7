"""The Bento that `make build` packs, served from its own folder."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import numpy as np

from models import load
from tests.server import ROOT, serving


def test_the_built_bento_predicts_from_its_own_folder(tmp_path: Path) -> None:
    output = subprocess.check_output(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag"],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(tmp_path)},
        text=True,
    )
    name, version = output.strip().rsplit("__tag__:", 1)[1].split(":")
    bento = tmp_path / "bentos" / name / version
    files = {str(path.relative_to(bento / "src")) for path in (bento / "src").rglob("*") if path.is_file()}
    assert files >= {"service/api.py", "models/elman.py", "models/checkpoints/sunspots.safetensors"}
    assert not any(file.startswith(("training", "tests")) for file in files)

    predictor = load(ROOT / "models/checkpoints/sunspots.safetensors").predictor("cpu")
    values = np.array([5.0, 11.0, 16.0])
    expected = predictor.observe(values[None, :, None], predictor.zero_context()).predictions
    with serving(None, target=str(bento), working_directory=tmp_path) as server:
        answer = httpx2.post(f"{server.url}/predict", json={"values": values.tolist()}).json()
    assert answer["predictions"] == expected[0, :, 0].tolist()
