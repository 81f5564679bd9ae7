"""Conversations with the service, one module for each of its doors."""

from collections.abc import Mapping

from tests.load.doors.batches import Batches
from tests.load.doors.ceiling import Ceiling
from tests.load.doors.conversation import Conversation
from tests.load.doors.custody import Custody
from tests.load.doors.forecasts import Forecasts
from tests.load.doors.native import Chunks, SingleValues
from tests.load.doors.protocol import Protocol
from tests.load.doors.tokens import Tokens

__all__ = [
    "CEILING",
    "DOORS",
    "Batches",
    "Ceiling",
    "Chunks",
    "Conversation",
    "Custody",
    "Forecasts",
    "Protocol",
    "SingleValues",
    "Tokens",
]

DOORS: Mapping[str, type[Conversation]] = {
    "single": SingleValues,
    "chunks": Chunks,
    "batches": Batches,
    "forecasts": Forecasts,
    "tokens": Tokens,
    "v2": Protocol,
    "sessions": Custody,
}
"""By the names under which they are chosen."""

CEILING: Mapping[str, type[Conversation]] = {"ceiling": Ceiling}
"""What finds the limit of the generator itself."""
