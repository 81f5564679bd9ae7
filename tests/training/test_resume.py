from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models import Checkpoint
from tests.training.examples import QUICK, dataset, logistic, same, splits
from training.errors import TrainingError
from training.fit import silent
from training.loop import Options
from training.train import train

SERIES = logistic(200)
OPTIONS = replace(QUICK, epochs=4, patience=4, learning_rate=0.01)


def run(
    options: Options, state: Path | None = None, tell: Callable[[str, float], None] = silent, resume: bool = False
) -> Checkpoint:
    trained = train(dataset(SERIES), splits(SERIES), options, names=("naive",), tell=tell, state=state, resume=resume)
    return trained.checkpoint


def interrupted(options: Options, state: Path, epochs: int) -> None:
    """Ctrl-C after so many epochs."""
    seen = -1  # the first loss that is told is the start's

    def tell(what: str, loss: float) -> None:
        nonlocal seen
        seen += what == "epoch"
        if seen == epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(options, state, tell)
    assert state.exists()


@pytest.mark.parametrize(
    ("change", "epochs"),
    [({}, 0), ({}, 2), ({}, 4), ({"closed_loop": 5}, 2), ({"num_layers": 2, "bias": False, "starts": 2}, 1)],
    ids=str,
)
def test_what_is_resumed_ends_bit_by_bit_as_if_never_interrupted(
    tmp_path: Path, change: dict[str, object], epochs: int
) -> None:
    options, state = replace(OPTIONS, keep="network", **change), tmp_path / "state"  # type: ignore[arg-type]
    interrupted(options, state, epochs)
    told: list[str] = []
    resumed = run(options, state, lambda what, _loss: told.append(what), resume=True)
    assert told.count("epoch") == OPTIONS.epochs + 1 - epochs
    whole = run(options)
    assert same(resumed.network, whole.network)
    assert resumed.fingerprint == whole.fingerprint
    assert resumed.training == whole.training


def test_one_may_be_interrupted_twice(tmp_path: Path) -> None:
    options, state = replace(OPTIONS, closed_loop=3), tmp_path / "state"
    interrupted(options, state, 1)

    def tell(what: str, loss: float, losses: list[float] = []) -> None:  # noqa: B006  # kept from call to call
        losses += [loss] if what == "epoch" else []
        if len(losses) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(options, state, tell, resume=True)
    assert run(options, state, resume=True).fingerprint == run(options).fingerprint


def test_nothing_is_left_after_success(tmp_path: Path) -> None:
    run(OPTIONS, tmp_path / "folder" / "state")
    assert list((tmp_path / "folder").iterdir()) == []


def test_where_there_is_nothing_to_resume_it_begins(tmp_path: Path) -> None:
    assert run(OPTIONS, tmp_path / "state", resume=True).fingerprint == run(OPTIONS).fingerprint


def test_unless_asked_to_resume_it_begins_anew(tmp_path: Path) -> None:
    interrupted(OPTIONS, tmp_path / "state", 3)
    told: list[str] = []
    run(OPTIONS, tmp_path / "state", lambda what, _loss: told.append(what))
    assert told.count("epoch") == OPTIONS.epochs + 1


def test_the_state_of_another_training_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    interrupted(OPTIONS, state, 1)
    before = state.read_bytes()
    with pytest.raises(TrainingError, match="other data, options or libraries; train again without --resume"):
        run(replace(OPTIONS, learning_rate=0.02), state, resume=True)
    other = replace(dataset(SERIES), sha256="1" * 64)
    with pytest.raises(TrainingError, match="other data, options or libraries"):
        train(other, splits(SERIES), OPTIONS, names=("naive",), state=state, resume=True)
    assert state.read_bytes() == before


@pytest.mark.parametrize("kept", [0, 7, 0.5, 0.99])
def test_a_damaged_state_is_refused(tmp_path: Path, kept: float) -> None:
    state = tmp_path / "state"
    interrupted(OPTIONS, state, 1)
    content = state.read_bytes()
    state.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    with pytest.raises(TrainingError, match=r"damaged .*; train again without --resume"):
        run(OPTIONS, state, resume=True)


def test_another_safetensors_file_is_no_state(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(2)}, tmp_path / "state")
    with pytest.raises(TrainingError, match="train again without --resume"):
        run(OPTIONS, tmp_path / "state", resume=True)
