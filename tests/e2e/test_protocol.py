"""Triton's own client, unchanged, over a socket: what it is answered is what the native door says."""

import asyncio
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

from models import save
from tests.conftest import random_checkpoint
from tests.server import ROOT, Server, serving

MODEL = "elman"
NAMES = {"prediction": "predictions", "lower": "lower", "upper": "upper", "anomaly": "anomaly"}
SERIES = np.random.default_rng(0).normal(10, 4, (4, 12)).round(3)  # streams, time
WAYS = {
    "binary": (True, True, {}),
    "JSON": (False, False, {}),
    "binary in, JSON out": (True, False, {}),
    "gzip": (True, True, {"request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"}),
    "deflate": (False, True, {"request_compression_algorithm": "deflate", "response_compression_algorithm": "deflate"}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("protocol")
    checkpoint = save(random_checkpoint(calibrated=True), folder / "model.safetensors")
    with serving(checkpoint, elman_session_store=f"sqlite:///{folder}/sessions.db") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as opened:
        yield opened


@pytest.fixture
def native(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url) as opened:
        yield opened


def given(values: Any, *, datatype: str = "FP64", binary: bool = True, kind: Any = triton) -> Any:
    column = np.asarray(values, np.float64 if datatype == "FP64" else np.float32).reshape(-1, 1)
    tensor = kind.InferInput("values", list(column.shape), datatype)
    tensor.set_data_from_numpy(column, binary_data=binary)
    return [tensor]


def assert_same(result: Any, answer: dict[str, Any]) -> None:
    """Exactly, bounds and all."""
    for name, theirs in NAMES.items():
        np.testing.assert_array_equal(result.as_numpy(name)[:, 0], np.array(answer[theirs], float))


def observe(native: httpx2.Client, values: Any, session_id: str) -> dict[str, Any]:
    plain = [None if math.isnan(value) else value for value in np.ravel(values).tolist()]
    answer: dict[str, Any] = native.post("/predict", json={"values": plain, "session_id": session_id}).json()
    return answer


def test_it_says_what_it_is(client: triton.InferenceServerClient, native: httpx2.Client) -> None:
    version = native.get("/model").json()["model"]
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, version)
    assert not client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("other")
    assert {"sequence", "binary_tensor_data", "statistics"} <= set(client.get_server_metadata()["extensions"])
    metadata = client.get_model_metadata(MODEL)
    assert version in metadata["versions"]
    assert [tensor["name"] for tensor in metadata["outputs"]][:4] == list(NAMES)
    assert "sequence_batching" in client.get_model_config(MODEL, version)
    assert client.get_model_repository_index()[0]["state"] == "READY"
    with pytest.raises(InferenceServerException, match="not_found: "):
        client.load_model(MODEL)


@pytest.mark.parametrize("way", WAYS)
def test_every_prediction_is_the_native_doors(
    client: triton.InferenceServerClient, native: httpx2.Client, way: str
) -> None:
    """Steps and a chunk with a gap of two sequences by turns, one of them numbered, one of them named."""
    binary_in, binary_out, options = WAYS[way]
    wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in NAMES]
    number = 1 + list(WAYS).index(way)
    parts = [SERIES[:2, :1], SERIES[:2, 1:2], np.where(np.arange(5) == 2, np.nan, SERIES[:2, 2:7]), SERIES[:2, 7:8]]
    for index, part in enumerate(parts):
        for sequence, values in zip((number, f"{way.split()[0]}-{number}"), part, strict=True):
            result = client.infer(
                MODEL,
                given(values, binary=binary_in),
                outputs=wanted,
                request_id=f"{sequence}-{index}",
                sequence_id=sequence,
                sequence_start=index == 0,
                sequence_end=index == len(parts) - 1,
                **options,
            )
            assert_same(result, answer := observe(native, values, f"native-{sequence}"))
            response = result.get_response()
            assert response["id"] == f"{sequence}-{index}"
            assert response["parameters"] == {"step": answer["step"], "replayed": False}
            assert (response["outputs"][0].get("data") is None) == binary_out
    assert native.get(f"/sessions/{number}").json()["error"] == "session_deleted"


def test_single_precision_is_taken(client: triton.InferenceServerClient, native: httpx2.Client) -> None:
    single = SERIES[0].astype(np.float32)
    for binary in (True, False):
        result = client.infer(MODEL, given(single, datatype="FP32", binary=binary))
        assert result.as_numpy("prediction").dtype == np.float64
        assert_same(result, native.post("/predict", json={"values": single.astype(float).tolist()}).json())


def test_a_large_answer_comes_compressed(client: triton.InferenceServerClient, native: httpx2.Client) -> None:
    values = np.tile(SERIES.ravel(), 20)
    plain = native.post("/predict", json={"values": values.tolist()}).json()
    for coding in ("gzip", "deflate"):
        assert_same(client.infer(MODEL, given(values), response_compression_algorithm=coding), plain)


