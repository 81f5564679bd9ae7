"""The door at /v2 beside the native one: the same sessions, the same numbers, the protocol's words."""

import gzip
import json
import re
import tomllib
import zlib
from typing import Any

import numpy as np
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from service.oip.description import VERSION
from service.oip.schemas import InferenceResponse, Statistics
from tests.server import ROOT
from tests.service.conftest import MakeClient

MODEL = "/v2/models/elman"
VALUES = [9.0, 11.5, None, 8.0]


def sent(values: list[Any], features: int = 1, **fields: Any) -> dict[str, Any]:
    tensor = {"name": "values", "datatype": "FP64", "shape": [len(values), features], "data": values}
    return {"inputs": [tensor], **fields}


def infer(client: TestClient, values: list[Any], features: int = 1, /, **parameters: Any) -> Response:
    return client.post(f"{MODEL}/infer", json=sent(values, features, parameters=parameters))


def outputs(response: Response) -> dict[str, Any]:
    """Data by name, nested as the shape says."""
    answer = InferenceResponse.model_validate_json(response.content)
    return {output.name: np.array(output.data, float).reshape(output.shape) for output in answer.outputs}


def columns(answer: dict[str, Any]) -> dict[str, Any]:
    """The same of the native door."""
    names = {"predictions": "prediction", "lower": "lower", "upper": "upper", "anomaly": "anomaly"}
    return {names[name]: np.array(answer[name], float).reshape(len(answer[name]), -1) for name in answer.keys() & names}


def assert_same(response: Response, native: dict[str, Any]) -> None:
    there, here = columns(native), outputs(response)
    assert here.keys() == there.keys()
    for name, column in there.items():
        np.testing.assert_array_equal(here[name], column)


def assert_refused(response: Response, status: int, code: str) -> None:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert response.json().keys() == {"error"}
    assert re.match(rf"{code}: \S", response.json()["error"])


@pytest.mark.parametrize(("features", "calibrated"), [(1, True), (1, False), (2, True)])
def test_both_doors_say_the_same(make_client: MakeClient, features: int, calibrated: bool) -> None:
    client = make_client(features=features, calibrated=calibrated)
    values = VALUES if features == 1 else [[value, 20.0] for value in VALUES]
    start = True
    for some in (values[:1], values[1:], values[:1]):
        here = infer(
            client, some, features, sequence_id="here", sequence_start=start, level=0.8 if calibrated else None
        )
        asked = {"values": some, "session_id": "there"} | ({"level": 0.8} if calibrated else {})
        there = client.post("/predict", json=asked).json()
        assert_same(here, there)
        assert here.json()["parameters"] == {"step": there["step"], "replayed": False}
        start = False


def test_an_answer_names_request_model_and_version(client: TestClient) -> None:
    answer = client.post(f"{MODEL}/infer", json=sent([9.0], id="42")).json()
    version = client.get("/model").json()["model"]
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("42", "elman", version)
    assert "id" not in client.post(f"{MODEL}/infer", json=sent([9.0])).json()


def test_a_session_goes_on_at_either_door(client: TestClient) -> None:
    series = np.random.default_rng(0).normal(10, 4, 12).round(3).tolist()
    expected = client.post("/predict", json={"values": series}).json()["predictions"]
    seen = outputs(infer(client, series[:1], sequence_id=7, sequence_start=True))["prediction"].ravel().tolist()
    for step, value in enumerate(series[1:], 1):
        if step % 2:
            answer = client.post("/predict", json={"values": [value], "session_id": "7", "step": step}).json()
            seen += answer["predictions"]
        else:
            seen += outputs(infer(client, [value], sequence_id=7, step=step))["prediction"].ravel().tolist()
    assert seen == expected
    assert client.get("/sessions/7").json()["step"] == 12
    infer(client, [1.0], sequence_id="7", sequence_end=True)
    assert client.get("/sessions/7").json()["error"] == "session_deleted"


