"""The network, its runtime and its checkpoint file. Knows no HTTP, no BentoML and no data files."""

from models.calibration import Calibration
from models.checkpoint import Checkpoint, load, save
from models.config import ElmanConfig
from models.elman import Elman
from models.errors import CheckpointError, DeviceError, ModelError, NumericalError, ValueRangeError
from models.predictor import Predictor
from models.scaler import Scaler

__all__ = [
    "Calibration",
    "Checkpoint",
    "CheckpointError",
    "DeviceError",
    "Elman",
    "ElmanConfig",
    "ModelError",
    "NumericalError",
    "Predictor",
    "Scaler",
    "ValueRangeError",
    "load",
    "save",
]
