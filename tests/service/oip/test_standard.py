"""Our description of /v2, and what is answered there, held against the standard's own text, field by field.

The facts are those of kserve/open-inference-protocol, specification/protocol/open_inference_rest.yaml, as of commit
18d5991e9e45d291f53103cc79e13ecc6212ffae; those of the extensions are of triton-inference-server/server, docs/protocol:
statistics 33602c2b6a4a, model configuration 36998f0d1113 and model repository 226759603e11.
"""

import tomllib
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from service import openapi
from service.oip import schemas
from service.oip.description import VERSION
from tests.server import ROOT
from tests.service.conftest import MakeClient
from tests.service.oip.test_routes import MODEL, infer, sent

STANDARD: dict[str, dict[str, str]] = {
    "metadata_server_response": {"name": "string", "version": "string", "extensions": "[string]"},
    "metadata_server_error_response": {"error": "string"},
    "metadata_model_response": {
        "name": "string",
        "versions": "[string]",
        "platform": "string",
        "inputs": "[metadata_tensor]",
        "outputs": "[metadata_tensor]",
    },
    "metadata_tensor": {"name": "string", "datatype": "string", "shape": "[integer]"},
    "metadata_model_error_response": {"error": "string"},
    "inference_request": {
        "id": "string",
        "parameters": "parameters",
        "inputs": "[request_input]",
        "outputs": "[request_output]",
    },
    "request_input": {
        "name": "string",
        "shape": "[integer]",
        "datatype": "string",
        "parameters": "parameters",
        "data": "tensor_data",
    },
    "request_output": {"name": "string", "parameters": "parameters"},
    "response_output": {
        "name": "string",
        "shape": "[integer]",
        "datatype": "string",
        "parameters": "parameters",
        "data": "tensor_data",
    },
    "inference_response": {
        "model_name": "string",
        "model_version": "string",
        "id": "string",
        "parameters": "parameters",
        "outputs": "[response_output]",
    },
    "inference_error_response": {"error": "string"},
}
REQUIRED: dict[str, set[str]] = {
    "metadata_server_response": {"name", "version", "extensions"},
    "metadata_server_error_response": {"error"},
    "metadata_model_response": {"name", "platform"},
    "metadata_tensor": {"name", "datatype", "shape"},
    "metadata_model_error_response": {"error"},
    "inference_request": {"inputs"},
    "request_input": {"name", "shape", "datatype", "data"},
    "request_output": {"name"},
    "response_output": {"name", "shape", "datatype", "data"},
    "inference_response": {"model_name", "outputs"},
    "inference_error_response": set(),
}
TENSOR_DATA = {"array", "number", "string", "boolean"}
PATHS = {
    "/v2/": ("get", None, "metadata_server_response"),
    "/v2/health/live": ("get", None, None),
    "/v2/health/ready": ("get", None, None),
    "/v2/models/${MODEL_NAME}/versions/${MODEL_VERSION}": ("get", None, "metadata_model_response"),
    "/v2/models/${MODEL_NAME}/versions/${MODEL_VERSION}/ready": ("get", None, None),
    "/v2/models/${MODEL_NAME}/versions/${MODEL_VERSION}/infer": ("post", "inference_request", "inference_response"),
}
BINARY = {"data"}
"""Not required in a tensor whose data is binary: the binary tensor data extension."""

OURS: dict[str, type[BaseModel]] = {
    "metadata_server_response": schemas.ServerMetadata,
    "metadata_server_error_response": schemas.ProtocolError,
    "metadata_model_response": schemas.ModelMetadata,
    "metadata_tensor": schemas.TensorMetadata,
    "metadata_model_error_response": schemas.ProtocolError,
    "inference_request": schemas.InferenceRequest,
    "request_input": schemas.RequestInput,
    "request_output": schemas.RequestOutput,
    "response_output": schemas.ResponseOutput,
    "inference_response": schemas.InferenceResponse,
    "inference_error_response": schemas.ProtocolError,
}
THEIRS = {model.__name__: name for name, model in OURS.items()} | {
    name: "parameters" for name in vars(schemas) if name.endswith("Parameters")
}
REQUESTS = ("inference_request", "request_input", "request_output")

DOCUMENT = openapi.document()
SCHEMAS = DOCUMENT["components"]["schemas"]


def kind(described: dict[str, Any]) -> str:
    """A property's type in the words above; that it may be null as well is ours to allow."""
    if "anyOf" in described:
        (described,) = [each for each in described["anyOf"] if each != {"type": "null"}]
    if "$ref" in described:
        return THEIRS[described["$ref"].rpartition("/")[2]]
    if described["type"] != "array":
        return str(described["type"])
    if "anyOf" in described["items"]:
        assert {each["type"] for each in described["items"]["anyOf"]} == TENSOR_DATA | {"null"}
        return "tensor_data"
    return f"[{kind(described['items'])}]"


