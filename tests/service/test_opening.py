import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import save
from models.predictor import Device
from service.opening import check, open_engine
from service.schemas import PredictRequest
from service.settings import Settings
from tests.conftest import MakeCheckpoint, random_checkpoint


def test_too_short_a_history_is_refused_at_start(make_checkpoint: MakeCheckpoint) -> None:
    for warmup, history in ((None, 5), (6, 5)):
        path = save(replace(random_checkpoint(), warmup=warmup), make_checkpoint())
        with pytest.raises(SystemExit, match="ELMAN_SESSION_HISTORY=5 is too short"):
            open_engine(Settings(checkpoint=str(path), session_history=history))


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_it_opens_what_the_settings_name(make_checkpoint: MakeCheckpoint, device: Device) -> None:
    engine = open_engine(Settings(checkpoint=str(make_checkpoint()), device=device))
    answer = asyncio.run(engine.predict(PredictRequest(values=[9.0])))
    predictor = random_checkpoint().predictor("cpu")
    expected = predictor.observe(np.array([[[9.0]]]), predictor.zero_context()).predictions
    assert answer.response.predictions == expected[0, :, 0].tolist()


LIGHT = """
import sys
import service.api
from service.opening import open_engine
from service.settings import Settings
open_engine(Settings(checkpoint=sys.argv[1], device=sys.argv[2], adapt=sys.argv[3]))
sys.exit("torch" in sys.modules)
"""


@pytest.mark.parametrize(("device", "adapt", "torch"), [("cpu", "off", False), ("cpu", "rls", True)])
def test_only_what_needs_pytorch_waits_for_it(
    make_checkpoint: MakeCheckpoint, device: Device, adapt: str, torch: bool
) -> None:
    """To import it takes longer than everything else at a start."""
    arguments = str(make_checkpoint(calibrated=True)), device, adapt
    done = subprocess.run([sys.executable, "-c", LIGHT, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (int(torch), ""), done.stderr


def test_what_cannot_be_served_stops_the_start_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"elman: .*no such file"):
        open_engine(Settings(checkpoint=str(tmp_path / "none.safetensors")))


def test_a_check_takes_nothing(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/sessions.sqlite"
    settings = Settings(checkpoint=str(make_checkpoint()), session_store=store)
    check(settings)
    check(settings)  # the first let go of the file
    asyncio.run(open_engine(settings).close())
