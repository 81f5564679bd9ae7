import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import load_file, save_file

from models import Checkpoint, CheckpointError, ElmanConfig, Scaler, load, save
from models.elman import Elman
from tests.conftest import MakeCheckpoint, random_checkpoint
from tests.models.examples import SKEWED, calibration

Metadata = dict[str, str]
Tensors = dict[str, torch.Tensor]


def rewrite(path: Path, change: Callable[[Metadata, Tensors], Any]) -> None:
    """Open a checkpoint as an attacker would, change it, and write it back as well-formed safetensors."""
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    change(metadata, tensors)
    save_file(tensors, path, metadata)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "nonlinearity": "relu", "bias": False, "features": 3},
    {"taps": (1, 2, 12)},
    {"residual": True},
    {"features": 2, "per_stream_scale": True},
    {"features": 2, "num_layers": 2, "taps": (1, 7), "residual": True, "per_stream_scale": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_is_saved_is_loaded(tmp_path: Path, options: dict[str, Any]) -> None:
    checkpoint = random_checkpoint(**options)
    loaded = load(save(checkpoint, tmp_path / "model.safetensors"))
    assert loaded.network.config == checkpoint.network.config
    assert loaded.scaler == checkpoint.scaler
    assert loaded.features == checkpoint.features
    assert loaded.training == checkpoint.training
    assert loaded.fingerprint == checkpoint.fingerprint
    values = np.full((1, 3, len(loaded.features)), 11.0)
    one, other = loaded.predictor("cpu"), checkpoint.predictor("cpu")
    np.testing.assert_array_equal(
        one.observe(values, one.zero_context()).predictions, other.observe(values, other.zero_context()).predictions
    )


def test_the_fingerprint_changes_with_weights_and_with_the_scaler() -> None:
    checkpoint, other_weights = random_checkpoint(), random_checkpoint(seed=1)
    other_scaler = Checkpoint(checkpoint.weights, Scaler((0.0,), (1.0,)), checkpoint.features)
    assert len({c.fingerprint for c in (checkpoint, other_weights, other_scaler)}) == 3


def test_the_fingerprint_changes_with_every_option() -> None:
    options: list[dict[str, Any]] = [{}, {"residual": True}, {"per_stream_scale": True}, {"taps": (1,)}, {"taps": (2,)}]
    assert len({random_checkpoint(**each).fingerprint for each in options}) == 5


def test_the_same_checkpoint_is_the_same_file(tmp_path: Path) -> None:
    contents = {save(random_checkpoint(features=3), tmp_path / str(number)).read_bytes() for number in range(4)}
    assert len(contents) == 1


def test_a_file_from_before_an_option_existed_is_loaded(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint()
    with safetensors.safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["config"]).keys().isdisjoint({"taps", "residual", "per_stream_scale"})
    rewrite(path, lambda metadata, tensors: (metadata.pop("targets"), metadata.pop("calibration")))
    loaded = load(path)
    assert loaded.fingerprint == random_checkpoint().fingerprint
    assert loaded.targets is None
    assert loaded.calibration is None
    assert loaded.network.config == ElmanConfig(1, 6, 1)


def test_a_fingerprint_never_drifts() -> None:
    """Contexts that are out there are told by it; it is of a network without any of the later options."""
    network = Elman(ElmanConfig(1, 2, 1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.5)
    checkpoint = Checkpoint(network.weights(), Scaler((1.0,), (2.0,)), ("x",))
    assert checkpoint.fingerprint == "1c0e422c679f3bcf0dd03d2425ae0673867447438fcdc8b0b332eb61c92768b5"


def test_the_first_features_are_targets_and_the_others_exogenous(tmp_path: Path) -> None:
    whole = random_checkpoint(features=3, taps=(1,))
    checkpoint = replace(whole, targets=2)
    loaded = load(save(checkpoint, tmp_path / "model.safetensors"))
    assert loaded.targets == 2
    assert loaded.fingerprint == whole.fingerprint
    values = np.random.default_rng(0).normal(15, 5, size=(1, 9, 3))
    predictor = loaded.predictor("cpu")
    predictions = predictor.observe(values, predictor.zero_context()).predictions
    assert predictions.shape == (1, 9, 2)
    np.testing.assert_array_equal(
        predictions, whole.predictor("cpu").observe(values, predictor.zero_context()).predictions[..., :2]
    )


@pytest.mark.parametrize("targets", [0, 3, -1, True, 1.0])
def test_targets_that_are_not_some_of_the_features_are_refused(targets: Any) -> None:
    with pytest.raises(ValueError, match="targets must be how many of the 2 features count"):
        replace(random_checkpoint(features=2), targets=targets)


def test_targets_that_do_not_fit_make_a_file_invalid(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint(features=2)
    rewrite(path, lambda metadata, tensors: metadata.update(targets="3"))
    with pytest.raises(CheckpointError, match="targets must be"):
        load(path)
    rewrite(path, lambda metadata, tensors: metadata.update(targets="1"))
    with pytest.raises(CheckpointError, match="golden pair has the wrong shape"):
        load(path)


def test_saving_leaves_nothing_else_behind(tmp_path: Path) -> None:
    save(random_checkpoint(), tmp_path / "new folder" / "model.safetensors")
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["model.safetensors"]


def test_saving_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(random_checkpoint(), tmp_path / "model.safetensors")
    before = path.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(random_checkpoint(seed=1), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 features"):
        Checkpoint(Elman(ElmanConfig(1, 4, 1)).weights(), Scaler.identity(1), ("a", "b"))
    with pytest.raises(ValueError, match="units"):
        Checkpoint(Elman(ElmanConfig(1, 4, 1)).weights(), Scaler.identity(1), ("a",), units=("K", "m"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file; train one"):
        load(tmp_path / "none.safetensors")


def test_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a file"):
        load(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 0.5, -1])
def test_truncated(make_checkpoint: MakeCheckpoint, kept: float) -> None:
    path = make_checkpoint()
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])
    with pytest.raises(CheckpointError, match="truncated"):
        load(path)


def test_longer_than_it_says(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint()
    path.write_bytes(path.read_bytes() + b"\0" * 64)
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)


def test_header_too_large(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint()
    path.write_bytes((2**40).to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(CheckpointError, match="claims a header of 1099511627776 bytes"):
        load(path)


@pytest.mark.parametrize(
    "write", [lambda path: path.write_bytes(pickle.dumps({"w": 1})), lambda path: torch.save({}, path)]
)
def test_a_pickle_is_never_loaded(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "model.safetensors"
    write(path)
    with pytest.raises(CheckpointError, match="pickle"):
        load(path)


def test_another_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of this program"):
        load(path)


def test_wrong_version(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint()
    rewrite(path, lambda metadata, tensors: metadata.update(format_version="99"))
    with pytest.raises(CheckpointError, match="version 99; this program reads version 1"):
        load(path)


@pytest.mark.parametrize(
    "tensor", [torch.zeros(9, 6), torch.zeros(7, 6, dtype=torch.float64), torch.zeros(42)], ids=["size", "type", "flat"]
)
def test_wrong_shape(make_checkpoint: MakeCheckpoint, tensor: torch.Tensor) -> None:
    path = make_checkpoint()
    rewrite(path, lambda metadata, tensors: tensors.update({"hidden_weights.0": tensor}))
    with pytest.raises(CheckpointError, match=r"hidden_weights\.0 is"):
        load(path)


def test_a_missing_tensor(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint()
    rewrite(path, lambda metadata, tensors: tensors.pop("readout_bias"))
    with pytest.raises(CheckpointError, match="do not belong to its configuration"):
        load(path)


def test_absurd_sizes_are_refused_before_anything_is_allocated(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint()
    config = json.dumps({"input_size": 1, "hidden_size": 10**12, "output_size": 1})
    rewrite(path, lambda metadata, tensors: metadata.update(config=config))
    with pytest.raises(CheckpointError, match="hidden_size"):
        load(path)


@pytest.mark.parametrize("key", ["config", "features", "units", "scaler", "training", "golden", "fingerprint"])
def test_metadata_that_is_gone_or_garbled(make_checkpoint: MakeCheckpoint, key: str) -> None:
    path = make_checkpoint()
    rewrite(path, lambda metadata, tensors: metadata.pop(key))
    with pytest.raises(CheckpointError):
        load(path)
    path = make_checkpoint()
    rewrite(path, lambda metadata, tensors: metadata.update({key: "[[["}))
    with pytest.raises(CheckpointError):
        load(path)


def test_altered_weights(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint()
    rewrite(path, lambda metadata, tensors: tensors["readout_weight"].add_(1e-3))
    with pytest.raises(CheckpointError, match="altered after training"):
        load(path)


@pytest.mark.parametrize("part", ["values", "predictions"])
def test_tampered_golden_pair(make_checkpoint: MakeCheckpoint, part: str) -> None:
    path = make_checkpoint()

    def tamper(metadata: Metadata, tensors: Tensors) -> None:
        golden = json.loads(metadata["golden"])
        golden[part][3][0] += 0.01
        metadata["golden"] = json.dumps(golden)

    rewrite(path, tamper)
    with pytest.raises(CheckpointError, match="golden pair"):
        load(path)


def test_golden_pair_of_another_shape(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint()
    rewrite(path, lambda metadata, tensors: metadata.update(golden='{"values": [], "predictions": []}'))
    with pytest.raises(CheckpointError, match="golden pair has the wrong shape"):
        load(path)


def watching(targets: int = 1, **options: Any) -> Checkpoint:
    """With a calibration whose numbers have no short decimals."""
    known = replace(calibration(targets, quantiles=SKEWED), error=(0.1 + 0.2,) * targets, settling=(4 / 3, 1.0))
    return replace(random_checkpoint(targets, **options), calibration=known)


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"taps": (1, 2), "per_stream_scale": True}], ids=str)
def test_a_calibration_is_loaded_bit_by_bit(tmp_path: Path, options: dict[str, Any]) -> None:
    checkpoint = watching(2, **options)
    loaded = load(save(checkpoint, tmp_path / "model.safetensors"))
    assert loaded.calibration == checkpoint.calibration
    assert loaded.fingerprint == checkpoint.fingerprint
    values = np.random.default_rng(0).normal(15, 5, size=(1, 9, 2))
    one, other = (each.predictor("cpu") for each in (loaded, checkpoint))
    found, expected = (each.observe(values, each.zero_context()) for each in (one, other))
    assert found.watch is not None
    assert expected.watch is not None
    np.testing.assert_array_equal(found.watch.lower, expected.watch.lower)
    np.testing.assert_array_equal(found.watch.anomaly, expected.watch.anomaly)
    np.testing.assert_array_equal(found.context, expected.context)


def test_the_fingerprint_changes_with_the_calibration_and_all_its_parts() -> None:
    checkpoint, known = watching(), calibration()
    others = [
        replace(known, level=0.8),
        replace(known, error=(0.5,)),
        replace(known, quantiles=(SKEWED,)),
        replace(known, tail=((0.2, 0.1),)),
        replace(known, settling=(2.0, 1.0, 1.0)),
        replace(known, horizons=(1, 2, 4, 9)),
        replace(known, paths=known.paths[:1] * 4),
    ]
    checkpoints = [replace(checkpoint, calibration=each) for each in (None, known, *others)]
    assert len({each.fingerprint for each in checkpoints}) == len(checkpoints)
    assert checkpoints[0].fingerprint == random_checkpoint().fingerprint


def test_a_calibration_of_other_targets_is_refused() -> None:
    with pytest.raises(ValueError, match="calibration of 1 targets, not of 2"):
        replace(random_checkpoint(2), calibration=calibration(1))
    with pytest.raises(ValueError, match="calibration of 2 targets, not of 1"):
        replace(random_checkpoint(2), calibration=calibration(2), targets=1)
    replace(random_checkpoint(2), calibration=calibration(1), targets=1)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda described: described.update(level=0.8), "altered after training"),
        (lambda described: described["error"].__setitem__(0, 0.31), "altered after training"),
        (lambda described: described["paths"][3][0].__setitem__(0, -99.0), "altered after training"),
        (lambda described: described["tail"][0].__setitem__(1, 0.4), "altered after training"),
        (lambda described: described.update(level=1.5), "level must be"),
        (lambda described: described.update(level="high"), "metadata is not valid"),
        (lambda described: described["quantiles"][0].reverse(), "quantiles must not fall"),
        (lambda described: described.update(horizons=[2, 3, 4, 5]), "horizons must be whole numbers that rise"),
        (lambda described: described["error"].append(1.0), "quantiles must be finite numbers of shape"),
        (lambda described: described.pop("tail"), "metadata is not valid"),
        (lambda described: described.update(other=1), "metadata is not valid"),
    ],
)
def test_an_altered_calibration(tmp_path: Path, change: Callable[[dict[str, Any]], Any], cause: str) -> None:
    path = save(watching(), tmp_path / "model.safetensors")

    def tamper(metadata: Metadata, tensors: Tensors) -> None:
        described = json.loads(metadata["calibration"])
        change(described)
        metadata["calibration"] = json.dumps(described)

    rewrite(path, tamper)
    with pytest.raises(CheckpointError, match=cause):
        load(path)


@pytest.mark.parametrize("garbled", ["[[[", "[]", "7", "{}", '"none"'])
def test_a_garbled_calibration(tmp_path: Path, garbled: str) -> None:
    path = save(watching(), tmp_path / "model.safetensors")
    rewrite(path, lambda metadata, tensors: metadata.update(calibration=garbled))
    with pytest.raises(CheckpointError, match="metadata is not valid"):
        load(path)


def test_a_calibration_taken_out_or_put_in(tmp_path: Path) -> None:
    path, bare = save(watching(), tmp_path / "watching"), save(random_checkpoint(), tmp_path / "bare")
    described = json.dumps(watching().calibration.description())  # type: ignore[union-attr]
    rewrite(path, lambda metadata, tensors: metadata.pop("calibration"))
    rewrite(bare, lambda metadata, tensors: metadata.update(calibration=described))
    for each in (path, bare):
        with pytest.raises(CheckpointError, match="altered after training"):
            load(each)


@pytest.mark.parametrize("bound", ["lower", "upper"])
def test_the_golden_pair_covers_the_intervals(tmp_path: Path, bound: str) -> None:
    path = save(watching(), tmp_path / "model.safetensors")

    def tamper(metadata: Metadata, tensors: Tensors) -> None:
        golden = json.loads(metadata["golden"])
        golden[bound][3][0] += 0.01
        metadata["golden"] = json.dumps(golden)

    def unknown(metadata: Metadata, tensors: Tensors) -> None:
        golden = json.loads(metadata["golden"])
        golden[bound][3][0] = None
        metadata["golden"] = json.dumps(golden)

    def without(metadata: Metadata, tensors: Tensors) -> None:
        golden = json.loads(metadata["golden"])
        golden.pop(bound)
        metadata["golden"] = json.dumps(golden)

    for change, cause in (
        (tamper, "does not reproduce its golden pair"),
        (unknown, "does not reproduce its golden pair"),
        (without, "golden pair has the wrong shape"),
    ):
        rewrite(path, change)
        with pytest.raises(CheckpointError, match=cause):
            load(path)


@pytest.mark.parametrize("size", [1, 2])
def test_a_header_of_any_length_is_read(tmp_path: Path, size: int) -> None:
    """Also one whose length begins with the byte that a pickle begins with."""
    lengths = set()
    for padding in range(0, 264, 8):
        record = {"note": "x" * padding}
        path = save(replace(random_checkpoint(hidden_size=size), training=record), tmp_path / "model.safetensors")
        lengths.add(path.read_bytes()[0])
        assert load(path).training == record
    assert 0x80 in lengths
