import shutil

import bentoml
import pytest

from models import CheckpointError
from service.checkpoints import open_checkpoint
from tests.conftest import MakeCheckpoint


def test_a_file(make_checkpoint: MakeCheckpoint) -> None:
    assert open_checkpoint(str(make_checkpoint())).features == ("f0",)


def test_a_tag_of_the_model_store(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint(seed=9)
    with bentoml.models.create("elman-test") as model:
        shutil.copy(path, model.path_of("model.safetensors"))
    try:
        assert open_checkpoint(str(model.tag)).fingerprint == open_checkpoint(str(path)).fingerprint
        assert open_checkpoint("elman-test:latest").training == {"seed": 9}
    finally:
        bentoml.models.delete(model.tag)


def test_a_model_without_a_checkpoint() -> None:
    with bentoml.models.create("elman-empty") as model:
        pass
    try:
        with pytest.raises(CheckpointError, match=r"one \.safetensors file, it holds 0"):
            open_checkpoint(str(model.tag))
    finally:
        bentoml.models.delete(model.tag)


@pytest.mark.parametrize("name", ["nowhere:1", "nowhere.safetensors", "a/b:c"])
def test_what_does_not_exist(name: str) -> None:
    with pytest.raises(CheckpointError, match=name):
        open_checkpoint(name)