def test_a_retry_at_the_other_door_is_answered_again(client: TestClient) -> None:
    first = infer(client, [9.0], sequence_id="s", sequence_start=True, step=0)
    again = client.post("/predict", json={"values": [9.0], "session_id": "s", "step": 0})
    assert again.headers["x-replayed"] == "true"
    assert_same(first, again.json())
    assert infer(client, [9.0], sequence_id="s", step=0).json()["parameters"] == {"step": 1, "replayed": True}


@pytest.mark.parametrize("nobody", [{}, {"sequence_id": 0}, {"sequence_id": ""}, {"sequence_id": None}])
def test_without_a_sequence_nothing_is_kept(client: TestClient, nobody: dict[str, Any]) -> None:
    native = client.post("/predict", json={"values": [9.0, 8.0]}).json()
    for _ in range(2):
        assert_same(infer(client, [9.0, 8.0], **nobody, sequence_start=True, sequence_end=True), native)
    assert client.get("/sessions").json()["sessions"] == []


def test_the_largest_number_is_a_sequence(client: TestClient) -> None:
    assert infer(client, [9.0], sequence_id=2**64 - 1, sequence_start=True).is_success
    assert client.get(f"/sessions/{2**64 - 1}").json()["step"] == 1


def test_errors_begin_with_their_code(make_client: MakeClient) -> None:
    client = make_client(max_sessions=1, max_body_bytes=1024)
    infer(client, [9.0, 8.0], sequence_id="s", sequence_start=True)
    assert_refused(infer(client, [9.0], sequence_id="unknown"), 404, "session_unknown")
    assert_refused(infer(client, [9.0], sequence_id="s", step=1), 409, "step_conflict")
    assert_refused(infer(client, [9.0], sequence_id="s", sequence_start=True, step=2), 409, "step_conflict")
    assert_refused(infer(client, [9.0], sequence_id="a b", sequence_start=True), 400, "invalid_request")
    assert_refused(infer(client, [9.0], level=0.5), 400, "invalid_request")
    assert_refused(infer(client, [1e300], sequence_id="s"), 400, "invalid_request")
    assert_refused(client.post(f"{MODEL}/infer", content=b"{"), 400, "invalid_request")
    assert_refused(client.post(f"{MODEL}/infer", content=b" " * 1025), 413, "too_large")
    full = infer(client, [9.0], sequence_id="t", sequence_start=True)
    assert_refused(full, 503, "session_capacity")
    assert int(full.headers["retry-after"]) > 0
    infer(client, [9.0], sequence_id="s", sequence_end=True)
    assert_refused(infer(client, [9.0], sequence_id="s"), 410, "session_deleted")


def test_infinity_is_refused_in_whatever_form(client: TestClient) -> None:
    for data in ("[Infinity]", "[1e999]", "[-Infinity]"):
        body = json.dumps(sent([1.0])).replace("[1.0]", data)
        assert_refused(client.post(f"{MODEL}/infer", content=body), 400, "invalid_request")
    head, binary = _binary(np.array([np.inf]))
    assert_refused(client.post(f"{MODEL}/infer", content=head + binary, headers=_head(head)), 400, "invalid_request")


def test_nan_is_missing_in_whatever_form(client: TestClient) -> None:
    native = client.post("/predict", json={"values": [9.0, None]}).json()
    assert_same(infer(client, [9.0, None]), native)
    literal = json.dumps(sent([9.0, float("nan")]))
    assert "NaN" in literal
    assert_same(client.post(f"{MODEL}/infer", content=literal), native)
    head, binary = _binary(np.array([9.0, np.nan]))
    assert_same(client.post(f"{MODEL}/infer", content=head + binary, headers=_head(head)), native)


def _binary(values: Any, **fields: Any) -> tuple[bytes, bytes]:
    binary = values.astype("<f8").tobytes()
    size = {"binary_data_size": len(binary)}
    tensor = {"name": "values", "datatype": "FP64", "shape": [len(values), 1], "parameters": size}
    return json.dumps({"inputs": [tensor], **fields}).encode(), binary


