"""The network, its runtime and its checkpoint file. Knows no HTTP, no BentoML and no data files."""

from models.calibration import Calibration
from models.checkpoint import Checkpoint, load, save
from models.config import ElmanConfig
from models.errors import CheckpointError, DeviceError, ModelError, NumericalError, ValueRangeError
from models.predictor import Predictor
from models.scaler import Scaler
from models.weights import Weights

__all__ = [
    "Calibration",
    "Checkpoint",
    "CheckpointError",
    "DeviceError",
    "ElmanConfig",
    "ModelError",
    "NumericalError",
    "Predictor",
    "Scaler",
    "ValueRangeError",
    "Weights",
    "load",
    "save",
]
