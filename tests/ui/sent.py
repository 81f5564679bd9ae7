"""What pages have sent to the service, read from their requests."""

import json
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Request


def bodies(requests: Sequence[Request], path: str) -> list[dict[str, Any]]:
    """Of all requests to this path, in order."""
    return [json.loads(request.post_data or "") for request in requests if request.url.endswith(path)]


def values(requests: Sequence[Request], session_id: str) -> list[Any]:
    """All values that a session was sent, in order; what was sent again, once. None is a missing one.

    Raises:
        AssertionError: they leave out a step, or say something else the second time.
    """
    found: list[Any] = []
    for body in bodies(requests, "/predict"):
        if body["session_id"] == session_id:
            step, chunk = body["step"], body["values"]
            assert step <= len(found)
            again = found[step : step + len(chunk)]
            assert again == chunk[: len(again)]
            found += chunk[len(again) :]
    return found