def _head(head: bytes) -> dict[str, str]:
    return {"Inference-Header-Content-Length": str(len(head))}


@pytest.mark.parametrize(
    ("whole", "single", "binary"),
    [
        (None, None, []),
        (None, True, ["prediction"]),
        (False, True, ["prediction"]),
        (True, None, ["prediction", "lower"]),
        (True, False, ["lower"]),
    ],
)
def test_outputs_are_binary_as_asked_for(
    make_client: MakeClient, whole: bool | None, single: bool | None, binary: list[str]
) -> None:
    client = make_client(calibrated=True)
    asked = [{"name": "prediction", "parameters": {"binary_data": single}}, {"name": "lower"}]
    parameters = {"binary_data_output": whole}
    response = client.post(f"{MODEL}/infer", json=sent([9.0, 8.0], outputs=asked, parameters=parameters))
    length = int(response.headers.get("inference-header-content-length", len(response.content)))
    answer = json.loads(response.content[:length])
    assert [output["name"] for output in answer["outputs"]] == ["prediction", "lower"]
    assert [output["name"] for output in answer["outputs"] if "data" not in output] == binary
    assert len(response.content) - length == 16 * len(binary)
    kind = "application/octet-stream" if binary else "application/json"
    assert response.headers["content-type"] == kind


def test_outputs_are_those_that_are_asked_for(make_client: MakeClient) -> None:
    client = make_client(calibrated=True)

    def named(*names: str, **parameters: Any) -> Any:
        asked = [{"name": name} for name in names]
        return client.post(f"{MODEL}/infer", json=sent([9.0], outputs=asked, parameters=parameters))

    assert list(outputs(named("anomaly", "prediction"))) == ["anomaly", "prediction"]
    assert list(outputs(named())) == ["prediction", "lower", "upper", "anomaly"]
    with_forecast = ["prediction", "lower", "upper", "anomaly", "forecast", "forecast_lower", "forecast_upper"]
    assert list(outputs(named(horizon=2))) == with_forecast
    assert outputs(named("forecast"))["forecast"].shape == (0, 1)
    assert_refused(named("predictions"), 400, "invalid_request")
    assert_refused(named("prediction", "prediction"), 400, "invalid_request")
    plain = make_client()
    assert_refused(plain.post(f"{MODEL}/infer", json=sent([9.0], outputs=[{"name": "lower"}])), 400, "invalid_request")
    assert list(outputs(infer(plain, [9.0], horizon=1))) == ["prediction", "forecast"]


@pytest.mark.parametrize("features", [1, 2])
def test_a_horizon_gives_the_native_forecast(make_client: MakeClient, features: int) -> None:
    client = make_client(features=features, calibrated=True)
    value: Any = 9.0 if features == 1 else [9.0, 20.0]
    for end in (False, True):
        here = outputs(
            infer(
                client,
                [value] * 3,
                features,
                sequence_id="s",
                sequence_start=True,
                sequence_end=end,
                horizon=4,
                level=0.7,
            )
        )
        there_id = f"there-{end}"
        client.post("/predict", json={"values": [value] * 3, "session_id": there_id})
        there = client.post("/forecast", json={"session_id": there_id, "horizon": 4, "level": 0.7}).json()
        names = {"forecast": "forecast", "forecast_lower": "lower", "forecast_upper": "upper"}
        for name, native in names.items():
            np.testing.assert_array_equal(here[name], np.array(there[native], float).reshape(4, features))


