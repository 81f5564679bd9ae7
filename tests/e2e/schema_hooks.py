"""What the API page cannot say of a good request, said to Schemathesis: most of its good ones are made so."""

from typing import Any

import schemathesis

IDS = ("a", "b", "c")  # few, so that sessions live, die and come back
FURTHEST = 1e6  # observation
LONGEST = 50  # horizon


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


def _fitting(value: Any) -> Any:
    """An observation for a model of one feature."""
    if isinstance(value, list):
        return [_fitting(number) for number in value[:1]]
    return value if value is None else max(-FURTHEST, min(value, FURTHEST))
