import asyncio
import gc
from typing import Any

import bentoml
import pytest

from service.api import create
from service.door import Door
from service.settings import Settings
from tests.conftest import MakeCheckpoint
from tests.service.conftest import MakeClient


def test_bentoml_routes_and_the_door_answer_alike(make_client: MakeClient, make_checkpoint: MakeCheckpoint) -> None:
    """The same engine behind both: what BentoML calls in its own process equals what HTTP gives."""
    client = make_client(calibrated=True)
    instance = create(Settings(checkpoint=str(make_checkpoint(calibrated=True)), device="cpu"))()
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("predict", {"values": [1.5, None, 3.0], "session_id": "s"}),
        ("predict_batch", {"session_ids": ["a", "s", "?"], "values": [1.5, None, 3.0]}),
        ("forecast", {"horizon": 3, "session_id": "s"}),
    ]
    for name, body in bodies:
        response = asyncio.run(getattr(instance, name)(**body))
        plain = response.model_dump(exclude_none=True)
        assert client.post(f"/{name}", json=body).json() == plain
        assert not any(isinstance(number, float) and number != number for number in plain.values())


def test_its_routes_are_known_to_bentoml(make_checkpoint: MakeCheckpoint) -> None:
    service = create(Settings(checkpoint=str(make_checkpoint())))
    assert isinstance(service, bentoml.Service)
    assert {api.route for api in service.apis.values()} == {"/predict", "/predict_batch", "/forecast"}


@pytest.mark.parametrize("access_log", [False, True])
def test_the_door_stands_in_front_unless_bentoml_writes_the_access_log(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture, access_log: bool
) -> None:
    client = make_client(access_log=access_log)
    assert isinstance(client.app, Door) != access_log
    with caplog.at_level("INFO", "bentoml.access"):
        assert client.post("/predict", json={"values": [1]}).status_code == 200
    assert any("/predict" in record.getMessage() for record in caplog.records) == access_log


def test_objects_of_the_start_are_kept_from_the_garbage_collector(make_client: MakeClient) -> None:
    make_client()
    assert gc.get_freeze_count() > 10_000


def test_what_cannot_be_served_is_said_before_a_worker_starts() -> None:
    service = create(Settings(checkpoint="/none.safetensors"))
    with pytest.raises(SystemExit, match="no such file"):
        service.inner.refuse_early()
