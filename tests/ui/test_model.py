"""Understanding: the model card says what GET /model says."""

import httpx2
from playwright.sync_api import expect

from tests.server import Server
from tests.ui.browser import Visitor

SCORES = """(region) => Object.fromEntries([...region.querySelectorAll("tbody tr")].map((row) => [
  row.querySelector("th").firstChild.textContent,
  [...row.querySelectorAll("td")].map((cell) => Number(cell.dataset.value)),
]))"""


def test_the_model_card(server: Server, api: httpx2.Client, visitor: Visitor) -> None:
    model = api.get("/model").json()
    training = model["training"]
    page = visitor.open(f"{server.url}/ui#model")
    card = page.get_by_role("region", name="Model", exact=True)
    for fact in (model["fingerprint"], training["data"]["sha256"], training["kept"]["reason"], *model["features"]):
        expect(card).to_contain_text(fact)
    scores = card.get_by_role("region", name="One step ahead").evaluate(SCORES)
    (methods,) = training["metrics"].values()
    assert scores == {each["method"]: [each[name] for name in ("rmse", "mae", "mase", "skill")] for each in methods}
    best = min(methods, key=lambda each: each["rmse"])
    expect(card).to_contain_text(f"RMSE: {best['method']}")
