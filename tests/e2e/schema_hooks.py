"""What the API page cannot say of a good request, said to Schemathesis: most of its good ones are made so."""

from typing import Any

import schemathesis

IDS = ("a", "b", "c")  # few, so that sessions live, die and come back
FURTHEST = 1e6  # observation
LONGEST = 50  # horizon
HEAD = "inference-header-content-length"


@schemathesis.hook
def before_call(_: object, case: schemathesis.Case[Any], __: object) -> None:
    """Requests that are bad on purpose stay as they are, and so does every fourth of the others."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    place: Any = case.path_parameters
    if "session_id" in place and (index := len(place["session_id"]) % 4) < len(IDS):
        place["session_id"] = IDS[index]
    body: Any = case.body
    if isinstance(body, dict) and ("values" in body or "horizon" in body):
        _mend(body)
    if isinstance(body, dict) and "inputs" in body:
        _mend_inference(body)
        headers: Any = case.headers or {}
        headers.pop(HEAD, None)  # nothing is sent behind the JSON object


def _mend(body: dict[str, Any]) -> None:
    values = body.get("values") or []
    if (index := len(values) % 4) == len(IDS):
        return
    body["session_id"] = IDS[index]
    body.pop("context", None)
    body.pop("step", None)
    if values:
        body["values"] = [_fitting(value) for value in values]
    if "horizon" in body:
        body["horizon"] = min(body["horizon"], LONGEST)


def _mend_inference(body: dict[str, Any]) -> None:
    """One step of a sequence, if it is one."""
    if (index := len(body["inputs"]) % 4) == len(IDS):
        return
    body["inputs"] = [{"name": "values", "datatype": "FP64", "shape": [1, 1], "data": [index]}]
    body.pop("outputs", None)
    parameters = body.get("parameters")
    if isinstance(parameters, dict):
        parameters["sequence_id"] = IDS[index]
        for name in ("step", "level"):
            parameters.pop(name, None)
        if parameters.get("horizon"):
            parameters["horizon"] = min(parameters["horizon"], LONGEST)


def _fitting(value: Any) -> Any:
    """An observation for a model of one feature."""
    if isinstance(value, list):
        return [_fitting(number) for number in value[:1]]
    return value if value is None else max(-FURTHEST, min(value, FURTHEST))
