import asyncio
import gc
from typing import Any

import bentoml
import pytest

from service.api import create
from service.settings import Settings
from tests.conftest import MakeCheckpoint
from tests.service.conftest import MakeClient


def test_bentoml_routes_and_the_door_answer_alike(make_client: MakeClient, make_checkpoint: MakeCheckpoint) -> None:
    """The same engine behind both: what BentoML calls in its own process equals what HTTP gives."""
    client = make_client()
    instance = create(Settings(checkpoint=str(make_checkpoint()), device="cpu"))()
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("predict", {"values": [1.5, None, 3.0], "session_id": "s"}),
        ("forecast", {"horizon": 3, "session_id": "s"}),
    ]
    for name, body in bodies:
        response = asyncio.run(getattr(instance, name)(**body))
        assert client.post(f"/{name}", json=body).json() == response.model_dump(exclude_none=True)


def test_its_routes_are_known_to_bentoml(make_checkpoint: MakeCheckpoint) -> None:
    service = create(Settings(checkpoint=str(make_checkpoint())))
    assert isinstance(service, bentoml.Service)
    assert {api.route for api in service.apis.values()} == {"/predict", "/forecast"}


def test_objects_of_the_start_are_kept_from_the_garbage_collector(make_client: MakeClient) -> None:
    make_client()
    assert gc.get_freeze_count() > 10_000


def test_what_cannot_be_served_is_said_before_a_worker_starts() -> None:
    service = create(Settings(checkpoint="/none.safetensors"))
    with pytest.raises(SystemExit, match="no such file"):
        service.inner.refuse_early()