def test_an_alarm_is_told(make_client: MakeClient) -> None:
    client = make_client(calibrated=True)
    series = np.random.default_rng(0).normal(10, 4, 70).tolist()
    infer(client, series, sequence_id="s", sequence_start=True)
    there = client.post("/predict", json={"values": series, "session_id": "t"})
    assert there.is_success
    answer = infer(client, [500.0], sequence_id="s").json()
    native = client.post("/predict", json={"values": [500.0], "session_id": "t"}).json()
    assert answer["parameters"]["alarm_start_step"] == native["alarm"]["start_step"] == 71


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bodies_may_be_compressed(client: TestClient, coding: str, compress: Any) -> None:
    native = client.post("/predict", json={"values": [9.0, 8.0]}).json()
    head, binary = _binary(np.array([9.0, 8.0]))
    for content, headers in ((json.dumps(sent([9.0, 8.0])).encode(), {}), (head + binary, _head(head))):
        response = client.post(
            f"{MODEL}/infer", content=compress(content), headers={**headers, "content-encoding": coding}
        )
        assert_same(response, native)
    broken = client.post(f"{MODEL}/infer", content=b"broken", headers={"content-encoding": coding})
    assert_refused(broken, 400, "invalid_request")
    bomb = client.post(f"{MODEL}/infer", content=compress(bytes(10**7)), headers={"content-encoding": coding})
    assert_refused(bomb, 413, "too_large")
    assert_refused(
        client.post(f"{MODEL}/infer", content=b"x", headers={"content-encoding": "br"}), 415, "unsupported_media_type"
    )


def test_only_a_large_answer_is_compressed_and_only_if_asked_for(client: TestClient) -> None:
    small, large = [[9.0], [9.0] * 2000]
    for values, accepted, used in (
        (small, "gzip", None),
        (large, "identity", None),
        (large, "gzip", "gzip"),
        (large, "deflate", "deflate"),
    ):
        response = client.post(f"{MODEL}/infer", json=sent(values), headers={"accept-encoding": accepted})
        assert response.headers.get("content-encoding") == used
        assert len(outputs(response)["prediction"]) == len(values)


