"""One safetensors file: the weights, and everything needed to trust and to use them. Never a pickle.

The format is described in docs/checkpoint.md.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
from safetensors.numpy import save as to_safetensors

from models.calibration import Calibration
from models.config import ElmanConfig
from models.errors import CheckpointError, ModelError
from models.predictor import ALARM_RATE, Device, Predictor, Values
from models.scaler import Scaler
from models.weights import Weights

if TYPE_CHECKING:
    from models.elman import Elman

FORMAT_VERSION = "1"
MAX_HEADER_BYTES = 4 * 1024 * 1024
GOLDEN_STEPS = 12
GOLDEN_TOLERANCE = 1e-5  # scaled units; float32 on another CPU or a GPU stays well inside


@dataclass(frozen=True)
class Checkpoint:
    """A trained network for next-value prediction: its outputs are the next values of its inputs.

    The first `targets` features are what it is asked for (None: all). The others are exogenous: they are observed, and
    predicted only so that a forecast and a missing value have something to go on with.
    `training` is the record of how it came to be (data, split, seed, versions, metrics); free-form JSON.
    `warmup` is after how many observations the network has forgotten its start, None if it never did. `calibration` is
    what is known of its errors; without it there are no intervals and no alarms.

    Raises:
        ValueError: the parts do not fit each other.
    """

    weights: Weights
    scaler: Scaler
    features: tuple[str, ...]
    units: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    warmup: int | None = None
    targets: int | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        config, width = self.weights.config, len(self.features)
        if not config.input_size == config.output_size == width == len(self.scaler.mean):
            raise ValueError(
                f"{width} features need as many inputs, outputs and scales; the network has {config.input_size} "
                f"inputs and {config.output_size} outputs, the scaler {len(self.scaler.mean)} scales"
            )
        if self.units and len(self.units) != width:
            raise ValueError(f"{width} features need as many units, not {len(self.units)}")
        if self.targets is not None and not (type(self.targets) is int and 1 <= self.targets <= width):
            raise ValueError(f"targets must be how many of the {width} features count, not {self.targets!r}")
        if self.warmup is not None and (type(self.warmup) is not int or self.warmup < 0):
            raise ValueError(f"warmup must be a number of observations, not {self.warmup!r}")
        if self.calibration is not None and self.calibration.targets != (self.targets or width):
            raise ValueError(f"calibration of {self.calibration.targets} targets, not of {self.targets or width}")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over weights, configuration and calibration: checkpoints that share it have the same contexts."""
        described = {"config": self.weights.config.description(), "scaler": asdict(self.scaler)}
        if self.calibration is not None:
            described["calibration"] = self.calibration.description()
        digest = hashlib.sha256(_json(described).encode())
        for name, array in sorted(self.weights.arrays.items()):
            digest.update(name.encode() + array.astype("<f4").tobytes())
        return digest.hexdigest()

    @cached_property
    def network(self) -> "Elman":
        """The network in PyTorch, to be trained on or compared with."""
        return self.weights.network()

    def predictor(
        self, device: Device = "auto", *, alarm_rate: float = ALARM_RATE, adapt: bool = False, kernel: bool = True
    ) -> Predictor:
        """The runtime of this checkpoint on a device."""
        parts = self.weights, self.scaler, device, self.targets, self.calibration
        return Predictor(*parts, alarm_rate=alarm_rate, adapt=adapt, kernel=kernel)


