"""What can go wrong in the network, its runtime and its file. No HTTP here."""


class ModelError(Exception):
    """Base of every error of this package; its text is one sentence a person can act on."""


class CheckpointError(ModelError):
    """The checkpoint file cannot be trusted: damaged, foreign, tampered with or of another version."""


class DeviceError(ModelError):
    """The device asked for does not exist on this machine."""


class NumericalError(ModelError):
    """The network produced NaN or infinity. The context given is untouched."""


class ValueRangeError(ModelError):
    """An observation is so far from the model's scale that float32 cannot hold it."""
