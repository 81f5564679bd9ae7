"""What the server holds for one stream."""

from dataclasses import dataclass

from models.predictor import Context


@dataclass(slots=True)
class Session:
    """A context after a step.

    context: (1, C), never changed in place; step: observations it has seen; used_at: seconds on the store's clock.
    """

    context: Context
    step: int = 0
    used_at: float = 0.0
