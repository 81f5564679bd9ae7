import re
from pathlib import Path

from httpx2 import Response
from pydantic import BaseModel
from starlette.testclient import TestClient

from service import openapi, schemas
from service.errors import STATUS, ServiceError

DOCS = Path(__file__).parents[2] / "docs" / "errors.md"


def test_every_error_has_a_status_and_every_status_an_error() -> None:
    codes = {error.code for error in ServiceError.__subclasses__()}
    assert codes == STATUS.keys()


def test_the_table_in_the_docs_is_the_table_in_the_code() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", DOCS.read_text(), re.MULTILINE)
    assert {code: int(status) for status, code in rows} == dict(STATUS)


def test_statuses_and_codes_on_the_page_are_those_of_the_table() -> None:
    for path in openapi.document()["paths"].values():
        for method, operation in path.items():
            if method == "parameters":
                continue
            for status, response in operation["responses"].items():
                for code in re.findall(r"`(\w+)`", response["description"]):
                    assert STATUS[code] == int(status)


def test_examples_are_valid_and_answered(client: TestClient) -> None:
    document = client.get("/docs.json").json()
    for path in ("/predict", "/forecast"):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert client.post(path, json=body["example"]).is_success


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document()
    names = re.findall(r"#/components/schemas/(\w+)", str(document))
    assert names
    assert set(names) <= document["components"]["schemas"].keys()


def test_answers_have_the_fields_of_the_page(client: TestClient) -> None:
    client.post("/predict", json={"values": [1], "session_id": "s"})
    answers: dict[type[BaseModel], Response] = {
        schemas.PredictResponse: client.post("/predict", json={"values": [1], "session_id": "s"}),
        schemas.SessionResponse: client.get("/sessions/s"),
        schemas.SessionsResponse: client.get("/sessions"),
        schemas.ForecastResponse: client.post("/forecast", json={"horizon": 2, "session_id": "s"}),
        schemas.ModelResponse: client.get("/model"),
        schemas.ErrorResponse: client.get("/nothing"),
    }
    for model, answer in answers.items():
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        assert required <= answer.json().keys() <= model.model_fields.keys()
        model.model_validate_json(answer.content)


def test_the_page_asks_nobody_else(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    links = re.findall(r"""(?:src|href)="([^"]+)\"""", page.text)
    assert links
    for link in links:
        assert link.startswith(("./static_content/", "./ui/"))
        assert client.get(link.removeprefix(".")).is_success
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    assert "validatorUrl: null" in client.get("/ui/openapi.js").text  # else Swagger UI asks one, but for a localhost
