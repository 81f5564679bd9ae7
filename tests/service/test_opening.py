import asyncio
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


def test_what_cannot_be_served_stops_the_start_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"elman: .*no such file"):
        open_engine(Settings(checkpoint=str(tmp_path / "none.safetensors")))


def test_a_check_takes_nothing(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/sessions.sqlite"
    settings = Settings(checkpoint=str(make_checkpoint()), session_store=store)
    check(settings)
    check(settings)  # the first let go of the file
    open_engine(settings).close()