def test_a_sequence_goes_on_at_the_other_door_and_is_applied_once(
    client: triton.InferenceServerClient, native: httpx2.Client
) -> None:
    first = [client.infer(MODEL, given([9.0]), sequence_id="both", sequence_start=True, parameters={"step": 0})]
    first.append(client.infer(MODEL, given([9.0]), sequence_id="both", sequence_start=True, parameters={"step": 0}))
    assert [each.get_response()["parameters"]["replayed"] for each in first] == [False, True]
    observe(native, [8.0], "both")
    options = {"step": 2, "horizon": 3, "level": 0.5}
    result = client.infer(MODEL, given([7.0]), sequence_id="both", parameters=options)
    forecast = native.post("/forecast", json={"session_id": "both", "horizon": 3, "level": 0.5}).json()
    for name, theirs in (("forecast", "forecast"), ("forecast_lower", "lower"), ("forecast_upper", "upper")):
        assert result.as_numpy(name)[:, 0].tolist() == forecast[theirs]


def test_mistakes_are_its_exceptions(client: triton.InferenceServerClient) -> None:
    client.infer(MODEL, given([9.0]), sequence_id="mine", sequence_start=True)
    client.infer(MODEL, given([9.0]), sequence_id="gone", sequence_start=True, sequence_end=True)
    elsewhere = triton.InferInput("values", [1, 1], "FP64")
    elsewhere.set_shared_memory("region", 8)
    classes = [triton.InferRequestedOutput("prediction", class_count=3)]
    mistakes: list[tuple[str, str, dict[str, Any]]] = [
        ("404", "session_unknown", {"sequence_id": "nobody"}),
        ("409", "step_conflict", {"sequence_id": "mine", "parameters": {"step": 7}}),
        ("410", "session_deleted", {"sequence_id": "gone"}),
        ("400", "invalid_request", {"sequence_id": "no id", "sequence_start": True}),
        ("400", "invalid_request", {"inputs": given([1.0, np.inf])}),
        ("400", "invalid_request", {"inputs": [elsewhere]}),
        ("400", "invalid_request", {"outputs": classes}),
        ("404", "not_found", {"model_name": "other"}),
        ("404", "not_found", {"model_version": "1"}),
    ]
    for status, code, wrong in mistakes:
        with pytest.raises(InferenceServerException) as refused:
            client.infer(**{"model_name": MODEL, "inputs": given([9.0]), **wrong})
        assert refused.value.status() == status
        assert refused.value.message().startswith(f"{code}: ")


def test_the_asyncio_client_says_the_same(server: Server, native: httpx2.Client) -> None:
    """Sequences side by side, each in its order."""

    async def stream(client: aio.InferenceServerClient, number: int, series: Any) -> list[Any]:
        last = len(series) - 1
        return [
            await client.infer(
                MODEL,
                given([value], kind=aio),
                sequence_id=f"aio-{number}",
                sequence_start=index == 0,
                sequence_end=index == last,
            )
            for index, value in enumerate(series)
        ]

    async def run() -> list[list[Any]]:
        async with aio.InferenceServerClient(server.url.removeprefix("http://")) as client:
            assert await client.is_server_ready()
            assert await client.is_model_ready(MODEL)
            assert (await client.get_model_metadata(MODEL))["name"] == MODEL
            assert "sequence_batching" in await client.get_model_config(MODEL)
            seen = await asyncio.gather(*(stream(client, number, series) for number, series in enumerate(SERIES)))
            large = await client.infer(MODEL, given(np.tile(SERIES.ravel(), 20), kind=aio))
            assert large.as_numpy("prediction").shape == (960, 1)
            with pytest.raises(InferenceServerException, match="session_deleted: "):
                await client.infer(MODEL, given([9.0], kind=aio), sequence_id="aio-0")
            return list(seen)

    for number, results in enumerate(asyncio.run(run())):
        for value, result in zip(SERIES[number], results, strict=True):
            assert_same(result, observe(native, [value], f"native-aio-{number}"))


def test_the_statistics_are_of_what_happened(client: triton.InferenceServerClient, native: httpx2.Client) -> None:
    def counts() -> dict[str, int]:
        (entry,) = client.get_inference_statistics(MODEL)["model_stats"]
        stats = entry["inference_stats"]
        batches = sum(batch["compute_infer"]["count"] for batch in entry["batch_stats"])
        assert batches == entry["execution_count"]
        return {"success": stats["success"]["count"], "fail": stats["fail"]["count"], "all": entry["inference_count"]}

    before = counts()
    client.infer(MODEL, given([9.0]))
    observe(native, [9.0], "counted")
    with pytest.raises(InferenceServerException):
        client.infer(MODEL, given([9.0]), sequence_id="nobody")
    after = counts()
    assert {name: after[name] - before[name] for name in before} == {"success": 1, "fail": 1, "all": 2}


@pytest.mark.parametrize("document", ["README.md", "docs/protocol.md"])
def test_the_examples_run(server: Server, document: str, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(
        r"^```python\n(.*?tritonclient.*?)^```", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE
    )
    space: dict[str, Any] = {}
    exec(example.replace("localhost:3000", server.url.removeprefix("http://")), space)
    space["client"].close()
    assert "[[" in capsys.readouterr().out