@pytest.mark.parametrize("media_type", [None, "application/octet-stream", "application/x-www-form-urlencoded", "x"])
def test_whatever_the_body_is_said_to_be_it_is_the_protocols(client: TestClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    assert client.post(f"{MODEL}/infer", content=json.dumps(sent([9.0])), headers=headers).is_success


def test_what_is_served_is_told(make_client: MakeClient) -> None:
    client = make_client(features=2, calibrated=True, session_idle_seconds=7.5, max_sessions=9)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert client.get("/v2").json() | {"extensions": []} == {
        "name": "elman",
        "version": VERSION,
        "extensions": [],
    }
    assert project["version"] == VERSION
    version = client.get("/model").json()["model"]
    metadata = client.get(MODEL).json()
    assert metadata["versions"] == [version, str(int(version, 16))]
    assert metadata["inputs"] == [{"name": "values", "datatype": "FP64", "shape": [-1, 2]}]
    config = client.get(f"{MODEL}/config").json()
    assert config["sequence_batching"]["max_sequence_idle_microseconds"] == 7_500_000
    assert config["sequence_batching"]["oldest"]["max_candidate_sequences"] == 9
    for told, configured in (("inputs", "input"), ("outputs", "output")):
        tensors = [{"name": t["name"], "data_type": "TYPE_FP64", "dims": t["shape"]} for t in metadata[told]]
        assert config[configured] == tensors
    for index in (client.post("/v2/repository/index"), client.post("/v2/repository/index", json={"ready": True})):
        assert index.json() == [{"name": "elman", "version": version, "state": "READY", "reason": ""}]
    assert_refused(client.post("/v2/repository/index", json={"ready": "yes"}), 400, "invalid_request")


@pytest.mark.parametrize("path", ["", "/ready", "/config", "/stats", "/infer"])
def test_a_version_has_the_routes_of_its_model(client: TestClient, path: str) -> None:
    versions = client.get(MODEL).json()["versions"]
    body = sent([9.0]) if path == "/infer" else None
    method = "POST" if body else "GET"
    for version in versions:
        assert client.request(method, f"{MODEL}/versions/{version}{path}", json=body).is_success
    for missing in (f"{MODEL}/versions/1{path}", f"{MODEL}/versions/{{version}}{path}", f"/v2/models/other{path}"):
        assert_refused(client.request(method, missing, json=body), 404, "not_found")


@pytest.mark.parametrize("path", ["/v2", "/v2/health/live", "/v2/health/ready", MODEL, f"{MODEL}/ready"])
def test_a_slash_behind_a_path_changes_nothing(client: TestClient, path: str) -> None:
    assert client.get(f"{path}/").json() == client.get(path).json()
    assert client.head(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/nothing", 404, "not_found"),
        ("GET", "/v2//", 404, "not_found"),
        ("GET", f"{MODEL}/versions", 404, "not_found"),
        ("GET", f"{MODEL}/versions//ready", 404, "not_found"),
        ("POST", "/v2/repository/models/elman/load", 404, "not_found"),
        ("GET", f"{MODEL}/infer", 405, "method_not_allowed"),
        ("POST", "/v2", 405, "method_not_allowed"),
        ("GET", "/v2/repository/index", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_refused_in_the_protocols_words(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    response = client.request(method, path)
    assert_refused(response, status, code)
    assert ("allow" in response.headers) == (status == 405)


def test_the_native_door_keeps_its_words(client: TestClient) -> None:
    assert client.get("/v2x").json().keys() == client.get("/nothing").json().keys() == {"error", "message"}


def test_keys_are_asked_for_and_sessions_are_their_owners(make_client: MakeClient) -> None:
    client = make_client(api_keys="one,two")
    for path in ("/v2", "/v2/health/live", "/v2/health/ready"):
        assert client.get(path).is_success
    for method, path in (("GET", MODEL), ("GET", f"{MODEL}/stats"), ("POST", f"{MODEL}/infer")):
        response = client.request(method, path)
        assert_refused(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
    one, two = ({"authorization": f"Bearer {key}"} for key in ("one", "two"))
    body = sent([9.0], parameters={"sequence_id": "s", "sequence_start": True})
    assert client.post(f"{MODEL}/infer", json=body, headers=one).is_success
    assert client.get("/sessions/s", headers=one).json()["step"] == 1
    assert client.get("/sessions/s", headers=two).status_code == 404


def test_routes_are_counted_without_names(client: TestClient) -> None:
    version = client.get(MODEL).json()["versions"][0]
    infer(client, [9.0], sequence_id="somebody", sequence_start=True)
    client.post(f"{MODEL}/versions/{version}/infer", json=sent([9.0]))
    client.get("/v2/models/secret")
    text = client.get("/metrics").text
    for route in (f"{MODEL}/infer", f"{MODEL}/versions/{{version}}/infer"):
        assert f'elman_requests_total{{route="{route}",status="200"}} 1.0' in text
    assert "secret" not in text
    assert version not in text


def test_statistics_are_counted(client: TestClient) -> None:
    infer(client, [9.0], sequence_id="s", sequence_start=True, step=0)
    infer(client, [9.0], sequence_id="s", sequence_start=True, step=0)
    infer(client, [9.0, 8.0, 7.0], sequence_id="s")
    infer(client, [9.0])
    infer(client, [9.0], sequence_id="unknown")
    client.post("/predict", json={"values": [9.0], "session_id": "s"})
    for path in ("/v2/models/stats", f"{MODEL}/stats"):
        response = client.get(path)
        (entry,) = Statistics.model_validate_json(response.content).model_stats
        counts = {name: part["count"] for name, part in response.json()["model_stats"][0]["inference_stats"].items()}
        assert counts == {
            "success": 4,
            "fail": 1,
            "queue": 4,
            "compute_input": 3,
            "compute_infer": 3,
            "compute_output": 3,
            "cache_hit": 1,
            "cache_miss": 0,
        }
        assert (entry.inference_count, entry.execution_count) == (4, 4)
        assert [(batch.batch_size, batch.compute_infer.count) for batch in entry.batch_stats] == [(1, 4)]
        spent = entry.inference_stats
        parts = (spent.queue, spent.compute_input, spent.compute_infer, spent.compute_output, spent.cache_hit)
        assert 0 < sum(part.ns for part in parts) <= spent.success.ns + 1000
        assert entry.last_inference > 1.6e12