def save(checkpoint: Checkpoint, path: str | os.PathLike[str]) -> Path:
    """Write the file completely or not at all: to a temporary file beside it, then renamed.

    Raises:
        OSError: the place cannot be written.
        NumericalError: the network does not even survive the golden input.
    """
    path = Path(path)
    questions = _golden_values(checkpoint)
    metadata = {
        "format_version": FORMAT_VERSION,
        "config": _json(checkpoint.weights.config.description()),
        "features": _json(checkpoint.features),
        "units": _json(checkpoint.units),
        "scaler": _json(asdict(checkpoint.scaler)),
        "training": _json(checkpoint.training),
        "warmup": _json(checkpoint.warmup),
        "targets": _json(checkpoint.targets),
        "calibration": _json(checkpoint.calibration.description() if checkpoint.calibration else None),
        "golden": _json({"values": _nullable(questions)} | _nullables(_replay(checkpoint, questions))),
        "fingerprint": checkpoint.fingerprint,
    }
    content = _canonical(to_safetensors(dict(checkpoint.weights.arrays), metadata=metadata))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint and prove it: structure, version, shapes, fingerprint, and the golden pair replayed.

    Raises:
        CheckpointError: naming the file, the cause, and where possible the remedy.
    """
    path = Path(path)
    try:
        _check_envelope(path)
        with safetensors.safe_open(path, framework="np") as file:
            return _parse(file.metadata() or {}, {name: file.get_slice(name) for name in file.keys()})  # noqa: SIM118 (not a dict)
    except ModelError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: damaged or truncated ({error})") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from None


def _check_envelope(path: Path) -> None:
    """What can be told from the first bytes, before a parser sees the file."""
    if not path.exists():
        raise CheckpointError("no such file; train one with `make train` or `python -m training fit`")
    if not path.is_file():
        raise CheckpointError("not a file")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(9)
    is_header = start[8:] == b"{"  # its length may begin as a pickle does
    if not is_header and (start[:1] == b"\x80" or start[:4] == b"PK\x03\x04"):
        raise CheckpointError("a pickle, not a safetensors file; pickles run code and are never loaded")
    if len(start) < 8:
        raise CheckpointError("truncated: not even the header's length is there")
    header = int.from_bytes(start[:8], "little")
    if header > MAX_HEADER_BYTES:
        raise CheckpointError(f"not a checkpoint: it claims a header of {header} bytes, {MAX_HEADER_BYTES} are allowed")
    if header + 8 > size:
        raise CheckpointError(f"truncated: the header has {header} bytes, the file {size}")


def _parse(metadata: Mapping[str, str], slices: Mapping[str, Any]) -> Checkpoint:
    version = metadata.get("format_version")
    if version is None:
        raise CheckpointError("a safetensors file, but not a checkpoint of this program: no format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(f"format version {version}; this program reads version {FORMAT_VERSION}")
    try:
        options = json.loads(metadata["config"])
        config = ElmanConfig(**{**options, "taps": tuple(options.get("taps", ()))})
        scaler = Scaler(**{key: tuple(numbers) for key, numbers in json.loads(metadata["scaler"]).items()})
        features, units = (tuple(map(str, json.loads(metadata[key]))) for key in ("features", "units"))
        training, warmup = json.loads(metadata["training"]), json.loads(metadata["warmup"])
        targets = json.loads(metadata.get("targets", "null"))
        calibration = json.loads(metadata.get("calibration", "null"))
        golden = json.loads(metadata["golden"])
        stored = metadata["fingerprint"]
        _check_shapes(config, slices)
        weights = Weights(config, {name: part[:] for name, part in slices.items()})
        known = None if calibration is None else Calibration.of(calibration)
        checkpoint = Checkpoint(weights, scaler, features, units, training, warmup, targets, known)
        questions = np.array(golden.pop("values"), dtype=np.float64)
        answers = {name: np.array(rows, dtype=np.float64) for name, rows in golden.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"its metadata is not valid ({type(error).__name__}: {error})") from None
    if checkpoint.fingerprint != stored:
        raise CheckpointError("weights or configuration do not match the fingerprint; it was altered after training")
    if questions.ndim != 2 or questions.shape[1] != len(features):
        raise CheckpointError("its golden pair has the wrong shape")
    replayed = _replay(checkpoint, questions)
    if replayed.keys() != answers.keys() or any(replayed[name].shape != answers[name].shape for name in answers):
        raise CheckpointError("its golden pair has the wrong shape")
    if not all(_near(replayed[name], answers[name], checkpoint.scaler) for name in answers):
        raise CheckpointError(
            "it does not reproduce its golden pair: the file was altered, another version wrote it, or this machine "
            "computes differently; train it again"
        )
    return checkpoint


def _near(replayed: Values, stored: Values, scaler: Scaler) -> bool:
    """(T, O) raw units; NaN only where the other has it."""
    with np.errstate(invalid="ignore"):
        deviation = np.abs(replayed - stored) / scaler.scale[: stored.shape[1]]
    return bool(((deviation <= GOLDEN_TOLERANCE) | (np.isnan(replayed) & np.isnan(stored))).all())


def _check_shapes(config: ElmanConfig, slices: Mapping[str, Any]) -> None:
    expected = config.shapes()
    if expected.keys() != slices.keys():
        raise CheckpointError(f"tensors {sorted(slices)} do not belong to its configuration ({sorted(expected)})")
    for name, shape in expected.items():
        found, dtype = tuple(slices[name].get_shape()), slices[name].get_dtype()
        if found != shape or dtype != "F32":
            raise CheckpointError(f"tensor {name} is {dtype} {found}, its configuration says F32 {shape}")


def _replay(checkpoint: Checkpoint, values: Values) -> dict[str, Values]:
    """(T, F) -> (T, O) of predictions and bounds, from the zero context, as the CPU serves them."""
    predictor = checkpoint.predictor("cpu")
    observed = predictor.observe(values[None], predictor.zero_context())
    replayed = {"predictions": observed.predictions[0]}
    if observed.watch is not None:
        replayed |= {"lower": observed.watch.lower[0], "upper": observed.watch.upper[0]}
    return replayed


def _golden_values(checkpoint: Checkpoint) -> Values:
    """A deterministic walk through the scaler's range with one missing value, (T, F) raw units."""
    phases = np.arange(GOLDEN_STEPS)[:, None] + np.arange(len(checkpoint.features))[None, :]
    values: Values = np.asarray(checkpoint.scaler.mean) + 1.5 * np.sin(phases) * checkpoint.scaler.scale
    values[GOLDEN_STEPS // 2] = np.nan
    return values


def _nullable(values: Values) -> list[list[float | None]]:
    """JSON has no NaN: a missing value is null."""
    return [[None if np.isnan(value) else value for value in row] for row in values.tolist()]


def _nullables(named: Mapping[str, Values]) -> dict[str, list[list[float | None]]]:
    return {name: _nullable(values) for name, values in named.items()}


def _canonical(content: bytes) -> bytes:
    """The header in a fixed order: the library leaves that of the metadata to chance, the same is to be the same."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = _json(json.loads(content[8:end])).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