@pytest.mark.parametrize("name", STANDARD)
def test_every_field_is_the_standards(name: str) -> None:
    ours = SCHEMAS[OURS[name].__name__]
    assert {field: kind(described) for field, described in ours["properties"].items()} == STANDARD[name]
    assert ours.get("additionalProperties", True) is True


@pytest.mark.parametrize("name", REQUIRED)
def test_what_must_be_there_is_the_standards(name: str) -> None:
    """We may promise more of what we say, and ask for less of what we are told."""
    ours = set(SCHEMAS[OURS[name].__name__].get("required", ()))
    if name in REQUESTS:
        assert ours == REQUIRED[name] - BINARY
    else:
        assert ours >= REQUIRED[name] - BINARY
        assert ours <= STANDARD[name].keys()


@pytest.mark.parametrize("path", PATHS)
def test_every_path_is_there(path: str) -> None:
    """With a version, as the OpenAPI text has it, and without one, as the other text allows."""
    method, request, response = PATHS[path]
    ours = path.removesuffix("/").replace("${MODEL_NAME}", "elman").replace("${MODEL_VERSION}", "{version}")
    for each in {ours, ours.replace("/versions/{version}", "")}:
        described = DOCUMENT["paths"][each][method]
        if request is not None:
            assert _content(described["requestBody"]) == OURS[request].__name__
        success = _content(described["responses"]["200"])
        assert response is None or success == OURS[response].__name__
        for status, refusal in described["responses"].items():
            assert status == "200" or _content(refusal) == schemas.ProtocolError.__name__


def _content(described: dict[str, Any]) -> str:
    name: str = described["content"]["application/json"]["schema"]["$ref"]
    return name.rpartition("/")[2]


DURATIONS = {"success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit"}
EXTENSIONS: dict[str, tuple[type[BaseModel], set[str]]] = {
    "stats_model_response": (schemas.Statistics, {"model_stats"}),
    "model_stat": (
        schemas.ModelStatistics,
        {
            "name",
            "version",
            "last_inference",
            "inference_count",
            "execution_count",
            "inference_stats",
            "batch_stats",
        },
    ),
    "inference_stats": (schemas.InferenceStatistics, {*DURATIONS, "cache_miss"}),  # perf_analyzer reads cache_miss
    "batch_stats": (schemas.BatchStatistics, {"batch_size", "compute_input", "compute_infer", "compute_output"}),
    "duration_stat": (schemas.DurationStatistics, {"count", "ns"}),
    "repository_index_request": (schemas.IndexRequest, {"ready"}),
    "repository_index_response": (schemas.IndexEntry, {"name", "version", "state", "reason"}),
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_every_field_of_an_extension_is_triton_s(name: str) -> None:
    ours, theirs = EXTENSIONS[name]
    assert ours.model_fields.keys() == theirs


@pytest.mark.parametrize("extra", [{}, {"horizon": 2}, {"sequence_id": 1, "sequence_start": True}])
def test_answers_have_the_fields_of_the_page(make_client: MakeClient, extra: dict[str, Any]) -> None:
    """And no others, in any of their parts."""
    client = make_client(calibrated=True)
    answers: dict[type[BaseModel], Any] = {
        schemas.InferenceResponse: client.post(f"{MODEL}/infer", json=sent([1.0], id="x", parameters=extra)),
        schemas.ServerMetadata: client.get("/v2"),
        schemas.ServerLive: client.get("/v2/health/live"),
        schemas.ServerReady: client.get("/v2/health/ready"),
        schemas.ModelMetadata: client.get(MODEL),
        schemas.ModelReady: client.get(f"{MODEL}/ready"),
        schemas.ModelConfiguration: client.get(f"{MODEL}/config"),
        schemas.Statistics: client.get(f"{MODEL}/stats"),
        schemas.ProtocolError: client.get("/v2/nothing"),
    }
    for model, answer in answers.items():
        read = model.model_validate_json(answer.content)
        assert read.model_dump(exclude_unset=True, mode="json") == answer.json()


def test_the_example_on_the_page_is_answered(client: TestClient) -> None:
    content = DOCUMENT["paths"][f"{MODEL}/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert client.post(f"{MODEL}/infer", json=content["example"]).is_success
    assert infer(client, [1.0], sequence_id="sun").is_success


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
