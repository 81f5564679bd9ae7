"""What can go wrong before a checkpoint exists. The command line turns these into one line and exit code 2."""


class TrainingError(Exception):
    """Base of every error of this package; its text is one sentence a person can act on."""


class DataError(TrainingError):
    """The data cannot be used as asked."""


class DivergenceError(TrainingError):
    """The loss stopped being a number."""


class WorseThanNaiveError(TrainingError):
    """The model would predict worse than the last value does."""
